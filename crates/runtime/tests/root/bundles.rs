//! Containers that outlive the command that makes them.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Signal;
use stockade_runtime::bundle::{
    BundleError, ContainerId, Insistence, Made, Making, Status, Store, Whom, create, delete, kill,
    start, state,
};
use stockade_runtime::{Join, Running, Streams};

use crate::Test;
use crate::effects::sysctl;
use crate::rig::{Draft, Rig, wait};

pub(crate) const ALL: &[Test] = &[
    ("a_bundle_is_made_started_killed_and_deleted", a_life),
    ("a_bundle_that_fails_leaves_no_name", a_failure_leaves_no_name),
    ("a_bundle_is_deleted_by_its_record_alone", deleted_by_its_record),
    ("of_two_that_make_one_bundle_one_wins", one_wins),
    ("a_number_that_was_reused_is_nobodys", a_reused_number),
];

fn a_life() {
    let (rig, store, id) = rig();
    let made = make(&rig, &store, &id, &rig.script("sleep 100")).unwrap();
    assert_eq!(status(&store, &id), Status::Created);
    let exists = make(&rig, &store, &id, &rig.script("true")).unwrap_err();
    assert!(matches!(exists, BundleError::Exists(_)), "{exists}");
    start(&store, &id).unwrap();
    assert_eq!(status(&store, &id), Status::Running);
    assert_eq!(start(&store, &id).unwrap_err().to_string(), "container `app` is running");
    let early = delete(&store, &rig.cgroups, &id, Insistence::IfStopped).unwrap_err();
    assert_eq!(early.to_string(), "container `app` is running");
    kill(&store, &rig.cgroups, &id, Signal::KILL, Whom::First).unwrap();
    reap(made);
    assert_eq!(status(&store, &id), Status::Stopped);
    delete(&store, &rig.cgroups, &id, Insistence::IfStopped).unwrap();
    assert!(matches!(state(&store, &id), Err(BundleError::Missing(_))));
    assert!(matches!(
        delete(&store, &rig.cgroups, &id, Insistence::IfStopped),
        Err(BundleError::Missing(_))
    ));
    delete(&store, &rig.cgroups, &id, Insistence::Force).unwrap();
}

fn a_failure_leaves_no_name() {
    let (rig, store, id) = rig();
    let bad = rig
        .script("true")
        .with(stockade_confine::plan::Stage::Sysctls, sysctl("kernel.nonsense", "1"));
    let failed = make(&rig, &store, &id, &bad).unwrap_err().to_string();
    assert!(failed.starts_with("step "), "{failed}");
    assert_eq!(store.list().unwrap(), []);
    // A program that is not there is found out at the start.
    let made = make(&rig, &store, &id, &rig.container(&["nonsense"])).unwrap();
    let failed = start(&store, &id).unwrap_err().to_string();
    assert!(failed.contains("run `nonsense`: ENOENT"), "{failed}");
    assert_eq!(reap(made), Some(127));
    assert_eq!(status(&store, &id), Status::Stopped);
    delete(&store, &rig.cgroups, &id, Insistence::IfStopped).unwrap();
}

/// What is left if the command is killed between the making and the second record.
fn deleted_by_its_record() {
    let (rig, store, id) = rig();
    let made = make(&rig, &store, &id, &rig.script("sleep 100")).unwrap();
    let file = rig.directory.path().join("state/app/state.json");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.split(",\"pid\"").next().unwrap().to_owned() + "}";
    fs::write(&file, text).unwrap();
    assert_eq!(status(&store, &id), Status::Creating);
    let unfit = delete(&store, &rig.cgroups, &id, Insistence::IfStopped).unwrap_err();
    assert_eq!(unfit.to_string(), "container `app` is creating");
    delete(&store, &rig.cgroups, &id, Insistence::Force).unwrap();
    assert_eq!(reap(made), None, "it was killed");
    assert_eq!(store.list().unwrap(), []);
}

fn one_wins() {
    use stockade_abi::NamespaceSet;
    use stockade_sys::process::{Birth, Born, Parent, birth, exit_now};
    let (rig, store, id) = rig();
    for _ in 0..10 {
        let ours = Birth { flags: NamespaceSet::EMPTY, cgroup: None, parent: Parent::Caller };
        let other = match birth(ours).unwrap() {
            Born::Child => match make(&rig, &store, &id, &rig.script("true")) {
                Ok(_) => exit_now(0),
                Err(BundleError::Exists(_)) => exit_now(1),
                Err(_) => exit_now(2),
            },
            Born::Parent { pidfd, .. } => pidfd,
        };
        let mine = make(&rig, &store, &id, &rig.script("true"));
        let other = wait(&Running { pid: 0, pidfd: other });
        match (&mine, other) {
            (Ok(_), Some(1)) | (Err(BundleError::Exists(_)), Some(0)) => {}
            (mine, other) => panic!("{mine:?} and {other:?}"),
        }
        assert_eq!(status(&store, &id), Status::Created);
        delete(&store, &rig.cgroups, &id, Insistence::Force).unwrap();
        if let Ok(mine) = mine {
            reap(mine);
        }
    }
}

/// The record names our own number with another start: whoever has it now is not to be killed.
fn a_reused_number() {
    let (rig, store, id) = rig();
    let made = make(&rig, &store, &id, &rig.script("sleep 100")).unwrap();
    let file = rig.directory.path().join("state/app/state.json");
    let text = fs::read_to_string(&file).unwrap();
    let ours =
        text.replace(&format!("\"pid\":{}", made.pid), &format!("\"pid\":{}", std::process::id()));
    assert_ne!(ours, text);
    fs::write(&file, ours).unwrap();
    assert_eq!(status(&store, &id), Status::Stopped);
    let unfit = kill(&store, &rig.cgroups, &id, Signal::KILL, Whom::First).unwrap_err();
    assert_eq!(unfit.to_string(), "container `app` is stopped");
    delete(&store, &rig.cgroups, &id, Insistence::Force).unwrap();
    assert_eq!(reap(made), None, "it was killed, by its cgroup");
}

fn rig() -> (Rig, Store, ContainerId) {
    let rig = Rig::new();
    let store = Store::open(&rig.directory.path().join("state")).unwrap();
    (rig, store, "app".parse().unwrap())
}

fn make(rig: &Rig, store: &Store, id: &ContainerId, draft: &Draft) -> Result<Made, BundleError> {
    let making = Making {
        id: id.clone(),
        bundle: rig.directory.path().to_owned(),
        config: "{}",
        annotations: BTreeMap::new(),
        plan: &draft.plan(),
        cgroup: rig.cgroup.clone(),
        join: Join::Nothing,
        streams: Streams::Inherited,
    };
    create(store, &rig.cgroups, making)
}

fn status(store: &Store, id: &ContainerId) -> Status {
    state(store, id).unwrap().status
}

fn reap(made: Made) -> Option<i32> {
    wait(&Running { pid: made.pid, pidfd: made.pidfd.unwrap() })
}
