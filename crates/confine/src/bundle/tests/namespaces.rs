use stockade_abi::NamespaceSet;

use super::*;
use crate::plan::{Action, NodeMaking, Plan, Stage};
use crate::plan_exec;
use crate::testing::{users_host, users_node};

#[test]
fn namespaces_are_made_joined_or_the_hosts() {
    let mount = r#"{"type": "mount"}"#;
    for (list, made, joined) in [
        (format!(r#"[{mount}]"#), "mount", "none"),
        (format!(r#"[{mount}, {{"type": "network", "path": ""}}]"#), "mount net", "none"),
        (format!(r#"[{{"type": "network", "path": "/run/netns/x"}}, {mount}]"#), "mount", "net"),
        (
            format!(
                r#"[{mount}, {{"type": "pid", "path": "/proc/7/ns/pid"}}, {{"type": "ipc", "path": "/x"}}]"#
            ),
            "mount",
            "pid ipc",
        ),
        (format!(r#"[{mount}, {{"type": "time"}}]"#), "mount time", "none"),
        (format!(r#"[{mount}, {{"type": "cgroup", "path": "/x"}}]"#), "mount", "cgroup"),
    ] {
        let bundled = meant("", "", &format!("\"namespaces\": {list}"));
        let plan = planned(&bundled, &host());
        let Action::Birth { unshare } = &plan.steps()[1].action else { panic!("{plan:?}") };
        assert_eq!(unshare.to_string(), made, "{list}");
        let joins: NamespaceSet = bundled.joins.iter().map(|it| it.0).collect();
        assert_eq!(joins.to_string(), joined, "{list}");
        assert_eq!(self::joined(&plan), joined, "{list}");
        let unshares = plan.steps().iter().any(|it| it.action == Action::UnshareCgroupNamespace);
        assert!(!unshares, "{list}");
        let lo = plan.steps().iter().any(|it| it.action == Action::LoopbackUp);
        assert_eq!(lo, made.contains("net"), "{list}");
    }
    let own = "a mount namespace of its own is needed";
    for (list, expected) in [
        ("[]".to_owned(), format!("linux.namespaces: NotEnforced: {own}")),
        (r#"[{"type": "pid"}]"#.to_owned(), format!("linux.namespaces: NotEnforced: {own}")),
        (
            r#"[{"type": "mount", "path": "/proc/1/ns/mnt"}]"#.to_owned(),
            format!("linux.namespaces: NotEnforced: {own}"),
        ),
        (
            format!(r#"[{mount}, {{"type": "user"}}]"#),
            "linux.namespaces: CreateContainerConfigError: a user namespace needs `uidMappings`"
                .to_owned(),
        ),
        (
            format!(r#"[{mount}, {{"type": "user", "path": "/x"}}]"#),
            "linux.namespaces: CreateContainerConfigError: a user namespace needs `uidMappings`"
                .to_owned(),
        ),
    ] {
        check_refusal("", "", &format!("\"namespaces\": {list}"), &expected);
    }
}

/// The kinds that a plan joins.
fn joined(plan: &Plan) -> String {
    let mut all = NamespaceSet::EMPTY;
    for step in plan.steps() {
        if let Action::JoinNamespaces { kinds } = &step.action {
            all = kinds.iter().fold(all, NamespaceSet::with);
        }
    }
    all.to_string()
}

#[test]
fn what_is_joined_is_joined_by_later_processes_too() {
    let linux = r#""namespaces": [{"type": "mount"}, {"type": "network", "path": "/x"}]"#;
    let bundled = meant("", "", linux);
    let later = plan_exec(&bundled.container, &bundled.pod, &host()).unwrap();
    let joins = joined(&later);
    assert_eq!(joins, "mount net");
}

#[test]
fn a_user_namespace_is_made_first_and_owns_the_others() {
    let linux = format!(
        r#""namespaces": [{{"type": "user"}}, {{"type": "mount"}}, {{"type": "network"}}], {MAPS}"#
    );
    let process = r#""user": {"uid": 5, "gid": 6, "additionalGids": [7]}, "capabilities": {"bounding": ["CAP_SYS_ADMIN"]}"#;
    let bundled = meant("", process, &linux);
    assert_eq!(proven(&bundled, &host()), [""; 0]);
    let maps = &bundled.pod.user_namespace.as_ref().unwrap().value;
    assert_eq!(
        (maps.uids.to_string(), maps.gids.to_string()),
        ("0 100000 65536".into(), "0 200000 65536".into())
    );
    let plan = planned(&bundled, &host());
    let place = |stage| plan.steps().iter().position(|it| it.stage == stage);
    assert!(place(Stage::IdMaps) < place(Stage::UsernsRoot) && place(Stage::IdMaps).is_some());
    let bound = bundled.container.confinement.devices.value.nodes;
    assert!(bound.iter().all(|it| it.made_by == NodeMaking::Bind));

    let user = r#""namespaces": [{"type": "user"}, {"type": "mount"}]"#;
    let one = |uid: &str| {
        format!(
            r#"{user}, "uidMappings": [{uid}], "gidMappings": [{{"containerID": 0, "hostID": 1, "size": 1}}]"#
        )
    };
    for (process, linux, expected) in [
        (r#""user": {"uid": 65536, "gid": 0}"#, linux.clone(), "process.user.uid: "),
        (r#""user": {"uid": 0, "gid": 65536}"#, linux.clone(), "process.user.gid: "),
        (
            r#""user": {"uid": 0, "gid": 0, "additionalGids": [1, 65536]}"#,
            linux.clone(),
            "process.user.additionalGids: ",
        ),
        ("", one(r#"{"containerID": 0, "hostID": 1, "size": 1}"#), ""),
        ("", one(r#"{"containerID": 0, "hostID": 0, "size": 0}"#), "linux.uidMappings[0]: "),
        (
            "",
            one(r#"{"containerID": 1, "hostID": 0, "size": 4294967295}"#),
            "linux.uidMappings[0]: ",
        ),
        (
            "",
            one(
                r#"{"containerID": 0, "hostID": 1, "size": 5}, {"containerID": 4, "hostID": 90, "size": 1}"#,
            ),
            "linux.uidMappings: CreateContainerConfigError: two ranges overlap",
        ),
        (
            r#""user": {"uid": 0, "gid": 0, "additionalGids": [0]}"#,
            one(r#"{"containerID": 0, "hostID": 1, "size": 1}"#),
            "process.user.additionalGids: ",
        ),
        (
            "",
            MAPS.to_owned(),
            "linux.uidMappings: CreateContainerConfigError: id maps without a user namespace",
        ),
        (
            "",
            format!(
                r#""namespaces": [{{"type": "user"}}, {{"type": "mount"}}, {{"type": "network", "path": "/x"}}], {MAPS}"#
            ),
            "linux.namespaces: NotEnforced: net cannot be joined",
        ),
        (
            "",
            format!(
                r#""namespaces": [{{"type": "user", "path": "/u"}}, {{"type": "mount"}}, {{"type": "network", "path": "/x"}}], {MAPS}"#
            ),
            "",
        ),
    ] {
        check_refusal("", process, &linux, expected);
    }
}

#[test]
fn an_ordinary_users_bundle_needs_his_own_maps() {
    let maps = |uid: u32| {
        format!(
            r#""namespaces": [{{"type": "user"}}, {{"type": "mount"}}, {{"type": "cgroup"}}],
               "uidMappings": [{{"containerID": 0, "hostID": {uid}, "size": 1}}],
               "gidMappings": [{{"containerID": 0, "hostID": 1000, "size": 1}}]"#
        )
    };
    let bundled = read_on(&bundle("", "", &maps(1000)), &users_node());
    assert_eq!(proven(&bundled, &users_host()), [""; 0]);
    for (linux, expected) in [
        (maps(1001), "linux.uidMappings: Unsupported: without root only these ids"),
        (String::new(), "linux.namespaces: Unsupported: without root a user namespace is needed"),
    ] {
        let told = told_on(&bundle("", "", &linux), &users_node());
        assert!(told.len() == 1 && told[0].starts_with(expected), "{linux}: {told:?}");
    }
}

#[test]
fn names_and_sysctls_need_a_namespace_that_is_made_here() {
    let with =
        |list: &str, more: &str| format!(r#""namespaces": [{{"type": "mount"}}{list}]{more}"#);
    let net = r#", {"type": "network"}"#;
    let net_at = r#", {"type": "network", "path": "/x"}"#;
    let ipc = r#", {"type": "ipc"}"#;
    let uts = r#", {"type": "uts"}"#;
    let sysctl = |name: &str| format!(r#", "sysctl": {{"{name}": "1"}}"#);
    let sixty_four = "a".repeat(64);
    for (top, list, more, expected) in [
        ("", net, sysctl("net.ipv4.ip_forward"), ""),
        (
            "",
            "",
            sysctl("net.ipv4.ip_forward"),
            "linux.sysctl[net.ipv4.ip_forward]: CreateContainerConfigError: `net.ipv4.ip_forward` can be set only in a new net namespace",
        ),
        (
            "",
            net_at,
            sysctl("net.ipv4.ip_forward"),
            "linux.sysctl[net.ipv4.ip_forward]: CreateContainerConfigError",
        ),
        (
            "",
            ipc,
            sysctl("net.ipv4.ip_forward"),
            "linux.sysctl[net.ipv4.ip_forward]: CreateContainerConfigError",
        ),
        ("", ipc, sysctl("kernel.msgmax"), ""),
        ("", ipc, sysctl("kernel/msgmax"), ""),
        (
            "",
            net,
            sysctl("kernel.msgmax"),
            "linux.sysctl[kernel.msgmax]: CreateContainerConfigError",
        ),
        ("", ipc, sysctl("kernel.core_pattern"), "linux.sysctl[kernel.core_pattern]: NotEnforced"),
        (
            "",
            ipc,
            sysctl("kernel.msgmax+kernel.core_pattern"),
            "linux.sysctl[kernel.msgmax+kernel.core_pattern]: CreateContainerConfigError",
        ),
        (
            "",
            ipc,
            sysctl("fs.mqueue./../../kernel.core_pattern"),
            "linux.sysctl[fs.mqueue./../../kernel.core_pattern]: CreateContainerConfigError",
        ),
        (
            "",
            net,
            sysctl("net/../kernel/core_pattern"),
            "linux.sysctl[net/../kernel/core_pattern]: CreateContainerConfigError",
        ),
        ("", net, sysctl("net.*"), "linux.sysctl[net.*]: CreateContainerConfigError"),
        ("", uts, sysctl("kernel.domainname"), ""),
        ("", uts, sysctl("kernel.hostname"), "linux.sysctl[kernel.hostname]: NotEnforced"),
        (
            "",
            ipc,
            r#", "sysctl": {"kernel.msgmax": "1", "kernel/msgmax": "2"}"#.to_owned(),
            "linux.sysctl[kernel/msgmax]: CreateContainerConfigError: is set twice",
        ),
        (r#""hostname": "h""#, uts, String::new(), ""),
        (r#""hostname": """#, "", String::new(), ""),
        (r#""hostname": "h""#, "", String::new(), "hostname: CreateContainerConfigError"),
        (r#""hostname": "h""#, r#", {"type": "uts", "path": "/x"}"#, String::new(), "hostname: "),
        (r#""domainname": "h""#, "", String::new(), "domainname: CreateContainerConfigError"),
        (&format!(r#""hostname": "{sixty_four}""#), uts, String::new(), ""),
        (
            &format!(r#""hostname": "{sixty_four}b""#),
            uts,
            String::new(),
            "hostname: CreateContainerConfigError: is longer",
        ),
    ] {
        check_refusal(top, "", &with(list, &more), expected);
    }
}
