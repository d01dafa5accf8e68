//! `linux.seccomp` of a bundle.

use stockade_abi::CapabilitySet;
use stockade_seccomp::Profile;

use super::{Desk, support::unsaid};
use crate::Sourced;
use crate::container::Seccomp;
use crate::mechanism::seccomp;

pub(super) fn read(desk: &mut Desk<'_>, capabilities: CapabilitySet) -> Sourced<Seccomp> {
    let Some(said) = &desk.linux.seccomp else { return unsaid(Seccomp::Unconfined) };
    let origin = desk.origin(FIELD);
    let unconfined = Sourced::new(Seccomp::Unconfined, origin.clone());

    // Numbers and lists come back as they were written, and no key stood there twice.
    let parsed = match Profile::parse(FIELD, &said.to_string()) {
        Ok(parsed) => parsed,
        Err(errors) => {
            for error in errors {
                let path = format!("{FIELD}.{}", error.path);
                desk.wrong(path.trim_end_matches('.'), error.kind.to_string());
            }
            return unconfined;
        }
    };
    for warning in &parsed.warnings {
        let origin = desk.origin(&format!("{FIELD}.{}", warning.path));
        desk.findings.warn(origin, warning.kind.to_string());
    }
    let target = seccomp::target(desk.node, capabilities);
    match seccomp::compile("linux.seccomp", &parsed.profile, &target) {
        Ok(filter) => Sourced::new(Seccomp::Filter(filter), origin),
        Err(why) => {
            desk.wrong(FIELD, why);
            unconfined
        }
    }
}

const FIELD: &str = "linux.seccomp";
