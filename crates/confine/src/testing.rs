//! For tests: a pod from a few words, a node that is always the same, and what becomes of the pod
//! there.

pub(crate) mod model;

use std::collections::BTreeMap;

use stockade_abi::host::{AppArmorSupport, CgroupV2, Cgroups, Host, Kernel, LsmState, Privilege};
use stockade_abi::{Architecture, CapabilitySet, IdMap, IdRange, NamespaceKind, Reading};
use stockade_spec::{FieldPath, Pod};

use crate::container::{Resolved, UserNamespace};
use crate::world::{
    ImageFacts, Legacy, LegacyUnconfined, Node, NodeUserNamespace, Objects, ProfileFile,
    SeccompDefault, World,
};
use crate::{Finding, RestartDefault, Verdict, diff, expect, plan, plan_pod, resolve};

/// The pod of a manifest that is usable.
#[track_caller]
pub(crate) fn pod(text: &str) -> Pod {
    let parsed = stockade_spec::parse("pod.yaml", text);
    assert!(parsed.is_usable(), "{:?}\n{text}", parsed.findings);
    parsed.pods().next().unwrap().clone()
}

/// A pod with these security contexts: the pod's and that of its only container `c`.
#[track_caller]
pub(crate) fn secured(shared: &str, own: &str) -> Pod {
    annotated("", shared, own)
}

/// The same with annotations.
#[track_caller]
pub(crate) fn annotated(annotations: &str, shared: &str, own: &str) -> Pod {
    pod(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p, annotations: {{{annotations}}}}}, spec: \
         {{securityContext: {{{shared}}}, containers: [{{name: c, image: i, command: [x], \
         securityContext: {{{own}}}}}]}}}}"
    ))
}

/// A node with the image `i`, which says nothing.
pub(crate) fn world() -> World {
    let image = ImageFacts { reference: "i:latest".to_owned(), ..ImageFacts::default() };
    World {
        images: BTreeMap::from([("i".to_owned(), image)]),
        profiles: profiles(),
        objects: Objects::default(),
        node: node(),
    }
}

/// The same with another image.
pub(crate) fn world_with(image: ImageFacts) -> World {
    World { images: BTreeMap::from([("i".to_owned(), image)]), ..world() }
}

fn profiles() -> BTreeMap<String, Result<ProfileFile, String>> {
    let file = |name: &str, text: &str| {
        let path = format!("/profiles/{name}");
        (name.to_owned(), Ok(ProfileFile { path, text: text.to_owned() }))
    };
    let denying = |names: &str| {
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{{"names": [{names}], "action": "SCMP_ACT_ERRNO"}}]}}"#
        )
    };
    let asking = |name: &str| {
        format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent",
                "syscalls": [{{"names": ["{name}"], "action": "SCMP_ACT_NOTIFY"}}]}}"#
        )
    };
    BTreeMap::from([
        file(
            "chmod",
            r#"{"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"name": "chmod", "action": "SCMP_ACT_ERRNO"}]}"#,
        ),
        file("no-capset", &denying(r#""capset""#)),
        file("no-exec", &denying(r#""execve""#)),
        file("no-prctl", &denying(r#""prctl""#)),
        file(
            "notify",
            r#"{"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_NOTIFY"}]}"#,
        ),
        file("asks-mkdir", &asking("mkdir")),
        file("asks-capset", &asking("capset")),
        file("asks-execve", &asking("execve")),
        file("asks-sendmsg", &asking("sendmsg")),
        file("bad", r#"{"defaultAction": "SCMP_ACT_BOGUS"}"#),
        ("unreadable".to_owned(), Err("permission denied".to_owned())),
    ])
}

pub(crate) fn node() -> Node {
    Node {
        kernel: kernel(),
        architecture: Architecture::NATIVE,
        capabilities: ALL,
        last_cpu: 1,
        allowed_unsafe_sysctls: Vec::new(),
        seccomp_default: SeccompDefault::Unconfined,
        legacy: Legacy::Honoured { unconfined: LegacyUnconfined::Refused },
        hostname: "node".to_owned(),
        pod_pids_limit: None,
        devices: Vec::new(),
        user_namespace: NodeUserNamespace::NotNeeded,
    }
}

/// The same as an ordinary user sees it.
pub(crate) fn users_node() -> Node {
    Node { user_namespace: NodeUserNamespace::Own(users_maps()), ..node() }
}

pub(crate) fn users_maps() -> UserNamespace {
    UserNamespace { uids: map(0, 1000, 1), gids: map(0, 1000, 1) }
}

pub(crate) fn map(inside: u32, outside: u32, length: u32) -> IdMap {
    IdMap::new(vec![IdRange::new(inside, outside, length).unwrap()]).unwrap()
}

pub(crate) fn host() -> Host {
    Host {
        kernel: kernel(),
        last_capability: 40,
        privilege: Privilege::Root { capabilities: ALL },
        namespaces: NamespaceKind::ALL.into_iter().collect(),
        cgroups: Cgroups {
            v1: BTreeMap::new(),
            v2: Some(CgroupV2 {
                mount: "/sys/fs/cgroup".to_owned(),
                controllers: ["cpu", "memory", "pids"].map(ToOwned::to_owned).to_vec(),
            }),
        },
        apparmor: AppArmorSupport {
            state: LsmState::Active,
            profiles: Reading::Known(BTreeMap::from([
                ("enforcing".to_owned(), "enforce".to_owned()),
                ("complaining".to_owned(), "complain".to_owned()),
            ])),
        },
        selinux: LsmState::Inactive,
        seccomp_actions: ["kill_process", "errno", "allow"].map(ToOwned::to_owned).to_vec(),
        last_cpu: 1,
    }
}

pub(crate) fn users_host() -> Host {
    let user_namespace = Reading::Known(());
    Host { privilege: Privilege::User { uid: 1000, gid: 1000, user_namespace }, ..host() }
}

fn kernel() -> Kernel {
    Kernel { major: 6, minor: 18, release: "6.18.0".to_owned() }
}

/// What the pod amounts to.
#[track_caller]
pub(crate) fn resolved(pod: &Pod, world: &World) -> Resolved {
    resolve(pod, world, RestartDefault::Never).unwrap()
}

/// Why the pod is refused: `path: reason: why`. Empty if it is not.
pub(crate) fn refusals(pod: &Pod, world: &World) -> Vec<String> {
    let told = resolve(pod, world, RestartDefault::Never).err().unwrap_or_default();
    told.iter().map(|it| format!("{}: {}: {}", it.place.path, it.reason, it.why)).collect()
}

/// What is warned about.
#[track_caller]
pub(crate) fn warnings(pod: &Pod, world: &World) -> Vec<String> {
    let told = resolved(pod, world).warnings;
    let path = |it: &crate::Origin| it.place().map_or(FieldPath::root(), |it| it.path.clone());
    told.iter().map(|it| format!("{}: {}", path(&it.origin), it.what)).collect()
}

/// Plans the only container, has the model kernel do it, and compares.
pub(crate) fn proven(resolved: &Resolved, host: &Host) -> Result<Vec<Finding>, String> {
    let (pod, container) = (&resolved.pod, &resolved.containers[0]);
    let told = |all: Vec<crate::Refusal>| format!("{all:?}");
    let made = plan_pod(pod, host).map_err(told)?;
    let plan = plan(container, pod, host).map_err(told)?;
    let expected = expect(container, pod, host);
    let seen = model::facts(made.as_ref(), &plan, host, &expected)?;
    Ok(diff(&expected, &seen))
}

/// Findings that are not "ok".
pub(crate) fn amiss(findings: &[Finding]) -> Vec<String> {
    let amiss = findings.iter().filter(|it| it.verdict != Verdict::Holds);
    amiss.map(|it| format!("{}: {} {:?}", it.mechanism, it.verdict, it.verdict.detail())).collect()
}

pub(crate) const ALL: CapabilitySet = CapabilitySet::up_to(40);
