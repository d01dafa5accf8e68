//! `linux.seccomp` of a bundle.

use stockade_abi::CapabilitySet;
use stockade_seccomp::{self as engine, Profile};
use stockade_spec::{FieldPath, Position};

use super::{Desk, support::unsaid};
use crate::container::Seccomp;
use crate::mechanism::seccomp;
use crate::{Origin, Reason, Sourced};

pub(super) fn read(desk: &mut Desk<'_>, capabilities: CapabilitySet) -> Sourced<Seccomp> {
    let field = FieldPath::from(FIELD);
    let said = desk.linux.seccomp.and_then(|_| desk.bundle.written(&field));
    let Some(said) = said else { return unsaid(Seccomp::Unconfined) };
    let origin = desk.origin(FIELD);
    let unconfined = Sourced::new(Seccomp::Unconfined, origin.clone());

    let place = |inner: engine::Place, path: &str| {
        let path = if path.is_empty() { field.clone() } else { field.child(path) };
        let position = Position { line: inner.line as usize, column: inner.column as usize };
        desk.bundle.place_within(&field, position, path)
    };
    let parsed = match Profile::parse(FIELD, said) {
        Ok(parsed) => parsed,
        Err(errors) => {
            for error in errors {
                let place = place(error.place, &error.path);
                let why = error.kind.to_string();
                desk.findings.refuse(Reason::CreateContainerConfigError, place, why);
            }
            return unconfined;
        }
    };
    for warning in &parsed.warnings {
        let origin = Origin::Declared(place(warning.place, &warning.path));
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
