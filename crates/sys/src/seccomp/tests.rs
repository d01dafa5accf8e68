use std::io;
use std::thread;

use super::*;

#[test]
fn a_filter_holds_on_its_thread_and_nowhere_else() {
    let confined = || {
        let bit = NoNewPrivs::set().unwrap();
        load(&deny_getppid_with(libc::ENOTTY), LoadFlags::NONE, (&bit).into()).unwrap();
        getppid()
    };

    assert_eq!(thread::spawn(confined).join().unwrap(), Err(libc::ENOTTY));
    assert!(getppid().is_ok());
}

#[test]
fn a_listener_is_a_descriptor() {
    let confined = || {
        let bit = NoNewPrivs::set().unwrap();
        let program = deny_getppid_with(libc::ENOTTY);
        let listener = load_with_listener(&program, LoadFlags::LOG, (&bit).into()).unwrap();
        let flags = rustix::io::fcntl_getfd(&listener).unwrap();
        (flags, load_with_listener(&program, LoadFlags::NONE, (&bit).into()).map(|_| ()))
    };

    let (flags, second) = thread::spawn(confined).join().unwrap();
    assert_eq!(flags, rustix::io::FdFlags::CLOEXEC);
    assert_eq!(i32::from(second.unwrap_err().errno.0), libc::EBUSY);
}

#[test]
fn the_kernel_says_what_it_does_not_like() {
    let confined = || {
        let bit = NoNewPrivs::set().unwrap();
        let no_return = Program::new(vec![LOAD_NUMBER]).unwrap();
        let without_listener = LoadFlags::WAIT_KILLABLE;
        [
            load(&no_return, LoadFlags::NONE, (&bit).into()),
            load(&deny_getppid_with(libc::EPERM), without_listener, (&bit).into()),
        ]
        .map(|result| i32::from(result.unwrap_err().errno.0))
    };

    assert_eq!(thread::spawn(confined).join().unwrap(), [libc::EINVAL, libc::EINVAL]);
}

fn getppid() -> Result<(), i32> {
    // SAFETY: takes nothing and touches no memory.
    match unsafe { libc::syscall(libc::SYS_getppid) } {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap()),
        _ => Ok(()),
    }
}

fn deny_getppid_with(errno: i32) -> Program {
    let number = u32::try_from(libc::SYS_getppid).unwrap();
    let errno = u32::try_from(errno).unwrap();
    Program::new(vec![
        LOAD_NUMBER,
        Instruction { code: 0x15, jt: 0, jf: 1, k: number },
        Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | errno },
        Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ])
    .unwrap()
}

const LOAD_NUMBER: Instruction = Instruction { code: 0x20, jt: 0, jf: 0, k: 0 };
