//! Groups, group and user of the workload.

use rustix::fs::Mode;
use rustix::process::{Gid, Uid, umask};
use rustix::thread::{
    set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use stockade_sys::Calls;

use crate::fault::{Done, Fault};

/// Changes ids and groups. Permitted capabilities are kept; later steps set them.
///
/// `groups` is exact: those of whoever started us go (CVE-2022-2990 and its kin), and where they
/// cannot be set the plan says so by `None`.
pub(crate) fn set(uid: u32, gid: u32, groups: Option<&[u32]>, file_mask: Option<u32>) -> Done {
    let no_id = |id: &u32| *id == u32::MAX;
    if no_id(&uid) || no_id(&gid) || groups.is_some_and(|all| all.iter().any(no_id)) {
        // To the kernel it means "no change": the process would stay root.
        return Err(Fault::told(format!("{} is not an id", u32::MAX)));
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));

    set_keep_capabilities(true).call("prctl(PR_SET_KEEPCAPS)")?;
    if let Some(groups) = groups {
        let groups: Vec<Gid> = groups.iter().map(|&it| Gid::from_raw(it)).collect();
        set_thread_groups(&groups).call("setgroups")?;
    }
    set_thread_res_gid(gid, gid, gid).call("setresgid")?;
    set_thread_res_uid(uid, uid, uid).call("setresuid")?;
    set_keep_capabilities(false).call("prctl(PR_SET_KEEPCAPS)")?;
    umask(Mode::from_raw_mode(file_mask.unwrap_or(USUAL_UMASK) & 0o777));
    Ok(())
}

/// What programs expect where nobody says otherwise. (Ours is 0 until here, so that nodes and
/// directories get the modes they are meant to have.)
const USUAL_UMASK: u32 = 0o022;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_that_means_no_change_is_refused() {
        for (uid, gid, groups) in
            [(u32::MAX, 0, None), (0, u32::MAX, None), (0, 0, Some(&[1, u32::MAX][..]))]
        {
            assert!(matches!(set(uid, gid, groups, None), Err(Fault::Unsafe(_))));
        }
    }
}
