//! What needs a process of one thread, and no privilege.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking; clippy knows tests by `#[test]`"
)]

mod harness;
mod hold;
mod notify;

use std::io::{Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;

use harness::{
    Child, LONG, SHORT, Skip, Test, become_role, in_child, in_namespaces, is_ready, read_byte,
    role, status_field,
};
use rustix::io::FdFlags;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, getpid, getppid, pidfd_open, waitid};
use stockade_abi::{Errno, NamespaceKind, NamespaceSet};
use stockade_sys::process::{
    Birth, Born, Parent, ParentIs, birth, close_at_exec_from, die_with_parent, exit_now,
    is_single_threaded, void_descriptors_from,
};
use stockade_sys::{Pid, Signal, exe, keyring, net, pty, signals};

fn main() -> ExitCode {
    let mut tests = TESTS.to_vec();
    tests.extend(hold::TESTS);
    tests.extend(notify::TESTS);
    harness::main(&tests, play)
}

const TESTS: &[(&str, Test)] = &[
    ("a_child_is_a_process_of_ours", a_child_is_a_process_of_ours),
    ("a_child_that_panics_does_not_unwind", a_child_that_panics_does_not_unwind),
    ("a_caller_with_threads_is_refused", a_caller_with_threads_is_refused),
    ("a_sibling_is_our_parents_child", a_sibling_is_our_parents_child),
    ("a_child_is_born_into_its_namespaces", a_child_is_born_into_its_namespaces),
    ("loopback_answers_once_it_is_up", loopback_answers_once_it_is_up),
    ("arguments_and_environment_arrive", arguments_and_environment_arrive),
    ("an_exec_that_fails_returns", an_exec_that_fails_returns),
    ("only_what_is_kept_survives_an_exec", only_what_is_kept_survives_an_exec),
    ("void_descriptors_hold_nothing", void_descriptors_hold_nothing),
    ("a_child_dies_with_its_parent", a_child_dies_with_its_parent),
    ("a_parent_that_is_gone_is_noticed", a_parent_that_is_gone_is_noticed),
    ("signals_are_reset", signals_are_reset),
    ("a_session_keyring_is_new", a_session_keyring_is_new),
    ("a_pseudoterminal_connects_its_ends", a_pseudoterminal_connects_its_ends),
    ("this_program_runs_and_cannot_be_written", this_program_runs_and_cannot_be_written),
];

/// What the test binary does when it was executed by a test.
fn play(role: &str) -> u8 {
    match role {
        "look" => {
            let arguments: Vec<String> = std::env::args().skip(1).collect();
            let environment: Vec<_> = std::env::vars().collect();
            let expected = [("ONLY".to_owned(), "this".to_owned())];
            u8::from(arguments != ["one"] || environment != expected)
        }
        // One descriptor is the directory itself.
        "count" => u8::try_from(std::fs::read_dir("/proc/self/fd").unwrap().count() - 1).unwrap(),
        "write-itself" => {
            let written = std::fs::OpenOptions::new().write(true).open("/proc/self/exe");
            u8::try_from(written.unwrap_err().raw_os_error().unwrap()).unwrap()
        }
        other => hold::play(other),
    }
}

fn a_child_is_a_process_of_ours() -> Result<(), Skip> {
    let us = getpid();
    let child = Child::new(NamespaceSet::EMPTY, || {
        assert_eq!(getppid(), Some(us));
        assert!(is_single_threaded().unwrap());
        7
    });
    assert_ne!(child.pid, us);
    assert_eq!(rustix::io::fcntl_getfd(&child.pidfd).unwrap(), FdFlags::CLOEXEC);
    assert_eq!(child.wait().exit_status(), Some(7));
    Ok(())
}

fn a_child_that_panics_does_not_unwind() -> Result<(), Skip> {
    struct Undo<W: Write>(W);
    impl<W: Write> Drop for Undo<W> {
        fn drop(&mut self) {
            self.0.write_all(b"undone").unwrap();
        }
    }

    let (undone, undo) = pipe().unwrap();
    let child = {
        let undo = undo.try_clone().unwrap();
        Child::new(NamespaceSet::EMPTY, move || {
            let _guard = Undo(undo);
            panic!("(this message belongs to the test)");
        })
    };
    assert_eq!(child.wait().exit_status(), Some(101));
    drop(undo);
    assert_eq!(read_byte(&undone), None);
    Ok(())
}

fn a_caller_with_threads_is_refused() -> Result<(), Skip> {
    assert!(is_single_threaded().unwrap());
    let (wait, end) = pipe().unwrap();
    let thread = std::thread::spawn(move || read_byte(&wait));

    assert!(!is_single_threaded().unwrap());
    let into = Birth { flags: NamespaceSet::EMPTY, cgroup: None, parent: Parent::Caller };
    assert_eq!(birth(into).unwrap_err().errno, Errno(22));

    drop(end);
    assert_eq!(thread.join().unwrap(), None);
    Ok(())
}

fn a_sibling_is_our_parents_child() -> Result<(), Skip> {
    let us = getpid();
    let (pid_of, mut tell) = pipe().unwrap();
    let child = Child::new(NamespaceSet::EMPTY, || {
        let into =
            Birth { flags: NamespaceSet::EMPTY, cgroup: None, parent: Parent::CallersParent };
        match birth(into).unwrap() {
            Born::Child => exit_now(if getppid() == Some(us) { 9 } else { 1 }),
            Born::Parent { pid, pidfd } => {
                tell.write_all(&pid.as_raw_pid().to_ne_bytes()).unwrap();
                // The descriptor is ours, the status is not.
                assert!(is_ready(&pidfd, LONG));
                let wait = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
                assert_eq!(wait.unwrap_err(), rustix::io::Errno::CHILD);
                0
            }
        }
    });
    let mut pid = [0; 4];
    std::io::Read::read_exact(&mut &pid_of, &mut pid).unwrap();
    let sibling = Pid::from_raw(i32::from_ne_bytes(pid)).unwrap();

    child.succeeds();
    let status = waitid(WaitId::Pid(sibling), WaitIdOptions::EXITED).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(9));
    Ok(())
}

fn a_child_is_born_into_its_namespaces() -> Result<(), Skip> {
    let link = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    let kinds = [
        NamespaceKind::Mount,
        NamespaceKind::Pid,
        NamespaceKind::Net,
        NamespaceKind::Ipc,
        NamespaceKind::Uts,
    ];
    let before = kinds.map(|kind| link(kind.proc_name()));
    let cgroup = link("cgroup");
    in_namespaces(&kinds, || {
        assert_eq!(getpid().as_raw_pid(), 1);
        // `/proc` is still the one of the outer PID namespace, where `self` is us as well.
        for (kind, before) in kinds.iter().zip(before) {
            if *kind != NamespaceKind::Pid {
                assert_ne!(link(kind.proc_name()), before, "{kind}");
            }
        }
        assert_eq!(link("cgroup"), cgroup);
    })
}

fn loopback_answers_once_it_is_up() -> Result<(), Skip> {
    in_namespaces(&[NamespaceKind::Net], || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(TcpStream::connect(address).is_err());
        net::loopback_up().unwrap();
        assert!(TcpStream::connect(address).is_ok());
        // Twice is as good as once.
        net::loopback_up().unwrap();
    })?;
    in_child(|| {
        if rustix::process::geteuid().is_root() {
            return;
        }
        assert_eq!(net::loopback_up().unwrap_err().errno, Errno(1));
    });
    Ok(())
}

fn arguments_and_environment_arrive() -> Result<(), Skip> {
    let by_path = Child::new(NamespaceSet::EMPTY, || become_role("look"));
    by_path.succeeds();

    let program = std::fs::File::open("/proc/self/exe").unwrap();
    let by_descriptor =
        Child::new(NamespaceSet::EMPTY, || panic!("{}", role("look").go_fd(program.as_fd())));
    by_descriptor.succeeds();
    Ok(())
}

fn an_exec_that_fails_returns() -> Result<(), Skip> {
    for (path, expected) in [
        (c"/nonexistent/program", "execve: ENOENT (No such file or directory)"),
        (c"/proc/self/status", "execve: EACCES (Permission denied)"),
    ] {
        assert_eq!(role("look").go(path).to_string(), expected);
    }
    let null = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(role("look").go_fd(null.as_fd()).errno, Errno(13));
    Ok(())
}

fn only_what_is_kept_survives_an_exec() -> Result<(), Skip> {
    let (one, two) = pipe().unwrap();
    for (keep, expected) in [
        (vec![], 3),
        (vec![one.as_raw_fd()], 4),
        (vec![two.as_raw_fd(), one.as_raw_fd()], 5),
        // Below `first` nothing is touched.
        (vec![1, two.as_raw_fd()], 4),
    ] {
        let child = Child::new(NamespaceSet::EMPTY, || {
            // The mark of the pipe itself must not matter.
            rustix::io::fcntl_setfd(&one, FdFlags::empty()).unwrap();
            close_at_exec_from(3, &keep).unwrap();
            assert!(rustix::io::fcntl_getfd(&two).is_ok(), "nothing is closed before the exec");
            become_role("count")
        });
        assert_eq!(child.wait().exit_status(), Some(expected), "{keep:?}");
    }
    in_child(|| {
        assert_eq!(close_at_exec_from(3, &[100_000]).unwrap_err().errno, Errno(9));
        assert_eq!(close_at_exec_from(-1, &[]).unwrap_err().errno, Errno(22));
    });
    Ok(())
}

fn void_descriptors_hold_nothing() -> Result<(), Skip> {
    let (lost, lose) = pipe().unwrap();
    let (kept, keep) = pipe().unwrap();
    let (wait, end) = pipe().unwrap();
    let child = Child::new(NamespaceSet::EMPTY, || {
        drop(kept.try_clone().unwrap());
        void_descriptors_from(3, &[keep.as_raw_fd(), wait.as_raw_fd()]).unwrap();
        // What is void is open, and good for nothing.
        assert!(rustix::io::fcntl_getfd(&lose).is_ok());
        assert_eq!(rustix::io::write(&lose, b"x"), Err(rustix::io::Errno::BADF));
        (&keep).write_all(b"k").unwrap();
        assert_eq!(read_byte(&wait), None);
        0
    });
    drop((lose, keep));
    assert_eq!(read_byte(&kept), Some(b'k'));
    // The child lives, so that only its letting go can be what ends the first pipe.
    assert_eq!(read_byte(&lost), None);
    assert!(!is_ready(&child.pidfd, SHORT));
    drop(end);
    child.succeeds();
    Ok(())
}

fn a_child_dies_with_its_parent() -> Result<(), Skip> {
    let (pid_of, mut tell) = pipe().unwrap();
    let parent = Child::new(NamespaceSet::EMPTY, || {
        let ourselves = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let child = Child::new(NamespaceSet::EMPTY, || {
            assert_eq!(die_with_parent(ourselves.as_fd()), Ok(ParentIs::Alive));
            tell.write_all(&getpid().as_raw_pid().to_ne_bytes()).unwrap();
            std::thread::sleep(LONG * 4);
            0
        });
        child.succeeds();
        1
    });
    let mut pid = [0; 4];
    std::io::Read::read_exact(&mut &pid_of, &mut pid).unwrap();
    let grandchild = Pid::from_raw(i32::from_ne_bytes(pid)).unwrap();
    let grandchild = pidfd_open(grandchild, PidfdFlags::empty()).unwrap();

    assert!(!is_ready(&grandchild, SHORT));
    rustix::process::pidfd_send_signal(&parent.pidfd, Signal::KILL).unwrap();
    assert!(is_ready(&grandchild, LONG));
    assert_eq!(parent.wait().terminating_signal(), Some(9));
    Ok(())
}

fn a_parent_that_is_gone_is_noticed() -> Result<(), Skip> {
    let (answer, mut tell) = pipe().unwrap();
    let parent = Child::new(NamespaceSet::EMPTY, || {
        let ourselves = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let orphan = Child::new(NamespaceSet::EMPTY, || {
            assert!(is_ready(&ourselves, LONG));
            let gone = die_with_parent(ourselves.as_fd()) == Ok(ParentIs::Gone);
            tell.write_all(if gone { b"g" } else { b"?" }).unwrap();
            0
        });
        drop(orphan);
        0
    });
    parent.succeeds();
    assert_eq!(read_byte(&answer), Some(b'g'));
    Ok(())
}

fn signals_are_reset() -> Result<(), Skip> {
    in_child(|| {
        let watched = signals::block_and_watch(&[Signal::USR1, Signal::CHILD]).unwrap();
        let seen = |field| u64::from_str_radix(&status_field("self", field), 16).unwrap();
        assert_ne!(seen("SigBlk"), 0);
        assert_ne!(seen("SigIgn"), 0, "Rust ignores SIGPIPE");
        signals::reset_signals().unwrap();
        for field in ["SigBlk", "SigIgn", "SigCgt"] {
            assert_eq!(seen(field), 0, "{field}");
        }
        drop(watched);
    });
    Ok(())
}

fn a_session_keyring_is_new() -> Result<(), Skip> {
    let (first, tell) = pipe().unwrap();
    let child = Child::new(NamespaceSet::EMPTY, || match keyring::join_session(None) {
        Ok(one) => u8::from(one == keyring::join_session(None).unwrap()),
        Err(refused) => {
            (&tell).write_all(b"n").unwrap();
            u8::from(refused.errno != Errno(38))
        }
    });
    child.succeeds();
    drop(tell);
    match read_byte(&first) {
        None => Ok(()),
        Some(_) => Err(Skip("a kernel without keys".into())),
    }
}

fn a_pseudoterminal_connects_its_ends() -> Result<(), Skip> {
    let pair = match pty::open() {
        Ok(pair) => pair,
        Err(refused) => return Err(Skip(format!("no /dev/pts: {refused}"))),
    };
    assert!(rustix::termios::isatty(&pair.terminal));
    for end in [&pair.controller, &pair.terminal] {
        assert_eq!(rustix::io::fcntl_getfd(end).unwrap(), FdFlags::CLOEXEC);
    }
    rustix::io::write(&pair.controller, b"line\n").unwrap();
    let mut line = [0; 16];
    let length = rustix::io::read(&pair.terminal, &mut line).unwrap();
    assert_eq!(&line[..length], b"line\n");

    let elsewhere = std::fs::File::open("/proc").unwrap();
    assert_eq!(pty::open_in(&elsewhere).unwrap_err().errno, Errno(2));
    Ok(())
}

fn this_program_runs_and_cannot_be_written() -> Result<(), Skip> {
    let program = exe::readonly_self().unwrap();
    let child = Child::new(NamespaceSet::EMPTY, || {
        panic!("{}", role("write-itself").go_fd(program.as_fd()))
    });
    let errno = child.wait().exit_status();
    assert!([libc::EROFS, libc::ETXTBSY, libc::EPERM].map(Some).contains(&errno), "{errno:?}");
    Ok(())
}
