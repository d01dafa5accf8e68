//! What a node and its API server say about a pod.

use stockade_abi::facts::{MountAccess, NoNewPrivs};
use stockade_abi::{Capability, NamespaceKind};
use stockade_admit::admit;
use stockade_admit::node::sysctls::Allowlist;
use stockade_confine::{
    Confinement, Reason, Refusal, RestartDefault, Seccomp, resolve, world::ImageFacts,
};
use stockade_spec::{ApiVersion, PrivilegedContainers, Rules, validate};

use crate::place::{host, image, kernel, pod, strings, world};
use crate::{Case, Compare, Outcome};

/// Every file, and how its cases are compared.
pub(crate) const FILES: &[(&str, Compare)] = &[
    ("apparmor-api-validation", validation),
    ("effective-security-context", effective),
    ("run-as-non-root", run_as_non_root),
    ("seccomp-api-validation", validation),
    ("securitycontext-api-validation", validation),
    ("sysctl-allowlist-build", allowlist),
    ("sysctl-api-validation", validation),
    ("sysctl-kubelet-admission", sysctls),
];

/// The pod as given; the copying between annotations and fields is not this project's.
fn validation(case: &Case) -> Outcome {
    let privileged = match case.input["allowPrivileged"].as_bool() {
        Some(false) => PrivilegedContainers::Forbidden,
        Some(true) | None => PrivilegedContainers::Allowed,
    };
    let rules = Rules { privileged, ..Rules::from(ApiVersion(case.minor)) };
    let mistakes = validate(&pod(case), rules);
    let mut ours: Vec<_> =
        mistakes.iter().map(|it| (it.place.path.to_string(), it.to_string())).collect();
    let errors = case.expected["errors"].as_array().unwrap();
    let text = |it: &serde_json::Value, key: &str| it[key].as_str().unwrap().to_owned();
    let mut upstream: Vec<_> =
        errors.iter().map(|it| (text(it, "field"), text(it, "message"))).collect();
    ours.sort();
    upstream.sort();
    for ((_, ours), (_, upstream)) in ours.iter_mut().zip(&mut upstream) {
        if upstream.contains("0xc0") {
            *ours = without_value(ours);
            *upstream = without_value(upstream);
        }
    }
    Outcome::of(&ours, &upstream)
}

/// Old versions print some values as Go sees them, with where they lay in memory. What can be
/// compared is what is said of the value.
fn without_value(message: &str) -> String {
    let (field, value) = message.split_once("Invalid value: ").unwrap();
    let (_, what) = value.rsplit_once("}: ").unwrap();
    format!("{field}Invalid value: …: {what}")
}

fn allowlist(case: &Case) -> Outcome {
    let built = Allowlist::build(&strings(case, "patterns"), case.minor.into(), &kernel());
    let upstream = case.expected["error"].as_str().map(str::to_owned);
    Outcome::of(&built.err().map(|it| it.to_string()), &upstream)
}

fn sysctls(case: &Case) -> Outcome {
    let (pod, world) = (pod(case), world(case, image()));
    let resolved = match resolve(&pod, &world, RestartDefault::Always) {
        Ok(resolved) => resolved,
        Err(refusals) => return refused(&refusals),
    };
    let refusals = admit(&pod, resolved, &world, &host()).err().unwrap_or_default();
    let ours: Vec<_> = refusals.iter().map(|it| (it.reason.to_string(), it.why.clone())).collect();
    let text = |key: &str| case.expected[key].as_str().unwrap_or_default().to_owned();
    let upstream = match case.expected["admit"].as_bool() {
        Some(true) => Vec::new(),
        Some(false) | None => vec![(text("reason"), text("message"))],
    };
    Outcome::of(&ours, &upstream)
}

fn run_as_non_root(case: &Case) -> Outcome {
    let user = match (case.input["imageUid"].as_i64(), case.input["imageUsername"].as_str()) {
        (Some(uid), _) => uid.to_string(),
        (None, name) => name.unwrap_or_default().to_owned(),
    };
    let passwd = "root:x:0:0::/:\napp:x:1000:1000::/:\n".to_owned();
    let image = ImageFacts { user, passwd: Some(passwd), ..image() };
    let (pod, world) = (pod(case), world(case, image));
    let refusals = match resolve(&pod, &world, RestartDefault::Always) {
        Ok(_) => Vec::new(),
        Err(refusals) if refusals.iter().any(|it| it.reason == Reason::NotEnforced) => {
            return refused(&refusals);
        }
        Err(refusals) => refusals,
    };
    // An id of the image that is none is refused here, whatever a version makes of it.
    let is_id = |it: i64| i32::try_from(it).is_ok_and(|it| it >= 0);
    if case.input["imageUid"].as_i64().is_some_and(|it| !is_id(it)) {
        return Outcome::of(&refusals.is_empty(), &false);
    }
    let ours: Vec<&str> = refusals.iter().map(|it| it.why.as_str()).collect();
    // The kubelet adds which pod and container it was; a report says that otherwise.
    let error = case.expected["error"].as_str().map(|it| it.split(" (pod: ").next().unwrap());
    Outcome::of(&ours, &error.into_iter().collect())
}

/// What a kubelet asks of its runtime, as far as a pod says it and not the runtime.
fn effective(case: &Case) -> Outcome {
    let upstream = &case.expected;
    let resolved = match resolve(&pod(case), &world(case, image()), RestartDefault::Always) {
        Ok(resolved) => resolved,
        Err(refusals) if upstream["error"].is_string() => {
            let known = refusals.iter().all(|it| it.reason != Reason::NotEnforced);
            return if known { Outcome::Same } else { refused(&refusals) };
        }
        Err(refusals) => return refused(&refusals),
    };
    if let Some(error) = upstream["error"].as_str() {
        if !validate(&pod(case), ApiVersion(case.minor)).is_empty() {
            // Refused before anybody resolves it.
            return Outcome::Same;
        }
        return Outcome::Differs(format!("resolved, but upstream says: {error}"));
    }
    let named = case.input["container"].as_str();
    let container = resolved.containers.iter().find(|it| Some(it.name.as_str()) == named).unwrap();
    let groups = upstream["supplementalGroups"].as_array().into_iter().flatten();
    let mut groups: Vec<u64> = groups.filter_map(serde_json::Value::as_u64).collect();
    groups.sort_unstable();
    let shares = |kind| !container.confinement.namespaces.value.contains(kind);
    let namespaces = [
        ("network", "NODE", shares(NamespaceKind::Net)),
        ("pid", "NODE", shares(NamespaceKind::Pid)),
        ("ipc", "NODE", shares(NamespaceKind::Ipc)),
        ("userns", "POD", resolved.pod.user_namespace.is_some()),
    ];
    // Not part of the answers of old versions.
    let is_there = upstream["namespaces"].is_object();
    Outcome::of(
        &Effective::ours(&container.confinement, namespaces.map(|(_, _, ours)| ours && is_there)),
        &Effective {
            uid: upstream["runAsUser"].as_u64().unwrap_or(0),
            gid: upstream["runAsGroup"].as_u64().unwrap_or(0),
            groups,
            no_new_privs: upstream["noNewPrivs"] == true,
            read_only_root: upstream["readonlyRootfs"] == true,
            // A privileged container's are the runtime's business: none.
            no_masks: upstream["maskedPathsEmpty"] == true || upstream["privileged"] == true,
            no_read_only: upstream["readonlyPathsEmpty"] == true || upstream["privileged"] == true,
            unconfined: upstream["seccompProfileType"] == "Unconfined",
            namespaces: namespaces.map(|(key, word, _)| upstream["namespaces"][key] == word),
            given: capabilities(upstream, "add"),
            taken: capabilities(upstream, "drop"),
        }
        .without_default_capabilities(&container.confinement),
    )
}

/// The answers that can be compared.
#[derive(Debug, PartialEq)]
struct Effective {
    uid: u64,
    gid: u64,
    groups: Vec<u64>,
    no_new_privs: bool,
    read_only_root: bool,
    no_masks: bool,
    no_read_only: bool,
    unconfined: bool,
    /// The host's network, processes and IPC; a user namespace.
    namespaces: [bool; 4],
    /// Asked for and not there.
    given: Vec<Capability>,
    /// Taken away and there.
    taken: Vec<Capability>,
}

impl Effective {
    fn ours(it: &Confinement, namespaces: [bool; 4]) -> Self {
        let identity = &it.identity.value;
        Self {
            uid: identity.uid.into(),
            gid: identity.gid.into(),
            groups: identity.groups.iter().copied().map(u64::from).collect(),
            no_new_privs: it.no_new_privs.value == NoNewPrivs::Set,
            read_only_root: it.root.value.access == MountAccess::ReadOnly,
            no_masks: it.paths.value.masked.is_empty(),
            no_read_only: it.paths.value.read_only.is_empty(),
            unconfined: it.seccomp.value == Seccomp::Unconfined,
            namespaces,
            given: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Leaves of the capabilities those in which the pod's wish is not granted: what a container
    /// has beyond its wishes is the runtime's default.
    fn without_default_capabilities(mut self, it: &Confinement) -> Self {
        let held = it.capabilities.value.bounding;
        let wished = self.given.clone();
        self.given.retain(|it| !held.contains(*it));
        self.taken.retain(|it| held.contains(*it) && !wished.contains(it));
        self
    }
}

fn capabilities(upstream: &serde_json::Value, list: &str) -> Vec<Capability> {
    let names = upstream["capabilities"][list].as_array().into_iter().flatten();
    let parse = |name: &str| match name {
        "ALL" => Capability::ALL.to_vec(),
        name => vec![name.parse().unwrap()],
    };
    names.flat_map(|it| parse(it.as_str().unwrap())).collect()
}

fn refused(refusals: &[Refusal]) -> Outcome {
    let text = |it: &Refusal| format!("{}: {}", it.reason, it.why);
    let all: Vec<String> = refusals.iter().map(text).collect();
    if refusals.iter().all(|it| it.reason == Reason::NotEnforced) {
        Outcome::NotEnforced(all.join("; "))
    } else {
        Outcome::Differs(format!("refused: {all:#?}"))
    }
}
