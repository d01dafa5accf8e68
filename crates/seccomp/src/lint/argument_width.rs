//! A condition that looks at more bits of an argument than the kernel does.
//!
//! A filter compares 64 bits. Of an `int` the kernel takes 32 and a process chooses the others:
//! `ioctl(0, 0x1_0000_5412)` is `TIOCSTI` to the kernel and something else to a rule that denies
//! `== 0x5412`. Two forms of the hole:
//!
//! - a rule that denies does not match a value of which the low bits would (`==`, `<`, `<=`, or a
//!   mask with high bits): an error;
//! - a rule that allows matches a value of which the low bits would not (`!=`, `>`, `>=`, or a
//!   constant with high bits): a warning, since default profiles of other runtimes do so.
//!
//! Reads [`crate::arguments`]. Complies: `SCMP_CMP_MASKED_EQ` with a mask of the bits that the kernel
//! looks at; any condition on a 32-bit architecture.
//!
//! Source: CVE-2019-10063 (flatpak), CVE-2019-7303 (snapd).

use stockade_abi::syscalls::Syscall;

use super::{At, Found, Lint, Severity, Subject};
use crate::arguments;
use crate::condition::{Condition, Operator, Width};
use crate::explain::{By, Openness};
use crate::spot::Spot;

pub(super) const LINT: Lint = Lint {
    id: "argument-width",
    severities: &[Severity::Warning, Severity::Error],
    finds: "a condition on bits that the kernel does not look at; an error if it denies",
    run,
    #[cfg(test)]
    cases: &[
        (
            "a request",
            "allow; deny ioctl if 1==0x5412",
            &[("syscalls[0].args[0]", Severity::Error)],
        ),
        (
            "the second condition",
            "allow; deny ioctl if 2==1 1==0x5412",
            &[("syscalls[0].args[1]", Severity::Error)],
        ),
        ("a range", "allow; deny socket if 0<=1", &[("syscalls[0].args[0]", Severity::Error)]),
        (
            "a mask that is too wide",
            "allow; deny clone if 0&0x110000000==0x10000000",
            &[("syscalls[0].args[0]", Severity::Error)],
        ),
        ("a mode", "allow; deny chmod if 1==0x9ed", &[("syscalls[0].args[0]", Severity::Error)]),
        (
            "all but one",
            "deny; allow socket if 0!=40",
            &[("syscalls[0].args[0]", Severity::Warning)],
        ),
        ("all above", "deny; allow socket if 0>40", &[("syscalls[0].args[0]", Severity::Warning)]),
        ("a proper mask", "allow; deny ioctl if 1&0xffffffff==0x5412", &[]),
        ("flags", "allow; deny clone if 0&0x10000000==0x10000000", &[]),
        ("all but one is denied", "allow; deny personality if 0!=0", &[]),
        ("one is allowed", "deny; allow personality if 0==8", &[]),
        ("all below are allowed", "deny; allow socket if 0<38", &[]),
        ("an address", "allow; deny ioctl if 2==0x5412", &[]),
        ("flags of full width", "allow; deny unshare if 0==0x10000000", &[]),
        ("nothing is open anyway", "deny; kill ioctl if 1==0x5412", &[]),
    ],
};

fn run(subject: &Subject<'_>, out: &mut Vec<Found>) {
    if Width::of(subject.native()) == Width::Bits32 {
        return;
    }
    for syscall in Syscall::all() {
        let name = syscall.name();
        let Some(decision) = subject.decide(subject.native(), name) else { continue };
        // Where all is open or all is closed, a condition makes no difference.
        if decision.openness() != Openness::Partly {
            continue;
        }
        for clause in &decision.clauses {
            let By::Rule(rule) = clause.by else { continue };
            for condition in &clause.conditions {
                let bits = arguments::bits(subject.native(), name, condition.argument);
                let found = bits
                    .and_then(|bits| judge(name, condition, bits, clause.action.lets_through()));
                let all = &subject.profile().rules[rule].conditions;
                let at = all.iter().position(|it| it == condition);
                let spot = at.map_or(Spot::Rule(rule), |at| Spot::Condition(rule, at));
                out.extend(found.map(|it| Found { at: At::Spot(spot), ..it }));
            }
        }
    }
}

/// What is wrong with a condition on an argument of so many bits, in a clause that opens or closes.
fn judge(name: &str, condition: &Condition, bits: u32, opens: bool) -> Option<Found> {
    let leaks = if opens { matches_too_much } else { matches_too_little };
    let example = leaks(condition.operator, bits)?;
    let (severity, does) = if opens {
        (Severity::Warning, "is allowed by this rule")
    } else {
        (Severity::Error, "passes this rule")
    };
    let low = example & low_bits(bits);
    Some(Found {
        at: At::Spot(Spot::Profile),
        severity,
        what: format!(
            "the kernel looks at {bits} bits of argument {} of `{name}`, `{condition}` at 64",
            condition.argument
        ),
        why: format!("{example:#x} is {low:#x} to the kernel, and {does}"),
        fix: fix(condition.operator, bits, opens),
    })
}

/// A value that does not match though its low bits do.
fn matches_too_little(operator: Operator, bits: u32) -> Option<u64> {
    let beyond = 1 << bits;
    let example = match operator {
        Operator::Equal(value) | Operator::LessOrEqual(value) => value | beyond,
        Operator::Less(value) => value.checked_sub(1)? | beyond,
        Operator::MaskedEqual { mask, value } => {
            let high = mask & !low_bits(bits);
            let flipped = high & high.wrapping_neg();
            (value & mask) ^ flipped
        }
        Operator::NotEqual(_) | Operator::GreaterOrEqual(_) | Operator::Greater(_) => return None,
    };
    let low = example & low_bits(bits);
    (operator.holds(low) && !operator.holds(example)).then_some(example)
}

/// A value that matches though its low bits do not.
fn matches_too_much(operator: Operator, bits: u32) -> Option<u64> {
    let beyond = 1 << bits;
    let example = match operator {
        Operator::NotEqual(value) | Operator::Greater(value) => value | beyond,
        Operator::GreaterOrEqual(value) => value.checked_sub(1)? | beyond,
        Operator::Equal(value) => value,
        Operator::MaskedEqual { mask, value } => value & mask,
        Operator::Less(_) | Operator::LessOrEqual(_) => return None,
    };
    let low = example & low_bits(bits);
    (operator.holds(example) && !operator.holds(low)).then_some(example)
}

fn fix(operator: Operator, bits: u32, opens: bool) -> Option<String> {
    let mask = low_bits(bits);
    match operator {
        Operator::Equal(value) | Operator::MaskedEqual { value, .. } => {
            Some(format!("`SCMP_CMP_MASKED_EQ` with value {mask} and valueTwo {}", value & mask))
        }
        Operator::NotEqual(_) | Operator::Greater(_) | Operator::GreaterOrEqual(_) if opens => {
            Some("allow single values with `SCMP_CMP_EQ`, or a range with `SCMP_CMP_LE`".to_owned())
        }
        Operator::NotEqual(_)
        | Operator::Greater(_)
        | Operator::GreaterOrEqual(_)
        | Operator::Less(_)
        | Operator::LessOrEqual(_) => {
            Some(format!("deny single values with `SCMP_CMP_MASKED_EQ` and a mask of {mask}"))
        }
    }
}

const fn low_bits(bits: u32) -> u64 {
    (1 << bits) - 1
}
