//! The guest's side: its first process, and the one that does the steps.
//!
//! The first process makes a root that can be pivoted away from, starts this
//! program once more to do the work, and from then on only reaps: a program
//! under test may leave processes behind, and it is init's duty to bury them.

mod facilities;
mod loopback;
mod runner;
mod running;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change, mount_move};
use rustix::process::{Pid, WaitOptions, chdir, chroot, getpid, wait};
use rustix::system::{RebootCommand, reboot};

/// Becomes the guest's init if this process is one, and then does not return.
///
/// Every program that is to be an init calls this before anything else. In any
/// other process it does nothing.
pub fn become_init() {
    let mut args = std::env::args_os();
    if args.next().is_none_or(|program| program != INIT) {
        return;
    }
    match args.next() {
        Some(role) if role == RUNNER => {
            if let Err(error) = runner::run() {
                eprintln!("init: cannot do the steps: {error}");
            }
        }
        Some(role) if role == UNDER_APPARMOR => {
            let Err(error) = exec_under_apparmor(args.collect());
            eprintln!("init: cannot run under the profile: {error}");
            process::exit(126);
        }
        _ if getpid() == Pid::INIT => {
            if let Err(error) = supervise() {
                eprintln!("init: {error}");
            }
            // Returns only if it fails. Then the kernel panics, which is an end too.
            if let Err(error) = reboot(RebootCommand::PowerOff) {
                eprintln!("init: cannot power off: {error}");
            }
        }
        _ => return,
    }
    process::exit(0);
}

/// The first process.
fn supervise() -> io::Result<()> {
    leave_rootfs()?;
    let runner = Command::new(INIT).arg(RUNNER).env_clear().spawn()?;
    while let Some((gone, _)) = wait(WaitOptions::empty())? {
        if gone.as_raw_nonzero().get().cast_unsigned() == runner.id() {
            break;
        }
    }
    Ok(())
}

/// Makes `/` a mount of its own, shared as systemd makes it.
///
/// The kernel's first mount has no parent, so `pivot_root` refuses to leave it.
/// A bind mount of it, moved over it, holds the same files and can be left.
fn leave_rootfs() -> io::Result<()> {
    const ROOT: &str = "/.root";
    fs::create_dir(ROOT)?;
    mount_bind("/", ROOT)?;
    chdir(ROOT)?;
    mount_move(".", "/")?;
    chroot(".")?;
    chdir("/")?;
    fs::remove_dir(ROOT)?;
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)?;
    Ok(())
}

/// Becomes `args[1..]` under the profile `args[0]`.
///
/// A process can ask for a profile only itself, and only for its next exec,
/// hence this stop between the runner and the command.
fn exec_under_apparmor(mut args: Vec<OsString>) -> io::Result<Infallible> {
    if args.len() < 2 {
        return Err(io::Error::other("needs a profile and a command"));
    }
    let command = args.split_off(1);
    let mut request = OsString::from("exec ");
    request.extend(args);
    fs::write("/proc/self/attr/apparmor/exec", request.as_encoded_bytes())?;
    Err(Command::new(&command[0]).args(&command[1..]).exec())
}

/// Where init, its list of steps and the modules to load lie in a guest.
pub(super) const INIT: &str = "/init";
pub(super) const STEPS: &str = "/.vm/steps";
pub(super) const MODULES: &str = "/.vm/modules";

const RUNNER: &str = "runner";
const UNDER_APPARMOR: &str = "under-apparmor";
