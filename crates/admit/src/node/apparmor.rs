//! The node's refusal of AppArmor profiles that it cannot enforce.
//!
//! Reads what each container's profile came to. A profile other than `Unconfined` needs a kernel
//! that enforces AppArmor. On such a kernel an unset profile means the runtime's default profile,
//! which this build does not have: it is refused, not left out.
//!
//! Source: Kubernetes `pkg/security/apparmor`, reason `AppArmor`.

use stockade_abi::Host;
use stockade_abi::host::LsmState;
use stockade_confine::{AppArmor, Origin, Reason, Refusal, Resolved, Sourced};
use stockade_spec::{FieldPath, Pod};

pub(crate) fn check(pod: &Pod, resolved: &Resolved, host: &Host) -> Vec<Refusal> {
    let judge = |(name, profile): (&str, &Sourced<AppArmor>)| {
        let nowhere = || {
            let container = pod.container(name).map(|it| it.path);
            pod.key_place(&container.unwrap_or_else(|| FieldPath::from("spec.containers")))
        };
        let place = profile.origin.place().cloned().unwrap_or_else(nowhere);
        let refuse = |why: &str, hint: &str| {
            Some(Refusal {
                reason: Reason::AppArmor,
                place: place.clone(),
                why: why.to_owned(),
                hint: Some(hint.to_owned()),
            })
        };
        let by_default = matches!(profile.origin, Origin::Default(_));
        match (&profile.value, host.apparmor.state) {
            (AppArmor::Unconfined, _) | (AppArmor::Unset, LsmState::Inactive) => None,
            (AppArmor::RuntimeDefault | AppArmor::Localhost(_), LsmState::Inactive) => refuse(
                "Cannot enforce AppArmor: AppArmor is not enabled on the host",
                "boot a kernel with AppArmor (`cat /sys/module/apparmor/parameters/enabled` says \
                 Y), or ask for `Unconfined`",
            ),
            (AppArmor::Localhost(_), LsmState::Active) => None,
            (AppArmor::Unset | AppArmor::RuntimeDefault, LsmState::Active) => refuse(
                if by_default {
                    "Cannot enforce AppArmor: no profile is declared, which means the runtime's \
                     default profile, and this build has none"
                } else {
                    "Cannot enforce AppArmor: this build has no runtime default profile"
                },
                "name a loaded profile (`appArmorProfile: {type: Localhost, localhostProfile: …}`) \
                 or declare `appArmorProfile: {type: Unconfined}`",
            ),
        }
    };
    let profiles =
        resolved.containers.iter().map(|it| (it.name.as_str(), &it.confinement.apparmor));
    profiles.filter_map(judge).collect()
}
