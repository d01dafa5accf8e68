//! Sysctls: kernel parameters of the pod's namespaces.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.sysctls` of a pod; annotations `security.alpha.kubernetes.io/sysctls` and `…/unsafe-sysctls` (clusters 1.4 to 1.10) |
//! | meant | [`Sysctl`]s, by their names with dots |
//! | done | written below the host's `/proc/sys` from inside the pod's namespaces |
//! | seen | read back the same way |
//!
//! Which of them a node allows is for the admission of the node to say. A value that the kernel
//! took in its own form (`1 2 3` became `1`) is *adjusted*: reported, no drift.

use std::collections::BTreeMap;

use stockade_abi::{NamespaceKind, Reading};
use stockade_spec::legacy_sysctls::{self, LegacySysctl};
use stockade_spec::{FieldPath, Place, Pod};

use crate::container::Sysctl;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Stage, Step};
use crate::scope::Findings;
use crate::world::{Legacy, World};
use crate::{Origin, Reason, Sourced};

pub(crate) fn resolve(pod: &Pod, world: &World, findings: &mut Findings) -> Vec<Sourced<Sysctl>> {
    let mut all = of_fields(pod, world, findings);
    for key in [legacy_sysctls::SAFE, legacy_sysctls::UNSAFE] {
        add_annotation(&mut all, pod, world, key, findings);
    }
    all
}

fn of_fields(pod: &Pod, world: &World, findings: &mut Findings) -> Vec<Sourced<Sysctl>> {
    let context = pod.object.spec.as_ref().and_then(|it| it.security_context.as_ref());
    let declared = context.and_then(|it| it.sysctls.as_deref()).unwrap_or_default();
    let mut all = Vec::new();
    for (index, sysctl) in declared.iter().enumerate() {
        let path = FieldPath::from("spec.securityContext.sysctls").index(index);
        let place = pod.place(&path.child("name"));
        if let Legacy::Exactly(minor) = world.node.legacy
            && minor < 11
        {
            let why = format!("Kubernetes 1.{minor} has no field for sysctls and would drop it");
            findings.refuse(Reason::NotEnforced, place, why);
            continue;
        }
        let name = dotted(&sysctl.name);
        let value = sysctl.value.clone();
        all.push(Sourced::new(Sysctl { name, value }, Origin::Declared(place)));
    }
    all
}

fn add_annotation(
    all: &mut Vec<Sourced<Sysctl>>,
    pod: &Pod,
    world: &World,
    key: &str,
    findings: &mut Findings,
) {
    let annotations = pod.object.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|it| it.get(key)) else { return };
    let place = pod.place(&FieldPath::from("metadata.annotations").key(key));
    match world.node.legacy {
        Legacy::Exactly(minor) if !(4..=10).contains(&minor) => {
            let what = format!("Kubernetes 1.{minor} does not read this annotation");
            findings.warn(Origin::Annotation(place), what);
            return;
        }
        Legacy::Exactly(_) => {}
        Legacy::Honoured { .. } => findings.warn(
            Origin::Annotation(place.clone()),
            "clusters ignore this annotation since v1.11; use the field \
             `spec.securityContext.sysctls` instead",
        ),
    }
    let entries = match legacy_sysctls::parse(text) {
        Ok(entries) => entries,
        Err(error) => {
            findings.refuse(Reason::CreateContainerConfigError, place, error.to_string());
            return;
        }
    };
    for LegacySysctl { name, value } in entries {
        if is_name(name) {
            let sysctl = Sysctl { name: dotted(name), value: value.to_owned() };
            add(all, sysctl, &place, findings);
        } else {
            let why = not_a_name(name);
            findings.refuse(Reason::CreateContainerConfigError, place.clone(), why);
        }
    }
}

/// A field goes before an annotation that says the same; if they differ, nobody can know which was
/// meant.
fn add(all: &mut Vec<Sourced<Sysctl>>, sysctl: Sysctl, place: &Place, findings: &mut Findings) {
    match all.iter().find(|it| it.value.name == sysctl.name) {
        None => all.push(Sourced::new(sysctl, Origin::Annotation(place.clone()))),
        Some(other) if other.value.value == sysctl.value => {}
        Some(other) => {
            let why = format!(
                "`{}` is also set to `{}` by {}",
                sysctl.name, other.value.value, other.origin
            );
            findings.refuse(Reason::CreateContainerConfigError, place.clone(), why);
        }
    }
}

/// What to say of a name that is none.
pub(crate) fn not_a_name(name: &str) -> String {
    format!("`{name}` is not a sysctl name (such as `net.ipv4.tcp_syncookies`)")
}

/// Segments of lower-case letters, digits, `-` and `_` that begin and end with a letter or digit,
/// separated by `.` or `/`. Nothing else ever reaches a path (CVE-2022-0811).
pub(crate) fn is_name(name: &str) -> bool {
    let segment = |it: &str| {
        let edge =
            |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
        edge(it.chars().next())
            && edge(it.chars().last())
            && it
                .chars()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '_')
    };
    name.len() <= 253 && name.split(['.', '/']).all(segment)
}

/// The name with dots as separators. If the first separator is a slash, dots and slashes trade
/// places: `net/ipv4/conf/eth0.100/x` is `net.ipv4.conf.eth0/100.x`.
pub fn dotted(name: &str) -> String {
    if name.find(['.', '/']).is_some_and(|at| name.as_bytes()[at] == b'/') {
        let swap = |it| match it {
            '/' => '.',
            '.' => '/',
            other => other,
        };
        name.chars().map(swap).collect()
    } else {
        name.to_owned()
    }
}

/// The kind of namespace that a sysctl (dots as separators) belongs to; `None` for one that is the
/// whole machine's, and for one of which nothing is known.
pub(crate) fn namespace_of(name: &str) -> Option<NamespaceKind> {
    if name.starts_with("net.") {
        Some(NamespaceKind::Net)
    } else if name.starts_with("fs.mqueue.") || IPC.contains(&name) {
        Some(NamespaceKind::Ipc)
    } else if name == "kernel.domainname" {
        Some(NamespaceKind::Uts)
    } else {
        None
    }
}

pub(crate) fn plan(sysctl: &Sourced<Sysctl>) -> Step {
    let Sysctl { name, value } = sysctl.value.clone();
    Step::new(Stage::Sysctls, Action::WriteSysctl { name, value }, sysctl.origin.clone())
}

pub(crate) fn expect(sysctls: &[Sourced<Sysctl>]) -> BTreeMap<String, Reading<String>> {
    let known =
        |it: &Sourced<Sysctl>| (it.value.name.clone(), Reading::Known(it.value.value.clone()));
    sysctls.iter().map(known).collect()
}

pub(crate) fn compare<'a>(
    expected: &'a BTreeMap<String, Reading<String>>,
    seen: &'a BTreeMap<String, Reading<String>>,
) -> impl Iterator<Item = Finding> + 'a {
    expected.iter().filter_map(|(name, wanted)| {
        let wanted = wanted.known()?;
        let not_asked = Reading::unreadable("not asked");
        let seen = seen.get(name).unwrap_or(&not_asked);
        Some(Finding::of(Mechanism::Sysctl(name.clone()), seen, |seen| {
            (seen.trim().to_owned(), judge(wanted, seen))
        }))
    })
}

/// The kernel separates several numbers by tabs, takes `0x10` for 16, and of a list the first if it
/// wants one.
fn judge(wanted: &str, seen: &str) -> Verdict {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(ToOwned::to_owned).collect() };
    let (wanted, seen) = (words(wanted), words(seen));
    if wanted == seen {
        Verdict::Holds
    } else if !seen.is_empty() && wanted.len() > seen.len() && wanted.starts_with(&seen) {
        Verdict::Adjusted(format!("truncated to `{}` by the kernel", seen.join(" ")))
    } else if wanted.len() == seen.len()
        && wanted.iter().zip(&seen).all(|(a, b)| number(a).is_some_and(|it| Some(it) == number(b)))
    {
        Verdict::Adjusted("written in another form by the kernel".to_owned())
    } else {
        Verdict::Weaker(format!("declared `{}`", wanted.join(" ")))
    }
}

fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(sign * value)
}

/// Those of the IPC namespace, beside `fs.mqueue.` (`ipc/ipc_sysctl.c`).
const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{annotated, node, refusals, resolved, warnings, world};
    use crate::world::Node;

    #[test]
    fn names() {
        for (name, valid) in [
            ("net.ipv4.route.min_pmtu", true),
            ("net/ipv4/conf/eth0.100/x", true),
            ("kernel.shm*", false),
            ("kernel.core_pattern=|/x+a", false),
            ("net..ipv4", false),
            ("../kernel", false),
            ("Kernel.x", false),
            ("kernel.x\n", false),
            ("", false),
        ] {
            assert_eq!(is_name(name), valid, "{name:?}");
        }
        assert_eq!(dotted("net/ipv4/conf/eth0.100/x"), "net.ipv4.conf.eth0/100.x");
        assert_eq!(dotted("net.ipv4/x"), "net.ipv4/x");
    }

    #[test]
    fn values_that_the_kernel_rewrote() {
        for (wanted, seen, verdict) in [
            ("1", "1", "ok"),
            ("1 2 3", "1\t2\t3", "ok"),
            ("1 2 3", "1", "adjusted"),
            ("0x10", "16", "adjusted"),
            ("010", "8", "adjusted"),
            ("1", "2", "WEAKER"),
            ("1", "", "WEAKER"),
            ("1", "1 2", "WEAKER"),
        ] {
            assert_eq!(judge(wanted, seen).to_string(), verdict, "{wanted} {seen}");
        }
    }

    const HANDBOOK: &str = "security.alpha.kubernetes.io/sysctls: kernel.shm_rmid_forced=1, \
        security.alpha.kubernetes.io/unsafe-sysctls: \
        \"net.ipv4.route.min_pmtu=1000,kernel.msgmax=1 2 3\"";

    fn meant(pod: &Pod, world: &World) -> String {
        let all: Vec<String> = resolved(pod, world)
            .pod
            .sysctls
            .iter()
            .map(|it| format!("{}={}", it.value.name, it.value.value))
            .collect();
        all.join(",")
    }

    #[test]
    fn annotations_and_fields_say_the_same() {
        let handbook = "kernel.shm_rmid_forced=1,net.ipv4.route.min_pmtu=1000,kernel.msgmax=1 2 3";
        let safe = |text: &str| format!("security.alpha.kubernetes.io/sysctls: {text:?}");
        let field = "sysctls: [{name: kernel.shm_rmid_forced, value: \"1\"}]";
        for (annotations, shared, expected) in [
            ("", "", ""),
            (HANDBOOK, "", handbook),
            ("", field, "kernel.shm_rmid_forced=1"),
            (&safe("kernel.shm_rmid_forced=1"), field, "kernel.shm_rmid_forced=1"),
            (&safe("kernel/shm_rmid_forced=1"), field, "kernel.shm_rmid_forced=1"),
            (&safe(""), "", ""),
            (&safe("net.a=b=c"), "", "net.a=b=c"),
            (
                "",
                "sysctls: [{name: net/ipv4/conf/eth0.100/x, value: \"\"}]",
                "net.ipv4.conf.eth0/100.x=",
            ),
        ] {
            let found = meant(&annotated(annotations, shared, ""), &world());
            assert_eq!(found, expected, "{annotations} {shared}");
        }
    }

    #[test]
    fn an_annotation_that_is_wrong_or_says_something_else_is_refused() {
        let field = "sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}]";
        for (text, expected) in [
            (
                "net.ipv4.tcp_syncookies=0",
                "is also set to `1` by spec.securityContext.sysctls[0].name",
            ),
            ("kernel.shm_rmid_forced=1,", "sysctl \"\" not of the format sysctl_name=value"),
            ("kernel.shm_rmid_forced", "not of the format sysctl_name=value"),
            ("=1", "not of the format sysctl_name=value"),
            ("kernel.core_pattern+x=1", "`kernel.core_pattern+x` is not a sysctl name"),
            ("../../x=1", "`../../x` is not a sysctl name"),
            ("kernel.msgmax=1, kernel.msgmnb=2", "` kernel.msgmnb` is not a sysctl name"),
        ] {
            let note = format!("security.alpha.kubernetes.io/unsafe-sysctls: {text:?}");
            let told = refusals(&annotated(&note, field, ""), &world());
            assert!(told.len() == 1 && told[0].contains(expected), "{text}: {told:?}");
        }
    }

    #[test]
    fn a_named_version_reads_annotations_or_the_field() {
        let all = "kernel.shm_rmid_forced=1,net.ipv4.route.min_pmtu=1000,kernel.msgmax=1 2 3";
        for (minor, expected) in [(3, ""), (4, all), (10, all), (11, ""), (37, "")] {
            let node = Node { legacy: Legacy::Exactly(minor), ..node() };
            let world = World { node, ..world() };
            assert_eq!(meant(&annotated(HANDBOOK, "", ""), &world), expected, "1.{minor}");
            let field = "sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}]";
            let told = refusals(&annotated("", field, ""), &world);
            assert_eq!(told.len(), usize::from(minor < 11), "1.{minor}: {told:?}");
        }
        let told = warnings(&annotated(HANDBOOK, "", ""), &world());
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|it| it.contains("clusters ignore this annotation since v1.11")));
    }

    #[test]
    fn names_and_their_namespaces() {
        use NamespaceKind::{Ipc, Net, Uts};
        for (name, expected) in [
            ("net.ipv4.tcp_syncookies", Some(Net)),
            ("net", None),
            ("network.x", None),
            ("kernel.msgmax", Some(Ipc)),
            ("kernel.shm_rmid_forced", Some(Ipc)),
            ("kernel.sem", Some(Ipc)),
            ("fs.mqueue.queues_max", Some(Ipc)),
            ("kernel.domainname", Some(Uts)),
            ("kernel.hostname", None),
            ("kernel.core_pattern", None),
            ("kernel.shmfoo", None),
            ("vm.swappiness", None),
            ("fs.file-max", None),
        ] {
            assert_eq!(namespace_of(name), expected, "{name}");
        }
    }
}
