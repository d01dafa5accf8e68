//! What a supervisor tells the command that started it: one JSON object per line, over a socket.
//!
//! The supervisor waits for one byte before it lets a proven pod go, so that its proof is printed
//! before it runs. In the foreground the socket is a leash as well: who started a pod and is gone
//! does not leave it behind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use stockade_confine::{Declared, Finding, Mechanism};
use stockade_runtime::pod::{Ended, Exit, Permission, Watcher};

use crate::report::Container;

/// Something that happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub(crate) enum Event {
    /// A container stands at its first instruction.
    Proven { pid: i32, container: Container },
    /// All containers run.
    Running,
    /// A container has ended.
    Ended { container: String, exit: Exit, again: bool },
    /// The pod did not start.
    NotStarted {
        message: String,
        /// The container that is not confined as was meant.
        unproven: Option<Container>,
        /// How the kernel answered, if it was the workload's program that could not be executed.
        exec_errno: Option<u16>,
    },
    /// The pod is over.
    Over { exits: Vec<(String, Exit)> },
}

/// What is meant for each container, mechanism by mechanism.
pub(crate) type Meant = BTreeMap<String, BTreeMap<Mechanism, Declared>>;

/// The supervisor's end.
pub(crate) struct Teller {
    socket: UnixStream,
    meant: Meant,
    foreground: bool,
}

impl Teller {
    /// Tells through `socket`. In the foreground it is also a leash.
    pub(crate) fn new(socket: UnixStream, foreground: bool) -> Self {
        Self { socket, meant: Meant::new(), foreground }
    }

    /// Learns what was meant.
    pub(crate) fn learn(&mut self, meant: Meant) {
        self.meant = meant;
    }

    /// Tells. That nobody listens any more is noticed elsewhere.
    pub(crate) fn tell(&mut self, event: &Event) {
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        self.socket.write_all(&line).ok();
    }

    /// What is reported of a container.
    pub(crate) fn report(&self, container: &str, findings: &[Finding]) -> Container {
        let nothing = BTreeMap::new();
        Container::new(container, self.meant.get(container).unwrap_or(&nothing), findings)
    }
}

impl Watcher for Teller {
    fn proven(&mut self, container: &str, pid: i32, findings: &[Finding]) {
        let container = self.report(container, findings);
        self.tell(&Event::Proven { pid, container });
    }

    fn may_run(&mut self) -> Permission {
        let mut word = [0];
        match self.socket.read_exact(&mut word) {
            Ok(()) => Permission::Given,
            Err(_) => Permission::Withheld,
        }
    }

    fn running(&mut self) {
        self.tell(&Event::Running);
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        let Ended { container, exit, again } = ended;
        self.tell(&Event::Ended { container: (*container).to_owned(), exit: *exit, again: *again });
    }

    fn leash(&self) -> Option<BorrowedFd<'_>> {
        self.foreground.then(|| self.socket.as_fd())
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
