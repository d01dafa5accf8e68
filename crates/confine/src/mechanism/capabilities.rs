//! Capabilities: the five sets.
//!
//! | | |
//! |---|---|
//! | said | `securityContext.capabilities.add`, `.drop` and `privileged` of a container; no pod-level field |
//! | meant | [`CapabilitySets`] with which the process reaches `execve` |
//! | done | `prctl(PR_CAPBSET_DROP)`, `capset(2)`, `prctl(PR_CAP_AMBIENT)` |
//! | seen | `CapInh`, `CapPrm`, `CapEff`, `CapBnd`, `CapAmb` in `/proc/<pid>/status` |
//!
//! Starts from the default set of containerd and Docker, adds, then drops: **drop wins over add**,
//! as in containerd and CRI-O; `ALL` stands for everything the node can give. A name that is no
//! capability is refused: a typo must not drop the wrong one. Inheritable and ambient are empty
//! (CVE-2022-24769), so a process that is not root has none in effect.

use stockade_abi::{Capability, CapabilitySet, CapabilitySets, ProcessFacts, Reading};

use crate::container::Identity;
use crate::finding::{Finding, Mechanism, Verdict};
use crate::plan::{Action, Stage, Step};
use crate::scope::{Findings, Scope};
use crate::{Origin, Reason, Sourced};
use stockade_abi::facts::NoNewPrivs;

pub(crate) fn resolve(scope: &Scope<'_>, findings: &mut Findings) -> Sourced<CapabilitySets> {
    let available = scope.world.node.capabilities;
    if scope.is_privileged() {
        let origin = Origin::Declared(scope.own_place("privileged"));
        return Sourced::new(root_sets(available), origin);
    }
    let Some(declared) = scope.own().and_then(|it| it.capabilities.as_ref()) else {
        let set = default_set();
        return Sourced::default(root_sets(set), "the default set of containerd and Docker");
    };

    let add = Names::read(scope, "add", declared.add.as_deref(), available, findings);
    let drop = Names::read(scope, "drop", declared.drop.as_deref(), available, findings);
    let start = match (add.all, drop.all) {
        (_, true) => CapabilitySet::EMPTY,
        (true, false) => available,
        (false, false) => default_set(),
    };
    let set = start.union(add.named).difference(drop.named);
    Sourced::new(root_sets(set), Origin::Declared(scope.own_place("capabilities")))
}

fn root_sets(set: CapabilitySet) -> CapabilitySets {
    CapabilitySets {
        bounding: set,
        effective: set,
        permitted: set,
        inheritable: CapabilitySet::EMPTY,
        ambient: CapabilitySet::EMPTY,
    }
}

/// One of the two lists of a manifest.
struct Names {
    all: bool,
    named: CapabilitySet,
}

impl Names {
    fn read(
        scope: &Scope<'_>,
        list: &str,
        names: Option<&[String]>,
        available: CapabilitySet,
        findings: &mut Findings,
    ) -> Self {
        let mut read = Self { all: false, named: CapabilitySet::EMPTY };
        for (index, name) in names.unwrap_or_default().iter().enumerate() {
            let place = || scope.own_place(&format!("capabilities.{list}[{index}]"));
            if name.eq_ignore_ascii_case("ALL") {
                read.all = true;
                continue;
            }
            match name.parse::<Capability>() {
                Ok(known) => {
                    read.named = read.named.with(known);
                    if list == "add" && !available.contains(known) {
                        findings.refuse(
                            Reason::Unsupported,
                            place(),
                            format!(
                                "{known} cannot be given: Stockade's own process lacks it here"
                            ),
                        );
                    }
                }
                Err(unknown) => findings.refuse(
                    Reason::CreateContainerConfigError,
                    place(),
                    unknown.to_string(),
                ),
            }
        }
        read
    }
}

/// The two sets that the child needs on its way: the final ones, and for the time until a filter
/// is loaded without `no_new_privs` also `CAP_SYS_ADMIN`. The ambient set is final from the first on:
/// behind the filter there may be no `prctl(2)`.
pub(crate) fn plan(
    sets: &Sourced<CapabilitySets>,
    filter_needs_privilege: FilterNeeds,
) -> Vec<Step> {
    let step = |stage, action| Step::new(stage, action, sets.origin.clone());
    let wanted = sets.value;
    let mut steps = vec![step(Stage::BoundingSet, Action::LimitBounding(wanted.bounding))];
    if filter_needs_privilege == FilterNeeds::SysAdmin {
        let held = CapabilitySets {
            effective: wanted.effective.with(Capability::SysAdmin),
            permitted: wanted.permitted.with(Capability::SysAdmin),
            ..wanted
        };
        steps.push(step(Stage::CapabilitiesHeld, Action::SetCapabilities(held)));
        steps.push(step(Stage::Capabilities, Action::SetCapabilities(wanted)));
    } else {
        steps.push(step(Stage::CapabilitiesHeld, Action::SetCapabilities(wanted)));
    }
    steps
}

/// What loading the seccomp filter needs at that point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FilterNeeds {
    /// There is no filter, or `no_new_privs` suffices, or the final sets have the capability.
    Nothing,
    /// `CAP_SYS_ADMIN`, held until then.
    SysAdmin,
}

/// The sets after `execve` of an ordinary file, as capabilities(7) computes them: root gets what is
/// inheritable or in the bounding set, everybody else what is ambient.
pub(crate) fn expect(
    sets: &Sourced<CapabilitySets>,
    identity: &Sourced<Identity>,
) -> Reading<CapabilitySets> {
    let before = sets.value;
    let permitted = if identity.value.uid == 0 {
        before.inheritable.union(before.bounding).union(before.ambient)
    } else {
        before.ambient
    };
    Reading::Known(CapabilitySets { permitted, effective: permitted, ..before })
}

pub(crate) fn render(sets: &CapabilitySets) -> String {
    let mut text = set_text(sets.bounding);
    if !sets.inheritable.is_empty() {
        text.push_str(&format!("; inheritable {}", sets.inheritable));
    }
    if !sets.ambient.is_empty() {
        text.push_str(&format!("; ambient {}", sets.ambient));
    }
    text
}

/// A set in the shortest words that say it fully.
fn set_text(set: CapabilitySet) -> String {
    let default = default_set();
    let (more, fewer) = (set.difference(default), default.difference(set));
    if set == default {
        "default set".to_owned()
    } else if fewer.is_empty() && more.numbers().count() <= 6 {
        format!("default set + {more}")
    } else if more.is_empty() && fewer.numbers().count() <= 4 {
        format!("default set - {fewer}")
    } else if set.numbers().count() > 16 {
        let missing = CapabilitySet::up_to(LAST).difference(set);
        if missing.is_empty() { "all".to_owned() } else { format!("all - {missing}") }
    } else {
        set.to_string()
    }
}

pub(crate) fn compare(expected: &CapabilitySets, seen: &ProcessFacts) -> Finding {
    let may_gain = seen.no_new_privs.known() == Some(&NoNewPrivs::Unset);
    Finding::of(Mechanism::Capabilities, &seen.capabilities, |seen| {
        (seen_text(seen), judge(expected, seen, may_gain))
    })
}

fn seen_text(seen: &CapabilitySets) -> String {
    let mut text = format!("bounding: {}", set_text(seen.bounding));
    if seen.effective == seen.bounding && seen.permitted == seen.bounding {
        text.push_str("; all in effect");
    } else {
        text.push_str(&format!("; in effect: {}", seen.effective));
        if seen.permitted != seen.effective {
            text.push_str(&format!("; permitted: {}", seen.permitted));
        }
    }
    for (name, set) in [("inheritable", seen.inheritable), ("ambient", seen.ambient)] {
        if !set.is_empty() {
            text.push_str(&format!("; {name}: {set}"));
        }
    }
    text
}

fn judge(expected: &CapabilitySets, seen: &CapabilitySets, may_gain: bool) -> Verdict {
    let pairs = [
        ("bounding", expected.bounding, seen.bounding),
        ("permitted", expected.permitted, seen.permitted),
        ("effective", expected.effective, seen.effective),
        ("inheritable", expected.inheritable, seen.inheritable),
        ("ambient", expected.ambient, seen.ambient),
    ];
    let more = |(name, wanted, has): &(&str, CapabilitySet, CapabilitySet)| {
        let extra = has.difference(*wanted);
        (!extra.is_empty()).then(|| format!("{name} also has {extra}"))
    };
    let extras: Vec<String> = pairs.iter().filter_map(more).collect();
    let gained = pairs[1..3].iter().all(|(_, _, has)| has.is_subset(expected.bounding));
    let elsewhere = [pairs[0], pairs[3], pairs[4]].iter().any(|it| more(it).is_some());

    if !extras.is_empty() && may_gain && gained && !elsewhere {
        // Within the bounding set a program with file capabilities may rightly have more.
        Verdict::Different(format!("{} (file capabilities of the program?)", extras.join(", ")))
    } else if !extras.is_empty() {
        Verdict::Weaker(extras.join(", "))
    } else if pairs.iter().any(|(_, wanted, has)| wanted != has) {
        Verdict::Tighter("fewer capabilities".to_owned())
    } else {
        Verdict::Holds
    }
}

/// What a container gets that says nothing: the default set of containerd and Docker.
pub fn default_set() -> CapabilitySet {
    DEFAULT.iter().copied().collect()
}

/// The default set of containerd and Docker.
const DEFAULT: &[Capability] = &[
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

const LAST: u8 = Capability::CheckpointRestore.number();

#[cfg(test)]
mod tests;
