//! Which security modules are active in this kernel.
//!
//! Source: `/sys/module/apparmor/parameters/enabled`; `/sys/fs/selinux`, which the kernel makes if
//! and only if SELinux is enabled.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use rustix::fs::CWD;
use rustix::io::Errno;
use stockade_abi::host::{AppArmorSupport, LsmState};
use stockade_abi::{Reading, Why};

use crate::file::{self, SYSFS};

/// Whether AppArmor is active.
pub(crate) fn apparmor() -> Result<LsmState, Why> {
    if sysfs().is_ok() {
        match file::host_text(ENABLED) {
            Ok(yes) if yes == "Y" => return Ok(LsmState::Active),
            Ok(no) if no == "N" => return Ok(LsmState::Inactive),
            // A kernel that has AppArmor has its parameters, readable by everybody.
            Err(failed) if failed.is_absent() => return Ok(LsmState::Inactive),
            Ok(_) | Err(_) => {}
        }
    }
    // Without sysfs, our own label tells. The file is there (since Linux 5.8) if the kernel has
    // AppArmor, and answers EINVAL if that is turned off.
    match file::host_text("/proc/thread-self/attr/apparmor/current") {
        Ok(_) => Ok(LsmState::Active),
        Err(failed) if failed.errno() == Some(Errno::INVAL) => Ok(LsmState::Inactive),
        Err(_) => Err(Why("neither /sys nor /proc says whether AppArmor is active".to_owned())),
    }
}

/// Whether SELinux is active.
pub(crate) fn selinux() -> Result<LsmState, Why> {
    sysfs()?;
    match file::open_path(CWD, b"/sys/fs/selinux") {
        Ok(_) => Ok(LsmState::Active),
        Err(failed) if failed.is_absent() => Ok(LsmState::Inactive),
        Err(failed) => Err(failed.into()),
    }
}

/// AppArmor's state and the profiles that are loaded.
pub(crate) fn apparmor_support() -> Result<AppArmorSupport, Why> {
    let state = apparmor()?;
    let profiles = match state {
        LsmState::Inactive => Reading::Known(BTreeMap::new()),
        LsmState::Active => profiles().into(),
    };
    Ok(AppArmorSupport { state, profiles })
}

fn profiles() -> Result<BTreeMap<String, String>, Why> {
    const LIMIT: usize = 16 * 1024 * 1024;
    let listing = file::text(CWD, PROFILES.as_bytes(), LIMIT)?;
    parse(&listing).ok_or_else(|| Why(format!("{PROFILES}: a line is malformed")))
}

/// Reads lines of `name (mode)`.
fn parse(listing: &str) -> Option<BTreeMap<String, String>> {
    let lines = listing.lines().map(|line| {
        let (name, mode) = line.strip_suffix(')')?.rsplit_once(" (")?;
        (!name.is_empty()).then(|| (name.to_owned(), mode.to_owned()))
    });
    lines.collect()
}

/// Makes sure that what is missing in `/sys` is missing in the kernel.
fn sysfs() -> Result<(), Why> {
    let sys = file::open_path(CWD, b"/sys")?;
    match file::is_on(sys.as_fd(), SYSFS) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Why("/sys is not sysfs".to_owned())),
        Err(errno) => Err(file::refused(b"/sys", errno).into()),
    }
}

const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_listed_with_their_modes() {
        for (listing, expected) in [
            ("", Some(vec![])),
            (
                "a (enforce)\n/usr/bin/b (c) (complain)\n",
                Some(vec![("/usr/bin/b (c)", "complain"), ("a", "enforce")]),
            ),
            ("a\n", None),
            ("a (enforce)\n (enforce)\n", None),
        ] {
            let found = parse(listing);
            let found = found.as_ref().map(|it| {
                it.iter().map(|(name, mode)| (name.as_str(), mode.as_str())).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{listing:?}");
        }
    }
}
