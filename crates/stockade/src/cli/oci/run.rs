//! `stockade oci run`.

use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use stockade_runtime::bundle::{ContainerId, Insistence, Store, attend, delete};
use stockade_runtime::{Hold, NotStarted, Running, Started};
use stockade_sys::signals;

use super::judged::{Judged, Said};
use super::{Id, create, pid_file, proof};
use crate::answer::{Answer, Failure};

/// Make a container, start it, wait for its end, and remove it
///
/// Exits with the code of its first process. Signals are passed on to it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,

    #[command(flatten)]
    bundle: create::Bundle,
}

pub(super) fn run(args: &Args, store: &Store) -> Result<Answer, Failure> {
    let Args { id: Id { id }, bundle } = args;
    bundle.check()?;
    let judged = Said::read(&bundle.bundle)?.judge()?;
    let plan = judged.plan()?;
    let making = judged.making(id, &plan)?;
    // From here on what would end us is the container's to decide about; it ends with us.
    let watched = signals::block_and_watch(PASSED_ON).map_err(Failure::unanswered)?;
    let mut created = attend(store, &judged.host.cgroups, making).map_err(Failure::unanswered)?;
    drop(created.take_terminal());
    let outcome = match &bundle.pid_file {
        None => Ok(()),
        Some(path) => pid_file::write(path, created.pid()),
    };
    let outcome = outcome.and_then(|()| {
        let started = created.start(Hold::AtExec).map_err(|why| not_started(&why))?;
        let running = match started {
            Started::Held(held) => {
                proof::prove(held, &judged)?.release().map_err(Failure::unanswered)?
            }
            Started::Running(_) => unreachable!("it was to be held"),
        };
        wait(&running, &watched)
    });
    remove(store, &judged, id)?;
    outcome
}

fn not_started(why: &NotStarted) -> Failure {
    Failure::unanswered(why)
}

/// Waits for the end, and passes on what comes meanwhile.
fn wait(running: &Running, watched: &std::os::fd::OwnedFd) -> Result<Answer, Failure> {
    loop {
        let mut fds =
            [PollFd::new(&running.pidfd, PollFlags::IN), PollFd::new(watched, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::unanswered(errno)),
        }
        let [ended, arrived] = fds.map(|it| !it.revents().is_empty());
        if ended {
            break;
        }
        while arrived && let Some(signal) = signals::read(watched).map_err(Failure::unanswered)? {
            match pidfd_send_signal(&running.pidfd, signal.signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(Failure::unanswered(errno)),
            }
        }
    }
    let status = waitid(WaitId::PidFd(running.pidfd.as_fd()), WaitIdOptions::EXITED)
        .map_err(Failure::unanswered)?;
    let code = status.and_then(|it| match (it.exit_status(), it.terminating_signal()) {
        (Some(code), _) => Some(code),
        (None, Some(signal)) => Some(128 + signal),
        (None, None) => None,
    });
    let code = code.and_then(|it| u8::try_from(it).ok());
    code.map(Answer::Workload)
        .ok_or_else(|| Failure::unanswered("the kernel does not tell how the container ended"))
}

fn remove(store: &Store, judged: &Judged, id: &ContainerId) -> Result<(), Failure> {
    delete(store, &judged.host.cgroups, id, Insistence::Force).map_err(Failure::unanswered)
}

/// What is sent to make a program do something.
const PASSED_ON: &[Signal] =
    &[Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];
