use super::*;
use crate::{Profile, Target, resolve};
use stockade_abi::CapabilitySet;
use stockade_abi::bpf::Instruction;

fn rules(syscalls: &str) -> Rules {
    let text = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{syscalls}]}}"#);
    let profile = Profile::parse("p", &text).unwrap_or_else(|it| panic!("{it:?}")).profile;
    let target = Target {
        architecture: Architecture::X86_64,
        capabilities: CapabilitySet::EMPTY,
        kernel: (6, 12),
    };
    resolve(&profile, &target).unwrap()
}

fn program(syscalls: &str) -> Program {
    crate::compile(&rules(syscalls)).unwrap()
}

fn deny(operator: &str, value: u64) -> String {
    format!(
        r#"{{"names": ["socket"], "action": "SCMP_ACT_ERRNO",
            "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_{operator}"}}]}}"#
    )
}

#[test]
fn differences_come_with_a_witness() {
    let chmod = r#"{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}"#;
    let kill = r#"{"names": ["chmod"], "action": "SCMP_ACT_KILL"}"#;
    let nosys = r#"{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}"#;
    for (ours, theirs, expected) in [
        (chmod.to_owned(), chmod.to_owned(), None),
        (chmod.to_owned(), String::new(), Some(("chmod", Verdict::Weaker))),
        (String::new(), chmod.to_owned(), Some(("chmod", Verdict::Tighter))),
        (chmod.to_owned(), kill.to_owned(), Some(("chmod", Verdict::Tighter))),
        (chmod.to_owned(), nosys.to_owned(), Some(("chmod", Verdict::Other))),
        (deny("EQ", 38), deny("EQ", 38), None),
        (deny("EQ", 38), deny("EQ", 39), Some(("socket", Verdict::Weaker))),
        (deny("EQ", 38), deny("EQ", 38 | 1 << 32), Some(("socket", Verdict::Weaker))),
        (deny("GE", 38), deny("GT", 37), None),
        (deny("GE", 38), deny("GT", 38), Some(("socket", Verdict::Weaker))),
        (deny("LT", 1 << 40), deny("LE", (1 << 40) - 1), None),
        (deny("LT", 1 << 40), deny("LE", 1 << 40), Some(("socket", Verdict::Tighter))),
        (deny("MASKED_EQ", 1 << 35), deny("MASKED_EQ", 1 << 36), Some(("socket", Verdict::Weaker))),
    ] {
        let found = compare(&program(&ours), &program(&theirs)).unwrap();
        let by_rules = compare_with_rules(&rules(&ours), &program(&theirs)).unwrap();
        for found in [found, by_rules] {
            let said = match &found {
                Comparison::Different(witness) => Some(witness),
                Comparison::Equal | Comparison::Undecided { .. } => None,
            };
            let name = said.map(|it| syscalls::name(Architecture::X86_64, it.call.number).unwrap());
            assert_eq!(
                name.zip(said.map(Witness::verdict)),
                expected,
                "{ours} {theirs}: {found:?}"
            );
        }
    }
}

#[test]
fn a_weaker_answer_is_found_behind_a_tighter_one() {
    let ours = r#"{"names": ["read"], "action": "SCMP_ACT_LOG"}, {"names": ["write"], "action": "SCMP_ACT_LOG"}"#;
    let theirs = r#"{"names": ["read"], "action": "SCMP_ACT_KILL"}"#;
    let found = compare(&program(ours), &program(theirs)).unwrap();
    let Comparison::Different(witness) = found else { panic!("{found:?}") };
    assert_eq!((witness.call.number, witness.verdict()), (1, Verdict::Weaker));
}

/// Filters of others compute: what they compare may come from several words.
#[test]
fn arithmetic_is_followed_to_its_words() {
    let op = |code, k| Instruction { code, jt: 0, jf: 0, k };
    let with = |constant| {
        Program::new(vec![
            op(0x20, 24),
            op(0x74, 4),
            Instruction { code: 0x15, jt: 0, jf: 1, k: constant },
            op(0x06, 0x0005_0001),
            op(0x06, 0x7FFF_0000),
        ])
        .unwrap()
    };
    assert_eq!(compare(&with(0), &with(0)), Ok(Comparison::Equal));
    assert!(matches!(compare(&with(0), &with(7)), Ok(Comparison::Different(_))));
}

#[test]
fn what_the_kernel_would_refuse_is_not_compared() {
    let bad = Program::new(vec![Instruction { code: 0, jt: 0, jf: 0, k: 0 }]).unwrap();
    assert_eq!(compare(&program(""), &bad), Err(BadProgram::NoReturn));
}

#[test]
fn unlisted_architectures_count() {
    let mut rules = rules("");
    let ours = crate::compile(&rules).unwrap();
    rules.unlisted = Action::Allow;
    let found = compare(&ours, &crate::compile(&rules).unwrap()).unwrap();
    let Comparison::Different(witness) = found else { panic!("{found:?}") };
    assert_ne!(witness.call.audit_architecture, Architecture::X86_64.audit_number());
    assert_eq!(witness.verdict(), Verdict::Weaker);
}

/// `and` and a comparison, over and over: each mask would be combined with each constant.
#[test]
fn a_program_that_is_made_to_take_long_leaves_it_undecided() {
    let op = |code, k| Instruction { code, jt: 0, jf: 0, k };
    let mut code = vec![
        op(0x20, 0),
        Instruction { code: 0x15, jt: 1, jf: 0, k: 7 },
        op(0x06, 0x7FFF_0000),
        op(0x20, 16),
        Instruction { code: 0x25, jt: 0, jf: 1, k: 1000 },
        op(0x06, 0x7FFF_0000),
    ];
    for index in 0..600 {
        let k = 0x9E37_79B9u32.wrapping_mul(index);
        code.extend([op(0x54, !k), op(0x15, k.rotate_left(7)), op(0x20, 16)]);
    }
    code.push(op(0x06, 0x7FFF_0000));
    let program = Program::new(code).unwrap();
    let (candidates, completeness) = Constants::of_program(&program).candidates();
    assert_eq!(completeness, Completeness::Some);
    assert!(candidates.iter().all(|it| it.len() < 100_000));
    let found = compare(&program, &program);
    assert!(matches!(found, Ok(Comparison::Undecided { .. })), "{found:?}");
}
