//! Writing sysctls, through the `/proc` that the host opened.

use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::proc::Proc;

/// Writes a sysctl of the namespaces that the process is in.
pub(crate) fn write(proc: &Proc, name: &str, value: &str) -> Done {
    let path = path(name).ok_or_else(|| Fault::told(format!("`{name}` is not a sysctl")))?;
    let file = proc.open_sysctl(&path)?;
    // In one piece: the kernel takes each write for a whole value. It may take less than it was
    // given (`1 2 3` for one number is 1); what it has made of it is read back by whoever verifies.
    match rustix::io::write(file, value.as_bytes()).call("write(sysctl)")? {
        0 if !value.is_empty() => Err(Fault::told("the kernel took nothing of the value")),
        _ => Ok(()),
    }
}

/// The path below `/proc/sys`. Dots separate; a slash in a name stands for a dot of an interface's
/// name (`net.ipv4.conf.eth0/100.forwarding`), as sysctl.d(5) has it.
fn path(name: &str) -> Option<String> {
    let path: String = name
        .chars()
        .map(|letter| match letter {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    let is_name = |it: &str| !it.is_empty() && it != "." && it != ".." && !it.contains('\0');
    path.split('/').all(is_name).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_that_stay_below() {
        for (name, expected) in [
            ("kernel.shm_rmid_forced", Some("kernel/shm_rmid_forced")),
            ("net.ipv4.conf.eth0/100.forwarding", Some("net/ipv4/conf/eth0.100/forwarding")),
            ("kernel..msgmax", None),
            (".kernel", None),
            ("kernel.", None),
            ("", None),
            ("kernel.//.x", None),
            ("a.b\0c", None),
        ] {
            assert_eq!(path(name).as_deref(), expected, "{name}");
        }
    }
}
