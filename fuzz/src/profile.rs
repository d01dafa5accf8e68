//! Seccomp profiles as text: an answer with places inside it; and a profile that is read means the
//! same to the reference, the compiler and the interpreter.

use stockade_abi::{Architecture, Capability, CapabilitySet};
use stockade_seccomp::{Action, CompileError};
use stockade_seccomp::{
    Place, Profile, Rules, Target, check, compile, evaluate, interpret, resolve,
};

use crate::calls::calls;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = text.split('\n').count();
    let is_inside = |place: Place| place.line >= 1 && place.line as usize <= lines;
    match Profile::parse("p.json", text) {
        Err(mistakes) => {
            assert!((1..=101).contains(&mistakes.len()), "{} mistakes", mistakes.len());
            for mistake in mistakes {
                assert!(is_inside(mistake.place), "{mistake}");
                let _hint: Option<String> = mistake.kind.hint();
            }
        }
        Ok(parsed) => {
            assert!(parsed.warnings.iter().all(|it| is_inside(it.place)), "{:?}", parsed.warnings);
            profile(&parsed.profile);
        }
    }
}

/// What must hold for a profile, on two machines.
pub(crate) fn profile(profile: &Profile) {
    let all = Capability::ALL.iter().copied().collect();
    for (architecture, capabilities, kernel) in
        [(Architecture::X86_64, CapabilitySet::EMPTY, (6, 12)), (Architecture::S390x, all, (4, 7))]
    {
        let target = Target { architecture, capabilities, kernel };
        match resolve(profile, &target) {
            Ok(rules) => means_the_same(&rules),
            Err(contradictions) => assert!(!contradictions.is_empty(), "refused for no reason"),
        }
    }
}

fn means_the_same(rules: &Rules) {
    let program = match compile(rules) {
        Ok(program) => program,
        Err(CompileError::TooLong { instructions }) => {
            assert!(instructions > 4096, "{instructions} are not too many");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    assert_eq!(check(&program), Ok(()), "{rules:?}");
    for call in calls(rules) {
        let meant = evaluate(rules, &call);
        let done = interpret(&program, &call).map(Action::from_return_value);
        assert_eq!(done, Ok(meant), "{call}: {rules:?}");
    }
}
