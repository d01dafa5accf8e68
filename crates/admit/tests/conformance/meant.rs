//! What a pod amounts to, beside what a kubelet asks of its runtime.

use std::collections::BTreeMap;

use stockade_abi::facts::{MountAccess, NoNewPrivs};
use stockade_abi::{Capability, NamespaceKind};
use stockade_confine::world::ProfileFile;
use stockade_confine::{Confinement, Reason, RestartDefault, Seccomp, World, references, resolve};
use stockade_spec::{ApiVersion, Pod, validate};

use crate::node::{listed, refused};
use crate::place::{image, pod, world};
use crate::{Case, Outcome};

/// What a kubelet asks of its runtime, as far as a pod says it and not the runtime.
pub(crate) fn effective(case: &Case) -> Outcome {
    let upstream = &case.expected;
    let pod = pod(case);
    let world = World { profiles: any_profiles(&pod), ..world(case, image()) };
    let resolved = match resolve(&pod, &world, RestartDefault::Always) {
        Ok(resolved) => resolved,
        Err(refusals) if upstream["error"].is_string() => {
            let known = refusals.iter().all(|it| it.reason != Reason::NotEnforced);
            return if known { Outcome::Same } else { refused(&refusals) };
        }
        // The case says what a runtime is asked for, not whether it can do it.
        Err(refusals) => return Outcome::NoAnswer(listed(&refusals)),
    };
    if let Some(error) = upstream["error"].as_str() {
        if !validate(&pod, ApiVersion(case.minor)).is_empty() {
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
    groups.dedup();
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

/// The seccomp profiles that the pod names: what they say is no part of the answer.
fn any_profiles(pod: &Pod) -> BTreeMap<String, Result<ProfileFile, String>> {
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#.to_owned();
    let file = |path: String| (path.clone(), Ok(ProfileFile { path, text: text.clone() }));
    references(pod).profiles.into_iter().map(file).collect()
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
