//! What a supervisor tells the command that started it: one JSON object per line, over a socket.
//!
//! The supervisor waits for one byte before it lets proven containers go, so that their proof is
//! printed before they run: in the foreground in each turn, else in the first, after which nobody
//! listens. In the foreground the socket is a leash as well: who started a pod and is gone does not
//! leave it behind. The report is kept in the pod's directory, as far as it has got.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use stockade_confine::{Declared, Finding, Mechanism};
use stockade_runtime::pod::{Ended, Exit, Permission, PodDirectory, Watcher};

use crate::launch::Mode;
use crate::report::{Container, List, Report};

/// Something that happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub(crate) enum Event {
    /// A container stands at its first instruction.
    Proven { pid: i32, list: List, container: Container },
    /// All whose turn it is are proven, and wait to be let go.
    MayRun,
    /// What has the first turn runs.
    Running,
    /// A container has ended.
    Ended { container: String, exit: Exit, again: bool },
    /// The pod did not start, or not all of it.
    NotStarted {
        message: String,
        /// The container that is not confined as was meant.
        unproven: Option<(List, Container)>,
        /// How the kernel answered, if it was the workload's program that could not be executed.
        exec_errno: Option<u16>,
    },
    /// The pod is over.
    Over { exits: Vec<(String, Exit)> },
}

/// What is meant for each container, mechanism by mechanism.
pub(crate) type Meant = BTreeMap<String, (List, BTreeMap<Mechanism, Declared>)>;

/// What a supervisor keeps of what it tells.
struct Kept {
    meant: Meant,
    report: Report,
    directory: PodDirectory,
}

/// The supervisor's end.
pub(crate) struct Teller {
    socket: UnixStream,
    mode: Mode,
    kept: Option<Kept>,
    turns: Turns,
}

/// Which turns of containers there were.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turns {
    None,
    Some,
}

impl Teller {
    /// Tells through `socket`. In the foreground it is also a leash.
    pub(crate) fn new(socket: UnixStream, mode: Mode) -> Self {
        Self { socket, mode, kept: None, turns: Turns::None }
    }

    /// Learns what was meant, and where the report is kept.
    pub(crate) fn learn(&mut self, meant: Meant, report: Report, directory: PodDirectory) {
        self.kept = Some(Kept { meant, report, directory });
    }

    /// Tells. That nobody listens any more is noticed elsewhere.
    pub(crate) fn tell(&mut self, event: &Event) {
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        self.socket.write_all(&line).ok();
    }

    /// What is reported of a container, from now on.
    pub(crate) fn report(&mut self, container: &str, findings: &[Finding]) -> (List, Container) {
        let nothing = (List::Regular, BTreeMap::new());
        let meant = self.kept.as_ref().and_then(|it| it.meant.get(container));
        let (list, meant) = meant.unwrap_or(&nothing);
        let (list, container) = (*list, Container::new(container, meant, findings));
        if let Some(kept) = &mut self.kept {
            kept.report.put(list, container.clone());
        }
        (list, container)
    }

    /// Keeps the report in the pod's directory.
    pub(crate) fn keep(&self) -> io::Result<()> {
        let Some(Kept { meant: _, report, directory }) = &self.kept else { return Ok(()) };
        directory.write_text("report.json", report.to_json()?.as_bytes())
    }
}

impl Watcher for Teller {
    fn proven(&mut self, container: &str, pid: i32, findings: &[Finding]) {
        let (list, container) = self.report(container, findings);
        self.tell(&Event::Proven { pid, list, container });
    }

    fn may_run(&mut self) -> io::Result<Permission> {
        self.keep()?;
        self.tell(&Event::MayRun);
        let is_first = std::mem::replace(&mut self.turns, Turns::Some) == Turns::None;
        if self.mode == Mode::Detached && !is_first {
            return Ok(Permission::Given);
        }
        let mut word = [0];
        Ok(match self.socket.read_exact(&mut word) {
            Ok(()) => Permission::Given,
            Err(_) => Permission::Withheld,
        })
    }

    fn running(&mut self) {
        self.tell(&Event::Running);
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        let Ended { container, exit, again } = ended;
        self.tell(&Event::Ended { container: (*container).to_owned(), exit: *exit, again: *again });
    }

    fn leash(&self) -> Option<BorrowedFd<'_>> {
        (self.mode == Mode::Foreground).then(|| self.socket.as_fd())
    }
}

/// The starter's end: what is told, until the supervisor is gone.
pub(crate) fn listen(socket: &UnixStream) -> impl Iterator<Item = Event> {
    let lines = BufReader::new(socket).lines();
    lines.map_while(Result::ok).filter_map(|it| serde_json::from_str(&it).ok())
}

/// Lets a proven pod go.
pub(crate) fn let_go(mut socket: &UnixStream) {
    // If the supervisor is gone, the end of its events says so.
    socket.write_all(&[1]).ok();
}
