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

use crate::drift::{Finding, Mechanism, Verdict};
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
