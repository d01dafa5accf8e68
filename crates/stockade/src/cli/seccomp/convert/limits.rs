//! What a form cannot say. Each gap is told with its place; nothing is left out in silence.
//!
//! Source: OCI runtime-spec `config-linux.md`; `api/seccompprofile/v1` of the
//! security-profiles-operator; KEP-6061 for what runtimes refuse of an artifact.

use stockade_abi::Errno;
use stockade_seccomp::{
    Action, ArchitectureList, Listed, Operator, Place, Profile, ProfileRule, Selector,
};
use stockade_spec::ProfileObject;

use super::super::written::place;

/// Something that would be lost.
pub(super) struct Gap {
    pub(super) place: Place,
    /// The field, as far as it is known.
    pub(super) path: String,
    pub(super) what: String,
    pub(super) hint: Option<&'static str>,
}

/// What none of the forms can say: Docker's conditions.
pub(super) fn of_all(profile: &Profile) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if let ArchitectureList::Map(_) = profile.architectures {
        gaps.push(gap(
            START,
            "archMap",
            "the form has no architectures that depend on the machine",
        ));
    }
    let conditional = |(index, rule): (usize, &ProfileRule)| {
        let plain = Selector::default();
        let field = if rule.includes != plain { "includes" } else { "excludes" };
        let applies_always = rule.includes == plain && rule.excludes == plain;
        (!applies_always).then(|| (rule.place, format!("syscalls[{index}].{field}")))
    };
    let mut conditional = profile.rules.iter().enumerate().filter_map(conditional);
    if let Some((place, path)) = conditional.next() {
        let others = match conditional.count() {
            0 => String::new(),
            count => format!(" (and {count} more rules)"),
        };
        let what = format!("the form has no conditions on machine and capabilities{others}");
        gaps.push(gap(place, path, what));
    }
    for gap in &mut gaps {
        gap.hint = Some("--flatten answers them for one machine");
    }
    gaps
}

/// What belongs to the object and not to the profile.
pub(super) fn of_object(object: &ProfileObject) -> Vec<Gap> {
    let base = object.base_profile.as_ref().map(|(name, position)| {
        let what = format!("the profile `{name}`, which is joined to this one, is not here");
        gap(place(*position), "spec.baseProfileName", what)
    });
    let disabled = object.disabled.map(|position| {
        gap(place(position), "spec.disabled", "the form has no profiles that are switched off")
    });
    base.into_iter().chain(disabled).collect()
}

/// What a `SeccompProfile` cannot say.
pub(super) fn of_spo(profile: &Profile) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut at = |place, path: &str, what: &str| gaps.push(gap(place, path, what));
    match profile.default_action {
        Action::Errno(Errno(1)) | Action::Trace(1) => {}
        Action::Errno(_) | Action::Trace(_) => {
            at(START, "defaultErrnoRet", "a SeccompProfile has no number for its default action");
        }
        Action::Notify => {
            at(START, "defaultAction", "a SeccompProfile takes no notification by default")
        }
        Action::KillProcess | Action::KillThread | Action::Trap | Action::Log | Action::Allow => {}
    }
    if let ArchitectureList::Listed(listed) = &profile.architectures {
        for one in
            listed.iter().filter(|it| matches!(it, Listed::Foreign(name) if LACKING.contains(name)))
        {
            at(START, "architectures", &format!("a SeccompProfile does not know {one:?}"));
        }
    }
    if profile.listener_path.as_ref().is_some_and(|it| !it.starts_with(LISTENERS)) {
        at(
            START,
            "listenerPath",
            &format!("a SeccompProfile takes sockets below `{LISTENERS}` only"),
        );
    }
    for (index, rule) in profile.rules.iter().enumerate() {
        let ProfileRule { action, conditions, .. } = rule;
        let mut at = |field: &str, what: &str| {
            at(rule.place, &format!("syscalls[{index}].{field}"), what);
        };
        if matches!(action, Action::Errno(Errno(0)) | Action::Trace(0)) {
            at("errnoRet", "a SeccompProfile takes 0 for no number");
        }
        if conditions.len() > 6 {
            at("args", "a SeccompProfile takes six conditions");
        }
        let largest = conditions.iter().map(|it| match it.operator {
            Operator::MaskedEqual { mask, value } => mask.max(value),
            Operator::NotEqual(value)
            | Operator::Less(value)
            | Operator::LessOrEqual(value)
            | Operator::Equal(value)
            | Operator::GreaterOrEqual(value)
            | Operator::Greater(value) => value,
        });
        if largest.max().is_some_and(|it| i64::try_from(it).is_err()) {
            at("args", "a SeccompProfile takes values below 2⁶³");
        }
    }
    gaps
}

/// What runtimes refuse of an artifact, though it can be written.
pub(super) fn of_runtimes(profile: &Profile) -> Vec<String> {
    let mut concerns = Vec::new();
    let asks = profile.default_action == Action::Notify
        || profile.rules.iter().any(|it| it.action == Action::Notify);
    if asks || profile.listener_path.is_some() {
        concerns.push("runtimes refuse an artifact that asks a supervisor".to_owned());
    }
    if profile.rules.len() > MOST_RULES {
        let count = profile.rules.len();
        concerns.push(format!(
            "runtimes refuse more than {MOST_RULES} rules by default; here are {count}"
        ));
    }
    concerns
}

fn gap(place: Place, path: impl Into<String>, what: impl Into<String>) -> Gap {
    Gap { place, path: path.into(), what: what.into(), hint: None }
}

/// Of what has no place of its own.
const START: Place = Place { line: 1, column: 1 };

/// Architectures of OCI that the resource does not list.
const LACKING: &[&str] =
    &["SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"];

const LISTENERS: &str = "/var/run/security-profiles-operator/";

const MOST_RULES: usize = 128;
