//! Another process's memory. Whose it was is for the caller to find out, afterwards.

use std::ffi::CString;

use rustix::io::Errno;
use rustix::process::Pid;

use crate::Refused;

/// Reads as much as is mapped; how many bytes.
pub(super) fn read(pid: Pid, address: u64, buffer: &mut [u8]) -> Result<usize, Refused> {
    let there = usize::try_from(address).map_err(|_| fault())?;
    let ours = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let theirs = libc::iovec { iov_base: std::ptr::without_provenance_mut(there), ..ours };
    // SAFETY: the kernel writes only within `buffer`, which is borrowed for the call and whose bytes
    // may have any value. The other address is one of another process; a wrong one is answered with
    // EFAULT, and if the process is ourselves, memory is only read.
    let result = unsafe {
        libc::process_vm_readv(pid.as_raw_pid(), &raw const ours, 1, &raw const theirs, 1, 0)
    };
    usize::try_from(result).map_err(|_| Refused::now(CALL))
}

/// Reads up to the first NUL, page by page: the next one need not be there.
pub(super) fn read_string(pid: Pid, address: u64, limit: usize) -> Result<CString, Refused> {
    let mut text = Vec::new();
    while text.len() < limit {
        let from = address.checked_add(text.len() as u64).ok_or(fault())?;
        let to_page_end = PAGE - (from % PAGE as u64) as usize;
        let mut part = [0; PAGE];
        let part = &mut part[..to_page_end.min(limit - text.len())];
        let length = read(pid, from, part)?;
        let part = &part[..length];
        if let Some(end) = part.iter().position(|it| *it == 0) {
            text.extend_from_slice(&part[..end]);
            return CString::new(text).map_err(|_| fault());
        }
        if part.is_empty() {
            return Err(fault());
        }
        text.extend_from_slice(part);
    }
    Err(Refused::from_rustix(CALL, Errno::NAMETOOLONG))
}

fn fault() -> Refused {
    Refused::from_rustix(CALL, Errno::FAULT)
}

const CALL: &str = "process_vm_readv";

/// The smallest page of any architecture; larger ones are multiples of it.
const PAGE: usize = 4096;
