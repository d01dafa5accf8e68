//! Arguments of system calls as people write them.
//!
//! Source: `linux/socket.h`, `linux/sched.h`, `asm-generic/ioctls.h`, `linux/prctl.h`,
//! `linux/personality.h`, `linux/stat.h`.

use stockade_seccomp::Known;

/// Reads arguments, the first first. What is not given is any.
pub(super) fn arguments(words: &[String]) -> Result<Known, String> {
    let mut known = Known::default();
    if words.len() > known.len() {
        return Err(format!("a system call has {} arguments at most", known.len()));
    }
    for (slot, word) in known.iter_mut().zip(words) {
        *slot = argument(word)?;
    }
    Ok(known)
}

/// `_`, or numbers and names with `|` between them.
fn argument(word: &str) -> Result<Option<u64>, String> {
    if word == "_" {
        return Ok(None);
    }
    let mut all = 0;
    for part in word.split('|') {
        all |= value(part.trim())
            .ok_or_else(|| format!("`{part}` is neither a number nor a name that is known here"))?;
    }
    Ok(Some(all))
}

fn value(word: &str) -> Option<u64> {
    if let Some((_, value)) = NAMES.iter().find(|(name, _)| *name == word) {
        return Some(*value);
    }
    if let Some(hex) = word.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    if let Some(octal) = word.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok();
    }
    // A negative argument is what the kernel sees of it.
    word.parse().ok().or_else(|| word.parse::<i64>().ok().map(i64::cast_unsigned))
}

/// Those that profiles decide on.
const NAMES: &[(&str, u64)] = &[
    ("AF_UNIX", 1),
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("AF_NETLINK", 16),
    ("AF_PACKET", 17),
    ("AF_ALG", 38),
    ("AF_NFC", 39),
    ("AF_VSOCK", 40),
    ("AF_XDP", 44),
    ("SOCK_STREAM", 1),
    ("SOCK_DGRAM", 2),
    ("SOCK_RAW", 3),
    ("SOCK_SEQPACKET", 5),
    ("CLONE_NEWNS", 0x0002_0000),
    ("CLONE_NEWCGROUP", 0x0200_0000),
    ("CLONE_NEWUTS", 0x0400_0000),
    ("CLONE_NEWIPC", 0x0800_0000),
    ("CLONE_NEWUSER", 0x1000_0000),
    ("CLONE_NEWPID", 0x2000_0000),
    ("CLONE_NEWNET", 0x4000_0000),
    ("TIOCSTI", 0x5412),
    ("TIOCLINUX", 0x541C),
    ("PER_LINUX", 0),
    ("PER_LINUX32", 8),
    ("ADDR_NO_RANDOMIZE", 0x0004_0000),
    ("PR_SET_NO_NEW_PRIVS", 38),
    ("PR_SET_SECCOMP", 22),
    ("S_ISUID", 0o4000),
    ("S_ISGID", 0o2000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbers_names_and_anything() {
        for (word, expected) in [
            ("_", Some(None)),
            ("38", Some(Some(38))),
            ("0x26", Some(Some(38))),
            ("0o4000", Some(Some(0o4000))),
            ("-1", Some(Some(u64::MAX))),
            ("AF_ALG", Some(Some(38))),
            ("CLONE_NEWUSER|CLONE_NEWNS|17", Some(Some(0x1002_0011))),
            ("AF_ALG|_", None),
            ("AF_NONE", None),
            ("0x", None),
            ("18446744073709551616", None),
            ("", None),
        ] {
            assert_eq!(argument(word).ok(), expected, "{word}");
        }
        let six = vec!["1".to_owned(); 6];
        assert_eq!(arguments(&six), Ok([Some(1); 6]));
        assert!(arguments(&[six, vec!["1".to_owned()]].concat()).is_err());
        assert_eq!(arguments(&[]), Ok([None; 6]));
    }
}
