use stockade_abi::{CapabilitySet, Host};

use super::*;
use crate::plan::{Action, Stage};

#[test]
fn capabilities_are_exact() {
    let sets = |text: &str| {
        let bundled = meant("", &format!("\"capabilities\": {{{text}}}"), "");
        let sets = bundled.container.confinement.capabilities.value;
        assert_eq!(proven(&bundled, &host()), [""; 0], "{text}");
        [sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient]
            .map(|it| it.to_string())
            .join("|")
    };
    for (text, expected) in [
        ("", "none|none|none|none|none"),
        (r#""bounding": ["CAP_KILL"]"#, "KILL|none|none|none|none"),
        (r#""permitted": ["CAP_KILL"]"#, "none|none|KILL|none|none"),
        (r#""permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]"#, "none|KILL|KILL|none|none"),
        (r#""bounding": ["CAP_KILL"], "inheritable": ["cap_kill"]"#, "KILL|none|none|KILL|none"),
    ] {
        assert_eq!(sets(text), expected, "{text}");
    }
    let at = "process.capabilities";
    for (text, expected) in [
        (
            r#""bounding": ["CAP_KILL", "CAP_BOGUS"]"#,
            format!(
                "{at}.bounding[1]: CreateContainerConfigError: `CAP_BOGUS` is not a capability of Linux"
            ),
        ),
        (r#""bounding": ["ALL"]"#, format!("{at}.bounding[0]: CreateContainerConfigError")),
        (r#""bounding": [" CAP_KILL"]"#, format!("{at}.bounding[0]: CreateContainerConfigError")),
        (
            r#""effective": ["CAP_KILL"]"#,
            format!(
                "{at}.effective: CreateContainerConfigError: KILL cannot be effective without being permitted"
            ),
        ),
        (
            r#""inheritable": ["CAP_KILL"]"#,
            format!(
                "{at}.inheritable: CreateContainerConfigError: KILL cannot be inheritable without being bounding"
            ),
        ),
        (
            r#""bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]"#,
            format!(
                "{at}.ambient: CreateContainerConfigError: KILL cannot be ambient without being inheritable"
            ),
        ),
    ] {
        check_refusal("", &format!("\"capabilities\": {{{text}}}"), "", &expected);
    }
    let poor = Node { capabilities: CapabilitySet::up_to(10), ..node() };
    let asks = bundle("", r#""capabilities": {"bounding": ["CAP_SYS_ADMIN"]}"#, "");
    let told = told_on(&asks, &poor);
    assert!(told[0].starts_with("process.capabilities.bounding[0]: Unsupported"), "{told:?}");
}

#[test]
fn a_filter_without_no_new_privs_is_loaded_while_it_can_be() {
    let filter = |call: &str| {
        format!(
            r#""seccomp": {{"defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{{"names": ["{call}"], "action": "SCMP_ACT_ERRNO"}}]}}"#
        )
    };
    let ambient = r#""user": {"uid": 5, "gid": 6}, "capabilities": {"bounding": ["CAP_KILL"],
        "permitted": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}"#;
    for (process, call, stage) in [
        ("", "chmod", Stage::SeccompPrivileged),
        (r#""noNewPrivileges": false"#, "chmod", Stage::SeccompPrivileged),
        (r#""noNewPrivileges": true"#, "chmod", Stage::SeccompLast),
        (ambient, "prctl", Stage::SeccompPrivileged),
    ] {
        let bundled = meant("", process, &filter(call));
        assert_eq!(proven(&bundled, &host()), [""; 0], "{process} {call}");
        let plan = planned(&bundled, &host());
        let load = plan.steps().iter().find(|it| matches!(it.action, Action::LoadSeccomp(_)));
        assert_eq!(load.unwrap().stage, stage, "{process} {call}");
    }
    for (linux, expected) in [
        (r#""seccomp": {"defaultAction": "SCMP_ACT_BOGUS"}"#, "linux.seccomp.defaultAction: "),
        (r#""seccomp": {}"#, "linux.seccomp: "),
        (
            r#""seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_NOTIFY"}]}"#,
            "linux.seccomp: CreateContainerConfigError: seccomp profile `linux.seccomp` asks for a supervisor",
        ),
        (
            r#""seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chmodd"], "action": "SCMP_ACT_ERRNO"}]}"#,
            "linux.seccomp.syscalls[0].names[0]: ",
        ),
    ] {
        check_refusal("", "", linux, expected);
    }
}

#[test]
fn labels_need_a_kernel_that_gives_them() {
    let told = |process: &str, host: &Host| -> Vec<String> {
        let bundled = meant("", process, "");
        let told = plan(&bundled.container, &bundled.pod, host).err().unwrap_or_default();
        told.iter().map(|it| format!("{}: {}", it.place.path, it.why)).collect()
    };
    let selinux = r#""selinuxLabel": "u:r:t:s0""#;
    assert_eq!(
        told(selinux, &host()),
        ["process.selinuxLabel: SELinux is not active on this host"]
    );
    let active = Host { selinux: stockade_abi::host::LsmState::Active, ..host() };
    assert_eq!(told(selinux, &active), [""; 0]);
    assert_eq!(proven(&meant("", selinux, ""), &active), [""; 0]);
    assert_eq!(told(r#""apparmorProfile": "enforcing""#, &host()), [""; 0]);
    let missing = told(r#""apparmorProfile": "enforced""#, &host());
    assert_eq!(missing.len(), 1, "{missing:?}");
}

#[test]
fn a_mistake_in_a_profile_has_its_place_in_the_bundle() {
    let linux = "\"seccomp\": {\"defaultAction\":\n \"é\", \"x\": 1}";
    let refusals = from_bundle(&bundle("", "", linux), "/bundle", &node()).unwrap_err();
    let places: Vec<String> = refusals.iter().map(|it| it.place.to_string()).collect();
    assert_eq!(
        places,
        [
            "linux.seccomp.defaultAction at config.json:2:2".to_owned(),
            "linux.seccomp at config.json:2:7".to_owned(),
        ]
    );
}
