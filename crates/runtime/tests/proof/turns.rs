//! Containers that have their turns, one of which is not what was declared.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use stockade_abi::NamespaceSet;
use stockade_confine::plan::{Action, Plan};
use stockade_confine::{Container, Finding, Sourced, expect, plan, plan_exec, plan_pod, questions};
use stockade_runtime::cgroup::{self, CgroupPath};
use stockade_runtime::pod::{
    ContainerToRun, Demand, Ended, HealthToRun, NotStartedPod, Output, Permission, PodDirectory,
    PodId, PodToRun, Pods, ProbeToRun, Watcher, supervise,
};
use stockade_sys::process::{Birth, Born, Parent, birth, exit_now};

use super::stand::{SOON, Stand};

pub(crate) const ALL: &[super::Test] = &[
    ("turns_that_hold_are_taken", turns_that_hold_are_taken),
    ("a_weakened_turn_kills_the_pod_before_it_runs", a_weakened_turn_kills_the_pod),
    ("a_weakened_probe_does_not_run_and_is_a_no", a_weakened_probe),
];

fn turns_that_hold_are_taken() {
    let seen = run(None);
    assert_eq!(seen.ending, "first 0, app 0");
    assert_eq!(seen.wrote("beside"), "beside\n");
    assert_eq!((seen.wrote("first"), seen.wrote("app")), ("first\n".into(), "app\n".into()));
    assert!(seen.status.contains("Succeeded"), "{}", seen.status);
}

fn a_weakened_turn_kills_the_pod() {
    for (weakened, ran, not) in [
        ("beside", &[][..], &["beside", "first", "app"][..]),
        ("first", &["beside"], &["first", "app"]),
        ("app", &["beside", "first"], &["app"]),
    ] {
        let seen = run(Some(weakened));
        assert_eq!(seen.ending, format!("{weakened} is not proven"));
        for name in ran {
            assert_eq!(seen.wrote(name), format!("{name}\n"), "{weakened}: {name} had its turn");
        }
        for name in not {
            assert_eq!(seen.wrote(name), "", "{weakened}: {name} had no turn");
        }
        // Before anything has run it is the starter who is told.
        let word = if ran.is_empty() { "Pending" } else { "Failed" };
        assert!(seen.status.contains(word), "{weakened}: {}", seen.status);
        assert!(!seen.status.contains("running"), "{weakened}: {}", seen.status);
    }
}

fn a_weakened_probe() {
    for (weakened, ending, wrote) in
        [(false, "app 0", "app\nasked\nends\n"), (true, "app 137", "app\n")]
    {
        let seen = run_with(PROBED, |stand, container, to_run| {
            let command = vec!["sh".into(), "-c".into(), "echo asked > /proc/1/fd/1".into()];
            let asked = container.running(Sourced::default(command, "the test's"));
            let plan = plan_exec(&asked, &stand.declared.pod, &stand.host).unwrap();
            to_run.health.liveness = Some(ProbeToRun {
                plan: if weakened { without_no_new_privs(&plan) } else { plan },
                initial_delay: Duration::ZERO,
                period: Duration::from_secs(60),
                timeout: Duration::from_secs(30),
                successes: 1,
                failures: 1,
                grace: Some(Duration::from_secs(1)),
            });
        });
        assert_eq!((&*seen.ending, &*seen.wrote("app")), (ending, wrote), "{weakened}");
    }
}

/// What was seen of a pod that is over.
struct Seen {
    run: tempfile::TempDir,
    ending: String,
    status: String,
}

impl Seen {
    /// What a container has written, without the columns of the log.
    fn wrote(&self, container: &str) -> String {
        let log = self.run.path().join("pods/default/declared/logs").join(container);
        let text = fs::read_to_string(log).unwrap_or_default();
        text.lines().map(|it| it.splitn(4, ' ').nth(3).unwrap().to_owned() + "\n").collect()
    }
}

/// Supervises the pod in a process of its own, as it is meant to be: it takes signals and mounts of
/// its own.
fn run(weakened: Option<&str>) -> Seen {
    run_with(TURNS, |_, container, to_run| {
        if weakened == Some(container.name.as_str()) {
            to_run.plan = without_no_new_privs(&to_run.plan);
        }
    })
}

fn without_no_new_privs(plan: &Plan) -> Plan {
    let mut steps = plan.steps().to_vec();
    steps.retain(|it| !matches!(it.action, Action::SetNoNewPrivs));
    assert!(steps.len() < plan.steps().len(), "there is no such step");
    Plan::in_stage_order(steps)
}

fn run_with(manifest: &str, change: impl Fn(&Stand, &Container, &mut ContainerToRun)) -> Seen {
    let stand = Stand::new(manifest);
    let run = tempfile::tempdir().unwrap();
    let directory = Pods::below(run.path()).pod(&PodId::new("default", "declared").unwrap());
    directory.make().unwrap();
    for name in ["hosts", "hostname", "resolv.conf"] {
        fs::write(directory.join("etc").join(name), "").unwrap();
    }
    let pod = to_run(&stand, change, run.path());
    let alone = Birth { flags: NamespaceSet::EMPTY, cgroup: None, parent: Parent::Caller };
    match birth(alone).unwrap() {
        Born::Child => {
            // Nothing of the test may go on here.
            let told = catch_unwind(AssertUnwindSafe(|| supervised(&stand, &pod, &directory)));
            exit_now(if told.is_ok() { 0 } else { 1 })
        }
        Born::Parent { pidfd, .. } => {
            let ended = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
            assert_eq!(ended.unwrap().exit_status(), Some(0));
        }
    }
    cgroup::kill_all(&stand.host.cgroups, &pod.cgroup, SOON).unwrap();
    cgroup::remove(&stand.host.cgroups, &pod.cgroup, SOON).unwrap();
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    Seen { ending: read("ending"), status: read("status.json"), run }
}

fn supervised(stand: &Stand, pod: &PodToRun, directory: &PodDirectory) {
    let ending = match supervise(pod, directory, &stand.host, &mut Lets) {
        Ok(ending) => {
            let one = |(name, exit): &(String, stockade_runtime::pod::Exit)| {
                format!("{name} {}", exit.shell_code().unwrap())
            };
            ending.exits.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Err(NotStartedPod::NotProven(name, _)) => format!("{name} is not proven"),
        Err(why) => format!("{why:?}"),
    };
    fs::write(directory.join("ending"), ending).unwrap();
}

fn to_run(
    stand: &Stand,
    change: impl Fn(&Stand, &Container, &mut ContainerToRun),
    run: &Path,
) -> PodToRun {
    let declared = &stand.declared;
    let containers = declared.containers.iter().map(|it| {
        let expected = expect(it, &declared.pod, &stand.host);
        let mut to_run = ContainerToRun {
            name: it.name.clone(),
            turn: it.turn,
            restart: it.restart.value.clone(),
            health: HealthToRun::default(),
            plan: plan(it, &declared.pod, &stand.host).unwrap(),
            questions: questions(&expected),
            expected,
            terminal: it.workload.terminal,
            stdin: it.workload.stdin,
            stop_signal: Signal::TERM,
        };
        change(stand, it, &mut to_run);
        to_run
    });
    let cgroup: CgroupPath = stand.cgroup.child("pod").unwrap();
    PodToRun {
        volumes: Vec::new(),
        plan: plan_pod(&declared.pod, &stand.host).unwrap(),
        containers: containers.collect(),
        grace: Duration::from_secs(1),
        cgroup,
        limits: declared.pod.limits.value,
        scratch: run.join("scratch"),
        output: Output::Kept,
        adjusted: Demand::Report,
        unproven: Demand::Report,
    }
}

/// Lets everything go that is proven.
struct Lets;

impl Watcher for Lets {
    fn proven(&mut self, _: &str, _: i32, _: &[Finding]) {}

    fn may_run(&mut self) -> io::Result<Permission> {
        Ok(Permission::Given)
    }

    fn running(&mut self) {}

    fn ended(&mut self, _: &Ended<'_>) {}

    fn leash(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The sidecar has written before the next has its turn: that one waits for its mark.
const TURNS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: declared}
spec:
  initContainers:
  - name: beside
    image: box
    restartPolicy: Always
    command: [sh, -c, 'echo beside; echo > /dev/shm/up; exec sleep 60']
    securityContext: {allowPrivilegeEscalation: false}
  - name: first
    image: box
    command: [sh, -c, 'while ! [ -e /dev/shm/up ]; do sleep 0.05; done; echo first']
    securityContext: {allowPrivilegeEscalation: false}
  containers:
  - name: app
    image: box
    command: [sh, -c, 'echo app']
    securityContext: {allowPrivilegeEscalation: false}
"#;

/// Ends well by itself unless somebody ends it.
const PROBED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: declared}
spec:
  containers:
  - name: app
    image: box
    command: [sh, -c, 'echo app; sleep 3; echo ends']
    securityContext: {allowPrivilegeEscalation: false}
"#;
