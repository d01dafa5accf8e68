use super::*;
use crate::plan::Propagation;
use crate::workload::{MountSource, Recursion};

#[test]
fn mounts_are_what_they_say() {
    let mount = |text: &str| {
        let bundled = meant(&format!("\"mounts\": [{{{text}}}]"), "", "");
        bundled.container.workload.mounts[0].0.clone()
    };
    for (text, expected) in [
        (
            r#""destination": "/p", "type": "proc""#,
            MountSource::New { kind: "proc".into(), name: "proc".into(), options: vec![] },
        ),
        (
            r#""destination": "/p", "type": "tmpfs", "source": "shm", "options": ["nosuid", "mode=1777", "size=64k"]"#,
            MountSource::New {
                kind: "tmpfs".into(),
                name: "shm".into(),
                options: vec!["mode=1777".into(), "size=64k".into()],
            },
        ),
        (r#""destination": "/p", "type": "cgroup2", "options": ["ro"]"#, MountSource::Cgroups),
        (
            r#""destination": "/p", "source": "/a", "options": ["bind"]"#,
            MountSource::Bind { path: "/a".into(), recursion: Recursion::One },
        ),
        (
            r#""destination": "/p", "type": "none", "source": "a/../b", "options": ["rbind"]"#,
            MountSource::Bind { path: "/bundle/a/../b".into(), recursion: Recursion::All },
        ),
        (
            r#""destination": "/p", "type": "bind", "source": "/a""#,
            MountSource::Bind { path: "/a".into(), recursion: Recursion::One },
        ),
    ] {
        assert_eq!(mount(text).source, expected, "{text}");
    }
    for (options, expected) in [
        (r#""rbind", "rshared""#, Some(Propagation::Shared)),
        (r#""bind", "shared""#, Some(Propagation::Shared)),
        (r#""rbind", "rslave""#, Some(Propagation::Slave)),
        (r#""rbind", "private""#, Some(Propagation::Private)),
        (r#""rbind", "rshared", "rprivate""#, Some(Propagation::Private)),
        (r#""rbind""#, None),
    ] {
        let text = format!(r#""destination": "/p", "source": "/a", "options": [{options}]"#);
        assert_eq!(mount(&text).propagation, expected, "{options}");
    }
    let read_only =
        mount(r#""destination": "/p", "source": "/a", "options": ["rbind", "ro"]"#).flags;
    assert_eq!(read_only.read_only, Some(Recursion::One));
}

#[test]
fn mounts_that_are_not_understood_are_refused() {
    let maps = r#"[{"containerID": 0, "hostID": 1, "size": 1}]"#;
    for (text, expected) in [
        (r#""destination": "p", "type": "proc""#, "mounts[0].destination: "),
        (r#""destination": "/", "type": "tmpfs""#, "mounts[0].destination: "),
        (r#""destination": "/a/..", "type": "tmpfs""#, "mounts[0].destination: "),
        (r#""destination": "/p""#, "mounts[0]: CreateContainerConfigError: neither"),
        (r#""destination": "/p", "type": """#, "mounts[0].type: "),
        (
            r#""destination": "/p", "options": ["bind"]"#,
            "mounts[0]: CreateContainerConfigError: a bind mount needs",
        ),
        (
            r#""destination": "/p", "type": "proc", "options": ["nosuid", "nosiud"]"#,
            "mounts[0].options[1]: ",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["bind", "mode=755"]"#,
            "mounts[0].options[1]: ",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["bind", "RO"]"#,
            "mounts[0].options[1]: ",
        ),
        (
            r#""destination": "/p", "type": "tmpfs", "options": ["tmpcopyup"]"#,
            "mounts[0].options[0]: NotEnforced",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["bind", "idmap"]"#,
            "mounts[0].options[1]: NotEnforced",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["bind", "remount"]"#,
            "mounts[0].options[1]: NotEnforced",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["bind", "unbindable"]"#,
            "mounts[0].options[1]: NotEnforced",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["rbind", "shared"]"#,
            "mounts[0].options: NotEnforced",
        ),
        (
            r#""destination": "/p", "source": "/a", "options": ["rbind", "slave"]"#,
            "mounts[0].options: NotEnforced",
        ),
        (
            &format!(
                r#""destination": "/p", "source": "/a", "options": ["bind"], "uidMappings": {maps}"#
            ),
            "mounts[0]: NotEnforced",
        ),
        (
            r#""destination": "/p", "type": "cgroup", "options": ["name=x"]"#,
            "mounts[0].options[0]: ",
        ),
    ] {
        check_refusal(&format!("\"mounts\": [{{{text}}}]"), "", "", expected);
    }
    for (root, linux, expected) in [
        (r#""root": {"path": "/"}"#, "", "root.path: "),
        (r#""root": {"path": ".."}"#, "", "root.path: "),
        (r#""root": {"path": "/x/../."}"#, "", "root.path: "),
        (r#""root": {"path": "../other"}"#, "", ""),
        ("", r#""rootfsPropagation": "unbindable""#, "linux.rootfsPropagation: NotEnforced"),
        ("", r#""rootfsPropagation": "shared""#, ""),
        ("", r#""maskedPaths": ["proc/kcore"]"#, "linux.maskedPaths[0]: "),
        ("", r#""maskedPaths": ["/x", "/"]"#, "linux.maskedPaths[1]: "),
        ("", r#""readonlyPaths": [""]"#, "linux.readonlyPaths[0]: "),
    ] {
        check_refusal(root, "", linux, expected);
    }
}
