//! What a kubelet tells its runtime.

use serde_json::{Value, json};
use stockade_abi::facts::{MountAccess, NoNewPrivs};
use stockade_confine::World;
use stockade_confine::kubelet::{
    GroupsPolicy, NamespaceMode, Privilege, Request, RequestedUser, SecurityProfile,
    effective_context, request,
};

use crate::place::{image, pod, world};
use crate::{Case, Outcome};

/// Everything that the case has of what is sent, and the merged context.
pub(crate) fn told(case: &Case) -> Outcome {
    let pod = pod(case);
    let name = case.input["container"].as_str().unwrap();
    let root = case.input["kubeletSeccompRoot"].as_str().unwrap_or_default();
    // Nothing of these cases is the image's.
    let world = World { images: [].into(), ..world(case, image()) };
    let upstream = &case.expected;
    let answer = match request(&pod, name, &world, root) {
        Ok(request) => spelled(&request, upstream),
        Err(why) => json!({"error": why.to_string()}),
    };
    Outcome::of(&set(&answer), &set(upstream)).and(|| {
        let merged = &case.input["expectedEffectiveSecurityContext"];
        if merged.is_null() {
            return Outcome::Same;
        }
        let ours = effective_context(&pod, &pod.container(name).unwrap());
        Outcome::of(&serde_json::to_value(ours).unwrap(), merged)
    })
}

/// In the words of the cases.
fn spelled(it: &Request, upstream: &Value) -> Value {
    let name = |it: &Option<SecurityProfile>| match it {
        None => "unset",
        Some(SecurityProfile::RuntimeDefault) => "RuntimeDefault",
        Some(SecurityProfile::Unconfined) => "Unconfined",
        Some(SecurityProfile::Localhost(_)) => "Localhost",
    };
    let reference = |it: &Option<SecurityProfile>| match it {
        Some(SecurityProfile::Localhost(name)) => name.clone(),
        Some(SecurityProfile::RuntimeDefault | SecurityProfile::Unconfined) | None => String::new(),
    };
    let (id, username) = match &it.user {
        Some(RequestedUser::Id(id)) => (Some(*id), None),
        Some(RequestedUser::Name(name)) => (None, Some(name)),
        None => (None, None),
    };
    let capabilities = it.capabilities.as_ref();
    let mut answer = json!({
        "seccompProfileType": name(&it.seccomp),
        "seccompLocalhostRef": reference(&it.seccomp),
        "seccompProfilePathLegacy": it.seccomp_text,
        "apparmorProfileType": name(&it.apparmor),
        "apparmorLocalhostRef": reference(&it.apparmor),
        "apparmorLegacy": it.apparmor_text,
        "runAsUser": id,
        "runAsUsername": username,
        "runAsGroup": it.group,
        "supplementalGroups": it.groups,
        "supplementalGroupsPolicy": it.groups_policy.map(|it| match it {
            GroupsPolicy::Merge => "Merge",
            GroupsPolicy::Strict => "Strict",
        }),
        "capabilities": capabilities.map(|it| json!({"add": it.add, "drop": it.drop})),
        "selinuxOptions": it.selinux,
        "privileged": it.privilege == Privilege::Privileged,
        "noNewPrivs": it.no_new_privs == NoNewPrivs::Set,
        "readonlyRootfs": it.root == MountAccess::ReadOnly,
        "maskedPathsEmpty": it.paths.masked.is_empty(),
        "readonlyPathsEmpty": it.paths.read_only.is_empty(),
    });
    // An answer of a version before it was a profile has only the text.
    if upstream["apparmorProfileType"].is_null() {
        answer["apparmorProfileType"] = Value::Null;
    }
    // Not part of the answers of old versions.
    if upstream["namespaces"].is_object() {
        answer["namespaces"] = json!({
            "network": mode(it.namespaces.network),
            "pid": mode(it.namespaces.pid),
            "ipc": mode(it.namespaces.ipc),
            "userns": it.namespaces.user.map(mode),
        });
    }
    answer
}

const fn mode(mode: NamespaceMode) -> &'static str {
    match mode {
        NamespaceMode::Pod => "POD",
        NamespaceMode::Container => "CONTAINER",
        NamespaceMode::Node => "NODE",
        NamespaceMode::Target => "TARGET",
    }
}

/// What is set: what is absent, false, empty or null in a case is the same.
fn set(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), set(value)));
            fields.filter(|(_, value)| !is_unset(value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            value.clone()
        }
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Number(_) | Value::Object(_) => false,
    }
}
