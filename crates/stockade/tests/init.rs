//! Init containers, sidecars and starting again, as root, on this machine's kernel.
//!
//! What has its turn when; what becomes of a pod when one of them fails, is killed or is in the way;
//! and that nothing is left in any of these cases. What is missing is named, and the tests are
//! skipped, unless `STOCKADE_NO_SKIP` is set.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use support::Place;

fn main() -> std::process::ExitCode {
    let missing = missing();
    let forced = std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let trials = TESTS.iter().map(|(name, test)| {
        let trial = Trial::test(*name, move || match missing {
            Some(why) => Err(Failed::from(why)),
            None => {
                test();
                Ok(())
            }
        });
        trial.with_ignored_flag(missing.is_some() && !forced)
    });
    if let (Some(why), false) = (missing, forced) {
        eprintln!("skipped: {why}");
    }
    // Each looks for what it left on the whole machine, so there is one at a time.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("these tests need root")
    } else if !Path::new("/bin/busybox").exists() {
        Some("these tests need /bin/busybox (busybox-static)")
    } else {
        None
    }
}

const TESTS: &[(&str, fn())] = &[
    ("init_containers_have_their_turns_in_order", init_containers_have_their_turns_in_order),
    ("the_proof_of_each_is_printed_before_it_runs", the_proof_of_each_is_printed_before_it_runs),
    ("a_failed_init_container_fails_the_pod", a_failed_init_container_fails_the_pod),
    ("a_failed_init_container_starts_again", a_failed_init_container_starts_again),
    ("what_init_containers_say_is_refused_with_its_line", what_is_refused_with_its_line),
    ("a_sidecar_ends_last_and_does_not_hold_up_the_end", a_sidecar_ends_last),
    ("sidecars_end_in_reverse_order", sidecars_end_in_reverse_order),
    ("a_sidecar_starts_again_and_does_not_count", a_sidecar_starts_again),
    ("a_deaf_sidecar_is_killed", a_deaf_sidecar_is_killed),
    ("detached_pods_are_initialized_by_themselves", detached_pods),
    ("a_detached_pod_whose_init_container_fails_has_failed", a_detached_failure),
    ("a_later_program_that_is_not_there_ends_the_pod", a_later_program_that_is_not_there),
    ("ctrl_c_during_initialization_stops_the_pod", ctrl_c_during_initialization),
    ("a_run_that_is_killed_during_initialization_leaves_nothing_running", a_killed_run),
    ("delete_during_initialization_leaves_nothing", delete_during_initialization),
    ("a_supervisor_killed_during_initialization_leaves_nothing", a_killed_supervisor),
    ("containers_start_again_as_they_say_themselves", containers_start_again),
];

fn init_containers_have_their_turns_in_order() {
    let place = place();
    let pod = pod(
        "Never",
        &[("first", "echo one; sleep 0.5; echo two"), ("second", "echo three")],
        &[("app", "echo four")],
    );
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.out, "[first] one\n[first] two\n[second] three\n[app] four\n");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn the_proof_of_each_is_printed_before_it_runs() {
    let place = place();
    let pod = pod("Never", &[("first", "echo FIRST >&2")], &[("app", "echo APP >&2")]);
    let answer = place.stockade_reading(&["run", "-"], &pod);
    assert_eq!(answer.code, 0, "{answer:?}");
    let at = |what: &str| answer.err.find(what).unwrap_or_else(|| panic!("{what}: {answer:?}"));
    let order = [
        at("pod/turns"),
        at("init container first"),
        at("[first] FIRST"),
        at("\ncontainer app"),
        at("[app] APP"),
    ];
    assert!(order.is_sorted(), "{order:?} {}", answer.err);
    assert_eq!(answer.err.matches("pod/turns").count(), 1, "{}", answer.err);
    assert_eq!(answer.err.matches("seccomp").count(), 2, "{}", answer.err);
}

fn a_failed_init_container_fails_the_pod() {
    let place = place();
    for (first, second, app, code, out) in [
        ("exit 5", "echo no", "echo no", 5, ""),
        ("echo yes", "exit 6", "echo no", 6, "[first] yes\n"),
        ("true", "true", "exit 7", 7, ""),
    ] {
        let pod = pod("Never", &[("first", first), ("second", second)], &[("app", app)]);
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
        assert_eq!((answer.code, answer.out.as_str()), (code, out), "{first} {second}: {answer:?}");
        assert_eq!(place.leftovers(), [""; 0]);
    }
}

/// What it wrote is gone when it starts again, as the container is a new one; the pod's shared
/// memory is not.
fn a_failed_init_container_starts_again() {
    let place = place();
    let fails_once = "echo turn; mkdir /dev/shm/was-here";
    for policy in ["OnFailure", "Always"] {
        let pod = pod(
            policy,
            &[("first", &format!("{fails_once} && exit 1; exit 0")), ("second", "echo next")],
            &[("app", "echo app; sleep 0.5")],
        );
        assert_eq!(place.stockade_reading(&["create", "-f", "-"], &pod).code, 0);
        eventually(|| place.stockade(&["logs", "turns"]).out.contains("app"));
        let first = place.stockade(&["logs", "turns", "-c", "first"]).out;
        assert_eq!(first, "turn\nturn\n", "{policy}");
        assert_eq!(place.stockade(&["logs", "turns", "-c", "second"]).out, "next\n", "{policy}");
        assert_eq!(place.stockade(&["delete", "turns", "--force"]).code, 0);
        assert_eq!(place.leftovers(), [""; 0]);
    }
}

fn what_is_refused_with_its_line() {
    let place = place();
    for (field, line) in [
        ("image: nothing-of-that-name", ":7:"),
        ("image: busybox, securityContext: {runAsNonRoot: true}", ":7:"),
        ("image: busybox, livenessProbe: {exec: {command: [x]}}", ":7:"),
        (
            "image: busybox, securityContext: {seccompProfile: {type: Localhost, localhostProfile: gone}}",
            ":7:",
        ),
    ] {
        let pod = pod("Never", &[("first", "echo no")], &[("app", "echo no")]).replacen(
            "image: busybox",
            field,
            1,
        );
        let answer = place.stockade_reading(&["run", "--pull=never", "-"], &pod);
        assert_eq!((answer.code, answer.out.as_str()), (125, ""), "{field}: {answer:?}");
        assert!(answer.err.contains(&format!("<stdin>{line}")), "{field}: {}", answer.err);
        assert!(answer.err.contains("initContainers[0]"), "{field}: {}", answer.err);
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_sidecar_ends_last() {
    let place = place();
    let pod = pod(
        "Never",
        &[("beside", &sidecar("beside")), ("second", "sleep 0.3; echo second")],
        &[("app", "echo app; sleep 0.3; echo ends")],
    );
    let pod = with_sidecars(&pod, &["beside"]);
    let begun = Instant::now();
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(15), "the sidecar would stay for ever");
    let lines: Vec<&str> = answer.out.lines().collect();
    let expected =
        ["[beside] up", "[second] second", "[app] app", "[app] ends", "[beside] beside ends"];
    assert_eq!(lines, expected);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn sidecars_end_in_reverse_order() {
    let place = place();
    let names = ["one", "two", "three"];
    let scripts = names.map(sidecar);
    let init: Vec<(&str, &str)> = names.into_iter().zip(scripts.iter().map(|it| &**it)).collect();
    for (app, code) in [("true", 0), ("exit 4", 4)] {
        let pod = with_sidecars(&pod("Never", &init, &[("app", app)]), &names);
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
        assert_eq!(answer.code, code, "{answer:?}");
        let ends: Vec<&str> = answer.out.lines().filter(|it| it.ends_with("ends")).collect();
        assert_eq!(ends, ["[three] three ends", "[two] two ends", "[one] one ends"], "{answer:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_sidecar_starts_again() {
    let place = place();
    let pod = pod(
        "Never",
        &[("beside", "echo turn; mkdir /dev/shm/was-here && exit 3; sleep 1000")],
        &[("app", "while ! [ -e /dev/shm/was-here ]; do sleep 0.1; done; sleep 1")],
    );
    let pod = with_sidecars(&pod, &["beside"]);
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
    assert_eq!(answer.code, 0, "its own end is no matter of the pod's: {answer:?}");
    assert_eq!(answer.out, "[beside] turn\n[beside] turn\n", "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_deaf_sidecar_is_killed() {
    let place = place();
    let pod = pod(
        "Never",
        &[("beside", "trap \"echo hears\" TERM; while true; do sleep 0.1; done")],
        &[("app", "sleep 0.3")],
    );
    let pod = with_sidecars(&pod, &["beside"]).replacen(
        "spec:\n",
        "spec:\n  terminationGracePeriodSeconds: 1\n",
        1,
    );
    let begun = Instant::now();
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
    assert_eq!((answer.code, answer.out.as_str()), (0, "[beside] hears\n"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(place.leftovers(), [""; 0]);
}

fn detached_pods() {
    let place = place();
    let pod = pod(
        "Always",
        &[
            ("beside", &sidecar("beside")),
            ("first", "echo up; while ! [ -e /dev/shm/go ]; do sleep 0.1; done"),
        ],
        &[("app", "echo app; sleep 1000")],
    );
    let pod = with_sidecars(&pod, &["beside"]);
    let answer = place.stockade_reading(&["create", "-f", "-"], &pod);
    assert_eq!((answer.code, answer.out.as_str()), (0, "pod/turns created\n"), "{answer:?}");
    eventually(|| place.stockade(&["logs", "turns", "-c", "first"]).out == "up\n");
    let row = place.stockade(&["get", "pods"]).out;
    assert!(row.contains("1/2") && row.contains("Init:1/2"), "{row}");
    let early = place.stockade(&["describe", "pod", "turns"]).out;
    assert!(
        early.contains("init container first") && !early.contains("\ncontainer app"),
        "{early}"
    );
    assert!(early.contains("app: waiting (PodInitializing)"), "{early}");
    let json = place.stockade(&["get", "pod", "turns", "-o", "json"]).out;
    assert!(json.contains("initContainerStatuses") && json.contains("\"Pending\""), "{json}");
    let answer = place.stockade(&["exec", "turns", "true"]);
    assert_ne!(answer.code, 0, "the first container has not begun: {answer:?}");
    let answer = place.stockade(&["exec", "-c", "first", "turns", "touch", "/dev/shm/go"]);
    assert_eq!(answer.code, 0, "{answer:?}");

    eventually(|| place.stockade(&["logs", "turns"]).out == "app\n");
    let row = place.stockade(&["get", "pods"]).out;
    assert!(row.contains("2/2") && row.contains("Running"), "{row}");
    let late = place.stockade(&["describe", "pod", "turns"]).out;
    assert!(late.contains("init container first") && late.contains("\ncontainer app"), "{late}");
    let answer = place.stockade(&["exec", "-c", "beside", "turns", "id", "-u"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "0\n"), "{answer:?}");
    assert_eq!(place.stockade(&["delete", "turns"]).code, 0);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_detached_failure() {
    let place = place();
    let failed = pod("Never", &[("first", "exit 3")], &[("app", "echo no")]);
    assert_eq!(place.stockade_reading(&["create", "-f", "-"], &failed).code, 0);
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Init:Error"));
    assert_eq!(place.stockade(&["logs", "turns"]).out, "");
    let described = place.stockade(&["describe", "pod", "turns"]).out;
    assert!(described.contains("Failed") && described.contains("exit code 3"), "{described}");
    assert_eq!(place.stockade(&["delete", "turns"]).code, 0);

    let again = pod("Always", &[("first", "exit 3")], &[("app", "echo no")]);
    assert_eq!(place.stockade_reading(&["create", "-f", "-"], &again).code, 0);
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Init:CrashLoopBackOff"));
    let begun = Instant::now();
    assert_eq!(place.stockade(&["delete", "turns"]).code, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "nothing runs that could be waited for");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_later_program_that_is_not_there() {
    let place = place();
    let pod = pod("Always", &[("beside", &sidecar("beside"))], &[("app", "echo no")]);
    let pod = with_sidecars(&pod, &["beside"]).replacen("[sh, -c, 'echo no']", "[gone]", 1);
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
    assert_eq!(answer.code, 127, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);

    assert_eq!(place.stockade_reading(&["create", "-f", "-"], &pod).code, 0);
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Failed"));
    let described = place.stockade(&["describe", "pod", "turns"]).out;
    assert!(described.contains("Message:") && described.contains("container app"), "{described}");
    assert!(!described.contains("running as process"), "{described}");
    assert_eq!(place.stockade(&["delete", "turns"]).code, 0);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn ctrl_c_during_initialization() {
    let place = place();
    let pod = pod(
        "Always",
        &[
            ("beside", &sidecar("beside")),
            ("first", "trap \"exit 8\" TERM; echo up; while true; do sleep 0.1; done"),
        ],
        &[("app", "echo no")],
    );
    let path = place.write("pod.yaml", &with_sidecars(&pod, &["beside"])).display().to_string();
    let run = place.command(&["run", "--quiet", &path]).spawn().expect("it runs");
    eventually(|| place.stockade(&["logs", "turns", "-c", "first"]).out == "up\n");
    let pid = run.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    let output = run.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.ends_with("[beside] beside ends\n") && !out.contains("no"), "{out}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_killed_run() {
    let place = place();
    let pod = pod(
        "Always",
        &[("beside", &sidecar("beside")), ("first", "echo up; sleep 1000")],
        &[("app", "echo no")],
    );
    let path = place.write("pod.yaml", &with_sidecars(&pod, &["beside"])).display().to_string();
    let mut run = place.command(&["run", "--quiet", &path]).spawn().expect("it runs");
    eventually(|| place.stockade(&["logs", "turns", "-c", "first"]).out == "up\n");
    run.kill().expect("it is killed");
    run.wait().expect("it ends");
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Init:Signal:9"));
    assert!(!place.stockade(&["describe", "pod", "turns"]).out.contains("running as process"));
    assert_eq!(place.stockade(&["delete", "turns"]).code, 0);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn delete_during_initialization() {
    let place = place();
    for (force, grace) in [("--force", 5), ("--ignore-not-found", 20)] {
        let pod = pod(
            "Always",
            &[("beside", &sidecar("beside")), ("first", "echo up; sleep 1000")],
            &[("app", "echo no")],
        );
        let pod = with_sidecars(&pod, &["beside"]);
        assert_eq!(place.stockade_reading(&["create", "-f", "-"], &pod).code, 0);
        eventually(|| place.stockade(&["logs", "turns", "-c", "first"]).out == "up\n");
        let begun = Instant::now();
        assert_eq!(place.stockade(&["delete", "turns", force]).code, 0);
        assert!(begun.elapsed() < Duration::from_secs(grace));
        assert_eq!(place.leftovers(), [""; 0]);
    }
}

fn a_killed_supervisor() {
    let place = place();
    let pod = pod(
        "Always",
        &[("beside", &sidecar("beside")), ("first", "echo up; sleep 1000")],
        &[("app", "echo no")],
    );
    let pod = with_sidecars(&pod, &["beside"]);
    assert_eq!(place.stockade_reading(&["create", "-f", "-"], &pod).code, 0);
    eventually(|| place.stockade(&["logs", "turns", "-c", "first"]).out == "up\n");
    let status = place.path("root/run/pods/default/turns/status.json");
    let status = std::fs::read_to_string(status).expect("a status");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let containers = status["containers"].as_array().expect("containers");
    let pids: Vec<u64> = containers.iter().filter_map(|it| it["state"]["pid"].as_u64()).collect();
    assert_eq!(pids.len(), 2, "{status}");
    let supervisor = status["supervisor"].to_string();
    std::process::Command::new("kill").args(["-9", &supervisor]).status().expect("kill");
    eventually(|| pids.iter().all(|it| !Path::new(&format!("/proc/{it}")).exists()));
    assert!(place.stockade(&["get", "pods"]).out.contains("Unknown"));
    assert_eq!(place.stockade(&["delete", "turns"]).code, 0);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn containers_start_again() {
    let place = place();
    let rule = "restartPolicy: Never, restartPolicyRules: \
                [{action: Restart, exitCodes: {operator: In, values: [42]}}]";
    let fails_once =
        |code: u8| format!("echo turn; mkdir /dev/shm/was-here && exit {code}; exit 0");
    for (policy, own, code, turns, answer) in [
        ("Never", "restartPolicy: OnFailure", 1, 2, 0),
        ("OnFailure", "restartPolicy: Never", 1, 1, 1),
        ("Never", rule, 42, 2, 0),
        ("Never", rule, 43, 1, 43),
        ("Never", "", 1, 1, 1),
    ] {
        let pod = pod(policy, &[], &[("app", &fails_once(code))]).replacen(
            "image: busybox",
            format!("image: busybox, {own}").trim_end_matches([',', ' ']),
            1,
        );
        let seen = place.stockade_reading(&["run", "--quiet", "-"], &pod);
        assert_eq!(seen.code, answer, "{policy} {own} {code}: {seen:?}");
        assert_eq!(seen.out, "turn\n".repeat(turns), "{policy} {own} {code}: {seen:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn place() -> Place {
    let place = Place::new();
    place.import("busybox");
    place
}

/// A pod whose containers run these scripts. The first stands in the seventh line.
fn pod(policy: &str, init: &[(&str, &str)], containers: &[(&str, &str)]) -> String {
    let list = |name: &str, all: &[(&str, &str)]| {
        let one = |(name, script): &(&str, &str)| {
            format!("  - {{name: {name}, image: busybox, command: [sh, -c, '{script}']}}\n")
        };
        let all: String = all.iter().map(one).collect();
        if all.is_empty() { all } else { format!("  {name}:\n{all}") }
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: turns}}\nspec:\n  restartPolicy: {policy}\n{}{}",
        list("initContainers", init),
        list("containers", containers),
    )
}

fn with_sidecars(pod: &str, names: &[&str]) -> String {
    names.iter().fold(pod.to_owned(), |pod, name| {
        pod.replacen(
            &format!("{{name: {name},"),
            &format!("{{name: {name}, restartPolicy: Always,"),
            1,
        )
    })
}

/// Says when it begins and that it was asked to end.
fn sidecar(name: &str) -> String {
    format!("trap \"echo {name} ends; exit 0\" TERM; echo up; while true; do sleep 0.1; done")
}

fn eventually(check: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !check() {
        assert!(Instant::now() < until, "it did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}
