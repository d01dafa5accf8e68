//! A process to look at: made into namespaces, prepared as a test likes, then idle until the end.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use stockade_abi::facts::{ProcessFacts, Questions};
use stockade_abi::{NamespaceKind, NamespaceSet};
use stockade_observe::process;
use stockade_sys::process::{Birth, Born, Parent, birth, exit_now};

pub(crate) struct Specimen {
    pub(crate) pid: u32,
    pidfd: OwnedFd,
    go_on: std::fs::File,
    done: std::fs::File,
}

impl Specimen {
    /// Makes a process in new namespaces; it waits for [`Specimen::go_on`] between the steps and
    /// idles after the last.
    pub(crate) fn stepwise(namespaces: &[NamespaceKind], steps: &[&dyn Fn()]) -> Self {
        let (theirs_in, ours_out) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (ours_in, theirs_out) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let flags: NamespaceSet = namespaces.iter().copied().collect();
        match birth(Birth { flags, cgroup: None, parent: Parent::Caller }).unwrap() {
            Born::Parent { pid, pidfd } => Self {
                pid: Pid::as_raw(Some(pid)).cast_unsigned(),
                pidfd,
                go_on: ours_out.into(),
                done: ours_in.into(),
            },
            Born::Child => {
                drop((ours_in, ours_out));
                let (mut go_on, mut done): (std::fs::File, std::fs::File) =
                    (theirs_in.into(), theirs_out.into());
                for step in steps {
                    if go_on.read_exact(&mut [0]).is_err() {
                        exit_now(0);
                    }
                    step();
                    done.write_all(&[1]).unwrap();
                }
                // Ends with the test, whatever becomes of it.
                let ended = go_on.read_exact(&mut [0]);
                exit_now(u8::from(ended.is_ok()))
            }
        }
    }

    /// Makes a process and lets it prepare itself.
    pub(crate) fn new(namespaces: &[NamespaceKind], prepare: impl Fn()) -> Self {
        let mut specimen = Self::stepwise(namespaces, &[&prepare]);
        specimen.go_on();
        specimen
    }

    /// Lets it do its next step and waits until that is done.
    #[track_caller]
    pub(crate) fn go_on(&mut self) {
        self.go_on.write_all(&[1]).unwrap();
        self.done.read_exact(&mut [0]).expect("the specimen failed; it said why");
    }

    #[track_caller]
    pub(crate) fn facts(&self) -> ProcessFacts {
        self.answer(&Questions::default())
    }

    #[track_caller]
    pub(crate) fn answer(&self, questions: &Questions) -> ProcessFacts {
        process(self.pid, questions).unwrap()
    }
}

impl Drop for Specimen {
    fn drop(&mut self) {
        pidfd_send_signal(&self.pidfd, Signal::KILL).unwrap();
        waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
    }
}

/// Runs `body` in a child and fails if it panics there.
#[track_caller]
pub(crate) fn in_child(namespaces: &[NamespaceKind], body: impl Fn()) {
    drop(Specimen::new(namespaces, body));
}
