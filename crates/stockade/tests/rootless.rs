//! The built binary, started by an ordinary user: pods in a user namespace, with the image that is
//! built in.
//!
//! The user is nobody in particular, has no `/etc/passwd` entry and no rights but over two
//! directories. Needs root, to become that user, and a kernel that lets ordinary users make user
//! namespaces; what is missing is named, and the tests are skipped, unless `STOCKADE_NO_SKIP` is set.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use support::{Answer, STOCKADE, answer};

fn main() -> std::process::ExitCode {
    let missing = missing();
    let forced = std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let trials = TESTS.iter().map(|(name, test)| {
        let missing = missing.clone();
        let is_skipped = missing.is_some() && !forced;
        let run = move || match missing {
            Some(why) => Err(Failed::from(why)),
            None => {
                test();
                Ok(())
            }
        };
        Trial::test(*name, run).with_ignored_flag(is_skipped)
    });
    if let (Some(why), false) = (&missing, forced) {
        eprintln!("skipped: {why}");
    }
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("these tests need root, to become another user".to_owned());
    }
    let made = Command::new("unshare").args(["--user", "true"]).uid(USER).gid(USER).output();
    match made {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

const TESTS: &[(&str, fn())] = &[
    ("a_pod_runs_confined_and_says_what_is_not_proven", a_pod_runs_confined),
    ("require_proof_refuses_what_is_not_proven", require_proof),
    ("a_root_that_is_read_only_is_that", a_root_that_is_read_only_is_that),
    ("detached_pods", detached_pods),
    ("exec_is_confined_like_the_container", exec_is_confined_like_the_container),
    ("what_needs_root_is_refused_by_name", what_needs_root_is_refused_by_name),
    ("the_hosts_network_is_the_hosts", the_hosts_network_is_the_hosts),
    ("sysctls_of_the_pod_are_set", sysctls_of_the_pod_are_set),
    ("what_nobody_may_enter_is_removed", what_nobody_may_enter_is_removed),
    ("volumes_are_the_users_own", volumes_are_the_users_own),
    ("groups_of_the_starter_are_told", groups_of_the_starter_are_told),
    ("a_killed_supervisor_takes_its_containers_along", a_killed_supervisor),
];

fn a_pod_runs_confined() {
    let home = Home::new();
    let answer = home.reading(&["run", "-"], &pod("hello", CONFINED, r#"["id"]"#));
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.out, "uid=0(root) gid=0(root) groups=0(root)\n");
    for (mechanism, verdict) in [
        ("identity", "ok"),
        ("capabilities", "ok"),
        ("privilege escalation", "ok"),
        // The kernel shows a filter to the initial user namespace's root only.
        ("seccomp", "not proven"),
        ("namespaces", "ok"),
        ("root filesystem", "ok"),
        ("guarded paths", "ok"),
        ("hostname", "ok"),
    ] {
        let line = answer.err.lines().find(|it| it.starts_with(mechanism)).unwrap_or_default();
        assert!(line.trim_end().ends_with(verdict), "{mechanism}: {}", answer.err);
    }
    assert!(!answer.err.contains("WEAKER"), "{}", answer.err);
    assert_eq!(home.leftovers(), [""; 0]);
}

fn require_proof() {
    let home = Home::new();
    let manifest = pod("hello", CONFINED, r#"["id"]"#);
    let answer = home.reading(&["run", "--require-proof", "-"], &manifest);
    assert_eq!((answer.code, &*answer.out), (125, ""), "{answer:?}");
    assert!(answer.err.contains("seccomp"), "{}", answer.err);
    let answer = home.reading(&["run", "--require-proof", "-"], &pod("a", "", r#"["id"]"#));
    assert_eq!(answer.code, 0, "without a filter everything can be proven: {answer:?}");
    assert_eq!(home.leftovers(), [""; 0]);
}

fn a_root_that_is_read_only_is_that() {
    let home = Home::new();
    for (context, code) in [("", 0), ("readOnlyRootFilesystem: true", 1)] {
        let answer = home.reading(&["run", "-"], &pod("a", context, r#"["touch", "/tmp/x"]"#));
        assert_eq!(answer.code, code, "{context}: {answer:?}");
    }
    assert_eq!(home.leftovers(), [""; 0]);
}

fn volumes_are_the_users_own() {
    let home = Home::new();
    let host = home.directory.path().join("home/mine");
    fs::create_dir_all(host.join("sub")).expect("a directory");
    for path in [host.clone(), host.join("sub")] {
        chown(&path, Some(USER), Some(USER)).expect("it is given away");
    }
    std::os::unix::fs::symlink("/", host.join("out")).expect("a link");
    let run = |sub: &str, command: &str| {
        let volumes = format!(
            "  volumes: [{{name: d, emptyDir: {{}}}}, {{name: h, hostPath: {{path: {}}}}}, {{name: \
             c, configMap: {{name: c}}}}]\n  containers:",
            host.display()
        );
        let mounts = format!(
            "    volumeMounts: [{{name: d, mountPath: /d}}, {{name: h, mountPath: /h, subPath: \
             {sub}}}, {{name: c, mountPath: /c}}]\n"
        );
        let pod = pod("a", "", command).replace("  containers:", &volumes);
        let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: v}}";
        home.reading(&["run", "-"], &format!("{pod}{mounts}---\n{object}\n"))
    };
    let answer = run("sub", r#"["cat", "/c/k"]"#);
    assert_eq!(answer.out, "v", "{answer:?}");
    for volume in ["volume /d", "volume /h", "volume /c"] {
        let line = answer.err.lines().find(|it| it.starts_with(volume)).unwrap_or_default();
        assert!(line.trim_end().ends_with("ok"), "{volume}: {}", answer.err);
    }
    for (path, code) in [("/d/x", 0), ("/h/x", 0), ("/c/x", 1)] {
        let answer = run("sub", &format!(r#"["touch", "{path}"]"#));
        assert_eq!(answer.code, code, "{path}: {answer:?}");
    }
    assert!(host.join("sub/x").exists());
    let answer = run("out", r#"["true"]"#);
    assert!(answer.err.contains("leads out of its volume"), "{answer:?}");
    assert_eq!((answer.code, &*answer.out), (125, ""), "{answer:?}");
    assert_eq!(home.leftovers(), [""; 0]);
}

fn detached_pods() {
    let home = Home::new();
    let manifest = pod("sleeper", CONFINED, r#"["sleep", "1000"]"#);
    let answer = home.reading(&["create", "-f", "-"], &manifest);
    assert_eq!((answer.code, &*answer.out), (0, "pod/sleeper created\n"), "{answer:?}");
    let answer = home.stockade(&["get", "pods"]);
    assert!(answer.out.contains("sleeper") && answer.out.contains("Running"), "{answer:?}");
    let answer = home.stockade(&["describe", "pod", "sleeper"]);
    assert!(answer.out.contains("not proven") && !answer.out.contains("WEAKER"), "{answer:?}");

    let answer = home.stockade(&["exec", "sleeper", "--", "id", "-u"]);
    assert_eq!((answer.code, &*answer.out), (0, "0\n"), "{answer:?}");
    let answer = home.stockade(&["exec", "sleeper", "--", "touch", "/x"]);
    assert_eq!(answer.code, 1, "the root is read-only: {answer:?}");
    let answer = home.stockade(&["exec", "sleeper", "--", "nothing-of-that-name"]);
    assert_eq!(answer.code, 127, "{answer:?}");
    let answer = home.stockade(&["exec", "-t", "sleeper", "--", "ls", "-l", "/proc/self/fd/1"]);
    assert!(answer.out.contains("/dev/pts/0"), "{answer:?}");

    let answer = home.stockade(&["delete", "pod", "sleeper"]);
    assert_eq!((answer.code, &*answer.out), (0, "pod \"sleeper\" deleted\n"), "{answer:?}");
    assert_eq!(home.leftovers(), [""; 0]);
}

fn exec_is_confined_like_the_container() {
    let home = Home::new();
    let manifest = pod("sleeper", CONFINED, r#"["sleep", "1000"]"#);
    assert_eq!(home.reading(&["create", "-f", "-"], &manifest).code, 0);
    let status = |of: &str| {
        let answer =
            home.stockade(&["exec", "sleeper", "--", "cat", &format!("/proc/{of}/status")]);
        let fields = answer.out.lines().filter(|line| {
            ["Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp"]
                .iter()
                .any(|it| line.starts_with(it))
        });
        fields.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(status("self"), status("1"));
    assert!(status("self").contains(&"Seccomp:\t2".to_owned()), "{:?}", status("self"));
    let namespaces = |of: &str| {
        let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
        kinds.map(|kind| {
            let link = format!("/proc/{of}/ns/{kind}");
            let answer = home.stockade(&["exec", "sleeper", "--", "ls", "-l", &link]);
            answer.out.split(" -> ").nth(1).unwrap_or("none").to_owned()
        })
    };
    assert_eq!(namespaces("self"), namespaces("1"));
}

fn what_needs_root_is_refused_by_name() {
    let home = Home::new();
    for (field, own, of_pod, of_container) in [
        ("runAsUser", "runAsUser: 1000", "", ""),
        ("runAsGroup", "runAsGroup: 1000", "", ""),
        ("supplementalGroups", "", "securityContext: {supplementalGroups: [5]}", ""),
        ("hostPID", "", "hostPID: true", ""),
        ("hostIPC", "", "hostIPC: true", ""),
        ("memory", "", "", "resources: {limits: {memory: 64Mi}}"),
        ("cpu", "", "", "resources: {limits: {cpu: 500m}}"),
        ("cpu", "", "", "resources: {requests: {cpu: 500m}}"),
    ] {
        let text = pod("a", own, r#"["id"]"#)
            .replace("spec:\n", &format!("spec:\n  {of_pod}\n"))
            .replace("    command:", &format!("    {of_container}\n    command:"));
        let answer = home.reading(&["run", "-"], &text);
        assert_eq!((answer.code, &*answer.out), (125, ""), "{text}\n{answer:?}");
        assert!(answer.err.contains(field), "{field}: {}", answer.err);
        assert!(answer.err.contains("root"), "{field}: {}", answer.err);
        assert!(answer.err.contains("<stdin>:"), "{field}: {}", answer.err);
    }
    assert_eq!(home.leftovers(), [""; 0]);
}

fn the_hosts_network_is_the_hosts() {
    let home = Home::new();
    let ours = fs::read_link("/proc/self/ns/net").expect("a link").display().to_string();
    for (of_pod, is_ours) in [("hostNetwork: true", true), ("hostNetwork: false", false)] {
        let text = pod("a", "", r#"["ls", "-l", "/proc/self/ns/net"]"#)
            .replace("spec:\n", &format!("spec:\n  {of_pod}\n"));
        let answer = home.reading(&["run", "-"], &text);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.out.contains(&ours), is_ours, "{of_pod}: {answer:?}");
        assert!(!answer.err.contains("WEAKER"), "{}", answer.err);
    }
    assert_eq!(home.leftovers(), [""; 0]);
}

fn sysctls_of_the_pod_are_set() {
    let home = Home::new();
    let name = "net.ipv4.ip_unprivileged_port_start";
    let text = pod("a", "", &format!(r#"["cat", "/proc/sys/{}"]"#, name.replace('.', "/")))
        .replace(
            "spec:\n",
            &format!("spec:\n  securityContext: {{sysctls: [{{name: {name}, value: \"81\"}}]}}\n"),
        );
    let answer = home.reading(&["run", "-"], &text);
    assert_eq!((answer.code, &*answer.out), (0, "81\n"), "{answer:?}");
}

/// The container's root fills directories that outside nobody but root could enter.
fn what_nobody_may_enter_is_removed() {
    let home = Home::new();
    let manifest = pod("closed", "", r#"["sleep", "1000"]"#);
    assert_eq!(home.reading(&["create", "-f", "-"], &manifest).code, 0);
    for command in [
        &["mkdir", "/tmp/closed", "/dev/shm/closed"][..],
        &["touch", "/tmp/closed/file", "/dev/shm/closed/file"],
        &["chmod", "0", "/tmp/closed", "/dev/shm/closed"],
    ] {
        let answer = home.stockade(&[&["exec", "closed", "--"], command].concat());
        assert_eq!(answer.code, 0, "{command:?}: {answer:?}");
    }
    let answer = home.stockade(&["delete", "closed"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(home.leftovers(), [""; 0]);
}

fn groups_of_the_starter_are_told() {
    let home = Home::new();
    let manifest = home.directory.path().join("pod.yaml");
    fs::write(&manifest, pod("a", "", r#"["id", "-u"]"#)).expect("a file");
    fs::set_permissions(&manifest, PermissionsExt::from_mode(0o644)).expect("a mode");
    let user = USER.to_string();
    let mut command = home.dress(Command::new("setpriv"));
    command.args(["--reuid", &user, "--regid", &user, "--groups", "27"]);
    command.arg(home.program()).arg("run").arg(&manifest);
    let answer = answer(command.output().expect("setpriv runs"));
    assert_eq!((answer.code, &*answer.out), (0, "0\n"), "{answer:?}");
    let line = answer.err.lines().find(|it| it.starts_with("identity")).unwrap_or_default();
    assert!(line.trim_end().ends_with("different"), "{}", answer.err);
    assert!(!answer.err.contains("WEAKER"), "{}", answer.err);
}

fn a_killed_supervisor() {
    let home = Home::new();
    let manifest = pod("orphan", "", r#"["sleep", "1000"]"#);
    assert_eq!(home.reading(&["create", "-f", "-"], &manifest).code, 0);
    let status = home.directory.path().join("run/stockade/pods/default/orphan/status.json");
    let status = fs::read_to_string(status).expect("a status");
    let number = |key: &str| {
        let (_, rest) = status.split_once(key).expect("the key");
        let digits = rest.chars().skip_while(|it| !it.is_ascii_digit());
        digits.take_while(char::is_ascii_digit).collect::<String>()
    };
    let (supervisor, container) = (number("\"supervisor\""), number("\"pid\""));
    assert!(runs(&container));
    Command::new("kill").args(["-9", &supervisor]).status().expect("kill");
    let until = Instant::now() + Duration::from_secs(20);
    while runs(&container) {
        assert!(Instant::now() < until, "the container outlives its supervisor");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(home.stockade(&["get", "pods"]).out.contains("Unknown"));
    assert_eq!(home.stockade(&["delete", "orphan"]).code, 0);
    assert_eq!(home.leftovers(), [""; 0]);
}

/// Whether a process runs; one that has ended may wait for whoever reaps orphans.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !matches!(stat.rsplit(") ").next().and_then(|it| it.chars().next()), None | Some('Z' | 'X'))
}

/// What an ordinary user has: a home, a directory for what runs, and a copy of the binary, which
/// may lie where only root can go.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), everybody).expect("a mode");
        // By another process: what we had open for writing, a test in another thread could have open
        // still, in the child that it is making, when the copy is to be run (ETXTBSY).
        let copy = directory.path().join("stockade");
        let copied = Command::new("cp").arg(STOCKADE).arg(copy).status().expect("cp");
        assert!(copied.success(), "a copy");
        for name in ["home", "run"] {
            let path = directory.path().join(name);
            fs::create_dir(&path).expect("a directory");
            chown(&path, Some(USER), Some(USER)).expect("an owner");
        }
        Self { directory }
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("stockade")
    }

    fn dress(&self, mut command: Command) -> Command {
        command.env_clear().env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
        command.env("HOME", self.directory.path().join("home"));
        command.env("XDG_RUNTIME_DIR", self.directory.path().join("run"));
        command.current_dir("/").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// As the user, without any supplementary group.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.dress(Command::new(self.program()));
        command.args(arguments).uid(USER).gid(USER);
        command
    }

    fn stockade(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments).output().expect("the binary runs"))
    }

    fn reading(&self, arguments: &[&str], input: &str) -> Answer {
        support::feed(self.command(arguments), input)
    }

    /// What pods have left: their directories, layers and mounts.
    fn leftovers(&self) -> Vec<String> {
        let mut all = Vec::new();
        for part in ["run/stockade/pods", "home/.local/share/stockade/containers"] {
            all.extend(support::entries(&self.directory.path().join(part)));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let here = Path::display(self.directory.path()).to_string();
        all.extend(mounts.lines().filter(|it| it.contains(&here)).map(str::to_owned));
        all
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.stockade(&["delete", "--all", "--force"]);
    }
}

/// A pod of one container.
fn pod(name: &str, context: &str, command: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - name: app\n    \
         image: stockade/toolbox\n    securityContext: {{{context}}}\n    command: {command}\n"
    )
}

/// Everything that can be had without root.
const CONFINED: &str = "allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, \
                        capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}";

/// No user of this machine, and not the one that stands for ids that are not mapped.
const USER: u32 = 61_234;
