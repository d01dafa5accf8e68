//! `cargo xtask tables`: generates `crates/abi/src/syscalls/table.rs` from the kernel's headers.
//!
//! ```text
//! apt-get download linux-libc-dev && dpkg-deb -x linux-libc-dev_*.deb headers
//! cargo xtask tables --from headers
//! ```
//!
//! Since Linux 6.12 Debian's `linux-libc-dev` holds the headers of every architecture. `--from` can
//! be repeated: a later directory fills in the architectures that earlier ones lack (31-bit S/390
//! left the kernel; `linux-libc-dev-s390x-cross` of Debian 12 still has it). The result is
//! committed, so that a build needs no headers, and says which release it was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Runs the command. `args` is what follows `tables` on the command line.
///
/// # Errors
///
/// Arguments or headers that are not as expected, in words for the developer.
pub fn main(args: &[String]) -> Result<(), String> {
    let mut roots = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--from" => roots.push(PathBuf::from(args.next().ok_or("--from needs a directory")?)),
            other => return Err(format!("unknown argument `{other}`; {USAGE}")),
        }
    }
    if roots.is_empty() {
        return Err(USAGE.to_owned());
    }

    let mut sources = BTreeSet::new();
    let mut columns = Vec::new();
    for column in COLUMNS {
        let (numbers, source) = roots
            .iter()
            .find_map(|root| read_column(root, column).transpose())
            .ok_or_else(|| format!("no headers of {} in any directory", column.name))?
            .map_err(|error| format!("{}: {error}", column.name))?;
        println!("{:8} {:4} system calls from {source}", column.name, numbers.len());
        sources.insert((source, column.name));
        columns.push(numbers);
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/abi/src/syscalls/table.rs");
    fs::write(&path, render(&columns, &sources)?).map_err(|error| error.to_string())?;
    println!("wrote {}", path.display());
    Ok(())
}

const USAGE: &str = "usage: cargo xtask tables --from <unpacked linux-libc-dev> [--from <…>]";

type Numbers = BTreeMap<String, u32>;

/// Reads one architecture below `root`, `None` if its headers are not there.
fn read_column(root: &Path, column: &Column) -> io::Result<Option<(Numbers, String)>> {
    let mut numbers = Numbers::new();
    for file in column.files {
        let Some(path) =
            column.directories.iter().map(|it| root.join(it).join(file)).find(|it| it.exists())
        else {
            return Ok(None);
        };
        read_header(&fs::read_to_string(path)?, &mut numbers);
    }
    Ok(Some((numbers, release(root, column)?)))
}

/// Adds every `#define __NR_name number` of a header.
///
/// A number is decimal, a base plus decimal, or another name: `12`, `(__X32_SYSCALL_BIT + 12)`,
/// `__NR_arm_sync_file_range`. x32's bit is left out.
fn read_header(text: &str, numbers: &mut Numbers) {
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("#define __") else { continue };
        let Some((name, value)) = rest.split_once(char::is_whitespace) else { continue };
        let (name, base) = match (name.strip_prefix("NR_"), name.strip_prefix("ARM_NR_")) {
            (Some(name), _) => (name, 0),
            (None, Some(name)) => (name, ARM_PRIVATE),
            (None, None) => continue,
        };
        if name.starts_with(|it: char| it.is_ascii_uppercase()) || name == "syscalls" {
            continue;
        }
        let value = value.trim().trim_matches(|it| it == '(' || it == ')');
        let last = value.rsplit('+').next().unwrap_or(value).trim();
        if let Ok(number) = last.parse::<u32>() {
            numbers.insert(name.to_owned(), base + number);
        } else if let Some(&number) = last.strip_prefix("__NR_").and_then(|it| numbers.get(it)) {
            numbers.insert(name.to_owned(), number);
        }
    }
}

/// The kernel release of the headers and the day they were built, `Linux 7.2.13 (2026-10-28)`.
fn release(root: &Path, column: &Column) -> io::Result<String> {
    let candidates = ["usr/include", "usr/s390x-linux-gnu/include"];
    let path =
        candidates.iter().map(|it| root.join(it).join("linux/version.h")).find(|it| it.exists());
    let Some(path) = path else {
        return Err(io::Error::other(format!("no linux/version.h beside {}", column.name)));
    };
    let text = fs::read_to_string(&path)?;
    let code = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("#define LINUX_VERSION_CODE ")?.trim().parse::<u32>().ok()
        })
        .ok_or_else(|| io::Error::other("linux/version.h without LINUX_VERSION_CODE"))?;
    let built = fs::metadata(&path)?.modified()?;
    let days =
        built.duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)?.as_secs() / 86_400;
    let (year, month, day) = civil(days);
    Ok(format!(
        "Linux {}.{}.{} ({year}-{month:02}-{day:02})",
        code >> 16,
        code >> 8 & 0xff,
        code & 0xff
    ))
}

/// The Gregorian date of a number of days after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

fn render(columns: &[Numbers], sources: &BTreeSet<(String, &str)>) -> Result<String, String> {
    let mut out = String::from(
        "//! Every system call of every supported architecture. Generated by `cargo xtask tables`.\n//!\n",
    );
    for (source, arch) in sources {
        out.push_str(&format!("//! - {arch}: {source}\n"));
    }
    out.push_str(
        "\nuse super::{ABSENT as X, Row};\n\n/// Name and number per architecture, in the order of \
         `Architecture::ALL`; sorted by name.\n#[rustfmt::skip]\npub(super) static ROWS: &[Row] = &[\n",
    );
    let names: BTreeSet<&str> =
        columns.iter().flat_map(|it| it.keys().map(String::as_str)).collect();
    for name in names {
        out.push_str(&format!("    (\"{name}\", ["));
        for (index, column) in columns.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            match column.get(name).copied() {
                None => out.push_str(&format!("{gap}X")),
                Some(number) if number < 0xF000 => out.push_str(&format!("{gap}{number}")),
                // ARM's private calls fit into 16 bits as their distance from 0x0F0000.
                Some(number) if number & !0xFFE == ARM_PRIVATE | number & 1 => {
                    out.push_str(&format!("{gap}{:#06X}", 0xF000 | number & 0xFFF));
                }
                Some(number) => return Err(format!("{name} has the odd number {number:#x}")),
            }
        }
        out.push_str("]),\n");
    }
    out.push_str("];\n");
    Ok(out)
}

/// `__ARM_NR_BASE` without the old ABI's base.
const ARM_PRIVATE: u32 = 0x000F_0000;

struct Column {
    name: &'static str,
    directories: &'static [&'static str],
    files: &'static [&'static str],
}

/// In the order of `Architecture::ALL`.
const COLUMNS: &[Column] = &[
    Column {
        name: "x86_64",
        directories: &["usr/lib/linux/uapi/x86/asm"],
        files: &["unistd_64.h"],
    },
    Column { name: "x32", directories: &["usr/lib/linux/uapi/x86/asm"], files: &["unistd_x32.h"] },
    Column { name: "i386", directories: &["usr/lib/linux/uapi/x86/asm"], files: &["unistd_32.h"] },
    Column {
        name: "aarch64",
        directories: &["usr/lib/linux/uapi/arm64/asm"],
        files: &["unistd_64.h"],
    },
    Column {
        name: "arm",
        directories: &["usr/lib/linux/uapi/arm/asm"],
        files: &["unistd-eabi.h", "unistd.h"],
    },
    Column {
        name: "riscv64",
        directories: &["usr/lib/linux/uapi/riscv/asm"],
        files: &["unistd_64.h"],
    },
    Column {
        name: "ppc64le",
        directories: &["usr/lib/linux/uapi/powerpc/asm"],
        files: &["unistd_64.h"],
    },
    Column {
        name: "s390x",
        directories: &["usr/lib/linux/uapi/s390/asm"],
        files: &["unistd_64.h"],
    },
    Column {
        name: "s390",
        directories: &["usr/lib/linux/uapi/s390/asm", "usr/s390x-linux-gnu/include/asm"],
        files: &["unistd_32.h"],
    },
];
