use stockade_abi::{Capability, Errno};

use super::*;
use crate::{Call, evaluate};

const X86_64: Target = Target {
    architecture: Architecture::X86_64,
    capabilities: CapabilitySet::EMPTY,
    kernel: (6, 12),
};

/// What a profile with these rules and this default says about a call by name.
#[track_caller]
fn verdict(target: &Target, default: &str, rules: &str, name: &str, arguments: [u64; 6]) -> String {
    verdict_on(target, target.architecture, default, rules, name, arguments)
}

#[track_caller]
fn verdict_on(
    target: &Target,
    architecture: Architecture,
    default: &str,
    rules: &str,
    name: &str,
    arguments: [u64; 6],
) -> String {
    let text = format!(
        r#"{{"defaultAction": "SCMP_ACT_{default}", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{rules}]}}"#
    );
    let profile = Profile::parse("p.json", &text).unwrap_or_else(|it| panic!("{it:?}")).profile;
    let number = syscalls::number(architecture, name).unwrap();
    match resolve(&profile, target) {
        Ok(rules) => evaluate(&rules, &Call::new(architecture, number).with(arguments)).to_string(),
        Err(errors) => errors[0].to_string(),
    }
}

fn rule(name: &str, action: &str, more: &str) -> String {
    format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_{action}"{more}}}"#)
}

fn equal(argument: u8, value: u64) -> String {
    format!(r#"{{"index": {argument}, "value": {value}, "op": "SCMP_CMP_EQ"}}"#)
}

#[test]
fn several_rules_for_one_call() {
    let if_5 = |action| rule("ioctl", action, &format!(r#", "args": [{}]"#, equal(0, 5)));
    let if_9 = |action| rule("ioctl", action, &format!(r#", "args": [{}]"#, equal(0, 9)));
    let both = rule("ioctl", "ALLOW", &format!(r#", "args": [{}, {}]"#, equal(0, 5), equal(1, 1)));
    let either =
        rule("ioctl", "ALLOW", &format!(r#", "args": [{}, {}]"#, equal(0, 5), equal(0, 9)));
    let always = |action| rule("ioctl", action, "");
    for (shows, rules, argument, expected) in [
        ("no rule", vec![], 5, "errno EPERM"),
        ("a condition holds", vec![if_5("ALLOW")], 5, "allow"),
        ("a condition fails", vec![if_5("ALLOW")], 6, "errno EPERM"),
        ("one of two rules", vec![if_5("ALLOW"), if_9("LOG")], 9, "log"),
        ("conditions of a rule hold together", vec![both.clone()], 5, "errno EPERM"),
        ("the same argument twice means either", vec![either], 9, "allow"),
        (
            "a rule without conditions hides earlier ones",
            vec![if_5("LOG"), always("ALLOW")],
            5,
            "allow",
        ),
        (
            "a rule without conditions hides later ones",
            vec![always("ALLOW"), if_5("LOG")],
            5,
            "allow",
        ),
        ("the first without conditions counts", vec![always("LOG"), always("ALLOW")], 5, "log"),
        ("a rule with the default says nothing", vec![always("ERRNO"), if_5("ALLOW")], 5, "allow"),
        (
            "two answers in one case",
            vec![if_5("ALLOW"), if_5("LOG")],
            5,
            "the rule for `ioctl` at 2:133 contradicts the one at 2:26 (x86_64)",
        ),
        ("twice the same", vec![if_5("LOG"), if_5("LOG")], 5, "log"),
    ] {
        let found =
            verdict(&X86_64, "ERRNO", &rules.join(", "), "ioctl", [argument, 0, 0, 0, 0, 0]);
        assert_eq!(found, expected, "{shows}");
    }
    let found = verdict(&X86_64, "ERRNO", &both, "ioctl", [5, 1, 0, 0, 0, 0]);
    assert_eq!(found, "allow");
}

#[test]
fn arguments_have_the_width_of_the_architecture() {
    let minus_one = rule("ioctl", "ALLOW", &format!(r#", "args": [{}]"#, equal(0, u64::MAX)));
    let five = rule("ioctl", "ALLOW", &format!(r#", "args": [{}]"#, equal(0, 5)));
    for (architecture, rules, argument, expected) in [
        (Architecture::X86_64, &five, 0x1_0000_0005, "errno EPERM"),
        (Architecture::X86_64, &minus_one, 0xFFFF_FFFF, "errno EPERM"),
        (Architecture::X86, &minus_one, 0xFFFF_FFFF, "allow"),
        (Architecture::X32, &five, 0x1_0000_0005, "allow"),
    ] {
        let arguments = [argument, 0, 0, 0, 0, 0];
        let found = verdict_on(&X86_64, architecture, "ERRNO", rules, "ioctl", arguments);
        assert_eq!(found, expected, "{argument:#x} on {architecture}");
    }
}

#[test]
fn a_mask_without_bits_always_holds() {
    let rules = rule(
        "ioctl",
        "ALLOW",
        r#", "args": [{"index": 0, "value": 4294967296, "op": "SCMP_CMP_MASKED_EQ"}]"#,
    );
    for (architecture, argument, expected) in [
        (Architecture::X86_64, 1 << 32, "errno EPERM"),
        (Architecture::X86_64, 5, "allow"),
        (Architecture::X86, 5, "allow"),
    ] {
        let arguments = [argument, 0, 0, 0, 0, 0];
        let found = verdict_on(&X86_64, architecture, "ERRNO", &rules, "ioctl", arguments);
        assert_eq!(found, expected);
    }
}

#[test]
fn multiplexers_are_no_way_around() {
    let deny_alg = rule("socket", "ERRNO", &format!(r#", "args": [{}]"#, equal(0, 38)));
    let open = rule("socketcall", "LOG", "");
    for (rules, name, inner, expected) in [
        (deny_alg.clone(), "socketcall", 1, "errno EPERM"),
        (deny_alg.clone(), "socketcall", 2, "allow"),
        (deny_alg.clone(), "socket", 38, "errno EPERM"),
        (deny_alg.clone(), "socket", 2, "allow"),
        (format!("{deny_alg}, {open}"), "socketcall", 1, "log"),
        (rule("semop", "ERRNO", ""), "ipc", 1, "errno EPERM"),
    ] {
        let arguments = [inner, 0, 0, 0, 0, 0];
        let found = verdict_on(&X86_64, Architecture::X86, "ALLOW", &rules, name, arguments);
        assert_eq!(found, expected, "{name}({inner}) with {rules}");
    }
}

#[test]
fn includes_and_excludes_select() {
    let with = |capabilities: &[Capability], kernel| Target {
        capabilities: capabilities.iter().copied().collect(),
        kernel,
        ..X86_64
    };
    let none = with(&[], (6, 12));
    let admin = with(&[Capability::SysAdmin], (6, 12));
    let both = with(&[Capability::SysAdmin, Capability::Bpf], (6, 12));
    let old = with(&[], (4, 7));
    for (more, target, expected) in [
        (r#""includes": {"caps": ["CAP_SYS_ADMIN"]}"#, none, "errno EPERM"),
        (r#""includes": {"caps": ["CAP_SYS_ADMIN"]}"#, admin, "allow"),
        (r#""includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}"#, admin, "errno EPERM"),
        (r#""includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}"#, both, "allow"),
        (r#""excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}"#, none, "allow"),
        (r#""excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}"#, admin, "errno EPERM"),
        (r#""includes": {"arches": ["arm64"]}"#, none, "errno EPERM"),
        (r#""includes": {"arches": ["arm64", "amd64"]}"#, none, "allow"),
        // The machine's architecture counts, not the caller's.
        (r#""includes": {"arches": ["x86"]}"#, none, "errno EPERM"),
        (r#""excludes": {"arches": ["amd64"]}"#, none, "errno EPERM"),
        (r#""includes": {"minKernel": "4.8"}"#, none, "allow"),
        (r#""includes": {"minKernel": "4.8"}"#, old, "errno EPERM"),
        (r#""excludes": {"minKernel": "4.8"}"#, old, "allow"),
    ] {
        let rules = rule("bpf", "ALLOW", &format!(", {more}"));
        assert_eq!(verdict(&target, "ERRNO", &rules, "bpf", [0; 6]), expected, "{more}");
    }
}

#[test]
fn architectures_beside_the_native_one() {
    use Architecture::{Aarch64, Arm, S390x, X32, X86, X86_64};
    let known = Listed::Known;
    let map = ArchitectureList::Map(vec![
        (known(X86_64), vec![known(X86), known(X32)]),
        (known(Aarch64), vec![known(Arm)]),
    ]);
    let listed =
        ArchitectureList::Listed(vec![known(X86), known(Arm), known(X86), Listed::Foreign("x")]);
    for (list, native, expected) in [
        (&ArchitectureList::Native, X86_64, vec![X86_64]),
        (&map, X86_64, vec![X86_64, X86, X32]),
        (&map, Aarch64, vec![Aarch64, Arm]),
        (&map, S390x, vec![S390x]),
        (&listed, X86_64, vec![X86_64, X86]),
        (&listed, Aarch64, vec![Aarch64, Arm]),
    ] {
        assert_eq!(architectures(list, native), expected, "{list:?} on {native}");
    }
}

#[test]
fn calls_that_the_profile_is_too_old_for() {
    // The newest name of the profile stands in a rule that does not apply.
    let rules = format!(
        "{}, {}",
        rule("read", "ALLOW", ""),
        rule("openat2", "ALLOW", r#", "includes": {"caps": ["CAP_BPF"]}"#)
    );
    for (default, name, expected) in [
        ("ERRNO", "write", "errno EPERM"),
        ("ERRNO", "openat2", "errno EPERM"),
        ("ERRNO", "faccessat2", "errno ENOSYS"),
        ("ERRNO", "rseq_slice_yield", "errno ENOSYS"),
        ("KILL", "faccessat2", "kill thread"),
        ("LOG", "faccessat2", "log"),
    ] {
        let found = verdict(&X86_64, default, &rules, name, [0; 6]);
        assert_eq!(found, expected, "{name}, default {default}");
    }
    // x32's own range is closed: nothing there is newer.
    let found = verdict_on(&X86_64, Architecture::X32, "ERRNO", &rules, "execveat", [0; 6]);
    assert_eq!(found, "errno EPERM");
}

#[test]
fn what_is_not_listed_is_killed() {
    let profile = Profile::parse("p", r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).unwrap().profile;
    let rules = resolve(&profile, &X86_64).unwrap();
    for (architecture, number, expected) in [
        (Architecture::X86_64, 600, Action::Allow),
        (Architecture::X86_64, u32::MAX, Action::Allow),
        (Architecture::X32, 0x4000_0000, Action::KillProcess),
        (Architecture::X86, 4, Action::KillProcess),
        (Architecture::Aarch64, 4, Action::KillProcess),
    ] {
        assert_eq!(evaluate(&rules, &Call::new(architecture, number)), expected, "{architecture}");
    }
    assert_eq!(rules.newer, None);
    assert_ne!(Action::ENOSYS, Action::Errno(Errno(1)));
}

#[test]
fn every_number_has_its_slot() {
    for architecture in Architecture::ALL {
        for (number, name) in syscalls::all(architecture) {
            assert_eq!(number_of(architecture, slot(number)), number, "{name} on {architecture}");
        }
    }
}

#[test]
fn a_flattened_profile_means_the_same_there() {
    let profile = crate::default_profile();
    for architecture in [Architecture::X86_64, Architecture::Aarch64, Architecture::S390x] {
        for capability in [None, Some(Capability::SysAdmin), Some(Capability::SysNice)] {
            for kernel in [(4, 7), (6, 12)] {
                let capabilities = capability.into_iter().collect();
                let target = Target { architecture, capabilities, kernel };
                let flat = flatten(&profile, &target);
                assert_eq!(resolve(&flat, &target), resolve(&profile, &target), "{target:?}");
                let is_plain = |it: &ProfileRule| {
                    it.includes == Selector::default() && it.excludes == Selector::default()
                };
                assert!(flat.rules.iter().all(is_plain));
                assert!(matches!(flat.architectures, ArchitectureList::Listed(_)));
            }
        }
    }
}
