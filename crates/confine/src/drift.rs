//! Where a process and its declaration agree, and where they differ.
//!
//! Pure: two [`ProcessFacts`] in, findings out.

use stockade_abi::ProcessFacts;

use crate::finding::Finding;
use crate::mechanism;

/// Compares what was foretold with what is seen, mechanism by mechanism.
///
/// A fact that was not foretold (`Unreadable` in `expected`) is not judged and gives no finding.
pub fn diff(expected: &ProcessFacts, seen: &ProcessFacts) -> Vec<Finding> {
    let ProcessFacts {
        identity,
        capabilities,
        no_new_privs,
        seccomp,
        apparmor,
        selinux,
        namespaces,
        root,
        paths,
        mounts,
        sysctls,
        devices,
        limits,
        hostname,
    } = expected;
    let known = [
        identity.known().map(|it| mechanism::identity::compare(it, &seen.identity)),
        capabilities.known().map(|it| mechanism::capabilities::compare(it, seen)),
        no_new_privs.known().map(|it| mechanism::no_new_privs::compare(*it, &seen.no_new_privs)),
        seccomp.known().map(|it| mechanism::seccomp::compare(it, &seen.seccomp)),
        apparmor.known().map(|it| mechanism::apparmor::compare(it, &seen.apparmor)),
        selinux.known().map(|it| mechanism::selinux::compare(it, &seen.selinux)),
        namespaces.known().map(|it| mechanism::namespaces::compare(*it, &seen.namespaces)),
        root.known().map(|it| mechanism::root::compare(*it, &seen.root)),
        mechanism::paths::compare(paths, &seen.paths),
        mechanism::devices::compare(devices, &seen.devices),
        limits.known().map(|it| mechanism::limits::compare(it, &seen.limits)),
        hostname.known().map(|it| mechanism::hostname::compare(it, &seen.hostname)),
    ];
    let mut findings: Vec<Finding> = known.into_iter().flatten().collect();
    findings.extend(mechanism::sysctls::compare(sysctls, &seen.sysctls));
    findings.extend(mechanism::volumes::compare(mounts, &seen.mounts));
    findings
}

#[cfg(test)]
mod tests {
    use stockade_abi::Reading;

    use super::*;
    use crate::finding::{Mechanism, Verdict};
    use crate::testing::{host, model, resolved, secured, world};
    use crate::{expect, plan, plan_pod};

    #[test]
    fn what_cannot_be_read_is_never_agreement_and_what_was_not_foretold_is_not_judged() {
        let resolved = resolved(&secured("", ""), &world());
        let (container, pod) = (&resolved.containers[0], &resolved.pod);
        let made = plan_pod(pod, &host()).unwrap();
        let plan = plan(container, pod, &host()).unwrap();
        let expected = expect(container, pod, &host());
        let seen = model::facts(made.as_ref(), &plan, &host(), &expected).unwrap();

        let unread = ProcessFacts {
            capabilities: Reading::unreadable("EACCES"),
            apparmor: Reading::unreadable("EACCES"),
            ..seen.clone()
        };
        let found = diff(&expected, &unread);
        let told: Vec<String> = found
            .iter()
            .filter(|it| !it.verdict.is_acceptable())
            .map(|it| format!("{}: {} ({})", it.mechanism, it.verdict, it.seen))
            .collect();
        assert_eq!(
            told,
            ["capabilities: could not tell (unreadable)", "AppArmor: could not tell (unreadable)"]
        );

        let silent = ProcessFacts { apparmor: Reading::unreadable("left open"), ..expected };
        let found = diff(&silent, &unread);
        assert!(found.iter().all(|it| it.mechanism != Mechanism::AppArmor));
    }

    #[test]
    fn only_weaker_and_unknown_keep_a_container_from_running() {
        let why = || "x".to_owned();
        for (verdict, acceptable) in [
            (Verdict::Holds, true),
            (Verdict::Adjusted(why()), true),
            (Verdict::Tighter(why()), true),
            (Verdict::Different(why()), true),
            (Verdict::Unproven(why()), true),
            (Verdict::Weaker(why()), false),
            (Verdict::Unreadable(why()), false),
        ] {
            assert_eq!(verdict.is_acceptable(), acceptable, "{verdict}");
        }
    }
}
