use proptest::prelude::*;

use super::*;

const FULL: &str = include_str!("tests/config.json");
const SMALL: &str = r#"{
  "ociVersion": "1.0.2-dev",
  "root": {"path": "rootfs"},
  "process": {"args": ["sh"], "cwd": "/", "user": {"uid": 1, "gid": 2}},
  "linux": {"namespaces": [{"type": "pid"}]}
}"#;

/// `SMALL` with one text in place of another, and what is said about it.
fn told(from: &str, to: &str) -> Vec<String> {
    assert!(SMALL.contains(from), "{from}");
    match parse("config.json", &SMALL.replacen(from, to, 1)) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(|it| format!("{}: {}", it.place, it.kind)).collect(),
    }
}

#[test]
fn every_field_of_the_specification_is_understood() {
    let Bundle { config, .. } = parse("config.json", FULL).unwrap();
    let process = config.process.unwrap();
    assert_eq!(process.user.umask, Some(0o022));
    assert_eq!(process.user.additional_gids, [5, 6]);
    assert_eq!(process.rlimits[0].hard, u64::MAX);
    assert_eq!(process.scheduler.unwrap().policy, SchedulerPolicy::SchedFifo);
    assert_eq!(process.io_priority.unwrap().class, IoClass::Idle);
    assert_eq!(process.exec_cpu_affinity.unwrap().last.as_deref(), Some("0-3"));
    assert_eq!(process.console_size, Some(ConsoleSize { height: 25, width: 80 }));
    assert_eq!(process.capabilities.unwrap().bounding, ["CAP_KILL", "CAP_OF_TOMORROW"]);
    assert_eq!(config.mounts[0].kind.as_deref(), Some("proc"));
    assert_eq!(config.mounts[1].uid_mappings[0].size, 65536);
    assert_eq!(config.hooks.unwrap().create_runtime[0].timeout, Some(5));
    assert_eq!(config.annotations["any.key/at.all"], "x");
    let linux = config.linux.unwrap();
    let kinds: Vec<NamespaceKind> = linux.namespaces.iter().map(|it| it.kind).collect();
    assert_eq!(
        kinds,
        [
            NamespaceKind::Pid,
            NamespaceKind::Network,
            NamespaceKind::Mount,
            NamespaceKind::Ipc,
            NamespaceKind::Uts,
            NamespaceKind::User,
            NamespaceKind::Cgroup,
            NamespaceKind::Time,
        ]
    );
    assert_eq!(linux.namespaces[1].path.as_deref(), Some("/run/netns/x"));
    assert_eq!(linux.devices[0].kind, DeviceKind::Character);
    assert_eq!(linux.rootfs_propagation, Some(Propagation::Rslave));
    assert_eq!(linux.personality.unwrap().domain, PersonalityDomain::Linux32);
    assert_eq!(linux.time_offsets["boottime"], TimeOffset { secs: -5, nanosecs: 7 });
    assert_eq!(linux.net_devices["eth1"].name.as_deref(), Some("inner"));
    assert_eq!(linux.memory_policy.unwrap().mode, MemoryPolicyMode::Interleave);
    assert_eq!(linux.intel_rdt.unwrap().enable_cmt, Some(true));
    assert_eq!(linux.sysctl["net.ipv4.ip_forward"], "1");
    let resources = linux.resources.unwrap();
    assert_eq!(resources.memory.unwrap().kernel_tcp, Some(-1));
    assert_eq!(resources.block_io.unwrap().throttle_write_iops_device[0].rate, 600);
    assert_eq!(resources.unified["memory.high"], "1G");
    assert_eq!(resources.rdma["mlx5_1"].hca_handles, Some(3));
    assert_eq!(resources.network.unwrap().class_id, Some(1_048_577));
    assert!(linux.seccomp.is_some());
}

#[test]
fn a_mistake_has_its_line_and_its_name() {
    for (from, to, expected) in [
        (
            "\"cwd\"",
            "\"Cwd\": \"/\", \"cwd\"",
            "process.Cwd at config.json:4:31: unknown field `Cwd`",
        ),
        (
            "\"args\"",
            "\"noNewPrivilege\": true, \"args\"",
            "process.noNewPrivilege at config.json:4:15: unknown field `noNewPrivilege`",
        ),
        (
            "\"linux\": {",
            "\"linux\": {\"maskedPath\": [], ",
            "linux.maskedPath at config.json:5:13: unknown field `maskedPath`",
        ),
        (
            "\"root\"",
            "\"surprise\": 1, \"root\"",
            "surprise at config.json:3:3: unknown field `surprise`",
        ),
        (
            "\"root\"",
            "\"windows\": {}, \"root\"",
            "windows at config.json:3:3: Forbidden: only Linux containers run here",
        ),
        (
            "\"root\"",
            "\"vm\": null, \"root\"",
            "vm at config.json:3:3: Forbidden: only Linux containers run here",
        ),
        (
            "\"uid\": 1",
            "\"uid\": \"1\"",
            "process.user.uid at config.json:4:59: expected a whole number, found the string \"1\"",
        ),
        (
            "\"uid\": 1",
            "\"uid\": -1",
            "process.user.uid at config.json:4:59: expected a whole number from 0 to 4294967295, found the number `-1`",
        ),
        (
            "\"uid\": 1",
            "\"uid\": 4294967295",
            "process.user.uid at config.json:4:59: 4294967295 is not an id: to the kernel it means no change",
        ),
        (
            "\"uid\": 1",
            "\"uid\": 1, \"uid\": 0",
            "process.user.uid at config.json:4:62: `uid` is set twice, first in line 4; the last one counts",
        ),
        (
            "\"pid\"",
            "\"pids\"",
            "linux.namespaces[0].type at config.json:5:37: \"pids\" is none of \"cgroup\", \"ipc\", \"mount\", \"network\", \"pid\", \"time\", \"user\", \"uts\"",
        ),
        (
            "{\"type\": \"pid\"}",
            "{\"type\": \"pid\"}, {\"type\": \"pid\"}",
            "linux.namespaces[1].type at config.json:5:54: Duplicate value: \"pid\"",
        ),
        (
            "{\"type\": \"pid\"}",
            "{\"type\": \"pid\", \"path\": \"x\"}",
            "linux.namespaces[0].path at config.json:5:52: \"x\" is not an absolute path",
        ),
        (
            "{\"type\": \"pid\"}",
            "{}",
            "linux.namespaces[0] at config.json:5:28: missing field `type`",
        ),
        (
            "\"1.0.2-dev\"",
            "\"2.0.0\"",
            "ociVersion at config.json:2:17: version 2.0.0 is not supported, only 1.x is",
        ),
        (
            "\"1.0.2-dev\"",
            "\"1.0\"",
            "ociVersion at config.json:2:17: \"1.0\" is not a version (like 1.2.0)",
        ),
        ("\"ociVersion\": \"1.0.2-dev\",", "", "config.json:1:1: missing field `ociVersion`"),
        (
            "\"cwd\": \"/\"",
            "\"cwd\": \"tmp\"",
            "process.cwd at config.json:4:38: \"tmp\" is not an absolute path",
        ),
        ("[\"sh\"]", "[]", "process.args at config.json:4:23: Required value"),
        ("[\"sh\"]", "[\"s\\u0000h\"]", "config.json:4:24: a null character in a text"),
        ("\"root\": {\"path\": \"rootfs\"},", "", "root at config.json:1:1: Required value"),
        (
            "\"args\"",
            "\"rlimits\": [{\"type\": \"RLIMIT_CORE\", \"hard\": 1, \"soft\": 2}], \"args\"",
            "process.rlimits[0].soft at config.json:4:70: a soft limit cannot be above the hard one",
        ),
        (
            "\"args\"",
            "\"oomScoreAdj\": 1001, \"args\"",
            "process.oomScoreAdj at config.json:4:30: expected a number from -1000 to 1000",
        ),
        (
            "\"root\"",
            "\"hooks\": {\"prestart\": [{\"path\": \"x\"}]}, \"root\"",
            "hooks.prestart[0].path at config.json:3:35: \"x\" is not an absolute path",
        ),
        (
            "\"root\"",
            "\"mounts\": [{\"source\": \"x\"}], \"root\"",
            "mounts[0] at config.json:3:14: missing field `destination`",
        ),
    ] {
        assert_eq!(told(from, to), [expected], "{to}");
    }
}

#[test]
fn a_bundle_is_one_json_value() {
    for (text, expected) in [
        (format!("{SMALL} {SMALL}"), "expected the end of the file"),
        (SMALL.replace("\"cwd\"", "cwd"), "expected a key in double quotes"),
        (format!("{SMALL}\0"), "expected the end of the file"),
        (SMALL[..SMALL.len() - 1].to_owned(), "found the end of the file"),
        ("[]".to_owned(), "expected an object, found a list"),
        (String::new(), "expected a value"),
    ] {
        let mistakes = parse("config.json", &text).unwrap_err();
        assert!(mistakes[0].kind.to_string().contains(expected), "{:?}", mistakes[0]);
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mistakes = told("\"uid\": 1, \"gid\": 2", "\"uid\": \"1\", \"gid\": \"2\", \"x\": 3");
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
}

#[test]
fn a_seccomp_profile_is_given_on_as_it_is_written() {
    let written = |seccomp: &str| {
        let with = format!("\"linux\": {{\"seccomp\": {seccomp}, ");
        let text = SMALL.replacen("\"linux\": {", &with, 1);
        let bundle = parse("config.json", &text).map_err(|all| all[0].to_string())?;
        assert_eq!(bundle.config.linux.as_ref().unwrap().namespaces.len(), 1, "{seccomp}");
        let said = bundle.config.linux.as_ref().unwrap().seccomp;
        let field = FieldPath::from("linux.seccomp");
        Ok::<_, String>(said.and_then(|_| bundle.written(&field).map(ToOwned::to_owned)))
    };
    for inside in [
        "{}",
        "{ \"a\": [1, {\"b\": \"}\"}] }",
        "{\"quote\": \"\\\"}\", \"backslash\": \"\\\\\"}",
        // Not JSON, which is for the reader of profiles to say.
        "{nonsense: 01}",
    ] {
        assert_eq!(written(inside), Ok(Some(inside.to_owned())), "{inside}");
    }
    assert_eq!(written("null"), Ok(None));
    for (wrong, expected) in [
        ("[]", "an object"),
        ("\"{}\"", "an object"),
        ("{", "expected"),
        ("{\"a", "expected"),
        ("{\"\\\"", "expected"),
    ] {
        let error = written(wrong).unwrap_err();
        assert!(error.contains(expected), "{wrong}: {error}");
    }
    // Only there.
    for elsewhere in [
        told("\"linux\": {", "\"seccomp\": {x}, \"linux\": {"),
        told("\"linux\": {", "\"hooks\": {\"linux\": {\"seccomp\": {x}}}, \"linux\": {"),
        told("[{\"type\"", "[{\"seccomp\": {x}, \"type\""),
    ] {
        assert!(elsewhere[0].contains("not JSON"), "{elsewhere:?}");
    }
}

#[test]
fn fields_have_their_place() {
    let bundle = parse("config.json", SMALL).unwrap();
    for (path, value, key) in [
        ("process.user.gid", "config.json:4:69", "config.json:4:62"),
        ("linux.seccomp", "config.json:5:12", "config.json:5:3"),
        ("linux.namespaces[0].type", "config.json:5:37", "config.json:5:29"),
    ] {
        let path = FieldPath::from(path);
        assert_eq!(bundle.place(&path).to_string(), format!("{path} at {value}"));
        assert_eq!(bundle.key_place(&path).to_string(), format!("{path} at {key}"));
    }
}

#[test]
fn a_process_can_stand_alone() {
    let process = parse_process("p.json", r#"{"args": ["id"], "cwd": "/tmp"}"#).unwrap();
    assert_eq!((process.args, process.user), (vec!["id".to_owned()], User::default()));
    let mistakes = parse_process("p.json", r#"{"args": ["id"], "cwd": "x", "Env": []}"#);
    assert_eq!(mistakes.unwrap_err()[0].to_string(), "Env: unknown field `Env`");
    let mistakes = parse_process("p.json", r#"{"args": ["id"], "cwd": "x"}"#);
    assert_eq!(mistakes.unwrap_err()[0].to_string(), "cwd: \"x\" is not an absolute path");
}

proptest! {
    #[test]
    fn no_damage_panics(
        changes in prop::collection::vec((0..FULL.len(), any::<u8>()), 1..6),
        cut in 0..FULL.len(),
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut]] {
            let text = String::from_utf8_lossy(bytes);
            for mistake in parse("config.json", &text).err().unwrap_or_default() {
                let span = mistake.place.span.unwrap();
                prop_assert!(text.get(span.bytes()).is_some(), "{}", mistake.place);
            }
        }
    }
}
