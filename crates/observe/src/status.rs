//! `/proc/<pid>/status`: ids, groups, capabilities, `no_new_privs`, seccomp.
//!
//! The first line holds a name that the process chooses. The kernel escapes line breaks in it and
//! no other line is under its control, so the first line is skipped as bytes and the rest is
//! taken at its word. A line that is missing or twice there makes its own fact unreadable.
//!
//! Ids are those that the observer's user namespace gives; see `id_map` for the inside.
//!
//! Source: proc_pid_status(5); `fs/proc/array.c`.

use std::str::FromStr;

use stockade_abi::facts::{NoNewPrivs, SeccompMode};
use stockade_abi::{CapabilitySet, CapabilitySets, Why};

/// What is used of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Status {
    pub(crate) ids: Result<Ids, Why>,
    pub(crate) capabilities: Result<CapabilitySets, Why>,
    pub(crate) no_new_privs: Result<NoNewPrivs, Why>,
    pub(crate) seccomp: Result<SeccompCount, Why>,
}

/// Ids as the observer sees them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ids {
    /// Real, effective, saved, file system.
    pub(crate) uid: [u32; 4],
    /// Real, effective, saved, file system.
    pub(crate) gid: [u32; 4],
    /// In the kernel's order.
    pub(crate) groups: Vec<u32>,
}

/// Seccomp's mode and how many filters there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SeccompCount {
    pub(crate) mode: SeccompMode,
    pub(crate) count: u32,
}

/// The largest file that is read: 65,536 groups (`NGROUPS_MAX`) of up to eleven bytes and the rest.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// Reads the whole file.
pub(crate) fn parse(content: &[u8]) -> Result<Status, Why> {
    let end = content.iter().position(|it| *it == b'\n');
    let rest = end.map_or(&[][..], |end| &content[end + 1..]);
    if !content.starts_with(b"Name:") {
        return Err(Why("status does not begin with `Name:`".to_owned()));
    }
    let text = str::from_utf8(rest).map_err(|_| Why("status is not text".to_owned()))?;
    let lines = Lines(text.lines().filter_map(|it| it.split_once(':')).collect());
    Ok(Status {
        ids: lines.ids(),
        capabilities: lines.capabilities(),
        no_new_privs: lines.no_new_privs(),
        seccomp: lines.seccomp(),
    })
}

/// Keys and what stands behind their colons.
struct Lines<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Lines<'a> {
    fn ids(&self) -> Result<Ids, Why> {
        let four = |key| <[u32; 4]>::try_from(self.numbers(key)?).map_err(|_| malformed(key));
        Ok(Ids { uid: four("Uid")?, gid: four("Gid")?, groups: self.numbers("Groups")? })
    }

    fn capabilities(&self) -> Result<CapabilitySets, Why> {
        let set = |key| {
            let digits = self.value(key)?;
            let hexadecimal = digits.len() == 16 && digits.bytes().all(|it| it.is_ascii_hexdigit());
            let bits = u64::from_str_radix(digits, 16).ok().filter(|_| hexadecimal);
            bits.map(CapabilitySet).ok_or_else(|| malformed(key))
        };
        Ok(CapabilitySets {
            bounding: set("CapBnd")?,
            effective: set("CapEff")?,
            permitted: set("CapPrm")?,
            inheritable: set("CapInh")?,
            ambient: set("CapAmb")?,
        })
    }

    fn no_new_privs(&self) -> Result<NoNewPrivs, Why> {
        match self.value("NoNewPrivs")? {
            "1" => Ok(NoNewPrivs::Set),
            "0" => Ok(NoNewPrivs::Unset),
            _ => Err(malformed("NoNewPrivs")),
        }
    }

    fn seccomp(&self) -> Result<SeccompCount, Why> {
        let mode = match self.value("Seccomp")? {
            "0" => SeccompMode::Disabled,
            "1" => SeccompMode::Strict,
            "2" => SeccompMode::Filter,
            _ => return Err(malformed("Seccomp")),
        };
        let key = "Seccomp_filters";
        let count = u32::from_str(self.value(key)?).map_err(|_| malformed(key))?;
        Ok(SeccompCount { mode, count })
    }

    fn numbers(&self, key: &str) -> Result<Vec<u32>, Why> {
        let words = self.value(key)?.split_ascii_whitespace();
        words.map(|it| it.parse().map_err(|_| malformed(key))).collect()
    }

    fn value(&self, key: &str) -> Result<&'a str, Why> {
        let mut found = self.0.iter().filter(|(it, _)| *it == key).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value.trim_ascii()),
            (None, _) => Err(Why(format!("this kernel's status has no line `{key}`"))),
            (Some(_), Some(_)) => Err(malformed(key)),
        }
    }
}

fn malformed(key: &str) -> Why {
    Why(format!("the line `{key}` of status is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "Name:\tcat\nUmask:\t0022\nUid:\t0\t1\t2\t3\nGid:\t4\t5\t6\t7\n\
        Groups:\t27 0 \nCapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\n\
        CapEff:\t00000000a80425fb\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000001\n\
        NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

    #[test]
    fn a_sound_file_is_read() {
        let status = parse(SOUND.as_bytes()).unwrap();
        let ids = Ids { uid: [0, 1, 2, 3], gid: [4, 5, 6, 7], groups: vec![27, 0] };
        assert_eq!(status.ids, Ok(ids));
        assert_eq!(
            status.capabilities,
            Ok(CapabilitySets {
                bounding: CapabilitySet(0x1ff_ffff_ffff),
                effective: CapabilitySet(0xa804_25fb),
                permitted: CapabilitySet(0xa804_25fb),
                inheritable: CapabilitySet::EMPTY,
                ambient: CapabilitySet(1),
            })
        );
        assert_eq!(status.no_new_privs, Ok(NoNewPrivs::Set));
        let seccomp = SeccompCount { mode: SeccompMode::Filter, count: 3 };
        assert_eq!(status.seccomp, Ok(seccomp));
    }

    #[test]
    fn what_is_wrong_spoils_its_own_fact_only() {
        // Which facts (ids, capabilities, no_new_privs, seccomp) remain readable.
        for (shows, from, to, readable) in [
            ("sound", "", "", [true; 4]),
            ("no groups", "27 0 ", " ", [true; 4]),
            ("a name that looks like a line", "cat", "Uid:\\n0", [true; 4]),
            ("three ids", "\t3\n", "\n", [false, true, true, true]),
            ("an id too large", "27 0", "27 4294967296", [false, true, true, true]),
            ("an id twice", "Umask:\t0022", "Uid:\t9\t9\t9\t9", [false, true, true, true]),
            ("no ambient set", "CapAmb", "CapFoo", [true, false, true, true]),
            ("a short set", "a80425fb\nCapB", "\nCapB", [true, false, true, true]),
            ("a signed set", "CapInh:\t0", "CapInh:\t+", [true, false, true, true]),
            ("an unknown bit", "NoNewPrivs:\t1", "NoNewPrivs:\t2", [true, true, false, true]),
            ("an unknown mode", "Seccomp:\t2", "Seccomp:\t3", [true, true, true, false]),
            ("before Linux 5.9", "Seccomp_filters:\t3\n", "", [true, true, true, false]),
        ] {
            assert!(SOUND.contains(from), "{shows}: nothing to replace");
            let status = parse(SOUND.replacen(from, to, 1).as_bytes()).unwrap();
            let found = [
                status.ids.is_ok(),
                status.capabilities.is_ok(),
                status.no_new_privs.is_ok(),
                status.seccomp.is_ok(),
            ];
            assert_eq!(found, readable, "{shows}");
        }
    }

    #[test]
    fn a_name_may_be_any_bytes() {
        let mut content = b"Name:\t\xff\xfe\\nCapEff:\tffff\n".to_vec();
        content.extend_from_slice(SOUND.split_once('\n').unwrap().1.as_bytes());
        assert_eq!(parse(&content), parse(SOUND.as_bytes()));
        assert!(parse(b"Uid:\t0\t0\t0\t0\n").is_err());
        assert!(parse(b"").is_err());
    }
}
