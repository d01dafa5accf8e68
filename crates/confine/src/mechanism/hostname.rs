//! Host name of a pod.
//!
//! | | |
//! |---|---|
//! | said | `spec.hostname`, else the pod's name |
//! | meant | a name in the pod's UTS namespace; none where the pod has the host's |
//! | done | `sethostname(2)` |
//! | seen | `uname(2)` in the process's UTS namespace |

use stockade_abi::{NamespaceKind, NamespaceSet, Reading};
use stockade_spec::Pod;

use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Stage, Step};
use crate::{Origin, Sourced};

pub(crate) fn resolve(pod: &Pod, namespaces: NamespaceSet) -> Option<Sourced<String>> {
    if !namespaces.contains(NamespaceKind::Uts) {
        return None;
    }
    let declared = pod.object.spec.as_ref().and_then(|it| it.hostname.as_deref());
    let (text, origin) = match declared.filter(|it| !it.is_empty()) {
        Some(name) => (name, Origin::Declared(pod.place(&"spec.hostname".into()))),
        None => (pod.name(), Origin::Default("the pod's name")),
    };
    // The kernel takes 64 bytes; Kubernetes cuts at 63 and what is left must not end in a hyphen.
    let cut = text.get(..63).unwrap_or(text).trim_end_matches(['-', '.']);
    Some(Sourced::new(cut.to_owned(), origin))
}

pub(crate) fn plan(name: &Sourced<String>) -> Step {
    Step::new(Stage::Hostname, Action::SetHostname(name.value.clone()), name.origin.clone())
}

pub(crate) fn expect(name: Option<&Sourced<String>>) -> Reading<String> {
    match name {
        Some(name) => Reading::Known(name.value.clone()),
        None => Reading::unreadable("the host's"),
    }
}

pub(crate) fn compare(expected: &str, seen: &Reading<String>) -> Finding {
    Finding::of(Mechanism::Hostname, seen, |seen| {
        let verdict = if seen == expected {
            Verdict::Holds
        } else {
            Verdict::Different("another host name".to_owned())
        };
        (seen.clone(), verdict)
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::testing::{pod, resolved, world};

    #[test]
    fn the_name_is_the_fields_or_the_pods() {
        let long = "a".repeat(63);
        let cut = format!("{}-b", "a".repeat(62));
        for (name, spec, expected) in [
            ("web", "", Some("web")),
            ("web", "hostname: front,", Some("front")),
            ("web", "hostname: \"\",", Some("web")),
            ("web", "hostNetwork: true,", None),
            ("web", "hostPID: true, hostIPC: true,", Some("web")),
            (&format!("{long}bc"), "", Some(&long)),
            (&cut, "", Some(&cut[..62])),
        ] {
            let pod = pod(&format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{{spec} \
                 containers: [{{name: c, image: i, command: [x]}}]}}}}"
            ));
            let found = resolved(&pod, &world()).pod.hostname;
            assert_eq!(found.as_ref().map(|it| it.value.as_str()), expected, "{name} {spec}");
        }
    }

    #[test]
    fn another_name_is_different() {
        for (seen, verdict) in [("web", "ok"), ("web2", "different"), ("", "different")] {
            let found = compare("web", &Reading::Known(seen.to_owned()));
            assert_eq!(found.verdict.to_string(), verdict, "{seen}");
        }
        assert!(expect(None).known().is_none());
    }
}
