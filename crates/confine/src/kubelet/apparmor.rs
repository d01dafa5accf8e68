//! AppArmor, as a profile and as a text.
//!
//! A kubelet with fields still reads annotations, for pods that no API server has seen; a text that means
//! nothing is no annotation to it, and one to its predecessors, who send whatever it says.

use stockade_spec::k8s_openapi::api::core::v1::AppArmorProfile;

use super::{SecurityProfile, Unaskable};
use crate::container::AppArmor;
use crate::mechanism::apparmor::{annotation_of, of_text};
use crate::scope::{Said, Scope};

/// The profile, if one is sent, and its text.
pub(super) fn profile(
    scope: &Scope<'_>,
    minor: u32,
) -> Result<(Option<SecurityProfile>, String), Unaskable> {
    let text = annotation_of(scope).map(|(text, _)| text);
    if minor < FIELDS_SINCE {
        return Ok((None, text.unwrap_or_default().to_owned()));
    }
    let own = scope.own().and_then(|it| it.app_armor_profile.as_ref());
    let shared = scope.shared().and_then(|it| it.app_armor_profile.as_ref());
    let said = Said {
        own_field: own.map(of_field),
        own_annotation: text.and_then(of_text).and_then(of_meant).map(Ok),
        pod_field: shared.map(of_field),
        pod_annotation: None,
    };
    let Some(profile) = said.first().transpose()? else { return Ok((None, String::new())) };
    let text = match &profile {
        SecurityProfile::RuntimeDefault => "runtime/default".to_owned(),
        SecurityProfile::Unconfined => "unconfined".to_owned(),
        SecurityProfile::Localhost(name) => format!("localhost/{name}"),
    };
    Ok((Some(profile), text))
}

fn of_field(field: &AppArmorProfile) -> Result<SecurityProfile, Unaskable> {
    match (field.type_.as_str(), &field.localhost_profile) {
        ("RuntimeDefault", _) => Ok(SecurityProfile::RuntimeDefault),
        ("Unconfined", _) => Ok(SecurityProfile::Unconfined),
        ("Localhost", Some(name)) => Ok(SecurityProfile::Localhost(name.clone())),
        ("Localhost", None) => Err(Unaskable::AppArmorName),
        (other, _) => Err(Unaskable::AppArmorType(other.to_owned())),
    }
}

fn of_meant(profile: AppArmor) -> Option<SecurityProfile> {
    match profile {
        AppArmor::Unset => None,
        AppArmor::Unconfined => Some(SecurityProfile::Unconfined),
        AppArmor::RuntimeDefault => Some(SecurityProfile::RuntimeDefault),
        AppArmor::Localhost(name) => Some(SecurityProfile::Localhost(name)),
    }
}

const FIELDS_SINCE: u32 = 30;
