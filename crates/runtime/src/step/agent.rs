//! Handing the listener of a filter to the agent that answers for it.
//!
//! The connection is made by the host, before anything else: without an agent nothing begins, and
//! the agent's socket is found by the host's eyes and with the host's rights. The descriptor exists
//! only in the child, after its filter is in force. So the child, which has inherited the connection,
//! sends it, by one call whose bytes were put together before: see `docs/decisions/seccomp-agent.md`.
//!
//! Source: OCI runtime-spec `config-linux.md`, "The Container Process State".

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, sendmsg, socket_with,
};
use serde::Serialize;
use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::site::{Known, Life};

/// A connection to an agent.
#[derive(Debug)]
pub(crate) struct Agent(OwnedFd);

impl Agent {
    pub(crate) fn connect(path: &str) -> Done<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).call("socket")?;
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))
            .call("setsockopt(SO_SNDTIMEO)")?;
        let address = SocketAddrUnix::new(path).call("connect (path too long)")?;
        connect(&socket, &address).call("connect(agent)")?;
        Ok(Self(socket))
    }

    /// Sends what it is to know with the listener. Makes one system call and leaves memory alone:
    /// the filter is in force.
    pub(crate) fn send(&self, message: &[u8], listener: BorrowedFd<'_>) -> Done {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [listener];
        let fits = control.push(SendAncillaryMessage::ScmRights(&fds));
        debug_assert!(fits, "the space is made for one descriptor");
        let sent = sendmsg(&self.0, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)
            .call("sendmsg(agent)")?;
        if sent == message.len() {
            Ok(())
        } else {
            Err(Fault::told("the seccomp agent took a part of what it is to know"))
        }
    }
}

/// What an agent is told. `pid` is the process's number where the host is.
pub(crate) fn message(known: &Known, pid: i32, metadata: Option<&str>) -> Done<Vec<u8>> {
    let (status, first) = match known.life {
        Life::Made => ("created", pid),
        Life::Joins { first } => ("running", first),
    };
    let state = State {
        oci_version: VERSION,
        id: &known.id,
        status,
        pid: first,
        bundle: &known.bundle,
        annotations: &known.annotations,
    };
    let message =
        ContainerProcessState { oci_version: VERSION, fds: ["seccompFd"], pid, metadata, state };
    serde_json::to_vec(&message).map_err(|error| Fault::told(error.to_string()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProcessState<'a> {
    oci_version: &'static str,
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    state: State<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'static str,
    id: &'a str,
    status: &'static str,
    pid: i32,
    bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

const VERSION: &str = "1.2.0";

/// How long an agent may be too busy to accept us.
const PATIENCE: Duration = Duration::from_secs(10);
