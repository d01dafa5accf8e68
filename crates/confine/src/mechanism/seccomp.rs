//! Seccomp: which system calls a container may make.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.seccompProfile` (container, else pod); annotations of three eras, see [`mod@declared`] |
//! | meant | [`Seccomp`]: the profile, compiled for the container's capabilities and this kernel |
//! | done | `seccomp(SECCOMP_SET_MODE_FILTER)`, as late as possible; the listener of [`mod@listener`] sent to its agent |
//! | seen | `Seccomp` in `/proc/<pid>/status`, and the filter itself, compared in meaning |
//!
//! A filter may be loaded with `no_new_privs` or with `CAP_SYS_ADMIN`. Without the former the child
//! keeps the latter until the filter is loaded, and gives it up by one `capset(2)` between the
//! filter and `execve(2)`: a profile that denies those two, or leaves them to a supervisor, is refused
//! here, before anything runs.

mod declared;
mod listener;

use stockade_abi::bpf::Program;
use stockade_abi::facts::{NoNewPrivs, SeccompFacts, SeccompMode};
use stockade_abi::{Architecture, Capability, CapabilitySet, CapabilitySets, Reading};
use stockade_seccomp::{self as engine, Comparison, Flag, Target};

use crate::container::{Seccomp, SeccompFilter};
use crate::finding::{Finding, Mechanism, Verdict};
use crate::mechanism::capabilities::FilterNeeds;
use crate::plan::{Action, LogDenied, SeccompLoad, Speculation, Stage, Step};
use crate::scope::{Findings, Scope};
use crate::world::{Node, SeccompDefault};
use crate::{Origin, Reason, Refusal, Sourced};

use declared::{ProfileName, declared};
pub(crate) use declared::{kubelet_annotations, localhost_profiles};

pub(crate) fn resolve(
    scope: &Scope<'_>,
    capabilities: CapabilitySet,
    findings: &mut Findings,
) -> Sourced<Seccomp> {
    let declared = declared(scope, findings);
    if scope.is_privileged() {
        let origin = Origin::Declared(scope.own_place("privileged"));
        if let Some(Sourced { value, origin }) = declared
            && value != ProfileName::Unconfined
        {
            findings.warn(origin, "has no effect: a privileged container runs without seccomp");
        }
        return Sourced::new(Seccomp::Unconfined, origin);
    }
    let node = &scope.world.node;
    let profile = declared.unwrap_or_else(|| match node.seccomp_default {
        SeccompDefault::Unconfined => Sourced::default(
            ProfileName::Unconfined,
            "no profile is declared, and the node has none by default",
        ),
        SeccompDefault::RuntimeDefault => {
            Sourced::new(ProfileName::RuntimeDefault, Origin::Node("--seccomp-default".to_owned()))
        }
    });
    let Sourced { value, origin } = profile;
    let target = target(node, capabilities);
    let filter = match value {
        ProfileName::Unconfined => return Sourced::new(Seccomp::Unconfined, origin),
        ProfileName::RuntimeDefault => {
            compile("RuntimeDefault", &engine::default_profile(), &target)
        }
        ProfileName::Localhost(name) => load(scope, &name, &target, &origin, findings),
    };
    match filter {
        Ok(filter) => Sourced::new(Seccomp::Filter(filter), origin),
        Err(why) => {
            let place = origin.place().cloned().unwrap_or_else(|| scope.field("securityContext"));
            findings.refuse(Reason::CreateContainerConfigError, place, why);
            Sourced::new(Seccomp::Unconfined, origin)
        }
    }
}

pub(crate) fn target(node: &Node, capabilities: CapabilitySet) -> Target {
    Target {
        architecture: node.architecture,
        capabilities,
        kernel: (node.kernel.major, node.kernel.minor),
    }
}

fn load(
    scope: &Scope<'_>,
    name: &str,
    target: &Target,
    origin: &Origin,
    findings: &mut Findings,
) -> Result<SeccompFilter, String> {
    let file = match scope.world.profiles.get(name) {
        Some(Ok(file)) => file,
        Some(Err(why)) => return Err(format!("seccomp profile `{name}`: {why}")),
        None => return Err(format!("seccomp profile `{name}` was not loaded")),
    };
    let parsed = engine::Profile::parse(&file.path, &file.text).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("seccomp profile `{name}` is not valid: {}", all.join("; "))
    })?;
    for warning in &parsed.warnings {
        findings.warn(origin.clone(), format!("seccomp profile `{name}`: {warning}"));
    }
    compile(&format!("localhost/{name}"), &parsed.profile, target)
}

/// Compiles a profile of any source.
pub(crate) fn compile(
    name: &str,
    profile: &engine::Profile,
    target: &Target,
) -> Result<SeccompFilter, String> {
    let listener = listener::of(name, profile)?;
    let rules = engine::resolve(profile, target).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("seccomp profile `{name}`: {}", all.join("; "))
    })?;
    let program =
        engine::compile(&rules).map_err(|error| format!("seccomp profile `{name}`: {error}"))?;
    let has = |flag| profile.flags.contains(&flag);
    Ok(SeccompFilter {
        profile: name.to_owned(),
        program,
        log: if has(Flag::Log) { LogDenied::Always } else { LogDenied::AsConfigured },
        speculation: if has(Flag::SpecAllow) { Speculation::Allow } else { Speculation::Mitigate },
        listener,
    })
}

/// What loading the filter needs, given the final sets.
pub(crate) fn needs(seccomp: &Seccomp, bit: NoNewPrivs, sets: &CapabilitySets) -> FilterNeeds {
    let has_privilege = bit == NoNewPrivs::Set || sets.effective.contains(Capability::SysAdmin);
    match seccomp {
        Seccomp::Filter(_) if !has_privilege => FilterNeeds::SysAdmin,
        Seccomp::Filter(_) | Seccomp::Unconfined => FilterNeeds::Nothing,
    }
}

pub(crate) fn plan(
    seccomp: &Sourced<Seccomp>,
    needs: FilterNeeds,
) -> Result<Option<Step>, Box<Refusal>> {
    let Seccomp::Filter(filter) = &seccomp.value else { return Ok(None) };
    let (stage, last): (_, &[&str]) = match needs {
        FilterNeeds::SysAdmin => (Stage::SeccompPrivileged, &["capset", "execve"]),
        FilterNeeds::Nothing => (Stage::SeccompLast, &["execve"]),
    };
    let hand_over: &[&str] = if filter.listener.is_some() { &["sendmsg"] } else { &[] };
    let calls = [hand_over, last].concat();
    if let Some(call) = first_denied(&filter.program, &calls, Architecture::NATIVE) {
        return Err(Box::new(blocks_start(seccomp, filter, call)));
    }
    let load = SeccompLoad {
        program: filter.program.clone(),
        log: filter.log,
        speculation: filter.speculation,
        listener: filter.listener.clone(),
    };
    Ok(Some(Step::new(stage, Action::LoadSeccomp(load), seccomp.origin.clone())))
}

fn first_denied(
    program: &Program,
    calls: &[&'static str],
    architecture: Architecture,
) -> Option<&'static str> {
    let steps: Vec<engine::Step> = calls.iter().map(|name| engine::Step::named(name)).collect();
    let denied = engine::simulate(program, architecture, &steps).ok()?;
    denied.first().map(|it| it.step.name)
}

fn blocks_start(seccomp: &Sourced<Seccomp>, filter: &SeccompFilter, call: &str) -> Refusal {
    let SeccompFilter { profile, .. } = filter;
    Refusal {
        reason: Reason::CreateContainerConfigError,
        place: seccomp.origin.place_or_self(),
        why: format!(
            "seccomp profile `{profile}` does not allow `{call}`, without which no container can start"
        ),
        hint: Some(match call {
            "capset" => "allow `capset`, or set `allowPrivilegeEscalation: false`: the filter is \
                         then loaded after the capabilities are set"
                .to_owned(),
            "sendmsg" => {
                "allow `sendmsg`, by which the filter's listener reaches its agent".to_owned()
            }
            _ => format!("allow `{call}`"),
        }),
    }
}

pub(crate) fn expect(seccomp: &Sourced<Seccomp>) -> Reading<SeccompFacts> {
    Reading::Known(match &seccomp.value {
        Seccomp::Unconfined => SeccompFacts {
            mode: SeccompMode::Disabled,
            count: 0,
            filters: Reading::Known(Vec::new()),
        },
        Seccomp::Filter(filter) => SeccompFacts {
            mode: SeccompMode::Filter,
            count: 1,
            filters: Reading::Known(vec![filter.program.clone()]),
        },
    })
}

pub(crate) fn render(seccomp: &Seccomp) -> String {
    match seccomp {
        Seccomp::Unconfined => "unconfined".to_owned(),
        Seccomp::Filter(filter) => filter.profile.clone(),
    }
}

pub(crate) fn compare(expected: &SeccompFacts, seen: &Reading<SeccompFacts>) -> Finding {
    Finding::of(Mechanism::Seccomp, seen, |seen| (text(seen), judge(expected, seen)))
}

fn text(seen: &SeccompFacts) -> String {
    match (seen.mode, &seen.filters) {
        (SeccompMode::Disabled, _) => "no filter".to_owned(),
        (SeccompMode::Strict, _) => "strict mode".to_owned(),
        (SeccompMode::Filter, Reading::Known(filters)) => {
            let lengths: Vec<String> =
                filters.iter().map(|it| it.instructions().len().to_string()).collect();
            format!("filter of {} instructions", lengths.join(" and "))
        }
        (SeccompMode::Filter, Reading::Unreadable(_)) => format!("{} filter(s)", seen.count),
    }
}

fn judge(expected: &SeccompFacts, seen: &SeccompFacts) -> Verdict {
    let wanted = expected.filters.known().and_then(|it| it.first());
    match (wanted, seen.mode, &seen.filters) {
        (None, SeccompMode::Disabled, _) => Verdict::Holds,
        (None, SeccompMode::Filter | SeccompMode::Strict, _) => {
            Verdict::Tighter("a filter is installed".to_owned())
        }
        (Some(_), SeccompMode::Disabled, _) => Verdict::Weaker("no filter is installed".to_owned()),
        (Some(_), SeccompMode::Strict, _) => Verdict::Tighter("strict mode".to_owned()),
        (Some(_), SeccompMode::Filter, Reading::Unreadable(why)) => {
            Verdict::Unproven(format!("installed, not read: {why}"))
        }
        (Some(wanted), SeccompMode::Filter, Reading::Known(filters)) => {
            judge_filters(wanted, filters)
        }
    }
}

/// All installed filters apply, so one that is as meant suffices.
fn judge_filters(wanted: &Program, filters: &[Program]) -> Verdict {
    let mut verdict = Verdict::Weaker("no filter is installed".to_owned());
    for filter in filters {
        if filter == wanted {
            return Verdict::Holds;
        }
        verdict = match engine::compare(wanted, filter) {
            Ok(Comparison::Equal) => return Verdict::Holds,
            Ok(Comparison::Different(witness)) => {
                let engine::Witness { call, ours, theirs } = &witness;
                let what = format!("on {call} the filter says {theirs} where {ours} was meant");
                match witness.verdict() {
                    engine::Verdict::Weaker => Verdict::Weaker(what),
                    engine::Verdict::Other | engine::Verdict::Tighter => Verdict::Different(what),
                }
            }
            Ok(Comparison::Undecided { calls }) => {
                Verdict::Unproven(format!("no difference found in {calls} calls"))
            }
            Err(bad) => Verdict::Unreadable(bad.to_string()),
        };
    }
    verdict
}

#[cfg(test)]
mod tests;
