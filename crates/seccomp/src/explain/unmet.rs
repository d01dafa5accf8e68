//! Why a rule of Docker's dialect does not count on a machine, for a process.

use std::fmt;

use stockade_abi::CapabilitySet;

use crate::profile::{Listed, ProfileRule};
use crate::resolve::Target;

/// A demand of a rule's `includes` or `excludes` that is not met.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unmet {
    /// It is for other architectures.
    Architecture,
    /// It is not for this architecture.
    ExcludedArchitecture,
    /// It wants these capabilities, too.
    Capabilities(CapabilitySet),
    /// It is not for processes with these.
    ExcludedCapabilities(CapabilitySet),
    /// It wants a newer kernel.
    Kernel((u32, u32)),
    /// It is for older kernels.
    ExcludedKernel((u32, u32)),
}

/// Everything because of which `rule` does not count; nothing if it does.
pub(super) fn unmet(rule: &ProfileRule, target: &Target) -> Vec<Unmet> {
    let ProfileRule { includes, excludes, .. } = rule;
    let native = Listed::Known(target.architecture);
    let mut all = Vec::new();
    if !includes.architectures.is_empty() && !includes.architectures.contains(&native) {
        all.push(Unmet::Architecture);
    }
    if excludes.architectures.contains(&native) {
        all.push(Unmet::ExcludedArchitecture);
    }
    let lacking = includes.capabilities.difference(target.capabilities);
    if !lacking.is_empty() {
        all.push(Unmet::Capabilities(lacking));
    }
    let unwanted = excludes.capabilities.intersection(target.capabilities);
    if !unwanted.is_empty() {
        all.push(Unmet::ExcludedCapabilities(unwanted));
    }
    if let Some(least) = includes.min_kernel.filter(|least| target.kernel < *least) {
        all.push(Unmet::Kernel(least));
    }
    if let Some(end) = excludes.min_kernel.filter(|end| target.kernel >= *end) {
        all.push(Unmet::ExcludedKernel(end));
    }
    all
}

impl fmt::Display for Unmet {
    /// `only with CAP_SYS_ADMIN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Architecture => f.write_str("only on other architectures"),
            Self::ExcludedArchitecture => f.write_str("not on this architecture"),
            Self::Capabilities(set) => write!(f, "only with {}", names(*set)),
            Self::ExcludedCapabilities(set) => write!(f, "not with {}", names(*set)),
            Self::Kernel((major, minor)) => write!(f, "only from Linux {major}.{minor} on"),
            Self::ExcludedKernel((major, minor)) => write!(f, "only before Linux {major}.{minor}"),
        }
    }
}

fn names(set: CapabilitySet) -> String {
    let all = stockade_abi::Capability::ALL.iter().filter(|it| set.contains(**it));
    all.map(|it| format!("CAP_{}", it.name())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use stockade_abi::{Architecture, Capability};

    use super::*;
    use crate::{Profile, resolve};

    #[test]
    fn a_rule_counts_exactly_if_nothing_is_unmet() {
        let target = Target {
            architecture: Architecture::X86_64,
            capabilities: CapabilitySet::EMPTY.with(Capability::Chown),
            kernel: (5, 10),
        };
        for (selectors, expected) in [
            ("", &[][..]),
            (r#""includes": {"arches": ["amd64", "arm64"]}"#, &[]),
            (r#""includes": {"arches": ["arm64"]}"#, &["only on other architectures"]),
            (r#""excludes": {"arches": ["amd64"]}"#, &["not on this architecture"]),
            (r#""includes": {"caps": ["CAP_CHOWN"]}"#, &[]),
            (r#""includes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}"#, &["only with CAP_BPF"]),
            (r#""excludes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}"#, &["not with CAP_CHOWN"]),
            (r#""excludes": {"caps": ["CAP_BPF"]}"#, &[]),
            (r#""includes": {"minKernel": "5.10"}"#, &[]),
            (r#""includes": {"minKernel": "5.11"}"#, &["only from Linux 5.11 on"]),
            (r#""excludes": {"minKernel": "5.10"}"#, &["only before Linux 5.10"]),
            (r#""excludes": {"minKernel": "5.11"}"#, &[]),
        ] {
            let comma = if selectors.is_empty() { "" } else { "," };
            let text = format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
                    [{{"names": ["chmod"], "action": "SCMP_ACT_KILL"{comma}{selectors}}}]}}"#
            );
            let profile = Profile::parse("p.json", &text).unwrap().profile;
            let found: Vec<String> =
                unmet(&profile.rules[0], &target).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{selectors}");
            let rules = resolve(&profile, &target).unwrap();
            assert_eq!(rules.architectures[0].syscalls.len() == 1, found.is_empty());
        }
    }
}
