use stockade_abi::{CapabilitySet, syscalls};

use super::*;
use crate::compare::Verdict;
use crate::{Profile, Target, evaluate, resolve};

fn rules(syscalls: &str) -> Rules {
    let text = format!(
        "{{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"architectures\": [\"SCMP_ARCH_X86\"], \"syscalls\": \
         [{syscalls}]}}"
    );
    let profile = Profile::parse("p", &text).unwrap().profile;
    let target = Target {
        architecture: Architecture::X86_64,
        capabilities: CapabilitySet::EMPTY,
        kernel: (6, 12),
    };
    resolve(&profile, &target).unwrap()
}

fn said(difference: &Difference) -> String {
    let Difference { architecture, numbers, extent, witness } = difference;
    let name = syscalls::name(*architecture, *numbers.start()).unwrap_or("?");
    let extent = match extent {
        Extent::Always => "always".to_owned(),
        Extent::Sometimes => "sometimes".to_owned(),
        Extent::Where(cases) => {
            let case = |it: &Vec<Condition>| {
                it.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
            };
            cases.iter().map(case).collect::<Vec<_>>().join(", ")
        }
    };
    format!("{architecture} {name} {extent}: {} {}", witness.ours, witness.theirs)
}

#[test]
fn differences_name_the_arguments() {
    const ALL: &str = r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW"}"#;
    const BUT_ONE: &str = r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 38, "op": "SCMP_CMP_NE"}]}"#;
    const APART: &str = r#"
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 38, "op": "SCMP_CMP_LT"}]},
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 39, "op": "SCMP_CMP_GE"}]}"#;
    const TWO: &str = r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 5, "op": "SCMP_CMP_LE"}, {"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}]}"#;
    // Equal where 32 bits are looked at.
    const HIGH: &str = r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 9223372036854775808, "op": "SCMP_CMP_NE"}]}"#;
    const LOW: &str = r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_NE"}]}"#;
    for (shows, ours, theirs, expected) in [
        ("nothing", ALL, ALL, &[][..]),
        ("another spelling", BUT_ONE, APART, &[]),
        (
            "one value",
            ALL,
            BUT_ONE,
            &[
                "x86_64 ioctl arg0 == 0x26: allow errno EPERM",
                "i386 ioctl arg0 == 0x26: allow errno EPERM",
            ],
        ),
        (
            "outside a conjunction",
            ALL,
            TWO,
            &[
                "x86_64 ioctl arg0 <= 0x5 and arg1 != 0x7, arg0 > 0x5: allow errno EPERM",
                "i386 ioctl arg0 <= 0x5 and arg1 != 0x7, arg0 > 0x5: allow errno EPERM",
            ],
        ),
        (
            "the high half, which 32 bits do not have",
            HIGH,
            LOW,
            &[
                "x86_64 ioctl arg0 == 0x0: allow errno EPERM",
                "x86_64 ioctl arg0 == 0x8000000000000000: errno EPERM allow",
            ],
        ),
    ] {
        let found = differences(&rules(ours), &rules(theirs));
        assert_eq!(found.undecided, []);
        let lines: Vec<String> = found.found.iter().map(said).collect();
        assert_eq!(lines, expected, "{shows}");
    }
}

#[test]
fn numbers_that_nobody_names_are_compared_too() {
    let old = rules(r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW"}"#);
    let new = rules(r#"{"names": ["read", "rseq"], "action": "SCMP_ACT_ALLOW"}"#);
    let found = differences(&old, &new).found;
    let on_64: Vec<_> = found
        .iter()
        .filter(|it| it.architecture == Architecture::X86_64)
        .map(|it| (it.numbers.clone(), it.witness.ours.to_string(), it.witness.theirs.to_string()))
        .collect();
    let (enosys, eperm) = ("errno ENOSYS".to_owned(), "errno EPERM".to_owned());
    let expected = [(1..=333, enosys.clone(), eperm), (334..=334, enosys, "allow".to_owned())];
    assert_eq!(on_64, expected);
    assert_eq!(found[0].witness.verdict(), Verdict::Other);
}

#[test]
fn witnesses_get_the_answers_that_are_said() {
    let ours = rules(r#"{"names": ["socket", "bind"], "action": "SCMP_ACT_ALLOW"}"#);
    let theirs = rules(
        r#"{"names": ["clone"], "action": "SCMP_ACT_LOG",
            "args": [{"index": 0, "value": 1024, "valueTwo": 1024, "op": "SCMP_CMP_MASKED_EQ"}]}"#,
    );
    let found = differences(&ours, &theirs).found;
    assert!(found.len() > 5, "{found:?}");
    for Difference { witness, .. } in found {
        assert_eq!(evaluate(&ours, &witness.call), witness.ours, "{}", witness.call);
        assert_eq!(evaluate(&theirs, &witness.call), witness.theirs, "{}", witness.call);
    }
}
