//! Virtual machines, for real: what a guest is, and what AppArmor does in one.
//!
//! A machine without QEMU, a kernel or the programs of AppArmor skips these
//! tests, each by name with what is missing; with `STOCKADE_NO_SKIP=1` that is
//! a failure.

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use xtask::vm::{
    Command, CommandResult, Exit, Guest, GuestError, GuestReport, Kernel, Lsm, Step, Stop,
    become_init, missing,
};

fn main() -> ExitCode {
    become_init();
    let trials = vec![
        trial("a_guest_is_a_whole_system", Lsm::None, a_guest_is_a_whole_system),
        trial("steps_are_done_and_reported", Lsm::None, steps_are_done_and_reported),
        trial("a_guest_that_hangs_is_killed", Lsm::None, a_guest_that_hangs_is_killed),
        trial("apparmor_denies_what_its_profile_denies", Lsm::AppArmor, apparmor_denies),
        trial("selinux_is_on_when_asked_for", Lsm::SeLinux, selinux_is_on),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn a_guest_is_a_whole_system() {
    let report = run(guest(Lsm::None)
        .step(sh("uname -r"))
        .step(sh("cat /proc/mounts"))
        .step(sh("cat /sys/fs/cgroup/cgroup.controllers"))
        .step(sh("cat /sys/class/net/lo/flags"))
        .step(sh("mkdir /tmp/l /var/u /var/w /tmp/m && mount -t overlay overlay \
                  -o lowerdir=/tmp/l,upperdir=/var/u,workdir=/var/w /tmp/m && touch /tmp/m/x && ls /var/u"))
        .step(sh("mkdir /tmp/root && unshare -m sh -c 'mount --make-rprivate / && \
                  mount -t tmpfs tmpfs /tmp/root && mkdir /tmp/root/old && \
                  pivot_root /tmp/root /tmp/root/old && ls /'"))
        .step(sh("grep CapEff /proc/self/status")));

    let [uname, mounts, controllers, loopback, overlay, pivot, capabilities] = &report.results[..]
    else {
        panic!("{:#?}", report.results);
    };
    assert_eq!(report.notes, [""; 0]);
    assert_eq!(stdout(uname), format!("{}\n", kernel().release));
    assert_eq!(stdout(uname).trim(), report.uname_r);
    for expected in ["proc /proc", "sysfs /sys", "devtmpfs /dev", "cgroup2 /sys/fs/cgroup"] {
        assert!(stdout(mounts).contains(expected), "{expected}: {}", stdout(mounts));
    }
    assert!(!stdout(mounts).contains(" cgroup rw"), "version 2 alone: {}", stdout(mounts));
    assert!(stdout(controllers).split_whitespace().any(|it| it == "pids"), "{controllers:?}");
    assert_eq!(stdout(loopback), "0x9\n", "IFF_UP and IFF_LOOPBACK");
    assert_eq!(stdout(overlay), "x\n");
    assert_eq!(stdout(pivot), "old\n", "{pivot:?}");
    assert!(stdout(capabilities).contains("1ffffffffff"), "{capabilities:?}");
}

fn steps_are_done_and_reported() {
    let talker = Command::sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done");
    let report = run(guest(Lsm::None)
        .step(Step::Run(Command::new(["busybox", "cat"]).stdin(*b"a\0b\xff\n")))
        .step(sh("head -c 300000 /dev/zero; echo \"$V\" >&2; exit 3").with(|it| it.env("V", "v")))
        .step(sh("kill -9 $$"))
        .step(sh("sleep 60").with(|it| it.timeout(Duration::from_millis(300))))
        .step(Step::Run(Command::new(["no-such-program"])))
        .step(Step::Start("talker".into(), talker.clone()))
        .step(sh("(sleep 1; echo late) & echo early"))
        .step(sh("sleep 0.5"))
        .step(Step::Start("talker".into(), talker))
        .step(Step::Stop("talker".into(), Stop::Signal(15)))
        .step(Step::Stop("talker".into(), Stop::Signal(15)))
        .step(Step::Start("short".into(), Command::sh("echo done")))
        .step(Step::Stop("short".into(), Stop::Await(Duration::from_secs(5)))));

    let exits: Vec<&Exit> = report.results.iter().map(|result| &result.exit).collect();
    let expected = [
        Exit::Code(0),
        Exit::Code(3),
        Exit::Signal(9),
        Exit::TimedOut,
        Exit::NotDone("No such file or directory (os error 2)".into()),
        Exit::Running,
        Exit::Code(0),
        Exit::Code(0),
        Exit::NotDone("`talker` is running already".into()),
        Exit::Code(7),
        Exit::NotDone("nothing of the name `talker` runs".into()),
        Exit::Running,
        Exit::Code(0),
    ];
    assert_eq!(exits, expected.iter().collect::<Vec<_>>());
    assert_eq!(report.results[0].stdout, b"a\0b\xff\n");
    assert_eq!(report.results[1].stdout, vec![0; 300_000]);
    assert_eq!(report.results[1].stderr, b"v\n");
    assert_eq!(stdout(&report.results[6]), "early\n", "what is left behind is not waited for");
    assert_eq!(stdout(&report.results[9]), "up\nbye\n");
    assert_eq!(stdout(&report.results[12]), "done\n");
}

fn a_guest_that_hangs_is_killed() {
    let mut guest =
        guest(Lsm::None).step(sh("sleep 60").with(|it| it.timeout(Duration::from_secs(3600))));
    guest.deadline = Duration::from_secs(5);
    match guest.run() {
        Err(GuestError::TooSlow(deadline, 0, _)) => assert_eq!(deadline, guest.deadline),
        other => panic!("{other:#?}"),
    }
}

/// The profile of the handbook: with it a write fails, without it the same
/// write succeeds.
fn apparmor_denies() {
    let touch = || Command::new(["busybox", "touch", "/tmp/test"]);
    let report = run(guest(Lsm::AppArmor)
        .apparmor_parser()
        .text("/tmp/profile", PROFILE)
        .step(Step::Run(touch().under_apparmor(NAME)))
        .step(Step::Run(Command::new(["apparmor_parser", "--add", "/tmp/profile"])))
        .step(sh("cat /sys/kernel/security/apparmor/profiles"))
        .step(Step::Run(
            Command::new(["busybox", "cat", "/proc/self/attr/current"]).under_apparmor(NAME),
        ))
        .step(Step::Run(touch().under_apparmor(NAME)))
        .step(sh("ls /tmp/test"))
        .step(Step::Run(touch()))
        .step(sh("rm /tmp/test"))
        .step(Step::Run(Command::new(["apparmor_parser", "--remove", "/tmp/profile"])))
        .step(sh("cat /sys/kernel/security/apparmor/profiles; touch /tmp/test && ls /tmp/test")));

    let [too_early, load, profiles, label, denied, absent, unconfined, _, unload, after] =
        &report.results[..]
    else {
        panic!("{:#?}", report.results);
    };
    assert_eq!(report.uname_r, kernel().release);
    assert_eq!(too_early.exit, Exit::Code(126), "no such profile yet: {too_early:?}");
    assert_eq!(load.exit, Exit::Code(0), "{load:?}");
    assert_eq!(stdout(profiles), format!("{NAME} (enforce)\n"));
    assert_eq!(stdout(label), format!("{NAME} (enforce)\n"));
    assert_eq!(denied.stderr_text(), "touch: /tmp/test: Permission denied\n");
    assert_eq!(denied.exit, Exit::Code(1));
    assert_eq!(absent.exit, Exit::Code(1), "{absent:?}");
    assert_eq!(unconfined.exit, Exit::Code(0), "{unconfined:?}");
    assert_eq!(unload.exit, Exit::Code(0), "{unload:?}");
    assert_eq!(stdout(after), "/tmp/test\n");
}

fn selinux_is_on() {
    let report = run(guest(Lsm::SeLinux)
        .step(sh("cat /sys/kernel/security/lsm"))
        .step(sh("cat /proc/self/attr/current")));
    let modules = stdout(&report.results[0]);
    assert!(modules.split(',').any(|it| it == "selinux"), "{modules}");
    assert!(!modules.contains("apparmor"), "{modules}");
    assert_eq!(stdout(&report.results[1]).trim_end_matches('\0'), "kernel", "no policy yet");
}

fn guest(lsm: Lsm) -> Guest {
    Guest::new(kernel()).lsm(lsm).busybox()
}

fn kernel() -> Kernel {
    Kernel::newest().expect("a test without a kernel is skipped")
}

fn sh(line: &str) -> Step {
    Step::Run(Command::sh(line))
}

/// Runs a guest and holds it to the time that a test may take.
fn run(guest: Guest) -> GuestReport {
    let report = guest.run().unwrap_or_else(|error| panic!("{error}"));
    eprintln!("up in {} ms, done in {} ms", report.boot_ms, report.total_ms);
    assert!(report.total_ms < 15_000, "boot and test took {} ms", report.total_ms);
    report
}

fn stdout(result: &CommandResult) -> String {
    result.stdout_text()
}

trait With {
    fn with(self, change: impl FnOnce(Command) -> Command) -> Self;
}

impl With for Step {
    fn with(self, change: impl FnOnce(Command) -> Command) -> Self {
        match self {
            Self::Run(command) => Self::Run(change(command)),
            Self::Start(name, command) => Self::Start(name, change(command)),
            Self::Stop(name, stop) => Self::Stop(name, stop),
        }
    }
}

/// A test that is skipped, by name, where the machine lacks what it needs.
fn trial(name: &str, lsm: Lsm, test: fn()) -> Trial {
    Trial::ignorable_test(name, move || {
        let missing = missing(lsm).join("; ");
        if missing.is_empty() {
            test();
            Ok(Completion::Completed)
        } else if std::env::var_os("STOCKADE_NO_SKIP").is_some_and(|it| it == "1") {
            Err(Failed::from(format!("may not be skipped: {missing}")))
        } else {
            Ok(Completion::ignored_with(missing))
        }
    })
}

const NAME: &str = "k8s-apparmor-example-deny-write";

const PROFILE: &str = "\
#include <tunables/global>
profile k8s-apparmor-example-deny-write flags=(attach_disconnected) {
  #include <abstractions/base>
  file,
  # Deny all file writes.
  deny /** w,
}
";
