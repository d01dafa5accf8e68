//! What a node says about a pod.

use std::collections::BTreeMap;

use stockade_abi::Reading;
use stockade_abi::host::{AppArmorSupport, LsmState};
use stockade_admit::admit;
use stockade_admit::node::apparmor::{Need, kubelet, need};
use stockade_admit::node::sysctls::Allowlist;
use stockade_confine::{Reason, Refusal, RestartDefault, resolve, world::ImageFacts};

use crate::kubelet::told;
use crate::meant::effective;
use crate::place::{host, image, kernel, pod, strings, world};
use crate::server::{synced, validation};
use crate::{Case, Compare, Family, Outcome};

/// Every file, and how its cases are compared.
pub(crate) const FAMILIES: &[Family] = &[
    of("apparmor-annotation-field-sync", synced),
    of("apparmor-api-validation", validation),
    of("apparmor-kubelet-admission", apparmor),
    of("apparmor-to-cri", told),
    of("effective-security-context", told),
    Family { file: "effective-security-context", what: "meant", compare: effective },
    of("run-as-non-root", run_as_non_root),
    of("seccomp-annotation-field-sync", synced),
    of("seccomp-api-validation", validation),
    of("seccomp-to-cri", told),
    of("securitycontext-api-validation", validation),
    of("sysctl-allowlist-build", allowlist),
    of("sysctl-api-validation", validation),
    of("sysctl-kubelet-admission", sysctls),
];

const fn of(file: &'static str, compare: Compare) -> Family {
    Family { file, what: "", compare }
}

fn apparmor(case: &Case) -> Outcome {
    let loaded = strings(case, "loadedProfiles").into_iter();
    let profiles: BTreeMap<_, _> = loaded.map(|it| (it, "enforce".to_owned())).collect();
    let state = match case.input["hostAppArmorEnabled"].as_bool() {
        Some(true) => LsmState::Active,
        Some(false) | None => LsmState::Inactive,
    };
    let support = AppArmorSupport { state, profiles: Reading::Known(profiles) };
    let pod = pod(case);
    let minor = case.minor.into();
    let is_needed = need(&pod, minor).is_some();
    let ours = match kubelet(&pod, minor, &support) {
        Ok(Need::Required | Need::NotRequired) => (is_needed, None),
        Err(refusal) => (is_needed, Some((refusal.reason.to_string(), refusal.why))),
    };
    let text = |key: &str| case.expected[key].as_str().unwrap_or_default().to_owned();
    let refusal = match case.expected["admit"].as_bool() {
        Some(true) => None,
        Some(false) | None => Some((text("reason"), text("message"))),
    };
    Outcome::of(&ours, &(case.expected["required"] == true, refusal))
}

fn allowlist(case: &Case) -> Outcome {
    let built = Allowlist::build(&strings(case, "patterns"), case.minor.into(), &kernel());
    let upstream = case.expected["error"].as_str().map(str::to_owned);
    let ours = (built.is_ok(), built.err().map(|it| it.to_string()));
    Outcome::of(&ours, &(case.expected["ok"] == true, upstream))
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
    let upstream = (case.expected["ok"] == true, error.into_iter().collect());
    Outcome::of(&(ours.is_empty(), ours), &upstream)
}

pub(crate) fn refused(refusals: &[Refusal]) -> Outcome {
    if refusals.iter().all(|it| it.reason == Reason::NotEnforced) {
        Outcome::NoAnswer(listed(refusals))
    } else {
        Outcome::Differs(format!("refused: {}", listed(refusals)))
    }
}

/// Refusals in one line.
pub(crate) fn listed(refusals: &[Refusal]) -> String {
    let text = |it: &Refusal| format!("{}: {}", it.reason, it.why);
    refusals.iter().map(text).collect::<Vec<_>>().join("; ")
}
