//! Questions that are asked in a child process: in other namespaces, or where the answer may never
//! come.
//!
//! The child sends its answers one by one through a pipe. What has not come by the deadline is
//! unreadable; the child is killed. Nobody else may use it: it cannot be traced from within the
//! namespaces that it enters (CVE-2016-9962 was that), and it dies with its parent.
//!
//! Source: fuse(4), of which a request that its server has taken and does not answer cannot even
//! be killed: whoever asked stays, so nobody waits for the child longer than [`FAREWELL`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open,
    pidfd_send_signal, set_dumpable_behavior, waitid,
};
use stockade_abi::{NamespaceSet, Why};
use stockade_sys::process::{Birth, Born, Parent, ParentIs, birth, die_with_parent, exit_now};

use crate::file::words;

/// One answer.
pub(crate) type Answer = Result<Vec<u8>, Why>;

/// The child's side: where answers go, in the order of the questions.
pub(crate) struct Answers<'fd> {
    pipe: BorrowedFd<'fd>,
    parent: BorrowedFd<'fd>,
}

impl Answers<'_> {
    /// Sends the next answer. Nobody listening any more ends the child.
    pub(crate) fn send(&mut self, answer: &Answer) {
        let (tag, payload) = match answer {
            Ok(value) => (KNOWN, value.as_slice()),
            Err(why) => (UNREADABLE, why.0.as_bytes()),
        };
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut message = vec![tag];
        message.extend_from_slice(&length);
        message.extend_from_slice(payload);
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            match retry_on_intr(|| write(self.pipe, rest)) {
                Ok(count) => rest = &rest[count..],
                Err(_) => exit_now(1),
            }
        }
    }

    /// Ties the child to its parent, again after its credentials have changed: the kernel cuts
    /// the tie when they do.
    pub(crate) fn die_with_parent(&self) {
        match die_with_parent(self.parent) {
            Ok(ParentIs::Alive) => {}
            Ok(ParentIs::Gone) | Err(_) => exit_now(1),
        }
    }
}

/// Has `body` answer `count` questions in a child that is made into `namespaces`. Every question
/// has an answer in the end.
pub(crate) fn ask(
    count: usize,
    namespaces: NamespaceSet,
    body: impl FnOnce(&mut Answers<'_>),
) -> Vec<Answer> {
    match start(namespaces, body) {
        Ok(child) => child.answers(count),
        Err(why) => vec![Err(why); count],
    }
}

struct Child {
    pidfd: OwnedFd,
    pipe: OwnedFd,
}

fn start(namespaces: NamespaceSet, body: impl FnOnce(&mut Answers<'_>)) -> Result<Child, Why> {
    let failed = |call: &str, errno| Why(format!("{call}: {}", words(errno)));
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|it| failed("pipe2", it))?;
    let ourselves =
        pidfd_open(getpid(), PidfdFlags::empty()).map_err(|it| failed("pidfd_open", it))?;
    let like = Birth { flags: namespaces, cgroup: None, parent: Parent::Caller };
    match birth(like).map_err(|it| Why(it.to_string()))? {
        Born::Parent { pidfd, .. } => Ok(Child { pidfd, pipe: reader }),
        Born::Child => {
            let mut answers = Answers { pipe: writer.as_fd(), parent: ourselves.as_fd() };
            answers.die_with_parent();
            if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
                exit_now(1);
            }
            body(&mut answers);
            exit_now(0)
        }
    }
}

impl Child {
    fn answers(self, count: usize) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(count);
        let end = Instant::now() + DEADLINE;
        let mut received = Vec::new();
        let why = loop {
            while answers.len() < count {
                match take(&mut received) {
                    Some(answer) => answers.push(answer),
                    None => break,
                }
            }
            if answers.len() == count {
                break "";
            }
            match self.receive(&mut received, end) {
                Received::More => {}
                Received::Nothing => break "the process that was to read it ended",
                Received::TooLate => break "no answer within two seconds",
            }
        };
        answers.resize(count, Err(Why(why.to_owned())));
        self.end();
        answers
    }

    fn receive(&self, received: &mut Vec<u8>, end: Instant) -> Received {
        if !ready(self.pipe.as_fd(), end.saturating_duration_since(Instant::now())) {
            return Received::TooLate;
        }
        let mut chunk = [0; 4096];
        match retry_on_intr(|| read(&self.pipe, &mut chunk)) {
            Ok(0) | Err(_) => Received::Nothing,
            Ok(length) => {
                received.extend_from_slice(&chunk[..length]);
                Received::More
            }
        }
    }

    fn end(&self) {
        // A child that was reaped behind our back has no process left to signal or wait for.
        let there = pidfd_send_signal(&self.pidfd, Signal::KILL).is_ok();
        if there && ready(self.pidfd.as_fd(), FAREWELL) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let reaped = retry_on_intr(|| waitid(WaitId::PidFd(self.pidfd.as_fd()), options));
            debug_assert!(matches!(reaped, Ok(_) | Err(Errno::CHILD)), "{reaped:?}");
        }
    }
}

enum Received {
    More,
    Nothing,
    TooLate,
}

fn ready(fd: BorrowedFd<'_>, within: Duration) -> bool {
    let mut wanted = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let Ok(within) = Timespec::try_from(within) else { return false };
    matches!(retry_on_intr(|| poll(&mut wanted, Some(&within))), Ok(1..))
}

/// Takes one whole message from the front.
fn take(received: &mut Vec<u8>) -> Option<Answer> {
    let [tag, a, b, c, d, rest @ ..] = received.as_slice() else { return None };
    let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()?;
    let payload = rest.get(..length)?.to_vec();
    let answer = match *tag {
        KNOWN => Ok(payload),
        _ => Err(Why(String::from_utf8_lossy(&payload).into_owned())),
    };
    received.drain(..5 + length);
    Some(answer)
}

const KNOWN: u8 = 0;
const UNREADABLE: u8 = 1;
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a killed child may take to be gone.
const FAREWELL: Duration = Duration::from_millis(500);
