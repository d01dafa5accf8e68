use stockade_spec::Content;

use super::super::Record;
use super::*;

fn record(legacy: Legacy, user_namespace: NodeUserNamespace, demand: Demand) -> Record {
    let map = || IdMap::new(vec![IdRange::new(0, 1000, 1).unwrap()]).unwrap();
    let user_namespace = match user_namespace {
        NodeUserNamespace::NotNeeded => NodeUserNamespace::NotNeeded,
        NodeUserNamespace::Own(_) => {
            NodeUserNamespace::Own(UserNamespace { uids: map(), gids: map() })
        }
    };
    let texts = |name: &str| vec![format!("{name} one"), format!("{name} two")];
    Record {
        document: super::super::Document {
            file: "pod.yaml".to_owned(),
            text: "a: \"\u{1b}\"\n".to_owned(),
            index: 3,
            namespace: Some("team".to_owned()),
        },
        restart: RestartDefault::Never,
        demands: settings::Demands { adjusted: demand, unproven: Demand::Accept },
        world: World {
            images: BTreeMap::from([(
                "busybox".to_owned(),
                ImageFacts {
                    reference: "docker.io/library/busybox:latest".to_owned(),
                    digest: "sha256:00".to_owned(),
                    layers: texts("layer"),
                    user: "app".to_owned(),
                    environment: texts("environment"),
                    entrypoint: texts("entrypoint"),
                    command: texts("command"),
                    working_directory: "/work".to_owned(),
                    stop_signal: "SIGUSR1".to_owned(),
                    passwd: Some("passwd".to_owned()),
                    group: None,
                },
            )]),
            profiles: BTreeMap::from([
                (
                    "chmod".to_owned(),
                    Ok(ProfileFile { path: "/p".to_owned(), text: "{}".to_owned() }),
                ),
                ("gone".to_owned(), Err("is gone".to_owned())),
            ]),
            objects: Objects {
                config_maps: BTreeMap::from([("c".to_owned(), BTreeMap::new())]),
                secrets: BTreeMap::from([(
                    "s".to_owned(),
                    BTreeMap::from([
                        ("text".to_owned(), Content::Text("\u{1b}".to_owned())),
                        ("bytes".to_owned(), Content::Bytes(vec![0, 255])),
                    ]),
                )]),
            },
            node: world::Node {
                kernel: Kernel { major: 6, minor: 1, release: "6.1.0-x".to_owned() },
                architecture: Architecture::X86_64,
                capabilities: CapabilitySet(u64::MAX),
                last_cpu: 7,
                allowed_unsafe_sysctls: texts("sysctl"),
                seccomp_default: SeccompDefault::RuntimeDefault,
                legacy,
                hostname: "host".to_owned(),
                pod_pids_limit: Some(u64::MAX),
                devices: vec![
                    DeviceNode {
                        path: "/dev/sda".to_owned(),
                        device: Some(Device { kind: DeviceKind::Block, major: 8, minor: 0 }),
                        mode: 0o660,
                        uid: 0,
                        gid: 6,
                        made_by: NodeMaking::Mknod,
                    },
                    DeviceNode {
                        path: "/dev/fifo".to_owned(),
                        device: None,
                        mode: 0o600,
                        uid: 1,
                        gid: 2,
                        made_by: NodeMaking::Bind,
                    },
                ],
                user_namespace,
            },
        },
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    let empty = || IdMap::new(Vec::new()).unwrap();
    let own = NodeUserNamespace::Own(UserNamespace { uids: empty(), gids: empty() });
    for record in [
        record(Legacy::Exactly(29), NodeUserNamespace::NotNeeded, Demand::Accept),
        record(
            Legacy::Honoured { unconfined: LegacyUnconfined::Refused },
            own.clone(),
            Demand::Refuse,
        ),
        record(Legacy::Honoured { unconfined: LegacyUnconfined::Taken }, own, Demand::Accept),
    ] {
        let bytes = record.to_json().unwrap();
        assert_eq!(Record::from_json(&bytes), Ok(record));
    }
}

#[test]
fn another_version_and_changed_records_are_refused() {
    let record = record(Legacy::Exactly(29), NodeUserNamespace::NotNeeded, Demand::Accept);
    let text = String::from_utf8(record.to_json().unwrap()).unwrap();
    for (from, to, part) in [
        ("\"version\":1", "\"version\":2", "its version is 2"),
        ("\"version\":1", "\"revision\":1", "missing field `version`"),
        ("\"lastCpu\":7", "\"lastCpu\":7,\"more\":1", "unknown field `more`"),
        ("\"x86_64\"", "\"pdp11\"", "no architecture is `pdp11`"),
        ("\"strict\":false,", "", "missing field `strict`"),
        ("{\"as\":\"cluster\"", "{\"as\":\"all\"", "unknown variant `all`"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let why = Record::from_json(changed.as_bytes()).unwrap_err();
        assert!(why.contains(part), "{from}: {why}");
    }
}
