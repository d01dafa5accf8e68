//! Tests that need a process of one thread, run one after another on the main thread; with skips
//! that are counted as such. `STOCKADE_NO_SKIP=1` makes a skip a failure.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::ffi::CString;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};
use stockade_abi::{NamespaceKind, NamespaceSet};
use stockade_sys::process::{Birth, Born, Exec, Parent, birth, exit_now};
use stockade_sys::ptrace::{Awaited, Stopped, Tracee};
use stockade_sys::{Pid, Refused};

/// What a test lacks on this machine.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

/// A test: it panics if what it tests is wrong.
pub(crate) type Test = fn() -> Result<(), Skip>;

/// Runs tests by name. A process that was started as `role` runs that instead: see [`become_role`].
pub(crate) fn main(tests: &[(&'static str, Test)], role: fn(&str) -> u8) -> ExitCode {
    if let Some(name) =
        std::env::args().next().and_then(|it| it.strip_prefix(ROLE).map(String::from))
    {
        exit_now(role(&name));
    }
    let mut arguments = Arguments::from_args();
    // One thread: the main one.
    arguments.test_threads = Some(1);
    let trials = tests.iter().map(|&(name, test)| Trial::ignorable_test(name, move || run(test)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(test: Test) -> Result<Completion, Failed> {
    match test() {
        Ok(()) => Ok(Completion::Completed),
        Err(Skip(why)) if std::env::var_os("STOCKADE_NO_SKIP").is_some_and(|it| it == "1") => {
            Err(Failed::from(format!("may not be skipped: {why}")))
        }
        Err(Skip(why)) => Ok(Completion::ignored_with(why)),
    }
}

/// A child of a test.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
}

impl Child {
    /// Births a child that does `work` and exits with what it returns, 101 if it panics.
    pub(crate) fn new(namespaces: NamespaceSet, work: impl FnOnce() -> u8) -> Self {
        Self::try_new(Birth { flags: namespaces, cgroup: None, parent: Parent::Caller }, work)
            .unwrap()
    }

    pub(crate) fn try_new(into: Birth<'_>, work: impl FnOnce() -> u8) -> Result<Self, Refused> {
        match birth(into)? {
            Born::Child => exit_now(work()),
            Born::Parent { pid, pidfd } => Ok(Self { pid, pidfd }),
        }
    }

    pub(crate) fn wait(self) -> WaitIdStatus {
        waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap()
    }

    #[track_caller]
    pub(crate) fn succeeds(self) {
        assert_eq!(self.wait().exit_status(), Some(0));
    }
}

/// Runs `work` in a child, which fails the test by panicking.
#[track_caller]
pub(crate) fn in_child(work: impl FnOnce()) {
    Child::new(NamespaceSet::EMPTY, || {
        work();
        0
    })
    .succeeds();
}

/// As root of a new user namespace and in the namespaces given.
pub(crate) fn in_namespaces(others: &[NamespaceKind], work: impl FnOnce()) -> Result<(), Skip> {
    let flags = others
        .iter()
        .copied()
        .fold(NamespaceSet::EMPTY.with(NamespaceKind::User), NamespaceSet::with);
    let into = Birth { flags, cgroup: None, parent: Parent::Caller };
    let child = Child::try_new(into, || {
        work();
        0
    });
    match child {
        Ok(child) => child.succeeds(),
        Err(refused) => return Err(Skip(format!("no user namespace: {refused}"))),
    }
    Ok(())
}

/// Arguments with which this test binary plays a role instead of testing.
pub(crate) fn role(name: &str) -> Exec {
    let name = CString::new(format!("{ROLE}{name}")).unwrap();
    Exec::new(vec![name, c"one".into()], vec![c"ONLY=this".into()])
}

/// Becomes a role. Does not return.
pub(crate) fn become_role(name: &str) -> ! {
    panic!("{}", role(name).go(c"/proc/self/exe"));
}

#[track_caller]
pub(crate) fn stopped(awaited: Result<Awaited, Refused>) -> Stopped {
    let awaited = awaited.unwrap();
    let Awaited::Stopped(stopped) = awaited else { panic!("it did not stop there: {awaited:?}") };
    stopped
}

#[track_caller]
pub(crate) fn ended(awaited: Result<Awaited, Refused>) -> WaitIdStatus {
    let awaited = awaited.unwrap();
    let Awaited::Ended(status) = awaited else { panic!("it did not end: {awaited:?}") };
    status
}

#[track_caller]
pub(crate) fn timed_out(awaited: Result<Awaited, Refused>) -> Tracee {
    let awaited = awaited.unwrap();
    let Awaited::TimedOut(tracee) = awaited else { panic!("it came to something: {awaited:?}") };
    tracee
}

/// Whether something can be read, or the other end closed, within the time.
pub(crate) fn is_ready(fd: impl AsFd, within: Duration) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let within = Timespec::try_from(within).unwrap();
    poll(&mut fds, Some(&within)).unwrap() > 0
}

pub(crate) fn read_byte(mut from: &PipeReader) -> Option<u8> {
    let mut byte = [0];
    match from.read(&mut byte).unwrap() {
        0 => None,
        _ => Some(byte[0]),
    }
}

/// Waits for what another process does, looking often.
#[track_caller]
pub(crate) fn eventually(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One field of `/proc/<pid>/status`.
pub(crate) fn status_field(pid: &str, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

pub(crate) const LONG: Duration = Duration::from_secs(5);
pub(crate) const SHORT: Duration = Duration::from_millis(50);
const ROLE: &str = "stockade-sys-role:";
