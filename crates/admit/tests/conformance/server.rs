//! What an API server says about a pod, and writes into it.

use serde_json::{Value, json};
use stockade_spec::patch::difference;
use stockade_spec::{ApiVersion, Pod, PrivilegedContainers, Rules, sync, validate};

use crate::place::pod;
use crate::{Case, Outcome};

/// The pod as given, and as it is after annotations and fields were made to say the same.
pub(crate) fn validation(case: &Case) -> Outcome {
    let privileged = match case.input["allowPrivileged"].as_bool() {
        Some(false) => PrivilegedContainers::Forbidden,
        Some(true) | None => PrivilegedContainers::Allowed,
    };
    let version = ApiVersion(case.minor);
    let rules = Rules { privileged, ..Rules::from(version) };
    let given = pod(case);
    let expected = &case.expected;
    errors(&given, rules, &expected["valid"], &expected["errors"]).and(|| {
        if expected["validAfterSync"].is_null() && expected["errorsAfterSync"].is_null() {
            return Outcome::Same;
        }
        let synced = sync(&given, version).pod;
        errors(&synced, rules, &expected["validAfterSync"], &expected["errorsAfterSync"])
    })
}

fn errors(pod: &Pod, rules: Rules, valid: &Value, errors: &Value) -> Outcome {
    let mistakes = validate(pod, rules);
    let mut ours: Vec<_> =
        mistakes.iter().map(|it| (it.place.path.to_string(), it.to_string())).collect();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let listed = errors.as_array().into_iter().flatten();
    let mut upstream: Vec<_> = listed.map(|it| (text(it, "field"), text(it, "message"))).collect();
    ours.sort();
    upstream.sort();
    for ((_, ours), (_, upstream)) in ours.iter_mut().zip(&mut upstream) {
        if upstream.contains("0xc0") {
            *ours = without_value(ours);
            *upstream = without_value(upstream);
        }
    }
    let is_valid = valid.as_bool().unwrap_or(upstream.is_empty());
    Outcome::of(&(mistakes.is_empty(), ours), &(is_valid, upstream))
}

/// Old versions print some values as Go sees them, with where they lay in memory. What can be
/// compared is what is said of the value.
fn without_value(message: &str) -> String {
    let cut = || {
        let (field, value) = message.split_once("Invalid value: ")?;
        let (_, what) = value.rsplit_once("}: ")?;
        Some(format!("{field}Invalid value: …: {what}"))
    };
    cut().unwrap_or_else(|| message.to_owned())
}

/// The operations, and the warnings where they are part of the answer.
pub(crate) fn synced(case: &Case) -> Outcome {
    let given = defaulted(pod(case));
    let synced = sync(&given, ApiVersion(case.minor));
    let ours = json!(difference(&given.object, &synced.pod.object).unwrap());
    let warnings: Vec<String> = synced.warnings.iter().map(ToString::to_string).collect();
    if case.expected.is_array() {
        return Outcome::of(&ours, &case.expected);
    }
    let list = |key: &str| case.expected.get(key).cloned().unwrap_or(json!([]));
    Outcome::of(&(ours, json!(warnings)), &(list("mutations"), list("warnings")))
}

/// The default of the API that decides about the form of an operation: no pod is without a security
/// context.
fn defaulted(mut pod: Pod) -> Pod {
    if let Some(spec) = &mut pod.object.spec {
        spec.security_context.get_or_insert_default();
    }
    pod
}
