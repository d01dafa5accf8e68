use super::*;

#[test]
fn lines_of_a_membership_are_read() {
    let v1 = |controllers: &[&str], path: &str| Membership {
        controllers: controllers.iter().map(|it| it.as_bytes().to_vec()).collect(),
        path: path.into(),
    };
    for (content, expected) in [
        ("0::/a/b\n", Some(vec![v1(&[], "/a/b")])),
        (
            "4:memory:/\n2:cpu,cpuacct:/x\n1:name=systemd:/y:z\n",
            Some(vec![
                v1(&["memory"], "/"),
                v1(&["cpu", "cpuacct"], "/x"),
                v1(&["name=systemd"], "/y:z"),
            ]),
        ),
        ("0::/..\n", Some(vec![v1(&[], "/..")])),
        ("", Some(vec![])),
        ("0::\n", None),
        ("0:/a\n", None),
        ("nonsense\n", None),
    ] {
        assert_eq!(parse(content.as_bytes()).ok(), expected, "{content:?}");
    }
}

#[test]
fn a_membership_leads_to_a_directory_that_is_there() {
    // Any directory does: what is mounted there is not asked.
    let point = std::env::temp_dir().join(format!("stockade-cgroup-{}", std::process::id()));
    std::fs::create_dir_all(point.join("a/b c")).unwrap();
    let point = point.to_str().unwrap();
    let expected = |below: &str| Some(format!("{point}{below}"));
    for (root, path, found) in [
        ("/", "/", expected("")),
        ("/", "/a", expected("/a")),
        ("/", "/a/b c", expected("/a/b c")),
        ("/part", "/part/a", expected("/a")),
        ("/part", "/part", expected("")),
        ("/part", "/partition/a", None),
        ("/part", "/a", None),
        ("/", "/a/removed (deleted)", None),
        ("/", "/../a", None),
        ("/", "/..", None),
    ] {
        let line = format!("1 0 0:1 {root} {point} rw - cgroup cgroup rw,pids\n");
        let table = MountTable::parse(line.as_bytes()).unwrap();
        let membership = Membership { controllers: vec![], path: path.into() };
        let directory = membership.directory(table.iter().next().unwrap());
        let directory = directory.map(|it| String::from_utf8(it.path).unwrap()).ok();
        assert_eq!(directory, found, "{path} with {root} mounted");
    }
    std::fs::remove_dir_all(point).unwrap();
}

#[test]
fn the_way_up_ends_at_the_top() {
    for (path, expected) in [
        ("/sys/fs/cgroup", vec!["/sys/fs/cgroup"]),
        ("/sys/fs/cgroup/a/b", vec!["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]),
    ] {
        let directory = Directory { top: "/sys/fs/cgroup".into(), path: path.into() };
        let found: Vec<_> = directory.upwards().map(|it| str::from_utf8(it).unwrap()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn only_hierarchies_with_controllers_are_offered() {
    let content = "9 0 8:1 / / rw - ext4 /dev/sda rw\n\
        1 9 0:1 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
        2 9 0:2 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        3 9 0:3 /part /part/pids rw - cgroup cgroup rw,pids\n\
        4 9 0:3 / /cg/pids rw - cgroup cgroup rw,pids\n\
        6 9 0:6 / /hidden rw - cgroup cgroup rw,devices\n\
        7 6 0:7 / /hidden rw - tmpfs tmpfs rw\n\
        5 9 0:4 / /memory rw - tmpfs memory rw,memory\n";
    let hierarchies = Hierarchies::of(&MountTable::parse(content.as_bytes()).unwrap());
    let found = hierarchies.cgroups().unwrap();
    let v1: Vec<_> = found.v1.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(v1, [("cpu", "/cg/cpu"), ("cpuacct", "/cg/cpu"), ("pids", "/cg/pids")]);
    assert_eq!(found.v2, None);
    assert_eq!(hierarchies.v1(b"memory"), None);
}
