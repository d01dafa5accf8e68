use stockade_abi::CapabilitySet;

use super::*;
use crate::default_profile;

const X86_64: Target = Target {
    architecture: Architecture::X86_64,
    capabilities: CapabilitySet::EMPTY,
    kernel: (6, 12),
};

fn profile(text: &str) -> Profile {
    Profile::parse("p.json", text).unwrap().profile
}

fn shown(explanation: &Explanation) -> Vec<String> {
    let clause = |it: &Clause| {
        let conditions: Vec<String> = it.conditions.iter().map(ToString::to_string).collect();
        format!("{}: {} by {:?}", conditions.join(" && "), it.action, it.by)
    };
    explanation.clauses.iter().map(clause).collect()
}

fn named(name: &str) -> Syscall {
    Syscall::named(name).unwrap()
}

#[test]
fn each_step_names_its_rule_and_each_silent_rule_its_reason() {
    let profile = profile(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
        {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}]},
        {"names": ["ioctl"], "action": "SCMP_ACT_LOG", "args": [
            {"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}]},
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}]},
        {"names": ["chmod"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}]},
        {"names": ["chmod"], "action": "SCMP_ACT_LOG"}]}"#,
    );
    let ioctl = explain(&profile, &X86_64, named("ioctl")).unwrap().remove(0);
    let expected = [
        "arg1 == 0x9: log by Rule(3)",
        "arg1 == 0x5: allow by Rule(2)",
        ": errno EPERM by Default",
    ];
    assert_eq!(shown(&ioctl), expected);
    let bpf = CapabilitySet::EMPTY.with(Capability::Bpf);
    let expected = [
        (0, Why::NotIncluded(vec![Unmet::Capabilities(bpf)])),
        (1, Why::IsDefault),
        (4, Why::Within(2)),
    ];
    assert_eq!(ioctl.silent, expected.map(|(rule, why)| Silent { rule, why }));

    let chmod = explain(&profile, &X86_64, named("chmod")).unwrap().remove(0);
    assert_eq!(shown(&chmod), [": log by Rule(6)"]);
    assert_eq!(chmod.silent, [Silent { rule: 5, why: Why::Behind(6) }]);
}

#[test]
fn known_arguments_narrow_a_decision() {
    let socket = &explain(&default_profile(), &X86_64, named("socket")).unwrap()[0];
    assert_eq!(socket.openness(), Openness::Partly);
    for (first, expected) in [
        (Some(2), Some(Action::Allow)),
        (Some(38), Some(Action::EPERM)),
        (Some(39), Some(Action::Allow)),
        (Some(40), Some(Action::EPERM)),
        (None, None),
    ] {
        let narrowed = socket.given(&[first, Some(1), None, None, None, None]);
        assert_eq!(narrowed.verdict(), expected, "{first:?}");
    }
}

#[test]
fn every_architecture_and_every_way_to_a_call_is_explained() {
    let all = explain(&default_profile(), &X86_64, named("socket")).unwrap();
    let ways: Vec<_> = all
        .iter()
        .map(|it| (it.architecture, it.through.map(|it| it.to_string()), it.openness()))
        .collect();
    let expected = [
        (Architecture::X86_64, None, Openness::Partly),
        (Architecture::X86, None, Openness::Partly),
        (Architecture::X86, Some("socketcall(1, …)".to_owned()), Openness::Open),
        (Architecture::X32, None, Openness::Partly),
    ];
    assert_eq!(ways, expected);
    assert_eq!(explain(&default_profile(), &X86_64, named("set_tls")).unwrap(), []);
}

#[test]
fn numbers_are_explained_without_a_name() {
    let old = profile(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    for (number, expected) in [
        (0, ": allow by Rule(0)"),
        (1, ": errno EPERM by Default"),
        (437, ": allow by Rule(0)"),
        (438, ": errno ENOSYS by Newer"),
        (9999, ": errno ENOSYS by Newer"),
        (0x4000_0000, ": kill process by Unlisted"),
        (u32::MAX, ": errno ENOSYS by Newer"),
    ] {
        let found = explain_number(&old, &X86_64, number).unwrap();
        assert_eq!(shown(&found), [expected], "{number}");
    }
}

#[test]
fn each_capability_is_tried_by_itself() {
    let profile = default_profile();
    let ask = |name: &str| {
        let name = name.to_owned();
        let profile = profile.clone();
        move |target: &Target| Some(explain(&profile, target, named(&name)).unwrap().remove(0))
    };
    for (name, expected) in [
        ("bpf", &[Capability::SysAdmin, Capability::Bpf][..]),
        ("chroot", &[Capability::SysChroot]),
        ("clone", &[Capability::SysAdmin]),
        ("read", &[]),
        ("io_uring_setup", &[]),
    ] {
        assert_eq!(openers(&profile, &X86_64, ask(name)), expected, "{name}");
    }
    let all = opened_with(&profile, &X86_64);
    let of = |capability| all.iter().find(|it| it.capability == capability).map(|it| &it.syscalls);
    assert_eq!(of(Capability::SysChroot), Some(&vec![named("chroot")]));
    assert_eq!(of(Capability::NetAdmin), None);
    // What the list of `RuntimeDefault` says and what trying finds is the same, but for what is
    // open to everybody.
    for Opened { capability, syscalls } in &all {
        for syscall in syscalls {
            assert!(crate::opened_by(*capability).contains(&syscall.name()), "{}", syscall.name());
        }
    }
}
