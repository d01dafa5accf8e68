//! Which capabilities would change a decision: each is tried by itself.

use super::{Capability, Explanation, Openness, Profile, Survey, Syscall, Target};

/// What a capability opens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// With it.
    pub capability: Capability,
    /// These of the machine's own calls are more open than without it.
    pub syscalls: Vec<Syscall>,
}

/// The capabilities of which each by itself, added to the target's, would let through more of what
/// `ask` explains.
pub fn openers(
    profile: &Profile,
    target: &Target,
    ask: impl Fn(&Target) -> Option<Explanation>,
) -> Vec<Capability> {
    if !is_sensitive(profile) {
        return Vec::new();
    }
    let openness = |target: &Target| ask(target).map(|it| it.openness());
    let now = openness(target);
    let missing = Capability::ALL.iter().filter(|it| !target.capabilities.contains(**it));
    missing.copied().filter(|it| openness(&with(target, *it)) > now).collect()
}

/// What each capability opens beside the others of the target. Capabilities that open nothing are
/// left out.
pub fn opened_with(profile: &Profile, target: &Target) -> Vec<Opened> {
    if !is_sensitive(profile) {
        return Vec::new();
    }
    let by = |capability: &Capability| {
        let capabilities = target.capabilities.without(*capability);
        let before = openness(profile, &Target { capabilities, ..*target });
        let after = openness(profile, &with(target, *capability));
        let opened = Syscall::all().filter(|it| after[it.index()] > before[it.index()]);
        Opened { capability: *capability, syscalls: opened.collect() }
    };
    Capability::ALL.iter().map(by).filter(|it| !it.syscalls.is_empty()).collect()
}

/// Of every call of the machine's own, `None` where there is none, or no answer.
fn openness(profile: &Profile, target: &Target) -> Vec<Option<Openness>> {
    let survey = Survey::new(profile, target);
    let of = |syscall: Syscall| {
        let number = syscall.number(target.architecture)?;
        Some(survey.decide(target.architecture, number).ok()?.openness())
    };
    Syscall::all().map(of).collect()
}

fn with(target: &Target, capability: Capability) -> Target {
    Target { capabilities: target.capabilities.with(capability), ..*target }
}

/// Whether any rule asks for capabilities at all.
fn is_sensitive(profile: &Profile) -> bool {
    let asks = |it: &crate::ProfileRule| {
        !it.includes.capabilities.is_empty() || !it.excludes.capabilities.is_empty()
    };
    profile.rules.iter().any(asks)
}
