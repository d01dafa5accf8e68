//! The compiler against the reference, at the interesting values of random profiles.

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{NAMES, TARGET, any_profile, any_rule, any_value};
use proptest::prelude::*;
use stockade_abi::syscalls::Syscall;
use stockade_abi::{Architecture, syscalls};
use stockade_seccomp::{
    Action, Call, Comparison, Profile, Rules, Through, check, compare, compare_with_rules, compile,
    evaluate, explain, explain_number, interpret, resolve,
};

/// What a contradictory profile leaves: nothing.
fn rules(profile: &Profile) -> Option<Rules> {
    resolve(profile, &TARGET).ok()
}

fn any_call() -> impl Strategy<Value = Call> {
    let numbers = prop_oneof![
        3 => prop::sample::select(NAMES).prop_map(|name| syscalls::number(Architecture::X86_64, name)),
        2 => prop::sample::select(NAMES).prop_map(|name| syscalls::number(Architecture::X32, name)),
        2 => prop::sample::select(NAMES).prop_map(|name| syscalls::number(Architecture::X86, name)),
        1 => prop::sample::select(vec![102, 117, 438, 600, 0x4000_0400, u32::MAX]).prop_map(Some),
        1 => any::<u32>().prop_map(Some),
    ];
    let architectures = prop::sample::select(vec![
        Architecture::X86_64,
        Architecture::X86_64,
        Architecture::X86,
        Architecture::Aarch64,
    ]);
    let near =
        (any_value(), 0..3u64).prop_map(|(value, by)| value.wrapping_add(by).wrapping_sub(1));
    (architectures, numbers, prop::array::uniform6(near)).prop_map(
        |(architecture, number, arguments)| {
            Call::new(architecture, number.unwrap_or(0)).with(arguments)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_program_says_what_the_rules_say(
        profile in any_profile(12, 3),
        calls in prop::collection::vec(any_call(), 64),
    ) {
        let Some(rules) = rules(&profile) else { return Ok(()) };
        let program = compile(&rules).unwrap();
        for call in calls {
            let said = Action::from_return_value(interpret(&program, &call).unwrap());
            prop_assert_eq!(said, evaluate(&rules, &call), "{}", call);
        }
    }

    /// An explanation is worked out apart from the rules, and says the same.
    #[test]
    fn explanations_agree_with_the_rules(
        profile in any_profile(12, 3),
        calls in prop::collection::vec(any_call(), 32),
    ) {
        let Some(rules) = rules(&profile) else { return Ok(()) };
        for call in calls {
            let known = call.arguments.map(Some);
            let architecture = call.architecture().expect("one that is known");
            let name = syscalls::name(architecture, call.number).and_then(Syscall::named);
            let mut explained = Vec::new();
            if let Some(syscall) = name {
                explained.extend(explain(&profile, &TARGET, syscall).unwrap());
            }
            if architecture != Architecture::X86 {
                explained.extend(explain_number(&profile, &TARGET, call.number));
            }
            for one in explained {
                let mut call = Call { number: one.number, ..call };
                call.audit_architecture = one.architecture.audit_number();
                let known = match one.through {
                    Some(Through { inner, .. }) => {
                        call.arguments[0] = inner.into();
                        call.arguments.map(Some)
                    }
                    None => known,
                };
                let given = one.given(&known);
                prop_assert_eq!(given.verdict(), Some(evaluate(&rules, &call)), "{}", call);
                // What is known of some arguments leaves the rest of the decision as it was.
                let some = [known[0], None, known[2], None, known[4], None];
                prop_assert_eq!(one.given(&some).given(&known), given);
            }
        }
    }

    /// Hundreds of conditional rules for one call: long jumps, and the plain form of the tests.
    #[test]
    fn long_programs_are_right_too(
        seeds in prop::collection::vec(any_rule(common::any_action(), 3), 70..300),
        calls in prop::collection::vec(any_call(), 64),
    ) {
        let mut profile = Profile {
            default_action: Action::EPERM,
            architectures: stockade_seccomp::ArchitectureList::Native,
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            rules: seeds,
        };
        // One action, so that nothing contradicts; and other constants than their neighbours.
        for (index, rule) in profile.rules.iter_mut().enumerate() {
            rule.action = Action::Allow;
            for condition in &mut rule.conditions {
                use stockade_seccomp::Operator::*;
                let by = index as u64 * 3;
                condition.operator = match condition.operator {
                    Equal(value) => Equal(value.wrapping_add(by)),
                    Less(value) | LessOrEqual(value) => Less(value % 7),
                    Greater(value) | GreaterOrEqual(value) => Greater(u64::MAX - value % 7),
                    NotEqual(value) => Equal(value ^ by),
                    MaskedEqual { mask, value } => MaskedEqual { mask: mask | 1 << 40, value: value | by << 40 },
                };
            }
        }
        let rules = rules(&profile).expect("one action cannot contradict itself");
        let Ok(program) = compile(&rules) else { return Ok(()) };
        check(&program).unwrap();
        for call in calls {
            let said = Action::from_return_value(interpret(&program, &call).unwrap());
            prop_assert_eq!(said, evaluate(&rules, &call), "{}", call);
        }
    }

    /// Whatever is done to a profile: an answer, in bounded time, and no panic.
    #[test]
    fn damaged_profiles_are_answered(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, "[ -~é]{0,4}"), 1..6),
    ) {
        let mut text = WHOLE.to_owned();
        for (at, length, insert) in cuts {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            if text.is_char_boundary(start) && text.is_char_boundary(end) {
                text.replace_range(start..end, &insert);
            }
        }
        match Profile::parse("p.json", &text) {
            Ok(parsed) => {
                if let Some(rules) = rules(&parsed.profile) {
                    prop_assert!(compile(&rules).is_ok());
                }
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                let lines = text.lines().count() as u32 + 1;
                prop_assert!(errors.iter().all(|it| (1..=lines).contains(&it.place.line)));
            }
        }
    }
}

proptest! {
    // Each case looks at tens of thousands of calls.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_call_anywhere_tells_them_apart(profile in any_profile(6, 2)) {
        let Some(rules) = rules(&profile) else { return Ok(()) };
        let program = compile(&rules).unwrap();
        let found = compare_with_rules(&rules, &program).unwrap();
        prop_assert!(!matches!(found, Comparison::Different(_)), "{found:?}");
    }

    #[test]
    fn a_changed_action_is_found_and_rated(profile in any_profile(6, 2), name in prop::sample::select(NAMES)) {
        let Some(mut rules) = rules(&profile) else { return Ok(()) };
        let ours = compile(&rules).unwrap();
        let number = syscalls::number(Architecture::X86_64, name).unwrap();
        let before = evaluate(&rules, &Call::new(Architecture::X86_64, number));
        let list = &mut rules.architectures[0].syscalls;
        list.retain(|(it, _)| *it != number);
        let after = if before == Action::Trap { Action::Log } else { Action::Trap };
        list.push((number, stockade_seccomp::SyscallRules::Always(after)));
        list.sort_by_key(|(it, _)| *it);
        let theirs = compile(&rules).unwrap();

        let Comparison::Different(witness) = compare(&ours, &theirs).unwrap() else {
            // The rules for this call may have said just that.
            for value in [0, 1, 5, 16, 40, u64::MAX] {
                let call = Call::new(Architecture::X86_64, number).with([value; 6]);
                prop_assert_eq!(interpret(&ours, &call), interpret(&theirs, &call));
            }
            return Ok(());
        };
        prop_assert_eq!(interpret(&ours, &witness.call).map(Action::from_return_value), Ok(witness.ours));
        prop_assert_eq!(interpret(&theirs, &witness.call).map(Action::from_return_value), Ok(witness.theirs));
        prop_assert_ne!(witness.ours, witness.theirs);
    }
}

/// Every field of the format.
const WHOLE: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/run/\u00e9\n.sock", "listenerMetadata": "é",
    "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "comment": "", "args": null,
         "includes": {}, "excludes": {"caps": ["CAP_BPF"], "arches": ["s390"], "minKernel": "4.8"}},
        {"name": "clone", "action": "SCMP_ACT_TRACE", "errnoRet": 5,
         "args": [{"index": 1, "value": 18446744073709551615, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["bpf"], "action": "SCMP_ACT_NOTIFY"}
    ]
}"#;
