//! What has broken container confinement elsewhere, tried from a pod's manifest and image.
//!
//! The host's own files are never written: what is attacked is a canary, or opened for writing and
//! closed again. Where it is cheap, a control shows that the attack bites where nothing is in its
//! way.
//!
//! Needs root and Debian's busybox-static; what is missing is named, and the tests are skipped,
//! unless `STOCKADE_NO_SKIP` is set.

mod support;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use support::{Answer, Place};

fn main() -> std::process::ExitCode {
    let missing = missing();
    let forced = std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let trials = TESTS.iter().map(|(name, test)| {
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
    if let (Some(why), false) = (missing, forced) {
        eprintln!("skipped: {why}");
    }
    // They look at the whole machine, so there is one at a time.
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
    ("a_working_directory_through_a_descriptor", a_working_directory_through_a_descriptor),
    ("descriptors_of_the_caller_stay_outside", descriptors_of_the_caller_stay_outside),
    ("numbers_of_users_in_a_manifest", numbers_of_users_in_a_manifest),
    ("numbers_of_users_in_an_image", numbers_of_users_in_an_image),
    ("files_that_would_run_something_on_the_host", files_that_would_run_something_on_the_host),
    ("no_terminal_of_the_caller", no_terminal_of_the_caller),
    ("mounts_stay_inside", mounts_stay_inside),
];

/// CVE-2024-21626: a working directory that is a descriptor of the runtime's.
fn a_working_directory_through_a_descriptor() {
    let place = Place::new();
    place.import("busybox");
    let (canary, name) = canary(&place);
    fs::write(canary.join("seen"), "").expect("a canary");
    let held = File::open(&canary).expect("a directory");
    inherit(&held);
    let mut paths: Vec<String> = (0..24).map(|it| format!("/proc/self/fd/{it}")).collect();
    let number = held.as_raw_fd();
    paths.extend(["/proc/1/cwd", "/proc/self/root", "/proc/thread-self/cwd"].map(str::to_owned));
    paths.push(format!("/proc/self/fd/{number}/.."));
    for path in paths {
        let text = pod(
            "cwd",
            &format!(
                "workingDir: {path}\n    command: [\"sh\", \"-c\", \"pwd; ls; ls ../../../..\"]"
            ),
        );
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &text);
        let seen = answer.out.contains("seen") || answer.out.contains(&name);
        assert!(!seen, "{path}: {answer:?}");
        if path.starts_with("/proc/self/fd/") {
            assert_eq!(answer.code, 125, "{path}: {answer:?}");
            assert!(answer.err.contains("workingDir"), "{path}: {answer:?}");
        }
    }
    let inside = pod(
        "cwd",
        r#"workingDir: /a/new/one
    command: ["sh", "-c", "pwd"]"#,
    );
    let answer = place.stockade_reading(&["run", "--quiet", "-"], &inside);
    assert_eq!((answer.code, &*answer.out), (0, "/a/new/one\n"), "one that is missing is made");
    assert_eq!(left_by(&place), [""; 0]);
}

/// Descriptors that the caller has open reach neither the container nor its `exec`.
fn descriptors_of_the_caller_stay_outside() {
    let place = Place::new();
    place.import("busybox");
    let (canary, _) = canary(&place);
    let held: Vec<File> = (0..3).map(|_| File::open(&canary).expect("a directory")).collect();
    held.iter().for_each(inherit);
    let list = r#"["sh", "-c", "ls /proc/$$$$/fd; true"]"#;
    let control = std::process::Command::new("ls").arg("/proc/self/fd").output().expect("ls");
    let control = String::from_utf8_lossy(&control.stdout).lines().count();
    assert!(control >= 6, "a program that does not defend itself has them: {control}");

    let answer =
        place.stockade_reading(&["run", "--quiet", "-"], &pod("fds", &format!("command: {list}")));
    assert_eq!((answer.code, descriptors(&answer)), (0, vec![0, 1, 2]), "{answer:?}");
    let answer = place
        .stockade_reading(&["create", "-f", "-"], &pod("fds", r#"command: ["sleep", "1000"]"#));
    assert_eq!(answer.code, 0, "{answer:?}");
    let answer = place.stockade(&["exec", "fds", "--", "sh", "-c", "ls /proc/$$/fd; true"]);
    assert_eq!((answer.code, descriptors(&answer)), (0, vec![0, 1, 2]), "{answer:?}");
    assert_eq!(place.stockade(&["delete", "fds"]).code, 0);
}

/// Those that the shell has while it runs `ls`; it keeps its script at ten or above.
fn descriptors(answer: &Answer) -> Vec<u32> {
    answer.out.lines().map(|it| it.parse().expect("a number")).filter(|it| *it < 10).collect()
}

/// CVE-2024-40635, CVE-2026-30892: a number that is too large, or not quite one, becomes root.
fn numbers_of_users_in_a_manifest() {
    let place = Place::new();
    place.import("busybox");
    for (number, uid) in [
        ("1", Some("1")),
        ("2147483647", Some("2147483647")),
        ("2147483648", None),
        ("4294967295", None),
        ("4294967296", None),
        ("4294967297", None),
        ("18446744073709551616", None),
        ("-1", None),
        ("-4294967295", None),
        ("\"1\"", None),
        ("\" 1\"", None),
        ("\"+1\"", None),
        ("１", None),
        ("1.5", None),
        ("~x", None),
    ] {
        for field in ["runAsUser", "runAsGroup"] {
            let option = if field == "runAsUser" { "-u" } else { "-g" };
            let more =
                format!("securityContext: {{{field}: {number}}}\n    command: [id, {option}]");
            let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("ids", &more));
            match uid {
                Some(uid) => assert_eq!(answer.out.trim(), uid, "{field} {number}: {answer:?}"),
                None => {
                    assert_eq!(
                        (answer.code, &*answer.out),
                        (125, ""),
                        "{field} {number}: {answer:?}"
                    );
                    assert!(answer.err.contains(field), "{field} {number}: {}", answer.err);
                }
            }
        }
    }
    assert_eq!(left_by(&place), [""; 0]);
}

/// The same from an image, whose author may be anybody.
fn numbers_of_users_in_an_image() {
    let place = Place::new();
    let archive = place.path("busybox.tar");
    support::busybox_archive(&archive);
    for (user, ids) in [
        ("33", Some("33 34")),
        ("web", Some("33 34")),
        ("33:5", Some("33 5")),
        ("", Some("0 0")),
        ("2147483648", None),
        ("4294967295", None),
        ("4294967296", None),
        ("4294967329", None),
        ("-1", None),
        ("+33", None),
        (" 33", None),
        ("0x21", None),
        ("1e3", None),
        ("３３", None),
        ("nobody-of-that-name", None),
        ("33:4294967296", None),
    ] {
        let changed = place.path("user.tar");
        with_user(&archive, &changed, user);
        let changed = changed.display().to_string();
        let answer = place.stockade(&["image", "import", &changed, "--name", "user"]);
        assert_eq!(answer.code, 0, "{user:?}: {answer:?}");
        let text = pod("ids", r#"command: ["sh", "-c", "echo $(id -u) $(id -g)"]"#)
            .replace("image: busybox", "image: user");
        let answer = place.stockade_reading(&["run", "--quiet", "--pull=never", "-"], &text);
        match ids {
            Some(ids) => assert_eq!(answer.out.trim(), ids, "{user:?}: {answer:?}"),
            None => assert_eq!((answer.code, &*answer.out), (125, ""), "{user:?}: {answer:?}"),
        }
    }
    assert_eq!(left_by(&place), [""; 0]);
}

/// Files through which root in a container makes the host's kernel run something, or stop.
fn files_that_would_run_something_on_the_host() {
    let place = Place::new();
    place.import("busybox");
    // Opened to append, and nothing is appended.
    let script = "for it in $FILES; do [ -e $it ] || continue; (: >> $it) 2> /dev/null && echo $it; done; true";
    let run = |context: &str| {
        let more = format!(
            "securityContext: {{{context}}}\n    env: [{{name: FILES, value: \"{}\"}}]\n    command: [sh, -c, '{script}']",
            USERMODE_HELPERS.join(" ")
        );
        place.stockade_reading(&["run", "--quiet", "-"], &pod("helpers", &more))
    };
    for context in ["", "capabilities: {add: [ALL]}", "runAsUser: 0"] {
        let answer = run(context);
        assert_eq!((answer.code, &*answer.out), (0, ""), "{context}: {answer:?}");
    }
    let control = run("privileged: true");
    assert!(control.out.contains("core_pattern"), "privileged, they are open: {control:?}");
    assert_eq!(left_by(&place), [""; 0]);
}

/// CVE-2017-5226: a terminal shared with the host takes keystrokes from the container.
fn no_terminal_of_the_caller() {
    let place = Place::new();
    place.import("busybox");
    let look = "(: < /dev/tty) 2> /dev/null && echo terminal; read -r _ _ _ _ group session _ < /proc/self/stat; echo $session";
    for (terminal, expected) in [("false", "1"), ("true", "terminal")] {
        let more = format!("tty: {terminal}\n    command: [sh, -c, '{look}']");
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("tty", &more));
        assert_eq!(
            answer.out.lines().next().map(str::trim),
            Some(expected),
            "{terminal}: {answer:?}"
        );
    }
    assert_eq!(left_by(&place), [""; 0]);
}

/// Whatever is mounted inside, by whoever may, the host's mounts are as they were.
fn mounts_stay_inside() {
    let place = Place::new();
    place.import("busybox");
    let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let before = mounts();
    let script = "mount -t tmpfs none /tmp && mount --make-rshared / && mount -t tmpfs none /root && echo mounted";
    for context in ["capabilities: {add: [SYS_ADMIN]}", "privileged: true"] {
        let more = format!("securityContext: {{{context}}}\n    command: [sh, -c, '{script}']");
        let answer = place.stockade_reading(&["run", "--quiet", "-"], &pod("mounts", &more));
        assert_eq!((answer.code, &*answer.out), (0, "mounted\n"), "{context}: {answer:?}");
        assert_eq!(mounts(), before, "{context}");
    }
    let answer = place.stockade_reading(
        &["run", "--quiet", "-"],
        &pod("mounts", &format!("command: [sh, -c, '{script}']")),
    );
    assert_ne!(answer.code, 0, "who was not given the capability cannot: {answer:?}");
    assert_eq!(left_by(&place), [""; 0]);
}

/// What is left of this test; cgroups may be those of pods that others run meanwhile.
fn left_by(place: &Place) -> Vec<String> {
    place.leftovers().into_iter().filter(|it| !it.starts_with("/sys/fs/cgroup")).collect()
}

/// A directory that no container is to see, and a name that gives it away.
fn canary(place: &Place) -> (std::path::PathBuf, String) {
    let path = place.path("canary-of-the-host");
    fs::create_dir(&path).expect("a directory");
    (path, "canary-of-the-host".to_owned())
}

/// Lets programs that this one executes have a descriptor.
fn inherit(file: &File) {
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).expect("a flag");
}

/// The same image, with another `USER`.
fn with_user(from: &Path, to: &Path, user: &str) {
    let mut old = tar::Archive::new(File::open(from).expect("an archive"));
    let mut new = tar::Builder::new(File::create(to).expect("an archive"));
    for entry in old.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        if path == Path::new("config.json") {
            let text = String::from_utf8(content).expect("text");
            content = text.replace("\"Cmd\"", &format!("\"User\":\"{user}\",\"Cmd\"")).into_bytes();
        }
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        new.append_data(&mut header, path, &*content).expect("an entry");
    }
    new.finish().expect("an archive");
}

/// A pod of one container from the busybox image.
fn pod(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - name: app\n    \
         image: busybox\n    {more}\n"
    )
}

const USERMODE_HELPERS: &[&str] = &[
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/kernel/poweroff_cmd",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/kernel/kexec_load_disabled",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sysrq-trigger",
    "/proc/acpi/wakeup",
    "/proc/irq/default_smp_affinity",
    "/proc/kcore",
    "/proc/latency_stats",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/power/state",
    "/sys/fs/cgroup/devices/devices.allow",
    "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/devices/system/cpu/online",
    "/sys/module/kernel/parameters/panic",
];
