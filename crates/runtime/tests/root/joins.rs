//! Namespaces that are shared: a pod's, and those of a container that runs.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stockade_abi::{IdMap, IdRange, NamespaceKind, NamespaceSet};
use stockade_confine::plan::{Action, OverlayAttributes, Plan, RootSource, SetGroups, Stage, Step};
use stockade_runtime::{Hold, Join, Started, create, make_namespaces};

use crate::Test;
use crate::effects::sysctl;
use crate::rig::{Draft, Rig, capabilities, exec, step, streams, usual_namespaces, wait};

pub(crate) const ALL: &[Test] = &[
    ("a_pods_namespaces_live_on_and_are_joined", pod_namespaces),
    ("a_pods_plan_that_fails_leaves_nothing", pod_namespaces_fail),
    ("a_command_in_a_container_is_confined_like_it", a_command_in_a_container),
    ("a_command_cannot_be_seen_before_it_is_confined", a_command_hides),
    ("a_user_namespace_maps_ids", a_user_namespace),
    ("a_pods_user_namespace_owns_what_its_containers_make", a_pods_user_namespace),
    ("a_namespace_of_another_kind_is_refused", another_kind_is_refused),
];

fn pod_namespaces() {
    let rig = Rig::new();
    let pod = make_namespaces(&pod_plan(&[]), &rig.site()).unwrap();
    assert_eq!(pod.kinds(), shared());

    for _ in 0..2 {
        let mut site = rig.site();
        site.join = pod.to_join().unwrap();
        let output = rig
            .run_at(&member(&rig, "hostname; cat /proc/sys/kernel/msgmax; ls /sys/class/net"), site)
            .unwrap();
        assert_eq!(output.text, "pod\n4321\nlo\n");
    }
    assert_ne!(fs::read_to_string("/proc/sys/kernel/msgmax").unwrap(), "4321\n");
}

fn pod_namespaces_fail() {
    let rig = Rig::new();
    let plan = pod_plan(&[step(Stage::Sysctls, sysctl("kernel.nonsense", "1"))]);
    let failed = make_namespaces(&plan, &rig.site()).unwrap_err().to_string();
    assert!(failed.contains("set the sysctl kernel.nonsense"), "{failed}");
}

fn a_command_in_a_container() {
    let rig = Rig::new();
    let created = create(&rig.script("touch /tmp/up; sleep 100").plan(), &rig.site()).unwrap();
    let Started::Running(first) = created.start(Hold::No).unwrap() else { panic!("held") };
    while !rig.rootfs().join("tmp/up").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }

    let script = "hostname; ls -d /proc/[0-9]* | wc -l; grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status; \
                  for it in pid mnt net ipc uts cgroup; do readlink /proc/self/ns/$it; done; pwd";
    let expected_namespaces: String = ["pid", "mnt", "net", "ipc", "uts", "cgroup"]
        .iter()
        .map(|it| fs::read_link(format!("/proc/{}/ns/{it}", first.pid)).unwrap())
        .map(|it| format!("{}\n", it.display()))
        .collect();
    for hold in [Hold::No, Hold::AtExec] {
        let mut site = rig.site();
        site.join = Join::Of(pidfd_of(first.pid));
        let (given, read) = streams();
        site.streams = given;
        let created = create(&command(&["sh", "-c", script]), &site).unwrap();
        drop(site);
        let members = stockade_runtime::cgroup::processes(&rig.cgroups, &rig.cgroup).unwrap();
        assert!(members.contains(&created.pid()), "{members:?}");
        let second = match created.start(hold).unwrap() {
            Started::Running(running) => running,
            Started::Held(held) => held.release().unwrap(),
        };
        let mut text = String::new();
        std::io::Read::read_to_string(&mut fs::File::from(read), &mut text).unwrap();
        assert_eq!(wait(&second), Some(0), "{text}");
        let set = capabilities().effective.0;
        // Itself, the container's first process and its child, the shell's children.
        let expected = format!(
            "CapEff:\t{set:016x}\nCapBnd:\t{set:016x}\nNoNewPrivs:\t1\n{expected_namespaces}/tmp\n"
        );
        assert!(text.starts_with("box\n") && text.ends_with(&expected), "{text} lacks {expected}");
    }
    stockade_runtime::cgroup::kill_all(&rig.cgroups, &rig.cgroup, crate::rig::SOON).unwrap();
    wait(&first);
    rig.clean_up();
}

/// A container that looks at whoever comes into its PID namespace (CVE-2016-9962): it must see
/// neither descriptors nor memory nor the program of the runtime.
fn a_command_hides() {
    let rig = Rig::new();
    let spy = "touch /tmp/up; while true; do for p in /proc/[0-9]*; do \
               case $p in /proc/1) continue;; esac; \
               exe=$(readlink $p/exe 2>/dev/null); \
               case $exe in ''|/bin/busybox) ;; *) echo $exe >>/tmp/seen;; esac; done; done";
    let created = create(&rig.script(spy).plan(), &rig.site()).unwrap();
    let Started::Running(first) = created.start(Hold::No).unwrap() else { panic!("held") };
    while !rig.rootfs().join("tmp/up").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    for _ in 0..30 {
        let mut site = rig.site();
        site.join = Join::Of(pidfd_of(first.pid));
        let created = create(&command(&["true"]), &site).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        let Started::Running(second) = created.start(Hold::No).unwrap() else { panic!("held") };
        assert_eq!(wait(&second), Some(0));
    }
    stockade_runtime::cgroup::kill_all(&rig.cgroups, &rig.cgroup, crate::rig::SOON).unwrap();
    wait(&first);
    rig.clean_up();
    assert!(!rig.rootfs().join("tmp/seen").exists(), "the runtime was seen");
}

fn a_user_namespace() {
    let rig = Rig::new();
    for name in ["bin", "tmp", "dev", "etc", "."] {
        std::os::unix::fs::chown(rig.rootfs().join(name), Some(100_000), Some(100_000)).unwrap();
    }
    let draft = in_user_namespace(rig.script(
        "id -u; id -g; cat /proc/self/uid_map | tr -s ' '; touch /tmp/mine; stat -c %u /tmp/mine",
    ));
    let draft = Draft(draft.0)
        .with(
            Stage::IdMaps,
            Action::WriteIdMaps { uids: map(), gids: map(), set_groups: SetGroups::Allow },
        )
        .with(Stage::UsernsRoot, Action::BecomeRoot)
        .instead(
            Stage::Birth,
            Action::Birth { unshare: usual_namespaces().with(NamespaceKind::User) },
        );
    let output = rig.run(&draft);
    assert_eq!(output.text, "0\n0\n 0 100000 65536\n0\n");
    let owner =
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(rig.rootfs().join("tmp/mine")).unwrap());
    assert_eq!(owner, 100_000);
}

fn a_pods_user_namespace() {
    let rig = Rig::new();
    let plan = {
        let mut steps = pod_plan(&[
            step(
                Stage::IdMaps,
                Action::WriteIdMaps { uids: map(), gids: map(), set_groups: SetGroups::Allow },
            ),
            step(Stage::UsernsRoot, Action::BecomeRoot),
        ])
        .steps()
        .to_vec();
        for step in &mut steps {
            if let Action::Birth { unshare } = &mut step.action {
                *unshare = unshare.with(NamespaceKind::User);
            }
        }
        Plan::in_stage_order(steps)
    };
    let pod = make_namespaces(&plan, &rig.site()).unwrap();
    let mut site = rig.site();
    site.join = pod.to_join().unwrap();
    let kinds = shared().with(NamespaceKind::User);
    let layers = vec![rig.rootfs().to_str().unwrap().to_owned()];
    let root = RootSource::Overlay { layers, attributes: OverlayAttributes::Trusted };
    // The image's files belong to root inside, and so does what is written.
    let script = "hostname; stat -c %u /bin/busybox; touch /etc/x; stat -c %u /etc/x; cat /proc/sys/kernel/msgmax";
    let draft = in_user_namespace(Draft::container(root, &["sh", "-c", script]))
        .without_stage(Stage::Hostname)
        .without_stage(Stage::Network)
        .instead(Stage::JoinNamespaces, Action::JoinNamespaces { kinds })
        .with(Stage::UsernsRoot, Action::BecomeRoot)
        .instead(Stage::Birth, Action::Birth { unshare: mount_and_pid() });
    let output = rig.run_at(&draft, site).unwrap();
    assert_eq!(output.text, "pod\n0\n0\n4321\n");
}

fn another_kind_is_refused() {
    let rig = Rig::new();
    let net = OwnedFd::from(fs::File::open("/proc/self/ns/net").unwrap());
    let mut site = rig.site();
    site.join = Join::Each(vec![(NamespaceKind::Ipc, net)]);
    let kinds = NamespaceSet::EMPTY.with(NamespaceKind::Ipc);
    let draft = rig.script("true").with(Stage::JoinNamespaces, Action::JoinNamespaces { kinds });
    let failed = create(&draft.plan(), &site).map(|_| "made").unwrap_err().to_string();
    assert!(failed.contains("join namespaces: ipc: EINVAL"), "{failed}");
}

/// What is different without privilege over the host's devices.
fn in_user_namespace(draft: Draft) -> Draft {
    let mut draft = draft
        .instead(Stage::Cgroup, Action::MakeCgroup { limits: crate::rig::limits(), devices: None });
    for step in &mut draft.0 {
        if let Action::MakeDevices(nodes) = &mut step.action {
            for node in nodes {
                node.made_by = stockade_confine::plan::NodeMaking::Bind;
            }
        }
    }
    draft
}

fn pod_plan(more: &[Step]) -> Plan {
    let mut steps = vec![
        step(Stage::Birth, Action::Birth { unshare: shared() }),
        step(Stage::Network, Action::LoopbackUp),
        step(Stage::Hostname, Action::SetHostname("pod".into())),
        step(Stage::Sysctls, sysctl("kernel.msgmax", "4321")),
    ];
    steps.extend_from_slice(more);
    Plan::in_stage_order(steps)
}

/// A container of a pod.
fn member(rig: &Rig, script: &str) -> Draft {
    rig.script(script)
        .without_stage(Stage::Hostname)
        .without_stage(Stage::Network)
        .instead(Stage::Birth, Action::Birth { unshare: mount_and_pid() })
        .with(Stage::JoinNamespaces, Action::JoinNamespaces { kinds: shared() })
}

/// A command in a container that is there.
fn command(arguments: &[&str]) -> Plan {
    let kinds = usual_namespaces().with(NamespaceKind::Cgroup);
    let all = [
        (Stage::Birth, Action::Birth { unshare: NamespaceSet::EMPTY }),
        (Stage::CgroupEntry, Action::EnterCgroup),
        (Stage::JoinNamespaces, Action::JoinNamespaces { kinds }),
        (Stage::NoNewPrivs, Action::SetNoNewPrivs),
        (Stage::Chdir, Action::Chdir("/tmp".into())),
        (Stage::BoundingSet, Action::LimitBounding(capabilities().bounding)),
        (
            Stage::Identity,
            Action::SetIdentity { uid: 0, gid: 0, groups: Some(vec![]), umask: None },
        ),
        (Stage::CapabilitiesHeld, Action::SetCapabilities(capabilities())),
        (Stage::Descriptors, Action::CloseDescriptors { preserved: 0 }),
        (Stage::Created, Action::AwaitStart),
        (Stage::Capabilities, Action::SetCapabilities(capabilities())),
        (Stage::Exec, exec(arguments)),
    ];
    Plan::in_stage_order(all.into_iter().map(|(stage, action)| step(stage, action)).collect())
}

fn shared() -> NamespaceSet {
    [NamespaceKind::Net, NamespaceKind::Ipc, NamespaceKind::Uts].into_iter().collect()
}

fn mount_and_pid() -> NamespaceSet {
    [NamespaceKind::Mount, NamespaceKind::Pid].into_iter().collect()
}

fn map() -> IdMap {
    IdMap::new(vec![IdRange::new(0, 100_000, 65_536).unwrap()]).unwrap()
}

fn pidfd_of(pid: i32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap()
}
