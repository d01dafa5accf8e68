//! Joining namespaces, becoming root in a user namespace, naming a UTS namespace.

use std::os::fd::AsFd;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space,
    move_into_thread_name_spaces, set_thread_res_gid, set_thread_res_uid,
};
use stockade_abi::{NamespaceKind, NamespaceSet};
use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::site::Join;

/// Whether these can only be joined before the process is made: by one that makes it in there.
pub(crate) fn need_a_birth(kinds: NamespaceSet) -> bool {
    let decisive = [NamespaceKind::User, NamespaceKind::Pid, NamespaceKind::Mount];
    decisive.into_iter().any(|kind| kinds.contains(kind))
}

/// Joins namespaces: all of a process at once, or one after the other, the user namespace first.
pub(crate) fn join(kinds: NamespaceSet, join: &Join) -> Done {
    match join {
        Join::Nothing => Err(Fault::told("there is nothing to join")),
        Join::Of(process) => {
            let flags = u32::try_from(kinds.clone_flags()).expect("namespace flags fit 32 bits");
            let flags = ThreadNameSpaceType::from_bits_retain(flags);
            Ok(move_into_thread_name_spaces(process.as_fd(), flags).call("setns(pidfd)")?)
        }
        Join::Each(namespaces) => kinds.iter().try_for_each(|kind| {
            let (_, namespace) = namespaces
                .iter()
                .find(|(it, _)| *it == kind)
                .ok_or_else(|| Fault::told(format!("there is no {kind} namespace to join")))?;
            // The kernel verifies that the descriptor is of that kind.
            move_into_link_name_space(namespace.as_fd(), Some(link_type(kind))).call("setns")?;
            Ok(())
        }),
    }
}

/// Becomes user and group 0 of the user namespace.
pub(crate) fn become_root() -> Done {
    use rustix::process::{Gid, Uid};
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).call("setresgid")?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).call("setresuid")?;
    Ok(())
}

/// Lets the process open its own files in `/proc`, which the change of ids has taken from it.
pub(crate) fn stay_reachable() -> Done {
    Ok(set_dumpable_behavior(DumpableBehavior::Dumpable).call("prctl(PR_SET_DUMPABLE)")?)
}

/// Keeps everybody but a privileged process of the host from looking into this one or tracing it,
/// until `execve` (CVE-2016-9962).
pub(crate) fn hide() -> Done {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable).call("prctl(PR_SET_DUMPABLE)")?)
}

pub(crate) fn set_hostname(name: &str) -> Done {
    Ok(rustix::system::sethostname(name.as_bytes()).call("sethostname")?)
}

pub(crate) fn set_domainname(name: &str) -> Done {
    Ok(rustix::system::setdomainname(name.as_bytes()).call("setdomainname")?)
}

const fn link_type(kind: NamespaceKind) -> LinkNameSpaceType {
    match kind {
        NamespaceKind::User => LinkNameSpaceType::User,
        NamespaceKind::Mount => LinkNameSpaceType::Mount,
        NamespaceKind::Pid => LinkNameSpaceType::ProcessID,
        NamespaceKind::Net => LinkNameSpaceType::Network,
        NamespaceKind::Ipc => LinkNameSpaceType::InterProcessCommunication,
        NamespaceKind::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        NamespaceKind::Cgroup => LinkNameSpaceType::ControlGroup,
        NamespaceKind::Time => LinkNameSpaceType::Time,
    }
}
