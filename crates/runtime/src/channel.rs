//! What host and child say to each other where the side changes.
//!
//! Messages over a pair of `SOCK_SEQPACKET` sockets: each arrives whole, and the end of the other
//! side is an end of file. The child's end is close-on-exec, so that end of file after the last
//! message means that the workload has begun (or that the child was killed, which its status
//! tells). The container never sees a descriptor of these.

use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use stockade_sys::{Calls, Refused};

use crate::fault::Cause;

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Message {
    /// To the child: what you waited for is done; or: start.
    Go,
    /// To the child: offer yourself to be held.
    Offer,
    /// From an intermediate child: the real one, as seen from the host.
    Born(i32),
    /// From the child: created, waiting for the word.
    Waiting,
    /// From the child: there are no more steps.
    Finished,
    /// From the child: a step could not be done.
    Failed(Record),
}

/// A step that could not be done, as it travels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    /// Which, from zero.
    pub(crate) index: u32,
    /// How many there are.
    pub(crate) of: u32,
    /// Why not.
    pub(crate) cause: Cause,
    /// In words: what it does.
    pub(crate) doing: String,
    /// In words: why it is there.
    pub(crate) because: String,
}

/// What came over a channel.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message, with a descriptor if one came along.
    Message(Message, Option<OwnedFd>),
    /// The other side is gone.
    Silence,
    /// Nothing within the time.
    Late,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// Makes the two ends.
pub(crate) fn pair() -> Result<(Channel, Channel), Refused> {
    let flags = SocketFlags::CLOEXEC;
    let (one, other) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).call("socketpair")?;
    Ok((Channel(one), Channel(other)))
}

impl Channel {
    pub(crate) const fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    pub(crate) fn tell(&self, message: &Message) -> Result<(), Refused> {
        self.tell_with(message, None)
    }

    /// Tells, and hands a descriptor over.
    pub(crate) fn tell_with(
        &self,
        message: &Message,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), Refused> {
        let bytes = message.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = fd.map(|fd| [fd]);
        if let Some(fds) = &fds {
            let fits = control.push(SendAncillaryMessage::ScmRights(fds));
            debug_assert!(fits, "the space is made for one descriptor");
        }
        sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
            .call("sendmsg")?;
        Ok(())
    }

    /// Waits for a message; `None` waits for ever.
    pub(crate) fn listen(&self, at_most: Option<Duration>) -> Result<Heard, Refused> {
        if let Some(at_most) = at_most
            && !readable_within(self.0.as_fd(), at_most)?
        {
            return Ok(Heard::Late);
        }
        let mut bytes = [0_u8; MAX_LENGTH];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut into = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                // The other side went without reading what we told it.
                Err(Errno::CONNRESET) => return Ok(Heard::Silence),
                result => break result.call("recvmsg")?.bytes,
            }
        };
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            RecvAncillaryMessage::ScmCredentials(_) | _ => None,
        });
        match Message::decode(&bytes[..received]) {
            Some(message) => Ok(Heard::Message(message, fd)),
            None if received == 0 => Ok(Heard::Silence),
            None => Err(Refused::from_rustix("recvmsg", Errno::BADMSG)),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until there is something to read (or the end) on a descriptor.
pub(crate) fn readable_within(fd: BorrowedFd<'_>, at_most: Duration) -> Result<bool, Refused> {
    let until = Instant::now() + at_most;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or_default();
        let mut waits = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        match poll(&mut waits, Some(&left)) {
            Err(Errno::INTR) => {}
            result => return Ok(result.call("poll")? > 0),
        }
    }
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Go => vec![b'g'],
            Self::Offer => vec![b'o'],
            Self::Waiting => vec![b'w'],
            Self::Finished => vec![b'e'],
            Self::Born(pid) => [&[b'b'][..], &pid.to_le_bytes()].concat(),
            Self::Failed(record) => record.encode(),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'g'] => Some(Self::Go),
            [b'o'] => Some(Self::Offer),
            [b'w'] => Some(Self::Waiting),
            [b'e'] => Some(Self::Finished),
            [b'b', pid @ ..] => Some(Self::Born(i32::from_le_bytes(pid.try_into().ok()?))),
            [b'f', record @ ..] => Record::decode(record).map(Self::Failed),
            _ => None,
        }
    }
}

impl Record {
    fn encode(&self) -> Vec<u8> {
        let (errno, cause) = match &self.cause {
            Cause::Refused { call, errno } => (errno.0, call.as_ref()),
            Cause::Unsafe(what) => (0, what.as_str()),
        };
        let mut bytes = vec![b'f'];
        bytes.extend(self.index.to_le_bytes());
        bytes.extend(self.of.to_le_bytes());
        bytes.extend(errno.to_le_bytes());
        for text in [cause, &self.doing, &self.because] {
            let text = &text.as_bytes()[..text.len().min(MAX_TEXT)];
            let length = u16::try_from(text.len()).expect("a text is cut to fit");
            bytes.extend(length.to_le_bytes());
            bytes.extend(text);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at_checked(length)?;
            rest = left;
            Some(taken)
        };
        let index = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let of = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let errno = u16::from_le_bytes(take(2)?.try_into().ok()?);
        let mut text = || {
            let length = u16::from_le_bytes(take(2)?.try_into().ok()?);
            Some(String::from_utf8_lossy(take(usize::from(length))?).into_owned())
        };
        let (cause, doing, because) = (text()?, text()?, text()?);
        let cause = match errno {
            0 => Cause::Unsafe(cause),
            errno => Cause::Refused { call: Cow::Owned(cause), errno: stockade_abi::Errno(errno) },
        };
        Some(Self { index, of, cause, doing, because })
    }
}

const MAX_TEXT: usize = 1024;
const MAX_LENGTH: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way() {
        let record = |cause| Record {
            index: 13,
            of: 23,
            cause,
            doing: "load the seccomp filter".into(),
            because: "spec at pod.yaml:31".into(),
        };
        let (one, other) = pair().unwrap();
        for message in [
            Message::Go,
            Message::Offer,
            Message::Born(4_194_304),
            Message::Waiting,
            Message::Finished,
            Message::Failed(record(Cause::Unsafe(String::new()))),
            Message::Failed(record(Cause::Refused {
                call: "seccomp".into(),
                errno: stockade_abi::Errno(22),
            })),
        ] {
            one.tell(&message).unwrap();
            let heard = other.listen(Some(Duration::from_secs(1))).unwrap();
            let Heard::Message(heard, None) = heard else { panic!("{message:?}: {heard:?}") };
            assert_eq!(heard, message);
        }
        assert!(matches!(other.listen(Some(Duration::ZERO)).unwrap(), Heard::Late));
        drop(one);
        assert!(matches!(other.listen(None).unwrap(), Heard::Silence));
    }

    #[test]
    fn garbage_is_no_message() {
        for bytes in [&b""[..], b"x", b"gg", b"b123", b"f", b"f\0\0\0\0\0\0\0\0\0\0\xff\xffz"] {
            assert_eq!(Message::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_still_fit() {
        let long = "é".repeat(5000);
        let record = Record {
            index: 0,
            of: 1,
            cause: Cause::Unsafe(long.clone()),
            doing: long.clone(),
            because: long,
        };
        let bytes = Message::Failed(record).encode();
        assert!(bytes.len() <= MAX_LENGTH);
        assert!(Message::decode(&bytes).is_some());
    }
}
