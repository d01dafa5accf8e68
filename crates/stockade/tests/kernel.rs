//! The built binary on this machine's kernel, as root: pods from their YAML to the kernel.
//!
//! Needs root, namespaces, cgroups and Debian's busybox-static; what is missing is named, and the
//! tests are skipped, unless `STOCKADE_NO_SKIP` is set.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use support::agent::Agent;
use support::{Answer, Place};

fn main() -> std::process::ExitCode {
    let missing = missing();
    let forced = std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let trials = TESTS.iter().map(|(name, test)| {
        let trial = match (&missing, forced) {
            (Some(why), true) => {
                let why = why.clone();
                Trial::test(*name, move || Err(Failed::from(why)))
            }
            _ => Trial::test(*name, || {
                test();
                Ok(())
            }),
        };
        trial.with_ignored_flag(missing.is_some() && !forced)
    });
    if let (Some(why), false) = (&missing, forced) {
        eprintln!("skipped: {why}");
    }
    // Each looks for what it left on the whole machine, so there is one at a time.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("these tests need root".to_owned());
    }
    if !Path::new("/bin/busybox").exists() {
        return Some("these tests need /bin/busybox (busybox-static)".to_owned());
    }
    None
}

const TESTS: &[(&str, fn())] = &[
    ("the_built_in_image_runs_confined", the_built_in_image_runs_confined),
    ("sysctls_without_permission_are_refused", sysctls_without_permission_are_refused),
    (
        "sysctls_with_permission_are_set_in_the_pod_only",
        sysctls_with_permission_are_set_in_the_pod_only,
    ),
    ("strict_refuses_a_truncated_sysctl", strict_refuses_a_truncated_sysctl),
    ("the_seccomp_example_denies_chmod_only", the_seccomp_example_denies_chmod_only),
    ("an_agent_answers_for_pods_and_for_exec", an_agent_answers_for_pods_and_for_exec),
    ("apparmor_without_a_kernel_for_it_is_refused", apparmor_without_a_kernel_for_it_is_refused),
    ("exit_codes_are_the_workloads", exit_codes_are_the_workloads),
    ("several_containers_are_told_apart", several_containers_are_told_apart),
    ("containers_share_the_processes_of_their_pod", containers_share_the_processes_of_their_pod),
    ("detached_pods_in_the_words_of_kubectl", detached_pods_in_the_words_of_kubectl),
    ("a_killed_supervisor_leaves_nothing_that_delete_does_not_remove", a_killed_supervisor),
    ("a_killed_run_leaves_nothing_running", a_killed_run),
    ("ctrl_c_stops_the_pod", ctrl_c_stops_the_pod),
    ("bad_input_is_refused_with_its_line", bad_input_is_refused_with_its_line),
    ("what_is_not_enforced_is_refused_by_name", what_is_not_enforced_is_refused_by_name),
];

fn the_built_in_image_runs_confined() {
    let place = Place::new();
    let answer = place.stockade(&["run", &example("hello.yaml")]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.out, "uid=65534(nobody) gid=65534(nobody) groups=65534(nobody)\n");
    for line in ["identity", "capabilities", "seccomp", "devices", "limits"] {
        assert!(answer.err.contains(line), "{line} is reported: {}", answer.err);
    }
    assert!(!answer.err.contains("WEAKER"), "{}", answer.err);
    assert_eq!(place.leftovers(), [""; 0]);
}

const SYSCTLS: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: sysctl-example
  annotations:
    security.alpha.kubernetes.io/sysctls: kernel.shm_rmid_forced=1
    security.alpha.kubernetes.io/unsafe-sysctls: net.ipv4.route.min_pmtu=1000,kernel.msgmax=1 2 3
spec:
  containers:
  - name: show
    image: busybox
    command: ["cat", "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/net/ipv4/route/min_pmtu", "/proc/sys/kernel/msgmax"]
"#;

fn sysctls_without_permission_are_refused() {
    let place = Place::new();
    place.import("busybox");
    let answer = place.stockade_reading(&["run", "-"], SYSCTLS);
    assert_eq!(answer.code, 125, "{answer:?}");
    assert!(answer.err.contains("SysctlForbidden"), "{}", answer.err);
    assert!(answer.err.contains("net.ipv4.route.min_pmtu"), "{}", answer.err);
    assert_eq!(answer.out, "");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn sysctls_with_permission_are_set_in_the_pod_only() {
    let place = Place::new();
    place.import("busybox");
    let before = host_sysctls();
    for flag in ["--allowed-unsafe-sysctls", "--experimental-allowed-unsafe-sysctls"] {
        let arguments = ["run", flag, "kernel.msg*,net.ipv4.route.min_pmtu", "-"];
        let answer = place.stockade_reading(&arguments, SYSCTLS);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.out, "1\n1000\n1\n");
        assert!(answer.err.contains("truncated"), "{}", answer.err);
    }
    assert_eq!(host_sysctls(), before);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn host_sysctls() -> Vec<String> {
    ["kernel/shm_rmid_forced", "net/ipv4/route/min_pmtu", "kernel/msgmax"]
        .iter()
        .map(|it| std::fs::read_to_string(format!("/proc/sys/{it}")).expect("a sysctl"))
        .collect()
}

fn strict_refuses_a_truncated_sysctl() {
    let place = Place::new();
    place.import("busybox");
    let text = r#"
apiVersion: v1
kind: Pod
metadata: {name: strict}
spec:
  securityContext:
    sysctls:
    - {name: kernel.msgmax, value: "1 2 3"}
  containers:
  - {name: a, image: busybox, command: ["true"]}
"#;
    let allow = ["--allowed-unsafe-sysctls", "kernel.msg*"];
    let answer = place.stockade_reading(&["run", allow[0], allow[1], "--strict", "-"], text);
    assert_eq!(answer.code, 125, "{answer:?}");
    assert!(answer.err.contains("kernel.msgmax"), "{}", answer.err);
    let answer = place.stockade_reading(&["run", allow[0], allow[1], "-"], text);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn the_seccomp_example_denies_chmod_only() {
    let place = Place::new();
    place.import("sotrustworthy:latest");
    let profile = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "name": "chmod", "action": "SCMP_ACT_ERRNO" } ] }"#;
    place.write("profiles/chmod.json", profile);
    let profiles = place.path("profiles").display().to_string();
    for (annotation, profile) in [
        ("seccomp.security.alpha.kubernetes.io/pod", "localhost/chmod"),
        ("seccomp.security.alpha.kubernetes.io/pod", "localhost/chmod.json"),
        ("security.alpha.kubernetes.io/seccomp/pod", "localhost/chmod"),
        ("security.alpha.kubernetes.io/seccomp/container/trustworthy-container", "localhost/chmod"),
    ] {
        let text = format!(
            r#"
apiVersion: v1
kind: Pod
metadata:
  name: trustworthy-pod
  annotations:
    {annotation}: {profile}
spec:
  containers:
    - name: trustworthy-container
      image: sotrustworthy:latest
      command: ["sh", "-c", "touch /tmp/x && echo made; chmod 600 /tmp/x; echo $?; cat /tmp/x && ls /tmp"]
"#
        );
        let answer =
            place.stockade_reading(&["run", "--seccomp-profile-root", &profiles, "-"], &text);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.out, "made\n1\nx\n", "{answer:?}");
        assert!(answer.err.contains("Operation not permitted"), "{}", answer.err);
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn an_agent_answers_for_pods_and_for_exec() {
    let place = Place::new();
    place.import("busybox");
    let socket = place.path("agent");
    let profile = format!(
        r#"{{ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "{}",
        "syscalls": [ {{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY" }} ] }}"#,
        socket.display()
    );
    place.write("profiles/ask.json", &profile);
    let profiles = place.path("profiles").display().to_string();
    let root = ["--seccomp-profile-root", &profiles];
    let pod = place.write("pod.yaml", SUPERVISED).display().to_string();

    let nobody = place.stockade(&[&["run"], &root[..], &[&pod]].concat());
    assert_eq!((nobody.code, nobody.out.as_str()), (125, ""), "{nobody:?}");
    assert!(nobody.err.contains("`localhost/ask.json`, for the agent at"), "{nobody:?}");

    let agent = Agent::at(&socket, 2);
    let created = place.stockade(&[&["create", "-f", &pod], &root[..]].concat());
    assert_eq!(created.code, 0, "{created:?}");
    let exec = |name: &str| {
        place.stockade(&["exec", "asks", "--", "sh", "-c", &format!("mkdir /tmp/{name}; ls /tmp")])
    };
    let answer = exec("no");
    assert!(answer.err.contains("Invalid cross-device link"), "{answer:?}");
    assert_eq!(answer.out, "first\n", "{answer:?}");
    assert_eq!(place.stockade(&["delete", "pod", "asks", "--grace-period", "0"]).code, 0);

    let told = agent.end();
    let [(first, of_first), (second, of_second)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (&of_first[..], &of_second[..]),
        (&["/tmp/first".into()][..], &["/tmp/no".into()][..])
    );
    assert_eq!(first["state"]["id"], "default/asks/c");
    assert_eq!(
        (&first["state"]["status"], &first["pid"]),
        (&"created".into(), &first["state"]["pid"])
    );
    assert_eq!(second["state"]["status"], "running");
    assert_eq!(second["state"]["pid"], first["pid"]);
    assert_ne!(second["pid"], first["pid"]);
    assert_eq!(place.leftovers(), [""; 0]);
}

const SUPERVISED: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: asks }
spec:
  containers:
  - name: c
    image: busybox
    command: ["sh", "-c", "mkdir /tmp/first; exec sleep 100"]
    securityContext:
      allowPrivilegeEscalation: false
      seccompProfile: { type: Localhost, localhostProfile: ask.json }
"#;

fn apparmor_without_a_kernel_for_it_is_refused() {
    if Path::new("/sys/kernel/security/apparmor").exists() {
        return;
    }
    let place = Place::new();
    place.import("busybox");
    let answer = place.stockade(&["create", "-f", &example("apparmor.yaml")]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.err.contains("AppArmor is not enabled on the host"), "{}", answer.err);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn exit_codes_are_the_workloads() {
    let place = Place::new();
    place.import("busybox");
    for (command, code) in [
        (r#"["sh", "-c", "exit 7"]"#, 7),
        (r#"["sh", "-c", "kill -9 $$$$"]"#, 0),
        (r#"["nothing-of-that-name"]"#, 127),
        (r#"["/etc/passwd"]"#, 126),
    ] {
        let text = pod("codes", &format!("command: {command}"));
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &text);
        assert_eq!(answer.code, code, "{command}: {answer:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn several_containers_are_told_apart() {
    let place = Place::new();
    place.import("busybox");
    let text = r#"
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  containers:
  - {name: one, image: busybox, command: ["sh", "-c", "echo first; exit 3"]}
  - {name: two, image: busybox, command: ["sh", "-c", "echo second; exit 4"]}
"#;
    let answer = place.stockade_reading(&["run", "--quiet", "-"], text);
    assert_eq!(answer.code, 3, "the first that is not zero, in the manifest's order: {answer:?}");
    let mut lines: Vec<&str> = answer.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["[one] first", "[two] second"]);
}

/// Each alone stays below the limit; it is what both have together.
fn containers_share_the_processes_of_their_pod() {
    let place = Place::new();
    place.import("busybox");
    let started = |containers: &[&str]| {
        let mut pod =
            "apiVersion: v1\nkind: Pod\nmetadata: {name: many}\nspec:\n  containers:\n".to_owned();
        for name in containers {
            pod += &format!(
                "  - name: {name}\n    image: busybox\n    command: [sh, -c, 'n=0; for i in 1 2 3 4 5 \
                 6; do (sleep 1 &) 2>/dev/null && n=$((n+1)); done; echo started $n; sleep 1']\n"
            );
        }
        let answer = place.stockade_reading(&["run", "--pod-max-pids", "10", "-"], &pod);
        assert!(answer.err.contains("10 processes"), "{answer:?}");
        answer.out.matches("started 6").count()
    };
    assert_eq!(started(&["one"]), 1);
    assert!(started(&["one", "two"]) < 2, "two containers of 8 processes are more than 10");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn detached_pods_in_the_words_of_kubectl() {
    let place = Place::new();
    place.import("busybox");
    let text = pod("sleeper", r#"command: ["sh", "-c", "echo up; sleep 1000"]"#);
    let answer = place.stockade_reading(&["create", "-f", "-"], &text);
    assert_eq!((answer.code, answer.out.as_str()), (0, "pod/sleeper created\n"), "{answer:?}");

    let answer = place.stockade_reading(&["create", "-f", "-"], &text);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.err.contains("already exists"), "{}", answer.err);
    let answer = place.stockade_reading(&["apply", "-f", "-"], &text);
    assert_eq!((answer.code, answer.out.as_str()), (0, "pod/sleeper unchanged\n"), "{answer:?}");

    let answer = place.stockade(&["get", "pods"]);
    assert!(answer.out.contains("sleeper") && answer.out.contains("Running"), "{answer:?}");
    let answer = place.stockade(&["get", "pod", "sleeper", "-o", "json"]);
    assert!(answer.out.contains(r#""phase": "Running""#), "{answer:?}");
    let answer = place.stockade(&["describe", "pod", "sleeper"]);
    assert!(answer.out.contains("capabilities"), "{answer:?}");
    eventually(|| place.stockade(&["logs", "sleeper"]).out == "up\n");

    for arguments in [&["exec", "sleeper", "--", "id", "-u"][..], &["exec", "sleeper", "id", "-u"]]
    {
        let answer = place.stockade(arguments);
        assert_eq!((answer.code, answer.out.as_str()), (0, "0\n"), "{answer:?}");
    }
    let answer = place.stockade(&["exec", "sleeper", "--", "sh", "-c", "exit 9"]);
    assert_eq!(answer.code, 9, "{answer:?}");
    let answer = place.stockade_reading(&["exec", "-i", "sleeper", "--", "cat"], "typed");
    assert_eq!(answer.out, "typed", "{answer:?}");
    let answer = place.stockade(&["exec", "-t", "sleeper", "tty"]);
    assert!(answer.out.starts_with("/dev/pts/"), "{answer:?}");
    let same = place.stockade(&["exec", "sleeper", "sh", "-c", FINGERPRINT]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.err.is_empty() && !same.out.contains("differs"), "exec and init differ: {same:?}");

    let answer = place.stockade(&["delete", "pod", "sleeper"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, "pod \"sleeper\" deleted\n"), "{answer:?}");
    let answer = place.stockade(&["get", "pod", "sleeper"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// Compares what the kernel says of an exec'd process and of the container's first.
const FINGERPRINT: &str = r#"
for field in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters; do
  one=$(grep "^$field:" /proc/1/status); other=$(grep "^$field:" /proc/self/status)
  [ "$one" = "$other" ] || echo "differs: $one / $other"
done
for kind in mnt pid net ipc uts user cgroup; do
  [ "$(readlink /proc/1/ns/$kind)" = "$(readlink /proc/self/ns/$kind)" ] || echo "differs: $kind"
done
"#;

fn a_killed_supervisor() {
    let place = Place::new();
    place.import("busybox");
    let text = pod("orphan", r#"command: ["sleep", "1000"]"#);
    assert_eq!(place.stockade_reading(&["create", "-f", "-"], &text).code, 0);
    let status =
        place.write("unused", "").with_file_name("root/run/pods/default/orphan/status.json");
    let status = std::fs::read_to_string(status).expect("a status");
    let number = |key: &str| {
        let (_, rest) = status.split_once(key).expect("the key");
        rest.chars()
            .skip_while(|it| !it.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    let (supervisor, container) = (number("\"supervisor\""), number("\"pid\""));
    std::process::Command::new("kill").args(["-9", &supervisor]).status().expect("kill");
    eventually(|| !Path::new(&format!("/proc/{container}")).exists());
    let answer = place.stockade(&["get", "pods"]);
    assert!(answer.out.contains("Unknown"), "{answer:?}");
    assert_eq!(place.stockade(&["delete", "orphan"]).code, 0);
    assert_eq!(place.leftovers(), [""; 0]);
    let answer = place.stockade_reading(&["create", "-f", "-"], &text);
    assert_eq!(answer.code, 0, "it can be started again: {answer:?}");
}

fn a_killed_run() {
    let place = Place::new();
    place.import("busybox");
    let path = place.write("pod.yaml", &pod("cut", r#"command: ["sleep", "1000"]"#));
    let path = path.display().to_string();
    let mut run = place.command(&["run", "--quiet", &path]).spawn().expect("it runs");
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Running"));
    run.kill().expect("it is killed");
    run.wait().expect("it ends");
    eventually(|| !place.stockade(&["get", "pods"]).out.contains("Running"));
    let quick = place.write("pod.yaml", &pod("cut", r#"command: ["true"]"#));
    let answer = place.stockade(&["run", "--quiet", &quick.display().to_string()]);
    assert_eq!(answer.code, 0, "what was left is removed: {answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn ctrl_c_stops_the_pod() {
    let place = Place::new();
    place.import("busybox");
    let path = place.write("pod.yaml", &pod("stop", r#"command: ["sleep", "1000"]"#));
    let path = path.display().to_string();
    let run = place.command(&["run", "--quiet", &path]).spawn().expect("it runs");
    eventually(|| place.stockade(&["get", "pods"]).out.contains("Running"));
    let begun = Instant::now();
    let pid = run.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    let output = run.wait_with_output().expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(10), "sleep cannot hear SIGTERM as process 1");
    assert_eq!(output.status.code(), Some(137), "{output:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn bad_input_is_refused_with_its_line() {
    let place = Place::new();
    place.import("busybox");
    for (text, place_in_file, word) in [
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: [\n", "<stdin>:5:", "error"),
        (
            &*pod("a", "securityContext: {readOnlyRootFileSystem: true}"),
            ":9:",
            "readOnlyRootFilesystem",
        ),
        (&*pod("a", "securityContext: {privileged: \"yes\"}"), ":9:", "privileged"),
        (&*pod("a", "securityContext: {runAsUser: 5, runAsUser: 6}"), ":9:", "runAsUser"),
        (&*pod("a", "image: nothing-of-that-name"), ":9:", "image"),
        (
            &*pod(
                "a",
                "securityContext: {seccompProfile: {type: Localhost, localhostProfile: gone}}",
            ),
            ":9:",
            "gone",
        ),
        (&*pod("a", "securityContext: {capabilities: {drop: [NET_ADMINN]}}"), ":9:", "NET_ADMINN"),
    ] {
        let answer = place.stockade_reading(&["run", "--pull=never", "-"], text);
        assert_eq!(answer.code, 125, "{text}\n{answer:?}");
        assert!(answer.err.contains(place_in_file), "{text}\n{}", answer.err);
        assert!(answer.err.contains(word), "{text}\n{}", answer.err);
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn what_is_not_enforced_is_refused_by_name() {
    let place = Place::new();
    place.import("busybox");
    for (field, text) in [
        ("hostUsers", "hostUsers: false"),
        ("shareProcessNamespace", "shareProcessNamespace: true"),
        ("nfs", "volumes: [{name: v, nfs: {server: s, path: /}}]"),
        ("seLinuxOptions", "securityContext: {seLinuxOptions: {level: s0}}"),
        ("runtimeClassName", "runtimeClassName: kata"),
    ] {
        let text =
            pod("a", "command: [\"true\"]").replace("spec:\n", &format!("spec:\n  {text}\n"));
        let answer: Answer = place.stockade_reading(&["run", "-"], &text);
        assert_eq!(answer.code, 125, "{text}\n{answer:?}");
        assert!(answer.err.contains(field), "{text}\n{}", answer.err);
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

/// A pod of one container; `more` is its ninth line.
fn pod(name: &str, more: &str) -> String {
    let image = if more.contains("image:") { "" } else { "    image: busybox\n" };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: app\n{}    {more}\n",
        if image.is_empty() { "    args: []\n" } else { image }
    )
}

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn eventually(check: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !check() {
        assert!(Instant::now() < until, "it did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}
