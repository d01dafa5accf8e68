//! Probes and hooks, as root, on this machine's kernel: when they are asked, what follows, and that
//! they run with the confinement of their container and nowhere else.
//!
//! What is missing is named, and the tests are skipped, unless `STOCKADE_NO_SKIP` is set.

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
    ("a_probe_has_the_confinement_of_its_container", a_probe_has_its_containers_confinement),
    ("a_container_that_does_not_live_is_ended_and_starts_again", liveness_starts_again),
    ("a_probe_that_takes_too_long_is_a_no", a_slow_probe_is_a_no),
    ("a_program_that_is_not_there_is_a_no", a_missing_program_is_a_no),
    ("a_container_is_ready_while_its_probe_says_so", readiness_is_told),
    ("nothing_else_is_asked_before_the_startup_probe_says_yes", startup_comes_first),
    ("what_comes_after_a_sidecar_waits_for_its_startup_probe", sidecars_have_to_begin),
    ("hooks_run_at_the_beginning_and_before_the_end", hooks_run),
    ("a_hook_that_fails_at_the_beginning_ends_the_container", a_failed_hook),
    ("a_hook_before_the_end_has_the_grace_period", a_slow_hook),
    ("a_stop_signal_of_its_own_is_sent", stop_signal),
    ("a_supervisor_killed_while_it_asks_leaves_nothing", a_killed_supervisor),
];

/// The probe says yes only if the kernel says the same of it as of the container's first process.
fn a_probe_has_its_containers_confinement() {
    let place = place();
    let script = FINGERPRINT.replace('\n', " ");
    for (difference, code) in [("", 0), ("echo differs: on purpose;", 137)] {
        let more = format!(
            "livenessProbe: {{exec: {{command: [sh, -c, '[ -z \"$({script} {difference})\" ]']}}, \
             periodSeconds: 1, failureThreshold: 1}}, securityContext: {{runAsUser: 1000, \
             runAsGroup: 2000, allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}, \
             readOnlyRootFilesystem: true, seccompProfile: {{type: RuntimeDefault}}}}, \
             resources: {{limits: {{memory: 64Mi}}}}"
        );
        let pod = pod("", "sleep 3; exit 0", &more);
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod);
        assert_eq!(answer.code, code, "{difference}: {answer:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

const FINGERPRINT: &str = r#"
for field in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters; do
one=$(grep "^$field:" /proc/1/status); other=$(grep "^$field:" /proc/self/status);
[ "$one" = "$other" ] || echo "differs: $one / $other";
done;
for kind in mnt pid net ipc uts user cgroup; do
[ -n "$(readlink /proc/1/ns/$kind)" ] || echo "unseen: $kind";
[ "$(readlink /proc/1/ns/$kind)" = "$(readlink /proc/self/ns/$kind)" ] || echo "differs: $kind";
done;
[ "$(cat /proc/1/cgroup)" = "$(cat /proc/self/cgroup)" ] || echo "differs: cgroup";
"#;

fn liveness_starts_again() {
    let place = place();
    let probe = "livenessProbe: {exec: {command: [sh, -c, '[ -e /dev/shm/turns ]']}, \
                 periodSeconds: 1, failureThreshold: 2}";
    let app = "echo turn; mkdir /dev/shm/first && sleep 1000; touch /dev/shm/turns; sleep 4";
    let pod_text = pod("restartPolicy: OnFailure", app, probe);
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod_text);
    assert_eq!((answer.code, answer.out.as_str()), (0, "turn\nturn\n"), "{answer:?}");
    let once = pod("restartPolicy: Never", app, probe);
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &once);
    assert_eq!((answer.code, answer.out.as_str()), (137, "turn\n"), "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_slow_probe_is_a_no() {
    let place = place();
    for (timeout, code) in [(1, 137), (5, 0)] {
        let probe = format!(
            "livenessProbe: {{exec: {{command: [sleep, '2']}}, timeoutSeconds: {timeout}, \
             failureThreshold: 1}}"
        );
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("", "sleep 4", &probe));
        assert_eq!(answer.code, code, "{timeout}: {answer:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_missing_program_is_a_no() {
    let place = place();
    let probe = "livenessProbe: {exec: {command: [gone]}, failureThreshold: 1}";
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("", "sleep 3", probe));
    assert_eq!(answer.code, 137, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn readiness_is_told() {
    let place = place();
    let probe = "readinessProbe: {exec: {command: [sh, -c, '[ -e /dev/shm/ready ]']}, \
                 periodSeconds: 1, failureThreshold: 1}";
    create(&place, &pod("", "sleep 1000", probe));
    let ready = |what: &str| place.stockade(&["get", "pods"]).out.contains(what);
    eventually(|| ready("0/1"));
    let json = place.stockade(&["get", "pod", "asked", "-o", "json"]).out;
    assert!(json.contains("\"ready\": false"), "{json}");
    assert!(place.stockade(&["describe", "pod", "asked"]).out.contains("not ready"));
    exec(&place, &["touch", "/dev/shm/ready"]);
    eventually(|| ready("1/1"));
    exec(&place, &["rm", "/dev/shm/ready"]);
    eventually(|| ready("0/1"));
    assert!(ready("Running"), "it is not ended for that");
    delete(&place);
}

fn startup_comes_first() {
    let place = place();
    let probes = "startupProbe: {exec: {command: [sh, -c, '[ -e /dev/shm/up ]']}, \
                  periodSeconds: 1, failureThreshold: 30}, livenessProbe: {exec: {command: [sh, \
                  -c, 'touch /dev/shm/asked; false']}, periodSeconds: 1, failureThreshold: 1}";
    create(&place, &pod("restartPolicy: Never", "sleep 1000", probes));
    std::thread::sleep(Duration::from_secs(3));
    let answer = place.stockade(&["exec", "asked", "ls", "/dev/shm"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""), "nothing else is asked: {answer:?}");
    assert!(place.stockade(&["describe", "pod", "asked"]).out.contains("starting"));
    exec(&place, &["touch", "/dev/shm/up"]);
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Failed"));
    delete(&place);

    let never = "startupProbe: {exec: {command: ['false']}, periodSeconds: 1, failureThreshold: 2}";
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("", "sleep 1000", never));
    assert_eq!(answer.code, 137, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn sidecars_have_to_begin() {
    let place = place();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: asked}\nspec:\n  restartPolicy: Never\n  initContainers:\n  - {name: beside, image: busybox, restartPolicy: Always, command: [sleep, '1000'], startupProbe: {exec: {command: [sh, -c, '[ -e /dev/shm/up ]']}, periodSeconds: 1, failureThreshold: 30}}\n  containers:\n  - {name: app, image: busybox, command: [sh, -c, 'echo up; sleep 1000']}\n";
    create(&place, pod);
    std::thread::sleep(Duration::from_secs(2));
    let row = place.stockade(&["get", "pods"]).out;
    assert!(row.contains("0/2") && row.contains("Init:0/1"), "{row}");
    assert_eq!(place.stockade(&["logs", "asked"]).out, "");
    exec(&place, &["-c", "beside", "--", "touch", "/dev/shm/up"]);
    eventually(|| place.stockade(&["logs", "asked"]).out == "up\n");
    eventually(|| place.stockade(&["get", "pods"]).out.contains("2/2"));
    delete(&place);
}

fn hooks_run() {
    let place = place();
    let hooks = "lifecycle: {postStart: {exec: {command: [touch, /dev/shm/begun]}}, \
                 preStop: {exec: {command: [touch, /dev/shm/ends]}}}";
    let app = "trap \"ls /dev/shm; exit 0\" TERM; until [ -e /dev/shm/begun ]; do sleep 0.1; done; \
               echo begun; while true; do sleep 0.1; done";
    let (code, out) = interrupted(&place, &pod("", app, hooks), "begun\n");
    assert_eq!((code, out.as_str()), (Some(0), "begun\nbegun\nends\n"));

    let sleeps = "lifecycle: {preStop: {sleep: {seconds: 2}}}";
    create(&place, &pod("", "trap \"exit 0\" TERM; while true; do sleep 0.1; done", sleeps));
    let begun = Instant::now();
    delete(&place);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    let quick = pod("", "exit 0", sleeps);
    let begun = Instant::now();
    assert_eq!(place.stockade_reading(&["run", "--quiet", "-"], &quick).code, 0);
    assert!(begun.elapsed() < Duration::from_secs(2), "one that has ended is not asked to");
}

fn a_failed_hook() {
    let place = place();
    let hook = "lifecycle: {postStart: {exec: {command: ['false']}}}";
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("", "sleep 1000", hook));
    assert_eq!(answer.code, 137, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_slow_hook() {
    let place = place();
    let hook = "lifecycle: {preStop: {exec: {command: [sleep, '1000']}}}";
    let app = "trap \"echo hears; exit 0\" TERM; echo up; while true; do sleep 0.1; done";
    let begun = Instant::now();
    let (code, out) =
        interrupted(&place, &pod("terminationGracePeriodSeconds: 2", app, hook), "up\n");
    assert_eq!((code, out.as_str()), (Some(0), "up\nhears\n"), "it is asked all the same");
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(9), "{took:?}");
}

fn stop_signal() {
    let place = place();
    let app = "trap \"exit 6\" USR1; trap \"exit 5\" TERM; echo up; while true; do sleep 0.1; done";
    for (more, code) in [("", 5), ("lifecycle: {stopSignal: SIGUSR1}", 6)] {
        let (seen, _) = interrupted(&place, &pod("os: {name: linux}", app, more), "up\n");
        assert_eq!(seen, Some(code), "{more}");
    }
}

/// Runs a pod, interrupts it when it has written this, and says how it ended and what it wrote.
fn interrupted(place: &Place, pod: &str, when: &str) -> (Option<i32>, String) {
    let path = place.write("pod.yaml", pod).display().to_string();
    let run = place.command(&["run", "--quiet", &path]).spawn().expect("it runs");
    eventually(|| place.stockade(&["logs", "asked"]).out == when);
    std::process::Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .expect("kill");
    let output = run.wait_with_output().expect("it ends");
    assert_eq!(place.leftovers(), [""; 0]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn a_killed_supervisor() {
    let place = place();
    let probe = "livenessProbe: {exec: {command: [sh, -c, 'touch /dev/shm/asked; sleep 1000']}, \
                 timeoutSeconds: 900}";
    create(&place, &pod("", "sleep 1000", probe));
    eventually(|| place.stockade(&["exec", "asked", "ls", "/dev/shm"]).out == "asked\n");
    let status = std::fs::read_to_string(place.path("root/run/pods/default/asked/status.json"));
    let status: serde_json::Value = serde_json::from_str(&status.expect("a status")).expect("JSON");
    let supervisor = status["supervisor"].to_string();
    std::process::Command::new("kill").args(["-9", &supervisor]).status().expect("kill");
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Unknown"));
    delete(&place);
}

fn place() -> Place {
    let place = Place::new();
    place.import("busybox");
    place
}

/// A pod whose container runs this script; `spec` and `more` are fields in flow style.
fn pod(spec: &str, script: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: asked}}\nspec:\n  {spec}\n  containers:\n  - \
         {{name: app, image: busybox, command: [sh, -c, '{script}'], {more}}}\n"
    )
}

fn create(place: &Place, pod: &str) {
    let answer = place.stockade_reading(&["create", "-f", "-"], pod);
    assert_eq!((answer.code, answer.out.as_str()), (0, "pod/asked created\n"), "{answer:?}");
}

fn exec(place: &Place, command: &[&str]) {
    let (options, command) = match command.iter().position(|it| *it == "--") {
        Some(at) => (&command[..at], &command[at + 1..]),
        None => (&[][..], command),
    };
    let answer = place.stockade(&[&["exec"], options, &["asked", "--"], command].concat());
    assert_eq!(answer.code, 0, "{command:?}: {answer:?}");
}

fn delete(place: &Place) {
    let answer = place.stockade(&["delete", "asked"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn eventually(check: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !check() {
        assert!(Instant::now() < until, "it did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}
