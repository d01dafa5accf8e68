//! The labels that security modules gave a process.
//!
//! AppArmor's is in `attr/apparmor/current` (before Linux 5.8 in `attr/current`): `unconfined`, or
//! a name and in parentheses a mode. Names may have blanks and parentheses of their own, so the
//! mode is what the last pair holds. SELinux's context is in `attr/current`.
//!
//! Source: proc_pid_attr(5), apparmor(7).

use rustix::io::Errno;
use stockade_abi::Why;
use stockade_abi::facts::Label;
use stockade_abi::host::LsmState;

use crate::file::SMALL;
use crate::lsm;
use crate::subject::Subject;

/// Reads the AppArmor label.
pub(crate) fn apparmor(subject: &Subject) -> Result<Label, Why> {
    match lsm::apparmor()? {
        LsmState::Inactive => return Ok(Label::Inactive),
        LsmState::Active => {}
    }
    let label = match subject.text("attr/apparmor/current", SMALL) {
        Err(failed)
            if failed.errno() == Some(Errno::NOENT) && lsm::selinux()? == LsmState::Inactive =>
        {
            subject.text("attr/current", SMALL)?
        }
        other => other?,
    };
    parse(&label).ok_or_else(|| Why("the process has no AppArmor label".to_owned()))
}

/// Reads the SELinux context.
pub(crate) fn selinux(subject: &Subject) -> Result<Label, Why> {
    match lsm::selinux()? {
        LsmState::Inactive => return Ok(Label::Inactive),
        LsmState::Active => {}
    }
    let context = subject.text("attr/current", SMALL)?;
    match bare(&context) {
        "" => Err(Why("the process has no SELinux context".to_owned())),
        context => Ok(Label::Is { name: context.to_owned(), mode: None }),
    }
}

fn parse(label: &str) -> Option<Label> {
    let label = bare(label);
    let with_mode = label.strip_suffix(')').and_then(|it| it.rsplit_once(" ("));
    let (name, mode) = match with_mode {
        Some((name, mode)) => (name, Some(mode.to_owned())),
        None => (label, None),
    };
    (!name.is_empty()).then(|| Label::Is { name: name.to_owned(), mode })
}

fn bare(label: &str) -> &str {
    label.trim_end_matches(['\n', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apparmor_labels_are_split_at_the_last_parenthesis() {
        for (label, expected) in [
            ("unconfined\n", Some(("unconfined", None))),
            ("docker-default (enforce)\n", Some(("docker-default", Some("enforce")))),
            ("a (b) (complain)\n\0", Some(("a (b)", Some("complain")))),
            ("a b (enforce)", Some(("a b", Some("enforce")))),
            ("outer//&:ns:inner (mixed)", Some(("outer//&:ns:inner", Some("mixed")))),
            ("open (unconfined)", Some(("open", Some("unconfined")))),
            ("name(enforce)", Some(("name(enforce)", None))),
            ("unconfined (enforce) x", Some(("unconfined (enforce) x", None))),
            (" (enforce)", None),
            ("\n", None),
            ("", None),
        ] {
            let expected = expected.map(|(name, mode): (&str, Option<&str>)| Label::Is {
                name: name.to_owned(),
                mode: mode.map(str::to_owned),
            });
            assert_eq!(parse(label), expected, "{label:?}");
        }
    }
}
