//! The kernel's door: the few system calls that need `unsafe`, as safe functions.
//!
//! The only crate of the product with unsafe code. Each function is one system call (or the few
//! that make sense only together), each unsafe block is one operation with the argument why it is
//! sound, and each error says which call the kernel refused and with what number. Nothing is
//! decided here: order, fallbacks and policy belong to `stockade-runtime` and above.
//!
//! What this crate does *not* know: everything above it; pods, profiles, plans, paths in `/proc`.
//!
//! # What is not here
//!
//! Where rustix has a safe function, callers use it; [`Calls`] turns its errors into [`Refused`].
//!
//! | for | rustix gives |
//! |---|---|
//! | paths | `fs::openat2`, `fs::mknodat`, `fs::memfd_create`, `fs::fcntl_add_seals`, `fs::fstatfs`, extended attributes, inotify |
//! | mounts | `mount::{fsopen, fsconfig_*, fsmount, fspick, open_tree, move_mount, mount, mount_bind, mount_change, unmount}` |
//! | root | `process::{pivot_root, chroot, fchdir, umask}` |
//! | namespaces | `thread::{move_into_link_name_space, move_into_thread_name_spaces}` (setns); its `unshare` is unsafe: [`process::unshare`] |
//! | processes | `process::{pidfd_open, pidfd_send_signal, pidfd_getfd, waitid, waitpid, wait, kill_process, setsid, ioctl_tiocsctty}` |
//! | prctl | `process::{set_parent_process_death_signal, set_dumpable_behavior, set_child_subreaper}`, `thread::{set_no_new_privs, set_keep_capabilities, set_capabilities_secure_bits, set_name}` |
//! | capabilities | `thread::{capabilities, set_capabilities, remove_capability_from_bounding_set, configure_capability_in_ambient_set, clear_ambient_capability_set}` |
//! | ids | `thread::{set_thread_res_uid, set_thread_res_gid, set_thread_groups}`: of this thread only, which is what a child with one thread wants |
//! | limits | `process::{setrlimit, prlimit}`, `thread::sched_setaffinity`, `process::setpriority_process` |
//! | names | `system::{sethostname, setdomainname}` |
//! | modules | `system::{finit_module, init_module, delete_module, reboot}` |
//! | terminals | `termios::{tcgetattr, tcsetattr, tcgetwinsize, tcsetwinsize}`, `Termios::make_raw` |
//! | waiting | `event::{poll, epoll, eventfd}`, `time::timerfd_*` |
//! | passing descriptors | `net::{sendmsg, recvmsg}` with `SendAncillaryMessage::ScmRights` |

mod allocator;
pub mod bpf;
pub mod exe;
pub mod fs;
pub mod keyring;
pub mod mount;
pub mod net;
mod peer;
pub mod process;
pub mod ptrace;
pub mod pty;
mod refused;
pub mod seccomp;
pub mod signals;

pub use allocator::Allocator;
pub use peer::peer_uid;
pub use refused::{Calls, Refused};
pub use rustix::process::{Pid, Signal};
