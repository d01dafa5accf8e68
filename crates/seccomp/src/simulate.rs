//! Which of these calls would a filter not let through?
//!
//! For a runtime that must still make calls after it has loaded a filter: it asks before.

use stockade_abi::bpf::Program;
use stockade_abi::{Architecture, syscalls};

use crate::action::Action;
use crate::call::Call;
use crate::interpret::{BadProgram, check, run};

/// A call that somebody is going to make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The kernel's name of it.
    pub name: &'static str,
    /// The arguments as far as they are known; the others count as 0.
    pub arguments: [u64; 6],
}

impl Step {
    /// A call of which only the name matters.
    pub const fn named(name: &'static str) -> Self {
        Self { name, arguments: [0; 6] }
    }
}

/// A call that will not be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAllowed {
    /// The call.
    pub step: Step,
    /// What happens instead; `None` if the architecture has no such call.
    pub instead: Option<Action>,
}

/// The calls among `steps` that `program` does not let through on `architecture`, in their order.
///
/// # Errors
///
/// The kernel would not take the program.
pub fn simulate(
    program: &Program,
    architecture: Architecture,
    steps: &[Step],
) -> Result<Vec<NotAllowed>, BadProgram> {
    check(program)?;
    let judge = |step: &Step| {
        let Some(number) = syscalls::number(architecture, step.name) else {
            return Some(NotAllowed { step: *step, instead: None });
        };
        let call = Call::new(architecture, number).with(step.arguments);
        let (value, _) = run(program, |offset| call.word(offset).unwrap_or(0));
        let action = Action::from_return_value(value);
        (!action.lets_through()).then_some(NotAllowed { step: *step, instead: Some(action) })
    };
    Ok(steps.iter().filter_map(judge).collect())
}

#[cfg(test)]
mod tests {
    use stockade_abi::CapabilitySet;

    use super::*;
    use crate::{Target, compile, default_profile, resolve};

    #[test]
    fn what_a_runtime_can_no_longer_do_is_named() {
        let target = Target {
            architecture: Architecture::X86_64,
            capabilities: CapabilitySet::EMPTY,
            kernel: (6, 12),
        };
        let program = compile(&resolve(&default_profile(), &target).unwrap()).unwrap();
        let steps = [
            Step::named("capset"),
            Step::named("setresuid"),
            Step::named("mount"),
            Step { name: "socket", arguments: [38, 0, 0, 0, 0, 0] },
            Step { name: "socket", arguments: [1, 0, 0, 0, 0, 0] },
            Step::named("execve"),
            Step::named("socketcall"),
        ];
        let found = simulate(&program, Architecture::X86_64, &steps).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.step.name, it.instead)).collect();
        let eperm = Some(Action::EPERM);
        assert_eq!(found, [("mount", eperm), ("socket", eperm), ("socketcall", None)]);
    }
}
