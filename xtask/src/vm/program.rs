//! A program and what it needs to run: its interpreter and its shared libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::GuestError;

/// The files that `program` is loaded from besides itself, as ldd(1) finds
/// them on this machine; none if it is static.
///
/// # Errors
///
/// If the program cannot be read or one of its libraries is missing.
pub(super) fn libraries(program: &Path) -> Result<Vec<PathBuf>, GuestError> {
    if is_static(program)? {
        return Ok(Vec::new());
    }
    let ldd = Command::new("ldd").arg(program).output();
    let ldd = ldd.map_err(GuestError::io("run ldd on", program))?;
    parse_ldd(&String::from_utf8_lossy(&ldd.stdout))
        .filter(|_| ldd.status.success())
        .ok_or_else(|| GuestError::NoLibraries(program.to_owned()))
}

/// Whether `program` is an ELF file that asks for no interpreter.
///
/// # Errors
///
/// If the file cannot be read.
pub(super) fn is_static(program: &Path) -> Result<bool, GuestError> {
    let bytes = fs::read(program).map_err(GuestError::io("read", program))?;
    Ok(program_headers(&bytes).is_some_and(|types| !types.contains(&PT_INTERP)))
}

/// The paths in the output of ldd; `None` if one was not found.
fn parse_ldd(output: &str) -> Option<Vec<PathBuf>> {
    output
        .lines()
        .filter(|line| !line.contains("linux-vdso"))
        .map(|line| {
            let path = line.split_once("=>").map_or(line, |(_, path)| path);
            let path = path.split_whitespace().next()?;
            path.starts_with('/').then(|| PathBuf::from(path))
        })
        .collect()
}

/// The types of the program headers of a 64-bit little-endian ELF file.
fn program_headers(elf: &[u8]) -> Option<Vec<u32>> {
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?));
    let wide = |at: usize| Some(u64::from_le_bytes(elf.get(at..at + 8)?.try_into().ok()?));

    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size, count) = (usize::try_from(wide(32)?).ok()?, half(54)?, half(56)?);
    (0..count)
        .map(|index| word(table.checked_add(usize::from(index) * usize::from(size))?))
        .collect()
}

const PT_INTERP: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_interpreter() {
        let output = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f4c)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f4d)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse_ldd(output), Some(expected.map(PathBuf::from).to_vec()));
        assert_eq!(parse_ldd("\tlibnone.so => not found\n"), None);
    }

    #[test]
    fn a_program_is_static_without_an_interpreter() {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, 1);
        for (header, expected) in [(1, vec![1]), (PT_INTERP, vec![PT_INTERP])] {
            elf[64] = u8::try_from(header).unwrap();
            assert_eq!(program_headers(&elf), Some(expected));
        }
        elf[56] = 2;
        assert_eq!(program_headers(&elf), None, "a table beyond the file");
        assert_eq!(program_headers(b"#!/bin/sh\n"), None);
    }
}
