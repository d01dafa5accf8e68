use stockade_abi::facts::DeviceRule;

use super::*;
use crate::plan::Action;

#[test]
fn devices_are_made_and_allowed_as_they_say() {
    let fuse = r#"{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 8630, "uid": 1}"#;
    let bundled = meant("", "", &format!("\"devices\": [{fuse}]"));
    let nodes = &bundled.container.confinement.devices.value.nodes;
    assert_eq!(nodes.len(), 7);
    assert_eq!((nodes[6].mode, nodes[6].uid, nodes[6].gid), (0o666, 1, 0));
    let null = r#"{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 384}"#;
    let bundled = meant("", "", &format!("\"devices\": [{null}]"));
    let nodes = &bundled.container.confinement.devices.value.nodes;
    assert_eq!((nodes.len(), nodes[5].mode), (6, 0o600));

    let device = |text: &str| format!(r#""devices": [{{"path": "/dev/x", {text}}}]"#);
    let number = |major: &str, minor: &str| {
        device(&format!(r#""type": "b", "major": {major}, "minor": {minor}"#))
    };
    for (linux, expected) in [
        (device(r#""type": "p""#), ""),
        (number("8", "0"), ""),
        (number("4095", "1048575"), ""),
        (number("4096", "0"), "linux.devices[0].major: "),
        (number("8", "1048576"), "linux.devices[0].minor: "),
        (number("-1", "0"), "linux.devices[0].major: "),
        (device(r#""type": "b", "major": 8"#), "linux.devices[0].minor: "),
        (device(r#""type": "a", "major": 8, "minor": 0"#), "linux.devices[0].type: "),
        (device(r#""type": "p", "fileMode": 2047"#), "linux.devices[0].fileMode: "),
        (device(r#""type": "p", "uid": 4294967295"#), "linux.devices[0].uid: "),
        (r#""devices": [{"path": "/etc/x", "type": "p"}]"#.to_owned(), "linux.devices[0].path: "),
        (
            r#""devices": [{"path": "/dev/../etc/x", "type": "p"}]"#.to_owned(),
            "linux.devices[0].path: ",
        ),
        (r#""devices": [{"path": "/dev/", "type": "p"}]"#.to_owned(), "linux.devices[0].path: "),
        (
            r#""devices": [{"path": "/dev/x", "type": "p"}, {"path": "/dev/x", "type": "p"}]"#
                .to_owned(),
            "linux.devices[1].path: ",
        ),
        (
            format!(
                r#""namespaces": [{{"type": "user"}}, {{"type": "mount"}}], {MAPS}, "devices": [{fuse}]"#
            ),
            "linux.devices[0]: Unsupported",
        ),
    ] {
        check_refusal("", "", &linux, expected);
    }
}

#[test]
fn device_rules_come_before_those_that_every_container_has() {
    let rules = |text: &str| -> Vec<DeviceRule> {
        let bundled = meant("", "", &format!(r#""resources": {{"devices": [{text}]}}"#));
        assert_eq!(proven(&bundled, &host()), [""; 0], "{text}");
        bundled.container.confinement.devices.value.rules
    };
    let usual = rules("").len();
    for (text, expected) in [
        (r#"{"allow": false}"#, "a *:* rwm"),
        (r#"{"allow": false, "access": "rwm"}"#, "a *:* rwm"),
        (r#"{"allow": true, "type": "a", "major": -1, "access": "rw"}"#, "a *:* rw"),
        (r#"{"allow": true, "type": "c", "major": 10, "minor": -1, "access": "m"}"#, "c 10:* m"),
        (r#"{"allow": true, "type": "u", "major": 10, "minor": 229}"#, "c 10:229 rwm"),
    ] {
        let all = rules(text);
        assert_eq!((all.len(), all[0].to_string()), (usual + 1, expected.to_owned()), "{text}");
    }
    let null = stockade_abi::facts::Device {
        kind: stockade_abi::facts::DeviceKind::Character,
        major: 1,
        minor: 3,
    };
    let all = rules(r#"{"allow": true, "type": "c", "major": 1, "minor": 3}, {"allow": false}"#);
    assert_eq!(DeviceRule::evaluate(&all, null).to_string(), "rwm");

    let at = "linux.resources.devices[0]";
    for (text, expected) in [
        (r#""access": """#, format!("{at}.access: ")),
        (r#""access": "rr""#, format!("{at}.access: ")),
        (r#""access": "rwx""#, format!("{at}.access: ")),
        (r#""access": "RW""#, format!("{at}.access: ")),
        (r#""type": "p""#, format!("{at}.type: ")),
        (r#""major": 10"#, format!("{at}: ")),
        (r#""type": "a", "major": 10, "minor": 229"#, format!("{at}: ")),
        (r#""type": "c", "major": -2"#, format!("{at}.major: ")),
        (r#""type": "c", "minor": 1048576"#, format!("{at}.minor: ")),
    ] {
        let linux = format!(r#""resources": {{"devices": [{{"allow": true, {text}}}]}}"#);
        check_refusal("", "", &linux, &expected);
    }
}

#[test]
fn a_dev_of_the_hosts_is_left_as_it_is() {
    for (destination, options, bound) in [
        ("/dev", r#""type": "bind", "source": "/dev", "options": ["rbind"]"#, true),
        ("/dev/", r#""source": "/dev", "options": ["bind"]"#, true),
        ("/x/../dev/.", r#""source": "/dev", "options": ["bind"]"#, true),
        ("/dev", r#""type": "tmpfs""#, false),
        ("/dev/shm", r#""source": "/a", "options": ["bind"]"#, false),
    ] {
        let mounts = format!(r#""mounts": [{{"destination": "{destination}", {options}}}]"#);
        let plan = planned(&meant(&mounts, "", ""), &host());
        let made = plan.steps().iter().any(|it| matches!(it.action, Action::MakeDevices(_)));
        assert_eq!(made, !bound, "{destination} {options}");
    }
    check_refusal(
        r#""mounts": [{"destination": "/dev", "source": "/dev", "options": ["bind"]}]"#,
        "",
        r#""devices": [{"path": "/dev/x", "type": "p"}]"#,
        "linux.devices: NotEnforced",
    );
}

#[test]
fn resources_become_limits_or_are_refused_by_name() {
    let limits = |text: &str| {
        let bundled = meant("", "", &format!("\"resources\": {{{text}}}"));
        let limits = bundled.container.confinement.limits.value;
        (limits.pids, limits.memory, limits.cpu_micros, limits.cpu_shares)
    };
    for (text, expected) in [
        ("", (None, None, None, None)),
        (r#""pids": {"limit": 5}"#, (Some(5), None, None, None)),
        (r#""pids": {"limit": -1}"#, (None, None, None, None)),
        (
            r#""memory": {"limit": -1, "swap": -1, "kernel": -1, "disableOOMKiller": false}"#,
            (None, None, None, None),
        ),
        (r#""memory": {"limit": 9}"#, (None, Some(9), None, None)),
        (r#""cpu": {"quota": 200000}"#, (None, None, Some(2_000_000), None)),
        (r#""cpu": {"quota": 50000, "period": 25000}"#, (None, None, Some(2_000_000), None)),
        (
            r#""cpu": {"quota": -1, "period": 100000, "shares": 2, "cpus": "", "idle": 0}"#,
            (None, None, None, Some(2)),
        ),
        (r#""cpu": {"quota": 0, "period": 0, "shares": 0}"#, (None, None, None, None)),
        (
            r#""blockIO": {}, "network": {}, "hugepageLimits": [], "rdma": {}, "unified": {}"#,
            (None, None, None, None),
        ),
    ] {
        assert_eq!(limits(text), expected, "{text}");
    }
    let at = "linux.resources";
    for (text, field) in [
        (r#""pids": {"limit": 0}"#, "pids.limit: CreateContainerConfigError"),
        (r#""pids": {"limit": -2}"#, "pids.limit: CreateContainerConfigError"),
        (r#""memory": {"limit": 0}"#, "memory.limit: CreateContainerConfigError"),
        (r#""memory": {"reservation": 5}"#, "memory.reservation: NotEnforced"),
        (r#""memory": {"swap": 5}"#, "memory.swap: NotEnforced"),
        (r#""memory": {"swappiness": 0}"#, "memory.swappiness: NotEnforced"),
        (r#""memory": {"disableOOMKiller": true}"#, "memory.disableOOMKiller: NotEnforced"),
        (r#""cpu": {"cpus": "0-1"}"#, "cpu.cpus: NotEnforced"),
        (r#""cpu": {"burst": 1}"#, "cpu.burst: NotEnforced"),
        (r#""cpu": {"realtimeRuntime": 1}"#, "cpu.realtimeRuntime: NotEnforced"),
        (r#""cpu": {"idle": 1}"#, "cpu.idle: NotEnforced"),
        (r#""cpu": {"quota": 999}"#, "cpu.quota: CreateContainerConfigError"),
        (r#""cpu": {"quota": -2}"#, "cpu.quota: CreateContainerConfigError"),
        (r#""cpu": {"period": 999}"#, "cpu.period: CreateContainerConfigError"),
        (r#""cpu": {"shares": 1}"#, "cpu.shares: CreateContainerConfigError"),
        (r#""blockIO": {"weight": 10}"#, "blockIO: NotEnforced"),
        (r#""network": {"classID": 1}"#, "network: NotEnforced"),
        (r#""unified": {"memory.high": "1"}"#, "unified: NotEnforced"),
        (r#""hugepageLimits": [{"pageSize": "2MB", "limit": 0}]"#, "hugepageLimits: NotEnforced"),
    ] {
        check_refusal("", "", &format!("\"resources\": {{{text}}}"), &format!("{at}.{field}"));
    }
    for (path, expected) in [
        ("/a/b", Ok("a/b")),
        ("a/b/", Ok("a/b")),
        ("a:b", Ok("a:b")),
        ("/../../../../canary", Err("linux.cgroupsPath: CreateContainerConfigError")),
        ("a//b", Err("linux.cgroupsPath: CreateContainerConfigError")),
        ("/", Err("linux.cgroupsPath: CreateContainerConfigError")),
        ("system.slice:stockade:x", Err("linux.cgroupsPath: NotEnforced")),
    ] {
        let linux = format!("\"cgroupsPath\": {path:?}");
        match expected {
            Ok(below) => assert_eq!(meant("", "", &linux).cgroup.unwrap().value, below),
            Err(told) => check_refusal("", "", &linux, told),
        }
    }
}
