//! An agent to which seccomp profiles leave `mkdir`.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;
use stockade_abi::Errno;
use stockade_sys::seccomp::notify::{Listener, Next, Notification};

/// Refuses directories called `no` and lets the others be made.
pub(crate) struct Agent(JoinHandle<Vec<Supervised>>);

/// What an agent was told about a process, and which directories it was asked about.
pub(crate) type Supervised = (Value, Vec<String>);

impl Agent {
    /// Answers for as many processes as there will be connections.
    pub(crate) fn at(path: &Path, connections: usize) -> Self {
        if path.exists() {
            std::fs::remove_file(path).expect("a socket of an earlier agent");
        }
        let socket = UnixListener::bind(path).expect("a socket");
        Self(std::thread::spawn(move || {
            let accept = |_| {
                let (told, listener) = hear(&socket);
                let listener = Listener::over(listener).expect("a listener");
                std::thread::spawn(move || (told, serve(&listener)))
            };
            let all: Vec<JoinHandle<Supervised>> = (0..connections).map(accept).collect();
            all.into_iter().map(|it| it.join().expect("an agent")).collect()
        }))
    }

    /// When every process has ended.
    pub(crate) fn end(self) -> Vec<Supervised> {
        self.0.join().expect("an agent")
    }
}

fn serve(listener: &Listener) -> Vec<String> {
    let mut asked = Vec::new();
    loop {
        match listener.next(Some(Duration::from_secs(20))).expect("a question") {
            Next::Asked(notification) => asked.push(answer(notification)),
            Next::AllGone => return asked,
            Next::TimedOut => panic!("nobody asked and nobody ended: {asked:?}"),
        }
    }
}

/// Whether the path is the one that the kernel makes is up to the container: an agent that
/// protected something could not answer so.
fn answer(notification: Notification<'_>) -> String {
    let question = notification.question();
    let argument = if question.number == MKDIR { 0 } else { 1 };
    let path = notification.read_string(question.arguments[argument], 4096).expect("a path");
    let path = path.expect("it waits").into_string().expect("text");
    let answered =
        if path.ends_with("no") { notification.refuse(EXDEV) } else { notification.let_continue() };
    assert!(answered.is_ok(), "{answered:?}");
    path
}

/// Takes one connection, and what comes over it.
pub(crate) fn hear(socket: &UnixListener) -> (Value, OwnedFd) {
    let (connection, _) = socket.accept().expect("a connection");
    let mut bytes = vec![0; 65536];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(&connection, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let length = received.expect("a message").bytes;
    let message = ancillary.drain().next();
    let Some(RecvAncillaryMessage::ScmRights(mut fds)) = message else { panic!("no listener") };
    let told = serde_json::from_slice(&bytes[..length]).expect("json");
    (told, fds.next().expect("a listener"))
}

const EXDEV: Errno = Errno(18);
/// On x86_64, where `mkdirat` has the path second.
const MKDIR: u32 = 83;
