//! Arithmetic of profiles, against the reference: what a changed profile says about random calls.

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{NAMES, TARGET, any_action, any_architectures, any_rule, any_value};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use stockade_abi::{Architecture, Capability, CapabilitySet, syscalls};
use stockade_seccomp::{
    Action, AlgebraError, Call, Change, Comparison, Extent, Listed, Pattern, Profile, Rules,
    Selector, Target, compare, compile, differences, evaluate, intersect, overlay, resolve, union,
};

/// Profiles that ask about capabilities, machines and kernels, with 32-bit constants.
fn any_changing_profile() -> impl Strategy<Value = Profile> {
    let selector = (0..6u8).prop_map(|which| {
        let mut selector = Selector::default();
        match which {
            0 => selector.capabilities = [Capability::SysAdmin].into_iter().collect(),
            1 => selector.architectures = vec![Listed::Known(Architecture::X86_64)],
            2 => selector.min_kernel = Some((5, 4)),
            _ => {}
        }
        selector
    });
    let rule = (any_rule(any_action(), 2), selector.clone(), selector);
    let rules = prop::collection::vec(rule, 0..6);
    (any_action(), any_architectures(), rules).prop_map(|(default_action, architectures, rules)| {
        Profile {
            default_action,
            architectures,
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            rules: rules
                .into_iter()
                .map(|(mut rule, includes, excludes)| {
                    for condition in &mut rule.conditions {
                        condition.operator = condition.operator.on(stockade_seccomp::Width::Bits32);
                    }
                    rule.includes = includes;
                    rule.excludes = excludes;
                    rule
                })
                .collect(),
        }
    })
}

fn targets() -> Vec<Target> {
    let mut all = Vec::new();
    for capabilities in [CapabilitySet::EMPTY, [Capability::SysAdmin].into_iter().collect()] {
        for kernel in [(4, 9), (6, 12)] {
            for architecture in [Architecture::X86_64, Architecture::Aarch64, Architecture::S390x] {
                all.push(Target { architecture, capabilities, kernel });
            }
        }
    }
    all
}

fn any_call() -> impl Strategy<Value = (prop::sample::Index, &'static str, [u64; 6])> {
    let near =
        (any_value(), 0..3u64).prop_map(|(value, by)| value.wrapping_add(by).wrapping_sub(1));
    (any::<prop::sample::Index>(), prop::sample::select(NAMES), prop::array::uniform6(near))
}

/// Calls the check with the meaning of both profiles and of the result for every target.
fn for_calls(
    profiles: &[&Profile],
    calls: &[(prop::sample::Index, &'static str, [u64; 6])],
    mut check: impl FnMut(&[Rules], &Call) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    for target in targets() {
        let rules: Result<Vec<Rules>, _> = profiles.iter().map(|it| resolve(it, &target)).collect();
        let rules = rules.map_err(|it| TestCaseError::fail(format!("{it:?}")))?;
        for (pick, name, arguments) in calls {
            let section = pick.get(&rules[0].architectures);
            let Some(number) = syscalls::number(section.architecture, name) else { continue };
            check(&rules, &Call::new(section.architecture, number).with(*arguments))?;
        }
    }
    Ok(())
}

type Both = fn(&Profile, &Profile) -> Result<stockade_seccomp::Changed, AlgebraError>;

#[test]
fn both_operations_give_every_call_the_stricter_or_the_looser_answer() {
    let config = || Config { rng_seed: RngSeed::Fixed(7), ..Config::default() };
    for (name, operation, stricter) in
        [("intersect", intersect as Both, true), ("union", union as Both, false)]
    {
        let mut runner = TestRunner::new(config());
        let strategy =
            (any_changing_profile(), any_changing_profile(), prop::collection::vec(any_call(), 48));
        let (mut exact, mut refused) = (0, 0);
        for _ in 0..100 {
            let (first, mut second, calls) = strategy.new_tree(&mut runner).unwrap().current();
            if !stricter {
                // What only one lists cannot get other rules than what both list.
                second.architectures = first.architectures.clone();
            }
            let changed = match operation(&first, &second) {
                Ok(changed) => changed,
                Err(AlgebraError::Contradiction { .. }) => continue,
                Err(why) => {
                    println!("{name}: {why}");
                    refused += 1;
                    continue;
                }
            };
            exact += 1;
            let text = changed.profile.to_json();
            let read = Profile::parse("result", &text).unwrap().profile;
            for_calls(&[&first, &second, &read], &calls, |rules, call| {
                let [a, b, result] = [0, 1, 2].map(|it| evaluate(&rules[it], call));
                let (a, b) = (a.permissiveness(), b.permissiveness());
                let expected = if stricter { a.min(b) } else { a.max(b) };
                prop_assert_eq!(result.permissiveness(), expected, "{} {}\n{}", name, call, text);
                Ok(())
            })
            .unwrap();
        }
        println!("{name}: {exact} exact, {refused} refused");
        assert!(exact > 2 * refused, "{name}: {exact} exact, {refused} refused");
    }
}

#[test]
fn an_overlay_changes_what_it_names_and_nothing_else() {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(7), ..Config::default() });
    let patterns = [
        ("ioctl(_, 5)=EACCES", Change::Deny),
        ("ioctl(_, 5)", Change::Deny),
        ("ioctl(>=16, 5)", Change::Deny),
        ("read", Change::Deny),
        ("read=ENOSYS", Change::Deny),
        ("personality(40)", Change::Deny),
        ("clone(CLONE_NEWUSER)=EPERM", Change::Deny),
        ("openat2(_, _, 5)", Change::Allow),
        ("write", Change::Allow),
        ("write(1)=log", Change::Allow),
    ];
    let strategy = (
        any_changing_profile(),
        prop::sample::select(patterns.to_vec()),
        prop::collection::vec(any_call(), 48),
    );
    let (mut exact, mut refused) = (0, 0);
    for _ in 0..150 {
        let (base, (text, change), calls) = strategy.new_tree(&mut runner).unwrap().current();
        let patterns = Pattern::parse(text, change).unwrap();
        let changed = match overlay(&base, &patterns) {
            Ok(changed) => changed,
            Err(AlgebraError::Contradiction { .. }) => continue,
            Err(why) => {
                println!("{text}: {why}");
                refused += 1;
                continue;
            }
        };
        exact += 1;
        for_calls(&[&base, &changed.profile], &calls, |rules, call| {
            let [was, is] = [0, 1].map(|it| evaluate(&rules[it], call));
            let architecture = call.architecture().unwrap();
            let on_s390 = matches!(rules[0].architectures[0].architecture, Architecture::S390x);
            let low = |it: usize| call.arguments[it] & 0xFFFF_FFFF;
            let name = syscalls::name(architecture, call.number).unwrap();
            let hit = match text {
                "read" | "read=ENOSYS" => name == "read",
                "write" => name == "write",
                "ioctl(_, 5)" | "ioctl(_, 5)=EACCES" => name == "ioctl" && low(1) == 5,
                "ioctl(>=16, 5)" => name == "ioctl" && low(1) == 5 && low(0) >= 16,
                "personality(40)" => name == "personality" && low(0) == 40,
                "clone(CLONE_NEWUSER)=EPERM" => {
                    name == "clone" && call.arguments[usize::from(on_s390)] >> 28 & 1 == 1
                }
                "openat2(_, _, 5)" => {
                    let width = stockade_seccomp::Width::of(architecture);
                    name == "openat2" && width.truncate(call.arguments[2]) == 5
                }
                _ => {
                    let width = stockade_seccomp::Width::of(architecture);
                    name == "write" && width.truncate(call.arguments[0]) == 1
                }
            };
            let action = patterns[0].action.unwrap_or_else(|| changed.denied_with[0].1);
            let (old, new) = (was.permissiveness(), action.permissiveness());
            let expected = match change {
                _ if !hit => was,
                Change::Deny if old >= new => action,
                Change::Allow if old <= new => action,
                Change::Deny | Change::Allow => was,
            };
            let both_errors = matches!((is, expected), (Action::Errno(_), Action::Errno(_)));
            prop_assert!(
                is == expected || (!hit && both_errors && !changed.remarks.is_empty()),
                "{text}: {call}: was {was}, is {is}\n{}\n{}",
                base.to_json(),
                changed.profile.to_json()
            );
            Ok(())
        })
        .unwrap();
    }
    println!("overlay: {exact} exact, {refused} refused");
    assert!(exact > 4 * refused, "{exact} exact, {refused} refused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two ways to find differences: by the rules, and by running programs.
    #[test]
    fn rules_and_programs_agree_on_what_differs(
        first in common::any_profile(5, 2),
        second in common::any_profile(5, 2),
    ) {
        let (Ok(first), Ok(second)) = (resolve(&first, &TARGET), resolve(&second, &TARGET)) else {
            return Ok(());
        };
        let found = differences(&first, &second);
        for difference in &found.found {
            let witness = &difference.witness;
            prop_assert_eq!(evaluate(&first, &witness.call), witness.ours);
            prop_assert_eq!(evaluate(&second, &witness.call), witness.theirs);
            prop_assert_ne!(witness.ours, witness.theirs);
            if let Extent::Where(cases) = &difference.extent {
                let holds = |it: &stockade_seccomp::Condition| {
                    let width = stockade_seccomp::Width::of(difference.architecture);
                    let argument = witness.call.arguments[usize::from(it.argument)];
                    it.operator.on(width).holds(width.truncate(argument))
                };
                let hits = cases.iter().filter(|case| case.iter().all(holds)).count();
                prop_assert_eq!(hits, 1, "{:?}", difference);
            }
        }
        let programs = [compile(&first).unwrap(), compile(&second).unwrap()];
        match compare(&programs[0], &programs[1]).unwrap() {
            Comparison::Different(witness) => {
                let call = witness.call;
                let named = found.found.iter().any(|it| {
                    Some(it.architecture) == call.architecture() && it.numbers.contains(&call.number)
                });
                prop_assert!(named, "{}", call);
            }
            Comparison::Equal => prop_assert!(found.found.is_empty(), "{:?}", found),
            Comparison::Undecided { .. } => {}
        }
    }
}
