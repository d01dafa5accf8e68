//! From a plan to a process that runs and ends.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Signal, pidfd_send_signal};
use stockade_abi::bpf::{Instruction, Program};
use stockade_confine::plan::{Action, LogDenied, SeccompLoad, Speculation, Stage};
use stockade_runtime::{Gate, Hold, Started, Tie, create, give_word};

use crate::Test;
use crate::rig::{Rig, streams, wait};

pub(crate) const ALL: &[Test] = &[
    ("a_script_says_what_it_says_and_its_code_is_its_own", a_script_speaks),
    ("nothing_runs_before_the_word", nothing_runs_before_the_word),
    ("a_held_process_has_its_program_and_has_not_run", a_held_process_has_not_run),
    ("a_held_process_that_is_killed_never_ran", a_held_process_can_be_killed),
    ("a_created_process_that_is_dropped_leaves_nothing", dropped_before_the_start),
    ("another_process_can_give_the_word", another_process_gives_the_word),
    ("bad_news_reaches_whoever_gave_the_word", bad_news_through_the_gate),
    ("a_process_dies_with_its_maker", a_process_dies_with_its_maker),
];

fn a_script_speaks() {
    let rig = Rig::new();
    let output = rig.run(&rig.script("echo it is $(hostname) as $$; exit 7"));
    assert_eq!((output.text.as_str(), output.code), ("it is box as 1\n", Some(7)));
}

fn nothing_runs_before_the_word() {
    let rig = Rig::new();
    let created = create(&rig.script("touch /tmp/ran").plan(), &rig.site()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!rig.rootfs().join("tmp/ran").exists());
    let Started::Running(running) = created.start(Hold::No).unwrap() else { panic!("held") };
    assert_eq!(wait(&running), Some(0));
    assert!(rig.rootfs().join("tmp/ran").exists());
    rig.clean_up();
}

fn a_held_process_has_not_run() {
    let rig = Rig::new();
    let filter = deny_uname();
    let load = SeccompLoad {
        program: filter.clone(),
        log: LogDenied::AsConfigured,
        speculation: Speculation::Mitigate,
        listener: None,
    };
    let draft = rig.script("touch /tmp/ran").with(Stage::SeccompLast, Action::LoadSeccomp(load));
    let created = create(&draft.plan(), &rig.site()).unwrap();
    let Started::Held(held) = created.start(Hold::AtExec).unwrap() else { panic!("not held") };

    let exe = fs::read_link(format!("/proc/{}/exe", held.pid())).unwrap();
    assert_eq!(exe, Path::new("/bin/busybox"));
    assert_eq!(held.filters().unwrap(), [filter]);
    assert!(!rig.rootfs().join("tmp/ran").exists());

    let running = held.release().unwrap();
    assert_eq!(wait(&running), Some(0));
    assert!(rig.rootfs().join("tmp/ran").exists());
    rig.clean_up();
}

fn a_held_process_can_be_killed() {
    let rig = Rig::new();
    let created = create(&rig.script("touch /tmp/ran").plan(), &rig.site()).unwrap();
    let Started::Held(held) = created.start(Hold::AtExec).unwrap() else { panic!("not held") };
    held.kill().unwrap();
    assert!(!rig.rootfs().join("tmp/ran").exists());
    rig.clean_up();
}

fn dropped_before_the_start() {
    let rig = Rig::new();
    let created = create(&rig.script("true").plan(), &rig.site()).unwrap();
    let pid = created.pid();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    drop(created);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

fn another_process_gives_the_word() {
    let rig = Rig::new();
    let gate = rig.directory.path().join("gate");
    let mut site = rig.site();
    site.tie = Tie::Outlives;
    site.gate = Gate::Socket(gate.clone());
    let (given, read) = streams();
    site.streams = given;
    let created = create(&rig.script("echo started").plan(), &site).unwrap();
    drop(site);
    let pidfd = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(created.pid()).unwrap(),
        rustix::process::PidfdFlags::empty(),
    )
    .unwrap();
    let pid = created.pid();
    created.leave();
    give_word(&gate).unwrap();
    let output = rig.finish(&stockade_runtime::Running { pid, pidfd }, read);
    assert_eq!((output.text.as_str(), output.code), ("started\n", Some(0)));
    assert!(give_word(&gate).is_err(), "the gate is closed");
}

fn bad_news_through_the_gate() {
    let rig = Rig::new();
    let gate = rig.directory.path().join("gate");
    let mut site = rig.site();
    site.tie = Tie::Outlives;
    site.gate = Gate::Socket(gate.clone());
    let created = create(&rig.container(&["no-such-program"]).plan(), &site).unwrap();
    let pid = created.pid();
    created.leave();
    let bad = give_word(&gate).unwrap_err().to_string();
    assert!(bad.contains("run `no-such-program`: ENOENT"), "{bad}");
    assert!(bad.contains("the default (the test says so)"), "{bad}");
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let status = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    assert_eq!(status.unwrap().unwrap().1.exit_status(), Some(127));
    rig.clean_up();
}

/// A maker in a process of its own is killed; its container goes with it.
fn a_process_dies_with_its_maker() {
    use stockade_abi::NamespaceSet;
    use stockade_sys::process::{Birth, Born, Parent, birth, exit_now};
    let rig = Rig::new();
    let (given, read) = streams();
    let ours = Birth { flags: NamespaceSet::EMPTY, cgroup: None, parent: Parent::Caller };
    match birth(ours).unwrap() {
        Born::Child => {
            let mut site = rig.site();
            site.streams = given;
            let started = create(&rig.script("echo up; sleep 100").plan(), &site)
                .map_err(|it| it.to_string())
                .and_then(|it| it.start(Hold::No).map_err(|it| it.to_string()));
            if let Err(why) = started {
                eprintln!("{why}");
                exit_now(1);
            }
            drop(site);
            loop {
                std::thread::sleep(std::time::Duration::from_secs(100));
            }
        }
        Born::Parent { pidfd, .. } => {
            drop(given);
            let mut said = [0; 3];
            rustix::io::read(&read, &mut said).unwrap();
            assert_eq!(&said, b"up\n");
            pidfd_send_signal(pidfd.as_fd(), Signal::KILL).unwrap();
            let ended = wait(&stockade_runtime::Running { pid: 0, pidfd });
            assert_eq!(ended, None, "it was killed");
            // The end of the pipe: nobody holds the other end any more.
            assert_eq!(rustix::io::read(&read, &mut said).unwrap(), 0);
            rig.clean_up();
        }
    }
}

/// Denies uname(2) with EPERM, and allows everything else.
pub(crate) fn deny_uname() -> Program {
    let uname = u32::try_from(libc::SYS_uname).unwrap();
    let instruction = |code, jt, jf, k| Instruction { code, jt, jf, k };
    Program::new(vec![
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, uname),
        instruction(0x06, 0, 0, 0x0005_0001),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ])
    .unwrap()
}
