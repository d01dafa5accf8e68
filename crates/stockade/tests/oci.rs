//! `stockade oci` on this machine's kernel, as root: containers from bundles, one command at a time.
//!
//! Needs root, namespaces, cgroups and Debian's busybox-static; what is missing is named, and the
//! tests are skipped, unless `STOCKADE_NO_SKIP` is set.

mod agent;
mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use support::STOCKADE;

fn main() -> std::process::ExitCode {
    let missing = missing();
    let forced = std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let trials = TESTS.iter().map(|(name, test)| {
        let missing = missing.clone().filter(|_| forced);
        let run = move || match missing {
            Some(why) => Err(Failed::from(why)),
            None => {
                test(&Place::new());
                Ok(())
            }
        };
        Trial::test(*name, run).with_ignored_flag(self::missing().is_some() && !forced)
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

/// A test: its name and what it does.
type Test = (&'static str, fn(&Place));

const TESTS: &[Test] = &[
    ("a_container_is_created_started_and_deleted", a_life),
    ("run_passes_streams_and_the_code_through", run_to_the_end),
    ("run_passes_signals_on_and_tells_the_one_it_died_of", run_and_signals),
    ("of_two_that_create_one_container_one_wins", one_wins),
    ("a_bad_name_is_refused_and_nothing_is_made", bad_names),
    ("what_a_killed_create_leaves_is_removed_by_force", a_killed_create),
    ("a_killed_run_takes_its_container_with_it", a_killed_run),
    ("the_bundle_of_the_creation_counts_at_the_start", a_changed_bundle),
    ("a_container_that_is_weaker_than_its_bundle_does_not_start", weakened),
    ("a_bad_bundle_is_refused_with_its_line", bad_bundles),
    ("a_failed_start_leaves_a_stopped_container", no_such_program),
    ("a_pid_file_is_never_written_through_a_link", a_pid_file),
    ("what_is_not_supported_is_refused_by_name", not_supported),
    ("an_agent_answers_for_what_the_profile_leaves_to_it", agent::answers),
    ("an_agent_hears_at_the_start_what_was_created", agent::hears_at_the_start),
    ("calls_fail_when_the_agent_is_gone", agent::is_gone),
    ("without_an_agent_no_container_is_made", agent::is_missing),
    ("a_profile_that_leaves_the_start_to_an_agent_is_refused", agent::is_asked_too_early),
];

fn a_life(place: &Place) {
    place.bundle(&["sleep", "100"]);
    place.expect(&["create", "--bundle", &place.text("bundle"), "one"], 0);
    let state = place.state("one");
    assert_eq!(state["ociVersion"], "1.2.0");
    assert_eq!((&state["id"], &state["status"]), (&json!("one"), &json!("created")));
    assert_eq!(state["bundle"], place.text("bundle"));
    assert_eq!(state["annotations"], json!({ "org.example.a": "b" }));
    let pid = state["pid"].as_i64().expect("a process");
    assert!(place.expect(&["delete", "one"], 1).err.contains("is created"));

    place.expect(&["start", "one"], 0);
    assert_eq!(place.state("one")["status"], "running");
    assert_eq!(fs::read_to_string(format!("/proc/{pid}/comm")).expect("it runs"), "sleep\n");
    assert!(place.expect(&["start", "one"], 1).err.contains("is running"));
    assert!(place.expect(&["delete", "one"], 1).err.contains("is running"));
    assert!(place.expect(&["kill", "one", "NONSENSE"], 1).err.contains("is not a signal"));
    assert_eq!(place.state("one")["status"], "running");

    place.expect(&["kill", "one", "KILL"], 0);
    place.until("one", "stopped");
    assert_eq!(place.state("one")["pid"], Value::Null);
    assert!(place.expect(&["kill", "one"], 1).err.contains("is stopped"));
    place.expect(&["delete", "one"], 0);
    for command in ["state", "start", "kill", "delete"] {
        assert!(place.expect(&[command, "one"], 1).err.contains("there is no container `one`"));
    }
    place.expect(&["delete", "--force", "one"], 0);
}

fn run_to_the_end(place: &Place) {
    place.bundle(&[
        "sh",
        "-c",
        "echo out; echo err >&2; grep -c . /proc/self/mounts >/dev/null; exit 7",
    ]);
    let answer = place.run(&["run", "-b", &place.text("bundle"), "one"]);
    assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (7, "out\n", "err\n"));

    place.bundle(&["true"]);
    let answer = place.run(&["run", "-b", &place.text("bundle"), "one"]);
    assert_eq!((answer.code, answer.out.as_str(), answer.err.as_str()), (0, "", ""));

    place.bundle(&["sh", "-c", "touch /x; hostname; id -u; grep Cap /proc/self/status"]);
    let answer = place.run(&["run", "-b", &place.text("bundle"), "one"]);
    assert!(answer.err.contains("Read-only file system"), "{answer:?}");
    assert!(answer.out.starts_with("bench\n0\n"), "{answer:?}");
    assert!(answer.out.contains("CapBnd:\t0000000000000020"), "{answer:?}");
}

fn run_and_signals(place: &Place) {
    place.bundle(&["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"]);
    let bundle = place.text("bundle");
    let mut child = place.spawn(&["run", "-b", &bundle, "one"]);
    place.until("one", "running");
    wait_for_line(&mut child);
    signal(&child, rustix::process::Signal::TERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(9));

    let mut child = place.spawn(&["run", "-b", &bundle, "one"]);
    place.until("one", "running");
    wait_for_line(&mut child);
    place.expect(&["kill", "--all", "one", "9"], 0);
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 9));
}

fn one_wins(place: &Place) {
    place.bundle(&["sleep", "100"]);
    let bundle = place.text("bundle");
    for _ in 0..10 {
        let children = [(); 3].map(|()| place.spawn(&["create", "-b", &bundle, "one"]));
        let codes = children.map(|mut it| it.wait().expect("it ends").code());
        assert_eq!(codes.iter().filter(|it| **it == Some(0)).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|it| **it == Some(1)).count(), 2, "{codes:?}");
        assert_eq!(place.state("one")["status"], "created");
        assert_eq!(place.containers(), ["one"]);
        place.expect(&["start", "one"], 0);
        place.expect(&["delete", "-f", "one"], 0);
    }
}

fn bad_names(place: &Place) {
    place.bundle(&["true"]);
    let long = "a".repeat(2000);
    for name in [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "a/b",
        "a b",
        "a\nb",
        "\u{1b}[2J",
        "ä",
        ".x",
        "x\u{202e}",
        &long,
    ] {
        for command in ["run", "create", "start", "state", "kill", "delete"] {
            let bundle = place.text("bundle");
            let more: &[&str] =
                if ["run", "create"].contains(&command) { &["-b", &bundle] } else { &[] };
            let answer = place.run(&[&[command], more, &["--", name]].concat());
            assert_eq!(answer.code, 1, "{command} {name:?}: {answer:?}");
            assert!(!answer.err.is_empty() && answer.out.is_empty(), "{command} {name:?}");
            assert!(!answer.err.contains("\u{1b}[2J"), "{command} {name:?}");
        }
    }
    assert_eq!(place.containers(), [""; 0]);
}

/// Killed at moments that differ, it leaves nothing, or what `delete --force` removes.
fn a_killed_create(place: &Place) {
    place.bundle(&["sleep", "100"]);
    let bundle = place.text("bundle");
    for delay in (0..40).map(|it| Duration::from_micros(it * 500)) {
        let mut child = place.spawn(&["create", "-b", &bundle, "one"]);
        std::thread::sleep(delay);
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
        place.expect(&["delete", "--force", "one"], 0);
        assert_eq!(leftovers(), [""; 0], "after {delay:?}");
        // What was not there yet is taken away by whoever comes a minute later.
        place.containers().iter().for_each(|it| assert!(it.starts_with(".new-"), "{it}"));
        assert!(place.expect(&["state", "one"], 1).err.contains("there is no container"));
    }
    place.expect(&["run", "-b", &bundle, "--pid-file", "/nonexistent/x", "one"], 1);
    fs::remove_dir_all(place.path("state")).expect("the state");
}

fn a_killed_run(place: &Place) {
    place.bundle(&["sleep", "100"]);
    let mut child = place.spawn(&["run", "-b", &place.text("bundle"), "one"]);
    place.until("one", "running");
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    place.until("one", "stopped");
    place.expect(&["delete", "one"], 0);
}

fn a_changed_bundle(place: &Place) {
    place.bundle(&["sleep", "100"]);
    place.expect(&["create", "-b", &place.text("bundle"), "one"], 0);
    let mut config = config(&["sleep", "100"]);
    config["process"]["noNewPrivileges"] = json!(false);
    config["linux"]["resources"]["pids"]["limit"] = json!(1);
    place.write_config(&config);
    place.expect(&["start", "one"], 0);
    place.expect(&["delete", "-f", "one"], 0);
}

/// Somebody loosens the container between its creation and its start.
fn weakened(place: &Place) {
    let mut config = config(&["sh", "-c", "touch /ran; sleep 100"]);
    config["root"]["readonly"] = json!(false);
    place.write_config(&config);
    let ran = place.path("bundle/rootfs/ran");

    place.expect(&["create", "-b", &place.text("bundle"), "one"], 0);
    let cgroups = cgroups();
    let limit = cgroups.iter().map(|it| it.join("pids.max")).find(|it| it.exists());
    fs::write(limit.expect("a limit"), "max").expect("it is loosened");
    let answer = place.expect(&["start", "one"], 1);
    assert!(answer.err.contains("did not run") && answer.err.contains("limits"), "{answer:?}");
    place.until("one", "stopped");
    assert!(!ran.exists(), "nothing of it ran");
    place.expect(&["delete", "one"], 0);
}

fn bad_bundles(place: &Place) {
    place.bundle(&["true"]);
    let bundle = place.text("bundle");
    let mut cases: Vec<(&str, String, &str)> = vec![
        ("no json", "{".to_owned(), "config.json"),
        (
            "two roots",
            config(&["true"]).to_string().replacen('{', r#"{"root":{"path":"/"},"#, 1),
            "root",
        ),
    ];
    for (shows, path, value, said) in [
        ("unknown field", "/process/capabilites", json!([]), "capabilites"),
        (
            "unknown capability",
            "/process/capabilities/bounding",
            json!(["CAP_NONSENSE"]),
            "CAP_NONSENSE",
        ),
        ("hook", "/hooks", json!({ "poststop": [{ "path": "/bin/true" }] }), "hooks.poststop"),
        ("the host's root", "/root/path", json!("/"), "root.path"),
        ("cgroup outside", "/linux/cgroupsPath", json!("/a/../../b"), "linux.cgroupsPath"),
    ] {
        let mut config = config(&["true"]);
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let parent = config.pointer_mut(parent).expect("its parent");
        parent[name] = value;
        cases.push((shows, config.to_string(), said));
    }
    for (shows, text, said) in cases {
        fs::write(place.path("bundle/config.json"), text).expect("a file");
        for command in ["run", "create"] {
            let answer = place.expect(&[command, "-b", &bundle, "one"], 1);
            assert!(answer.err.contains(said), "{shows}: {}", answer.err);
        }
    }
    assert!(place.expect(&["run", "-b", "/nonexistent", "one"], 1).err.contains("/nonexistent"));
    assert_eq!(place.containers(), [""; 0]);
}

fn no_such_program(place: &Place) {
    place.bundle(&["/bin/nonsense"]);
    let bundle = place.text("bundle");
    let answer = place.expect(&["run", "-b", &bundle, "one"], 1);
    assert!(answer.err.contains("ENOENT") && answer.err.contains("process.args"), "{answer:?}");
    assert_eq!(place.containers(), [""; 0]);
    place.expect(&["create", "-b", &bundle, "one"], 0);
    assert!(place.expect(&["start", "one"], 1).err.contains("ENOENT"));
    place.until("one", "stopped");
    place.expect(&["delete", "one"], 0);
}

fn a_pid_file(place: &Place) {
    place.bundle(&["sleep", "100"]);
    let (bundle, file) = (place.text("bundle"), place.text("pid"));
    fs::write(place.path("precious"), "precious").expect("a file");
    symlink(place.path("precious"), &file).expect("a link");
    place.expect(&["create", "-b", &bundle, "--pid-file", &file, "one"], 0);
    let pid = fs::read_to_string(&file).expect("a number");
    assert_eq!(json!(pid.parse::<i64>().expect("a number")), place.state("one")["pid"]);
    assert_eq!(fs::read_to_string(place.path("precious")).expect("a file"), "precious");
    place.expect(&["delete", "-f", "one"], 0);

    place.expect(&["create", "-b", &bundle, "--pid-file", "/nonexistent/pid", "one"], 1);
    assert_eq!(place.containers(), [""; 0]);
}

fn not_supported(place: &Place) {
    place.bundle(&["true"]);
    let bundle = place.text("bundle");
    let answer = place.expect(&["create", "-b", &bundle, "--console-socket", "/x", "one"], 1);
    assert!(answer.err.contains("--console-socket"), "{answer:?}");
    let mut config = config(&["true"]);
    config["process"]["terminal"] = json!(true);
    place.write_config(&config);
    let answer = place.expect(&["create", "-b", &bundle, "one"], 1);
    assert!(answer.err.contains("process.terminal"), "{answer:?}");
}

/// A state directory and a bundle of its own for each test. Whatever is left is removed, and found.
struct Place {
    directory: tempfile::TempDir,
}

#[derive(Debug)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        for name in ["bin", "proc", "dev", "sys", "tmp"] {
            fs::create_dir_all(place.path("bundle/rootfs").join(name)).expect("a directory");
        }
        let bin = place.path("bundle/rootfs/bin");
        fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox");
        for applet in ["sh", "sleep", "true", "echo", "grep", "touch", "hostname", "id", "mkdir"] {
            symlink("busybox", bin.join(applet)).expect("a link");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn bundle(&self, arguments: &[&str]) {
        self.write_config(&config(arguments));
    }

    fn write_config(&self, config: &Value) {
        fs::write(self.path("bundle/config.json"), config.to_string()).expect("a file");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(STOCKADE);
        command.arg("oci").arg("--root").arg(self.path("state")).args(arguments);
        command.env_remove("STOCKADE_ROOT").env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs a command. Its output goes to files: a container that goes on holds them open.
    fn run(&self, arguments: &[&str]) -> Answer {
        let file = |name: &str| fs::File::create(self.path(name)).expect("a file");
        let mut command = self.command(arguments);
        let status = command.stdout(file("out")).stderr(file("err")).status().expect("it runs");
        let text = |name: &str| {
            String::from_utf8_lossy(&fs::read(self.path(name)).expect("a file")).into_owned()
        };
        Answer { code: status.code().unwrap_or(-1), out: text("out"), err: text("err") }
    }

    /// Runs a command that answers so; one that succeeds says nothing on standard error.
    #[track_caller]
    fn expect(&self, arguments: &[&str], code: i32) -> Answer {
        let answer = self.run(arguments);
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        assert_eq!(answer.err.is_empty(), code == 0, "{arguments:?}: {answer:?}");
        answer
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs")
    }

    #[track_caller]
    fn state(&self, id: &str) -> Value {
        let answer = self.expect(&["state", id], 0);
        serde_json::from_str(&answer.out).expect("json")
    }

    #[track_caller]
    fn until(&self, id: &str, status: &str) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let answer = self.run(&["state", id]);
            let state: Value = serde_json::from_str(&answer.out).unwrap_or_default();
            if state["status"] == status {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{id} does not get {status}: {:?}", self.run(&["state", id]));
    }

    fn containers(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("state")) else { return Vec::new() };
        let names = entries.map(|it| it.expect("an entry").file_name());
        names.map(|it| it.to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for id in self.containers() {
                self.run(&["delete", "--force", &id]);
            }
            return;
        }
        assert_eq!(self.containers(), [""; 0]);
        assert_eq!(leftovers(), [""; 0]);
    }
}

fn config(arguments: &[&str]) -> Value {
    let mount = |destination: &str, kind: &str| {
        json!({
            "destination": destination, "type": kind, "source": kind,
            "options": ["nosuid", "noexec", "nodev"],
        })
    };
    let namespaces =
        ["mount", "pid", "network", "ipc", "uts", "cgroup"].map(|it| json!({ "type": it }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": arguments,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"],
            },
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "bench",
        "annotations": { "org.example.a": "b" },
        "mounts": [mount("/proc", "proc"), mount("/tmp", "tmpfs")],
        "linux": {
            "namespaces": namespaces,
            "resources": {
                "devices": [{ "allow": false, "access": "rwm" }],
                "pids": { "limit": 64 },
            },
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
        },
    })
}

/// What containers have left: cgroups, and mounts that can be seen from here.
fn leftovers() -> Vec<String> {
    let mut all: Vec<String> = cgroups().iter().map(|it| it.display().to_string()).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    all.extend(mounts.lines().filter(|it| it.contains("/bundle/rootfs")).map(ToOwned::to_owned));
    all
}

/// Cgroups of the container of these tests, in any hierarchy.
fn cgroups() -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(top).into_iter().flatten().flatten().map(|it| it.path());
    let parents = hierarchies.chain([top.to_owned()]).map(|it| it.join("stockade"));
    let entries = parents.flat_map(|it| fs::read_dir(it).into_iter().flatten().flatten());
    let is_ours = |it: &PathBuf| {
        it.is_dir() && it.file_name().is_some_and(|it| it.to_string_lossy().starts_with("oci-one"))
    };
    entries.map(|it| it.path()).filter(is_ours).collect()
}

fn wait_for_line(child: &mut Child) {
    use std::io::{BufRead as _, BufReader};
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a number"), signal).expect("it lives");
}
