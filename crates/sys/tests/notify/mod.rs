//! Being asked about the system calls of a child, and answering.

use std::io::{IoSlice, IoSliceMut, Write, pipe};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Signal, WaitIdStatus, pidfd_send_signal};
use stockade_abi::bpf::{Instruction, Program};
use stockade_abi::{Errno, NamespaceKind, NamespaceSet};
use stockade_sys::Refused;
use stockade_sys::seccomp::notify::{Answered, Listener, Next, Notification};
use stockade_sys::seccomp::{LoadFlags, NoNewPrivs, load_with_listener};

use crate::harness::{Child, LONG, SHORT, Skip, Test, in_namespaces, read_byte};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_question_says_what_was_called", a_question_says_what_was_called),
    ("an_errno_reaches_the_caller", an_errno_reaches_the_caller),
    ("an_error_that_is_none_is_no_success", an_error_that_is_none_is_no_success),
    ("a_value_reaches_the_caller", a_value_reaches_the_caller),
    ("a_call_that_continues_is_made", a_call_that_continues_is_made),
    ("a_descriptor_is_given_with_the_answer", a_descriptor_is_given_with_the_answer),
    ("descriptors_are_added_before_the_answer", descriptors_are_added_before_the_answer),
    ("a_question_that_is_dropped_is_refused", a_question_that_is_dropped_is_refused),
    ("without_a_listener_calls_are_refused", without_a_listener_calls_are_refused),
    ("a_call_that_waits_is_refused_by_a_close", a_call_that_waits_is_refused_by_a_close),
    ("a_caller_that_was_killed_is_gone", a_caller_that_was_killed_is_gone),
    ("a_question_of_a_dead_caller_is_skipped", a_question_of_a_dead_caller_is_skipped),
    ("the_end_of_all_callers_is_noticed", the_end_of_all_callers_is_noticed),
    ("waiting_for_a_question_ends_with_its_time", waiting_ends_with_its_time),
    ("memory_is_read_as_far_as_it_goes", memory_is_read_as_far_as_it_goes),
    ("a_string_must_end_within_its_limit", a_string_must_end_within_its_limit),
    ("a_process_of_the_same_id_is_not_believed", a_process_of_the_same_id_is_not_believed),
    ("an_interrupted_call_asks_anew", an_interrupted_call_asks_anew),
    ("a_call_that_waits_killably_is_not_interrupted", a_killable_call_is_not_interrupted),
    ("what_is_no_listener_is_refused", what_is_no_listener_is_refused),
];

fn a_question_says_what_was_called() -> Result<(), Skip> {
    let (child, listener) = supervised(|| outcome(ask([1, 2, 3])));
    let notification = asked(&listener);
    let question = notification.question();
    assert_eq!(i64::from(question.number), libc::SYS_add_key);
    assert_eq!(question.audit_architecture, stockade_abi::Architecture::NATIVE.audit_number());
    assert_eq!(question.arguments[..3], [1, 2, 3]);
    assert_ne!(question.instruction_pointer, 0);
    assert_eq!(notification.look(|pid| pid), Ok(Some(child.pid)));
    delivered(notification.refuse(EXDEV));
    exits(child, libc::EXDEV);
    Ok(())
}

fn an_errno_reaches_the_caller() -> Result<(), Skip> {
    for errno in [libc::EPERM, libc::EXDEV, libc::ENOKEY] {
        let (child, listener) = supervised(|| outcome(ask([0; 3])));
        let number = Errno(u16::try_from(errno).unwrap());
        delivered(asked(&listener).refuse(number));
        exits(child, errno);
    }
    Ok(())
}

fn an_error_that_is_none_is_no_success() -> Result<(), Skip> {
    for errno in [0, 4096, u16::MAX] {
        let (child, listener) = supervised(|| outcome(ask([0; 3])));
        let refused = asked(&listener).refuse(Errno(errno));
        assert_eq!(number(refused), libc::EINVAL, "{errno}");
        exits(child, libc::ENOSYS);
    }
    Ok(())
}

fn a_value_reaches_the_caller() -> Result<(), Skip> {
    for value in [0, 7, i64::MAX, -4096] {
        let (child, listener) = supervised(|| u8::from(ask([0; 3]) != Ok(value)));
        delivered(asked(&listener).succeed(value));
        child.succeeds();
    }
    Ok(())
}

fn a_call_that_continues_is_made() -> Result<(), Skip> {
    // There is no string at the null pointer, which only the kernel looks for.
    let (child, listener) = supervised(|| outcome(ask([0; 3])));
    delivered(asked(&listener).let_continue());
    exits(child, libc::EFAULT);
    Ok(())
}

fn a_descriptor_is_given_with_the_answer() -> Result<(), Skip> {
    let (read, write) = pipe().unwrap();
    let (child, listener) = supervised(|| {
        let fd = i32::try_from(ask([0; 3]).unwrap()).unwrap();
        writes(fd)
    });
    delivered(asked(&listener).give(&write));
    drop(write);
    child.succeeds();
    assert_eq!(read_byte(&read), Some(b'x'));
    Ok(())
}

fn descriptors_are_added_before_the_answer() -> Result<(), Skip> {
    let (read, write) = pipe().unwrap();
    let (child, listener) = supervised(|| {
        let fd = i32::try_from(ask([0; 3]).unwrap()).unwrap();
        u8::from(writes(fd) != 0 || writes(77) != 0)
    });
    let notification = asked(&listener);
    assert_eq!(notification.add_fd_at(&write, 77), Ok(Some(77)));
    let fd = notification.add_fd(&write).unwrap().unwrap();
    assert_ne!(fd, 77);
    delivered(notification.succeed(fd.into()));
    drop(write);
    child.succeeds();
    assert_eq!([read_byte(&read), read_byte(&read)], [Some(b'x'); 2]);
    Ok(())
}

fn a_question_that_is_dropped_is_refused() -> Result<(), Skip> {
    let (child, listener) = supervised(|| outcome(ask([0; 3])));
    drop(asked(&listener));
    exits(child, libc::ENOSYS);
    Ok(())
}

fn without_a_listener_calls_are_refused() -> Result<(), Skip> {
    let (go, mut tell) = pipe().unwrap();
    let (child, listener) = supervised(move || {
        read_byte(&go);
        outcome(ask([0; 3]))
    });
    drop(listener);
    tell.write_all(b"g").unwrap();
    exits(child, libc::ENOSYS);
    Ok(())
}

fn a_call_that_waits_is_refused_by_a_close() -> Result<(), Skip> {
    let (child, listener) = supervised(|| outcome(ask([0; 3])));
    // Received or not, it waits.
    assert!(crate::harness::is_ready(&listener, LONG));
    drop(listener);
    exits(child, libc::ENOSYS);
    Ok(())
}

fn a_caller_that_was_killed_is_gone() -> Result<(), Skip> {
    type Attempt = fn(Notification<'_>) -> Result<Answered, Refused>;
    let attempts: [Attempt; 5] = [
        |it| it.refuse(EXDEV),
        |it| it.succeed(0),
        |it| it.let_continue(),
        |it| it.give(std::io::stdin()),
        |it| {
            let mut buffer = [1; 4];
            assert_eq!(it.look(|_| ()), Ok(None));
            assert_eq!(it.read(STRING.as_ptr().addr() as u64, &mut buffer).ok().flatten(), None);
            assert_eq!(buffer, [0; 4]);
            assert_eq!(it.add_fd(std::io::stdin()), Ok(None));
            it.refuse(EXDEV)
        },
    ];
    for attempt in attempts {
        let (child, listener) = supervised(|| outcome(ask([0; 3])));
        let notification = asked(&listener);
        kill(child);
        assert_eq!(attempt(notification), Ok(Answered::CallerGone));
    }
    Ok(())
}

fn a_question_of_a_dead_caller_is_skipped() -> Result<(), Skip> {
    let (child, listener) = supervised(|| outcome(ask([0; 3])));
    assert!(crate::harness::is_ready(&listener, LONG));
    kill(child);
    assert!(matches!(listener.next(Some(LONG)), Ok(Next::AllGone)));
    Ok(())
}

fn the_end_of_all_callers_is_noticed() -> Result<(), Skip> {
    let (child, listener) = supervised(|| 0);
    assert!(matches!(listener.next(Some(LONG)), Ok(Next::AllGone)));
    child.succeeds();
    assert!(matches!(listener.next(None), Ok(Next::AllGone)));
    Ok(())
}

fn waiting_ends_with_its_time() -> Result<(), Skip> {
    let (go, mut tell) = pipe().unwrap();
    let (child, listener) = supervised(move || u8::from(read_byte(&go).is_none()));
    for time in [SHORT, Duration::ZERO] {
        assert!(matches!(listener.next(Some(time)), Ok(Next::TimedOut)));
    }
    tell.write_all(b"g").unwrap();
    child.succeeds();
    Ok(())
}

fn memory_is_read_as_far_as_it_goes() -> Result<(), Skip> {
    let page = TwoPages::new();
    // The second page is not there.
    let near_end = page.end() - 4;
    let (child, listener) = supervised(|| outcome(ask([near_end, 0, 0])));
    let notification = asked(&listener);
    let mut buffer = [0; 8];
    let address = notification.question().arguments[0];
    assert_eq!(notification.read(address, &mut buffer), Ok(Some(4)));
    assert_eq!(buffer, [7, 7, 7, 7, 0, 0, 0, 0]);
    assert_eq!(notification.read(address, &mut []), Ok(Some(0)));
    for unmapped in [0, page.end(), u64::MAX] {
        assert_eq!(number(notification.read(unmapped, &mut buffer)), libc::EFAULT, "{unmapped:#x}");
    }
    assert_eq!(number(notification.read_string(near_end, 64)), libc::EFAULT);
    delivered(notification.refuse(EXDEV));
    exits(child, libc::EXDEV);
    Ok(())
}

fn a_string_must_end_within_its_limit() -> Result<(), Skip> {
    let (child, listener) = supervised(|| outcome(ask([STRING.as_ptr().addr() as u64, 0, 0])));
    let notification = asked(&listener);
    let address = notification.question().arguments[0];
    let length = STRING.to_bytes().len();
    let read = |limit| notification.read_string(address, limit);
    assert_eq!(read(length + 1), Ok(Some(STRING.into())));
    assert_eq!(read(100_000), Ok(Some(STRING.into())));
    for too_short in [length, 1, 0] {
        assert_eq!(number(read(too_short)), libc::ENAMETOOLONG, "{too_short}");
    }
    delivered(notification.refuse(EXDEV));
    exits(child, libc::EXDEV);
    Ok(())
}

/// In a PID namespace of its own, where the next id can be chosen.
fn a_process_of_the_same_id_is_not_believed() -> Result<(), Skip> {
    if !rustix::process::geteuid().is_root() {
        return Err(Skip("the next process id is chosen by root".to_owned()));
    }
    in_namespaces(&[NamespaceKind::Pid], || {
        let (child, listener) = supervised(|| outcome(ask([0; 3])));
        let notification = asked(&listener);
        let pid = child.pid;
        kill(child);

        let last = pid.as_raw_pid() - 1;
        std::fs::write("/proc/sys/kernel/ns_last_pid", last.to_string()).unwrap();
        let (go, mut tell) = pipe().unwrap();
        let other = Child::new(NamespaceSet::EMPTY, || u8::from(read_byte(&go).is_none()));
        assert_eq!(other.pid, pid);

        let address = STRING.as_ptr().addr() as u64;
        assert_eq!(notification.look(|at| at), Ok(None));
        let mut buffer = [1; 4];
        assert_eq!(notification.read(address, &mut buffer), Ok(None));
        assert_eq!(buffer, [0; 4], "the other process's memory was there to be read");
        assert_eq!(notification.read_string(address, 64), Ok(None));
        assert_eq!(notification.let_continue(), Ok(Answered::CallerGone));
        tell.write_all(b"g").unwrap();
        other.succeeds();
    })
}

fn an_interrupted_call_asks_anew() -> Result<(), Skip> {
    let (child, listener) = supervised(|| {
        handle_usr1();
        outcome(ask([0; 3]))
    });
    let first = asked(&listener);
    pidfd_send_signal(&child.pidfd, Signal::USR1).unwrap();
    let second = asked(&listener);
    assert_eq!(first.refuse(Errno(1)), Ok(Answered::CallerGone));
    delivered(second.refuse(EXDEV));
    exits(child, libc::EXDEV);
    Ok(())
}

fn a_killable_call_is_not_interrupted() -> Result<(), Skip> {
    let (child, listener) = supervised_with(LoadFlags::WAIT_KILLABLE, || {
        handle_usr1();
        outcome(ask([0; 3]))
    });
    let notification = asked(&listener);
    pidfd_send_signal(&child.pidfd, Signal::USR1).unwrap();
    assert!(matches!(listener.next(Some(SHORT)), Ok(Next::TimedOut)));
    delivered(notification.refuse(EXDEV));
    exits(child, libc::EXDEV);
    Ok(())
}

fn what_is_no_listener_is_refused() -> Result<(), Skip> {
    let (read, write) = pipe().unwrap();
    let file = std::fs::File::open("/proc/self/status").unwrap();
    for (fd, shows) in [
        (OwnedFd::from(read), "a pipe"),
        (write.into(), "its other end"),
        (file.into(), "a file"),
        (UnixStream::pair().unwrap().0.into(), "a socket"),
    ] {
        let refused = number(Listener::over(fd));
        assert!([libc::ENOTTY, libc::EINVAL].contains(&refused), "{shows}: {refused}");
    }
    Ok(())
}

/// A child whose `add_key` is ours to answer, doing `work`.
fn supervised(work: impl FnOnce() -> u8) -> (Child, Listener) {
    supervised_with(LoadFlags::NONE, work)
}

fn supervised_with(flags: LoadFlags, work: impl FnOnce() -> u8) -> (Child, Listener) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Child::new(NamespaceSet::EMPTY, || {
        let bit = NoNewPrivs::set().unwrap();
        let listener = load_with_listener(&filter(), flags, (&bit).into()).unwrap();
        send(&theirs, listener.as_fd());
        drop(listener);
        work()
    });
    (child, Listener::over(receive(&ours)).unwrap())
}

#[track_caller]
fn asked(listener: &Listener) -> Notification<'_> {
    match listener.next(Some(LONG)).unwrap() {
        Next::Asked(notification) => notification,
        other @ (Next::AllGone | Next::TimedOut) => panic!("nobody asked: {other:?}"),
    }
}

#[track_caller]
fn delivered(answered: Result<Answered, Refused>) {
    assert_eq!(answered, Ok(Answered::Delivered));
}

#[track_caller]
fn exits(child: Child, code: i32) {
    assert_eq!(child.wait().exit_status(), Some(code));
}

/// Kills and reaps it.
fn kill(child: Child) {
    pidfd_send_signal(&child.pidfd, Signal::KILL).unwrap();
    let status: WaitIdStatus = child.wait();
    assert_eq!(status.terminating_signal(), Some(libc::SIGKILL));
}

#[track_caller]
fn number<T: std::fmt::Debug>(refused: Result<T, Refused>) -> i32 {
    refused.unwrap_err().errno.0.into()
}

/// The supervised call. What it is does not matter; nobody else here makes it.
fn ask(arguments: [u64; 3]) -> Result<i64, i32> {
    let [one, two, three] = arguments;
    // SAFETY: a supervisor that lets it continue has the kernel read a string at the first argument,
    // which is null then.
    match unsafe { libc::syscall(libc::SYS_add_key, one, two, three, 0, 0) } {
        -1 => Err(std::io::Error::last_os_error().raw_os_error().unwrap()),
        value => Ok(value),
    }
}

/// The number of an error as an exit code.
fn outcome(result: Result<i64, i32>) -> u8 {
    result.map_or_else(|errno| u8::try_from(errno).unwrap(), |_| 0)
}

fn writes(fd: i32) -> u8 {
    // SAFETY: the supervisor has put a descriptor there, which stays until the child ends.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let is_private = rustix::io::fcntl_getfd(fd) == Ok(rustix::io::FdFlags::CLOEXEC);
    u8::from(!is_private || rustix::io::write(fd, b"x") != Ok(1))
}

fn handle_usr1() {
    extern "C" fn handler(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = handler;
    // SAFETY: the handler does nothing. signal(2) asks for the call to be restarted.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
}

fn send(over: &UnixStream, fd: BorrowedFd<'_>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(over, &[IoSlice::new(b"l")], &mut ancillary, SendFlags::empty()).unwrap();
}

fn receive(over: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(over, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .unwrap();
    let message = ancillary.drain().next();
    let Some(RecvAncillaryMessage::ScmRights(mut fds)) = message else { panic!("no descriptor") };
    fds.next().unwrap()
}

fn filter() -> Program {
    let supervised = u32::try_from(libc::SYS_add_key).unwrap();
    Program::new(vec![
        Instruction { code: 0x20, jt: 0, jf: 0, k: 0 },
        Instruction { code: 0x15, jt: 0, jf: 1, k: supervised },
        Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_USER_NOTIF },
        Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ])
    .unwrap()
}

/// A page of sevens with nothing behind it.
struct TwoPages(*mut u8);

impl TwoPages {
    fn new() -> Self {
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                2 * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        let start = start.cast::<u8>();
        // SAFETY: the first page is mapped, writable and nobody else's.
        unsafe { start.write_bytes(7, PAGE) };
        // SAFETY: within the same mapping.
        let second = unsafe { start.add(PAGE) };
        // SAFETY: the second page is nobody else's and never used.
        assert_eq!(unsafe { libc::munmap(second.cast(), PAGE) }, 0);
        Self(start)
    }

    fn end(&self) -> u64 {
        (self.0.addr() + PAGE) as u64
    }
}

impl Drop for TwoPages {
    fn drop(&mut self) {
        // SAFETY: the page is ours and nothing refers to it any more.
        assert_eq!(unsafe { libc::munmap(self.0.cast(), PAGE) }, 0);
    }
}

const PAGE: usize = 4096;
const EXDEV: Errno = Errno(libc::EXDEV as u16);
const STRING: &std::ffi::CStr = c"/a/path/of/the/caller";
