//! bpf(2), as far as device programs need it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::DeviceProgram;
use crate::Refused;

/// The number of a loaded program.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProgramId(pub u32);

/// Which programs of a cgroup are meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// Those attached to the cgroup itself.
    Attached,
    /// Those that are asked about its processes: also the ancestors'.
    Effective,
}

impl DeviceProgram {
    /// Loads the program into the kernel. It is gone when the descriptor is closed, unless it has
    /// been attached. The descriptor is close-on-exec.
    ///
    /// # Errors
    ///
    /// - `EPERM`: no `CAP_BPF` (or `CAP_SYS_ADMIN`) in the initial user namespace.
    /// - `EINVAL`: a kernel without `CONFIG_CGROUP_BPF`.
    /// - `E2BIG`: more rules than the kernel's checker has patience for (hundreds).
    ///
    /// # Kernel
    ///
    /// Linux 5.1 (32-bit jumps), bpf(2) with `BPF_PROG_LOAD`.
    pub fn load(&self) -> Result<OwnedFd, Refused> {
        let attr = ProgLoad {
            prog_type: PROG_TYPE_CGROUP_DEVICE,
            insn_cnt: count(self.instructions().len()),
            insns: self.instructions().as_ptr().addr() as u64,
            license: LICENSE.as_ptr().addr() as u64,
            log: [0; 2],
            kern_version: 0,
            prog_flags: 0,
            prog_name: *b"stockade_dev\0\0\0\0",
            rest: [0; 8],
        };
        // SAFETY: the attributes are initialized, `insns` points to `insn_cnt` instructions of
        // eight bytes and `license` to a string that ends with NUL; all are borrowed for the call
        // and only read. No log is asked for.
        let fd = unsafe {
            libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attr, size_of::<ProgLoad>())
        };
        owned(fd, "bpf(BPF_PROG_LOAD)")
    }
}

/// Has the kernel ask a device program about the processes of a cgroup (v2) and below, beside those
/// that are attached already. Goes when the cgroup goes.
///
/// # Errors
///
/// - `EPERM`: no `CAP_NET_ADMIN` or `CAP_BPF`; or an ancestor has a program that allows no others.
/// - `EINVAL`: not a device program. `EBADF`: not a cgroup of version 2.
/// - `E2BIG`: 64 programs are attached already.
///
/// # Kernel
///
/// Linux 4.15, bpf(2) with `BPF_PROG_ATTACH` and `BPF_F_ALLOW_MULTI`.
pub fn attach(program: impl AsFd, cgroup: impl AsFd) -> Result<(), Refused> {
    let attr = ProgAttach {
        target_fd: descriptor(cgroup.as_fd()),
        attach_bpf_fd: descriptor(program.as_fd()),
        attach_type: CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI,
        rest: [0; 4],
    };
    // SAFETY: the attributes are initialized, hold no addresses, and are borrowed for the call and
    // only read.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attr, size_of::<ProgAttach>())
    };
    if result == 0 { Ok(()) } else { Err(Refused::now("bpf(BPF_PROG_ATTACH)")) }
}

/// The device programs of a cgroup, in the order in which they are asked.
///
/// # Errors
///
/// - `EPERM`: no `CAP_NET_ADMIN` in the initial user namespace.
/// - `EBADF`: not a cgroup of version 2. `EINVAL`: a kernel without `CONFIG_CGROUP_BPF`.
///
/// # Kernel
///
/// Linux 4.15, bpf(2) with `BPF_PROG_QUERY`.
pub fn query(cgroup: impl AsFd, asked: Asked) -> Result<Vec<ProgramId>, Refused> {
    let mut ids = vec![0_u32; 64];
    loop {
        let mut attr = ProgQuery {
            target_fd: descriptor(cgroup.as_fd()),
            attach_type: CGROUP_DEVICE,
            query_flags: match asked {
                Asked::Attached => 0,
                Asked::Effective => QUERY_EFFECTIVE,
            },
            attach_flags: 0,
            prog_ids: ids.as_mut_ptr().addr() as u64,
            prog_cnt: count(ids.len()),
            rest: [0; 57],
        };
        // SAFETY: `prog_ids` points to room for `prog_cnt` numbers, and nothing else uses it during
        // the call. The kernel also writes results into the attributes, newer kernels more of them
        // (6.17: a revision, 56 bytes in): the structure is larger than any kernel's, so that this
        // stays within it. Every bit pattern is valid for both.
        let result = unsafe {
            libc::syscall(libc::SYS_bpf, PROG_QUERY, &raw mut attr, size_of::<ProgQuery>())
        };
        let found = usize::try_from(attr.prog_cnt).expect("a count fits");
        if result == 0 {
            ids.truncate(found);
            return Ok(ids.into_iter().map(ProgramId).collect());
        }
        let refused = Refused::now("bpf(BPF_PROG_QUERY)");
        if i32::from(refused.errno.0) != libc::ENOSPC {
            return Err(refused);
        }
        ids.resize(found.max(ids.len() * 2), 0);
    }
}

/// The instructions of a loaded program, after the kernel's checks and rewriting.
///
/// # Errors
///
/// - `ENOENT`: no such program (any more).
/// - `EPERM`: no `CAP_SYS_ADMIN` in the initial user namespace; or the kernel keeps the
///   instructions to itself (`kernel.kptr_restrict`, `net.core.bpf_jit_harden` do not matter here,
///   but a lockdown may).
///
/// # Kernel
///
/// Linux 4.13, bpf(2) with `BPF_PROG_GET_FD_BY_ID` and `BPF_OBJ_GET_INFO_BY_FD`.
pub fn program_instructions(id: ProgramId) -> Result<Vec<u64>, Refused> {
    let attr = GetFdById { id: id.0, next_id: 0, open_flags: 0, rest: [0; 5] };
    // SAFETY: the attributes are initialized, hold no addresses, and are borrowed for the call and
    // only read.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, PROG_GET_FD_BY_ID, &raw const attr, size_of::<GetFdById>())
    };
    let program = owned(fd, "bpf(BPF_PROG_GET_FD_BY_ID)")?;

    // The kernel never changes a loaded program, so that the length of the first answer holds.
    let length = dump(&program, &mut [])?;
    let mut instructions = vec![0; length / size_of::<u64>()];
    let again = dump(&program, &mut instructions)?;
    if again != length || length == 0 {
        // The kernel answers 0 instead of an error where the instructions may not be read.
        return Err(Refused::from_rustix("bpf(BPF_OBJ_GET_INFO_BY_FD)", rustix::io::Errno::PERM));
    }
    Ok(instructions)
}

/// Reads as many instructions as `room` holds. Returns the length of all, in bytes.
fn dump(program: &OwnedFd, room: &mut [u64]) -> Result<usize, Refused> {
    let mut info = ProgInfo {
        xlated_prog_len: count(size_of_val(room)),
        xlated_prog_insns: if room.is_empty() { 0 } else { room.as_mut_ptr().addr() as u64 },
        ..ProgInfo::default()
    };
    let mut attr = InfoByFd {
        bpf_fd: descriptor(program.as_fd()),
        info_len: count(size_of::<ProgInfo>()),
        info: (&raw mut info).addr() as u64,
        rest: [0; 6],
    };
    // SAFETY: `info` points to `info_len` bytes, within which `xlated_prog_insns` points to
    // `xlated_prog_len` bytes or is null with length 0; the kernel writes no more than that, and a
    // number into `info_len`. All are borrowed for the call, and every bit pattern is valid for
    // them.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, OBJ_GET_INFO_BY_FD, &raw mut attr, size_of::<InfoByFd>())
    };
    if result != 0 {
        return Err(Refused::now("bpf(BPF_OBJ_GET_INFO_BY_FD)"));
    }
    Ok(usize::try_from(info.xlated_prog_len).expect("a length fits"))
}

fn owned(fd: libc::c_long, call: &'static str) -> Result<OwnedFd, Refused> {
    match i32::try_from(fd) {
        // SAFETY: the callers pass the result of a call that makes a new descriptor, which nobody
        // else knows of.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Refused::now(call)),
    }
}

/// Takes a borrow, so that what a caller passed by value stays open until after the call.
fn descriptor(fd: BorrowedFd<'_>) -> u32 {
    u32::try_from(fd.as_raw_fd()).expect("a descriptor is not negative")
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("lengths here are far below 2^32")
}

// The variants of `union bpf_attr`. What follows the fields in use is zero, which the kernel
// requires of fields that it does not know or use.

#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    /// `log_level`, `log_size` and `log_buf`.
    log: [u64; 2],
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    rest: [u64; 8],
}

#[repr(C)]
struct ProgAttach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    rest: [u32; 4],
}

#[repr(C)]
struct ProgQuery {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    rest: [u32; 57],
}

#[repr(C)]
struct GetFdById {
    id: u32,
    next_id: u32,
    open_flags: u32,
    rest: [u32; 5],
}

#[repr(C)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
    rest: [u64; 6],
}

/// The beginning of `struct bpf_prog_info`.
#[derive(Default)]
#[repr(C)]
struct ProgInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_prog_len: u32,
    xlated_prog_len: u32,
    jited_prog_insns: u64,
    xlated_prog_insns: u64,
}

/// Programs that call no helpers may have any licence; the kernel wants to be told.
const LICENSE: &std::ffi::CStr = c"Apache-2.0";

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const QUERY_EFFECTIVE: u32 = 1;
