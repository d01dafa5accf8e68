//! Holding a process at its exec.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::process::{
    DumpableBehavior, Signal, WaitId, WaitIdOptions, pidfd_send_signal, set_dumpable_behavior,
    waitid,
};
use stockade_abi::NamespaceSet;
use stockade_sys::process::close_at_exec_from;
use stockade_sys::ptrace::{Purpose, Stopped, Tracee, offer};
use stockade_sys::signals;

use crate::harness::{
    Child, LONG, SHORT, Skip, Test, become_role, ended, eventually, is_ready, read_byte,
    status_field, stopped, timed_out,
};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("nothing_of_a_held_program_runs", nothing_of_a_held_program_runs),
    ("one_that_hides_can_offer_itself", one_that_hides_can_offer_itself),
    ("one_that_offers_itself_dies_when_dropped", one_that_offers_itself_dies_when_dropped),
    ("one_that_does_not_offer_itself_is_waited_for", one_that_does_not_offer_itself),
    ("a_held_program_that_is_dropped_dies", a_held_program_that_is_dropped_dies),
    ("a_tracee_that_is_dropped_dies", a_tracee_that_is_dropped_dies),
    ("a_held_program_dies_with_its_tracer", a_held_program_dies_with_its_tracer),
    ("an_end_before_the_exec_is_reported", an_end_before_the_exec_is_reported),
    ("a_signal_before_the_exec_is_delivered", a_signal_before_the_exec_is_delivered),
    ("job_control_works_before_the_exec", job_control_works_before_the_exec),
    ("an_ignored_signal_does_not_matter", an_ignored_signal_does_not_matter),
    ("waiting_ends_with_its_time", waiting_ends_with_its_time),
    ("other_children_keep_their_status", other_children_keep_their_status),
    ("a_process_looked_at_runs_on", a_process_looked_at_runs_on),
    ("a_strangers_end_reaches_its_parent", a_strangers_end_reaches_its_parent),
];

pub(crate) fn play(role: &str) -> u8 {
    let fd: i32 = role.strip_prefix("report-to-").unwrap().parse().unwrap();
    let report = std::fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}"));
    report.unwrap().write_all(b"ran").unwrap();
    0
}

/// A child that executes a program, which reports, once it is told to.
struct Candidate {
    child: Child,
    go: PipeWriter,
    ran: PipeReader,
}

impl Candidate {
    fn new() -> Self {
        let (told, go) = pipe().unwrap();
        let (ran, report) = pipe().unwrap();
        let child = Child::new(NamespaceSet::EMPTY, || {
            close_at_exec_from(3, &[report.as_raw_fd()]).unwrap();
            let mut word = read_byte(&told);
            if word == Some(b'o') {
                set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap();
                offer().unwrap();
                word = read_byte(&told);
            }
            match word {
                Some(b'g') => become_role(&format!("report-to-{}", report.as_raw_fd())),
                _ => 3,
            }
        });
        Self { child, go, ran }
    }

    fn seize(&self) -> Tracee {
        Tracee::seize(self.child.pid, Purpose::HoldAtExec).unwrap()
    }

    /// Has it hide and offer itself.
    fn accepted(&mut self) -> Tracee {
        self.go.write_all(b"o").unwrap();
        Tracee::accept(self.child.pid, LONG).unwrap()
    }

    fn go(&mut self) {
        self.go.write_all(b"g").unwrap();
    }

    /// Has it exit with 3 instead. Closing the pipe would not tell it: it has a copy of this end.
    fn give_up(&mut self) {
        self.go.write_all(b"x").unwrap();
    }

    fn held(mut self) -> (Self, Stopped) {
        let tracee = self.seize();
        self.go();
        (self, stopped(tracee.wait_for_exec(LONG)))
    }
}

fn nothing_of_a_held_program_runs() -> Result<(), Skip> {
    let (candidate, held) = Candidate::new().held();

    let arguments = std::fs::read(format!("/proc/{}/cmdline", candidate.child.pid.as_raw_pid()));
    assert!(String::from_utf8(arguments.unwrap()).unwrap().contains("report-to-"));
    assert!(!is_ready(&candidate.ran, SHORT), "the program has run");

    held.release().unwrap();
    assert_eq!(read_byte(&candidate.ran), Some(b'r'));
    candidate.child.succeeds();
    Ok(())
}

fn one_that_hides_can_offer_itself() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    let tracee = candidate.accepted();
    candidate.go();
    let held = stopped(tracee.wait_for_exec(LONG));
    assert!(!is_ready(&candidate.ran, SHORT), "the program has run");
    held.release().unwrap();
    assert_eq!(read_byte(&candidate.ran), Some(b'r'));
    candidate.child.succeeds();
    Ok(())
}

fn one_that_offers_itself_dies_when_dropped() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    drop(candidate.accepted());
    assert_eq!(candidate.child.wait().terminating_signal(), Some(9));
    Ok(())
}

fn one_that_does_not_offer_itself() -> Result<(), Skip> {
    let candidate = Candidate::new();
    let refused = Tracee::accept(candidate.child.pid, SHORT).unwrap_err();
    assert_eq!(i32::from(refused.errno.0), libc::ETIMEDOUT);
    assert_eq!(candidate.child.wait().terminating_signal(), Some(9), "it is not left behind");
    Ok(())
}

fn a_held_program_that_is_dropped_dies() -> Result<(), Skip> {
    let (candidate, held) = Candidate::new().held();
    drop(held);
    assert_eq!(candidate.child.wait().terminating_signal(), Some(9));
    assert_eq!(read_byte(&candidate.ran), None);
    Ok(())
}

fn a_tracee_that_is_dropped_dies() -> Result<(), Skip> {
    let candidate = Candidate::new();
    drop(candidate.seize());
    assert_eq!(candidate.child.wait().terminating_signal(), Some(9));
    Ok(())
}

fn a_held_program_dies_with_its_tracer() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    let (ready, tell) = pipe().unwrap();
    let (wait, end) = pipe().unwrap();
    let tracer = Child::new(NamespaceSet::EMPTY, || {
        let Ok(tracee) = Tracee::seize(candidate.child.pid, Purpose::HoldAtExec) else { return 77 };
        (&tell).write_all(b"r").unwrap();
        let _held = stopped(tracee.wait_for_exec(LONG));
        (&tell).write_all(b"h").unwrap();
        // Killed here, so that it is not our destructor that kills.
        u8::from(read_byte(&wait).is_none())
    });
    drop((tell, wait));
    if read_byte(&ready).is_none() {
        assert_eq!(tracer.wait().exit_status(), Some(77));
        return Err(Skip("not allowed to trace a sibling".into()));
    }
    candidate.go();
    assert_eq!(read_byte(&ready), Some(b'h'));
    pidfd_send_signal(&tracer.pidfd, Signal::KILL).unwrap();
    assert_eq!(tracer.wait().terminating_signal(), Some(9));
    assert!(is_ready(&candidate.child.pidfd, LONG), "it is not killed");
    assert_eq!(candidate.child.wait().terminating_signal(), Some(9));
    assert_eq!(read_byte(&candidate.ran), None);
    drop(end);
    Ok(())
}

fn an_end_before_the_exec_is_reported() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    let tracee = candidate.seize();
    candidate.give_up();
    assert_eq!(ended(tracee.wait_for_exec(LONG)).exit_status(), Some(3));
    // Its status has not been taken.
    assert_eq!(candidate.child.wait().exit_status(), Some(3));
    Ok(())
}

fn a_signal_before_the_exec_is_delivered() -> Result<(), Skip> {
    let candidate = Candidate::new();
    let tracee = candidate.seize();
    pidfd_send_signal(&candidate.child.pidfd, Signal::TERM).unwrap();
    assert_eq!(ended(tracee.wait_for_exec(LONG)).terminating_signal(), Some(15));
    assert_eq!(candidate.child.wait().terminating_signal(), Some(15));
    Ok(())
}

fn job_control_works_before_the_exec() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    let tracee = candidate.seize();
    pidfd_send_signal(&candidate.child.pidfd, Signal::STOP).unwrap();
    candidate.go();
    let tracee = timed_out(tracee.wait_for_exec(SHORT * 2));
    pidfd_send_signal(&candidate.child.pidfd, Signal::CONT).unwrap();
    stopped(tracee.wait_for_exec(LONG)).release().unwrap();
    assert_eq!(read_byte(&candidate.ran), Some(b'r'));
    candidate.child.succeeds();
    Ok(())
}

fn an_ignored_signal_does_not_matter() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    let tracee = candidate.seize();
    pidfd_send_signal(&candidate.child.pidfd, Signal::WINCH).unwrap();
    candidate.go();
    stopped(tracee.wait_for_exec(LONG)).release().unwrap();
    candidate.child.succeeds();
    Ok(())
}

fn waiting_ends_with_its_time() -> Result<(), Skip> {
    let candidate = Candidate::new();
    let start = std::time::Instant::now();
    timed_out(candidate.seize().wait_for_exec(SHORT)).kill().unwrap();
    assert!((SHORT..LONG).contains(&start.elapsed()));
    assert_eq!(candidate.child.wait().terminating_signal(), Some(9));
    Ok(())
}

fn other_children_keep_their_status() -> Result<(), Skip> {
    let supervisor = Child::new(NamespaceSet::EMPTY, || {
        let watched = signals::block_and_watch(&[Signal::CHILD]).unwrap();
        let mut candidate = Candidate::new();
        let tracee = candidate.seize();
        let other = Child::new(NamespaceSet::EMPTY, || 5);
        assert!(is_ready(&other.pidfd, LONG));
        candidate.go();
        stopped(tracee.wait_for_exec(LONG)).release().unwrap();
        // Whoever watches SIGCHLD is still told, and finds the status.
        assert_eq!(signals::read(&watched).unwrap().unwrap().signal, Signal::CHILD);
        assert_eq!(other.wait().exit_status(), Some(5));
        candidate.child.succeeds();
        0
    });
    supervisor.succeeds();
    Ok(())
}

fn a_process_looked_at_runs_on() -> Result<(), Skip> {
    for drop_early in [true, false] {
        let mut candidate = Candidate::new();
        let tracee = Tracee::seize(candidate.child.pid, Purpose::Look).unwrap();
        if drop_early {
            drop(tracee);
        } else {
            drop(stopped(tracee.interrupt(LONG)));
        }
        let pid = candidate.child.pid.as_raw_pid().to_string();
        assert_eq!(status_field(&pid, "TracerPid"), "0");
        candidate.go();
        assert_eq!(read_byte(&candidate.ran), Some(b'r'));
        candidate.child.succeeds();
    }
    Ok(())
}

fn a_strangers_end_reaches_its_parent() -> Result<(), Skip> {
    let mut candidate = Candidate::new();
    let (ready, tell) = pipe().unwrap();
    // The candidate's sibling traces it; which Yama allows root only.
    let tracer = Child::new(NamespaceSet::EMPTY, || {
        let Ok(tracee) = Tracee::seize(candidate.child.pid, Purpose::HoldAtExec) else { return 77 };
        (&tell).write_all(b"r").unwrap();
        assert_eq!(ended(tracee.wait_for_exec(LONG)).exit_status(), Some(3));
        // It is still alive when the parent learns of the end.
        std::thread::sleep(SHORT * 4);
        0
    });
    drop(tell);
    if read_byte(&ready).is_none() {
        assert_eq!(tracer.wait().exit_status(), Some(77));
        return Err(Skip("not allowed to trace a sibling".into()));
    }
    candidate.give_up();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    eventually(|| {
        let id = WaitId::PidFd(candidate.child.pidfd.as_fd());
        waitid(id, options).unwrap().is_some_and(|it| it.exit_status() == Some(3))
    });
    assert!(!is_ready(&tracer.pidfd, Duration::ZERO), "it learnt only from the tracer's end");
    tracer.succeeds();
    Ok(())
}
