use std::collections::BTreeSet;

use stockade_abi::{Capability, CapabilitySet};

use super::*;
use crate::default_profile;

#[test]
fn lints_are_sorted_and_each_has_a_passing_and_a_failing_case() {
    assert!(LINTS.windows(2).all(|pair| pair[0].id < pair[1].id));
    for Lint { id, cases, severities, .. } in LINTS {
        assert!(cases.iter().any(|(_, _, found)| found.is_empty()), "{id} always finds something");
        let found = cases.iter().flat_map(|(_, _, found)| found.iter().map(|(_, it)| *it));
        let shown: BTreeSet<Severity> = found.collect();
        let said: BTreeSet<Severity> = severities.iter().copied().collect();
        assert_eq!(shown, said, "{id}");
    }
}

#[test]
fn every_lint_is_in_the_handbook() {
    let page = include_str!("../../../../docs/seccomp.md");
    let rows: Vec<&str> = page.lines().filter(|it| it.starts_with("| `")).collect();
    for Lint { id, finds, severities, .. } in LINTS {
        let severities: Vec<&str> = severities.iter().map(|it| it.word()).collect();
        let row = format!("| `{id}` | {} | {finds} |", severities.join(", "));
        assert!(rows.contains(&row.as_str()), "docs/seccomp.md lacks\n{row}");
    }
}

#[test]
fn our_own_profile_has_no_errors() {
    let parsed = Parsed { profile: default_profile(), warnings: Vec::new() };
    let all: CapabilitySet = Capability::ALL.iter().copied().collect();
    for architecture in [
        Architecture::X86_64,
        Architecture::Aarch64,
        Architecture::Riscv64,
        Architecture::Ppc64le,
        Architecture::S390x,
    ] {
        for capabilities in [CapabilitySet::EMPTY, all] {
            let target = Target { architecture, capabilities, kernel: (6, 12) };
            let found = lint(&parsed, "", &target);
            let errors: Vec<_> = found.iter().filter(|it| it.severity == Severity::Error).collect();
            assert!(errors.is_empty(), "{architecture}: {errors:#?}");
            assert!(found.iter().all(|it| it.place.is_none()));
        }
    }
}

#[test]
fn mistakes_are_findings_too() {
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "x": 1,
        "syscalls": [{"names": ["chmood"], "action": "SCMP_ACT_KILL"}]}"#;
    let found = mistakes(&Profile::parse("p.json", text).unwrap_err());
    let found: Vec<_> = found.iter().map(|it| (it.lint, it.path.as_str(), &it.fix)).collect();
    let fix = Some("did you mean `chmod`?".to_owned());
    assert_eq!(found, [(MALFORMED, "", &None), ("unknown-syscall", "syscalls[0].names[0]", &fix)]);
}

#[test]
fn names_are_listed_as_people_do() {
    assert_eq!(list(["a"]), "`a`");
    assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
}
