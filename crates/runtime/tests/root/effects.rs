//! What each action does, seen from inside.

use std::fs;
use std::path::Path;

use stockade_abi::facts::{Device, DeviceKind};
use stockade_abi::{Capability, CapabilitySet, CapabilitySets};
use stockade_confine::limits::Limits;
use stockade_confine::plan::{
    Action, DeviceNode, LogDenied, NodeMaking, OverlayAttributes, RootSource, SeccompLoad,
    Speculation, Stage, Terminal,
};
use stockade_confine::workload::{Mount, MountFlags, MountSource, PodFile, Recursion, Rlimit};
use stockade_runtime::{Hold, PodFiles, Started, create};

use crate::Test;
use crate::lifecycle::deny_uname;
use crate::rig::{Draft, Rig, bind, capabilities, read_only, streams, wait};

pub(crate) const ALL: &[Test] = &[
    ("actions_have_their_effect", actions_have_their_effect),
    ("signals_are_those_of_a_new_program", signals_are_as_new),
    ("an_overlay_keeps_what_is_written_out_of_its_layers", overlay_keeps_its_layers),
    ("an_overlay_takes_long_paths_and_many_layers", overlay_takes_many_layers),
    ("capabilities_are_exactly_those_of_the_plan", capabilities_are_exact),
    ("a_filter_without_no_new_privs_is_loaded_while_there_is_privilege", privileged_filter),
    ("limits_bind", limits_bind),
    ("binds_have_their_flags_all_the_way_down", binds_have_their_flags),
    ("pod_files_are_bound", pod_files_are_bound),
    ("a_terminal_is_the_containers_own", a_terminal_is_its_own),
    ("a_missing_working_directory_is_made_even_below_a_read_only_root", missing_directory),
    ("devices_can_be_bound_from_the_host", devices_can_be_bound),
    ("only_asked_for_descriptors_are_inherited", only_asked_for_descriptors),
];

/// What is planned, what is asked inside, and what the answer has in it.
type Row = (&'static str, fn(Draft) -> Draft, &'static str, &'static str);

fn actions_have_their_effect() {
    let rows: &[Row] = &[
        ("host name", |it| it, "hostname", "box\n"),
        (
            "domain name",
            |it| it.with(Stage::Hostname, Action::SetDomainname("nis".into())),
            "cat /proc/sys/kernel/domainname",
            "nis\n",
        ),
        ("first process", |it| it, "echo $$; ls -d /proc/[0-9]* | wc -l", "1\n3\n"),
        ("loopback", |it| it, "ip addr show lo", "inet 127.0.0.1/8"),
        ("no other device", |it| it, "ls /sys/class/net", "lo\n"),
        (
            "sysctl of the network",
            |it| it.with(Stage::Sysctls, sysctl("net.ipv4.ip_unprivileged_port_start", "0")),
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
            "0\n",
        ),
        (
            "sysctl of IPC",
            |it| it.with(Stage::Sysctls, sysctl("kernel.msgmax", "1 2 3")),
            "cat /proc/sys/kernel/msgmax",
            "1\n",
        ),
        (
            "masked file",
            |it| it,
            "wc -c </proc/keys; stat -c %F /proc/keys",
            "0\ncharacter special",
        ),
        ("masked directory", |it| it, "ls -A /sys/firmware | wc -l", "0\n"),
        ("masked directory is read-only", |it| it, "touch /sys/firmware/x 2>&1", "Read-only"),
        (
            "read-only path",
            |it| it,
            "echo 1 2>&1 >/proc/sys/kernel/shm_rmid_forced",
            "Read-only file system",
        ),
        ("root can be written", |it| it, "touch /tmp/x && echo yes", "yes\n"),
        (
            "read-only root",
            |it| it.with(Stage::RootAccess, Action::RootReadOnly),
            "touch /tmp/x 2>&1; touch /dev/shm/y && echo shm is not",
            "Read-only file system\nshm is not\n",
        ),
        ("nodes", |it| it, "stat -c '%a %t:%T' /dev/null /dev/urandom", "666 1:3\n666 1:9\n"),
        (
            "links",
            |it| it,
            "for it in fd stdin ptmx; do readlink /dev/$it; done",
            "/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n",
        ),
        ("nodes work", |it| it, "echo x >/dev/null && head -c 3 /dev/zero | wc -c", "3\n"),
        ("other devices", |it| it, "mknod /tmp/d c 10 200 2>&1", "Operation not permitted"),
        (
            "resource limit",
            |it| {
                it.with(
                    Stage::Limits,
                    Action::SetRlimit(Rlimit {
                        resource: "nofile".into(),
                        soft: Some(77),
                        hard: Some(99),
                    }),
                )
            },
            "ulimit -n; ulimit -Hn",
            "77\n99\n",
        ),
        (
            "OOM score",
            |it| it.with(Stage::Limits, Action::SetOomScoreAdj(321)),
            "cat /proc/self/oom_score_adj",
            "321\n",
        ),
        (
            "session without a terminal",
            |it| it,
            "sed 's/.*) //' /proc/1/stat | while read s p g session tty x; do echo $session $tty; done; echo 2>&1 >/dev/tty",
            "1 0\nsh: can't create /dev/tty: No such device or address\n",
        ),
        (
            "identity",
            |it| it.instead(Stage::Identity, identity(1000, 2000, &[10, 20])),
            "grep -E '^(Uid|Gid|Groups)' /proc/self/status; umask",
            "Uid:\t1000\t1000\t1000\t1000\nGid:\t2000\t2000\t2000\t2000\nGroups:\t10 20 \n0022\n",
        ),
        (
            "umask",
            |it| {
                it.instead(
                    Stage::Identity,
                    Action::SetIdentity {
                        uid: 0,
                        gid: 0,
                        groups: Some(vec![]),
                        umask: Some(0o077),
                    },
                )
            },
            "umask",
            "0077\n",
        ),
        ("no_new_privs", |it| it, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
        (
            "no no_new_privs",
            |it| it.without_stage(Stage::NoNewPrivs),
            "grep NoNewPrivs /proc/self/status",
            "NoNewPrivs:\t0\n",
        ),
        (
            "filter",
            |it| it.with(Stage::SeccompLast, load()),
            "echo \"<$(uname)>\"; grep Seccomp /proc/self/status; echo goes on",
            "<>\nSeccomp:\t2\nSeccomp_filters:\t1\ngoes on\n",
        ),
        (
            "working directory",
            |it| it.instead(Stage::Chdir, Action::Chdir("/tmp/a/b".into())),
            "pwd",
            "/tmp/a/b\n",
        ),
        ("cgroup namespace", |it| it, "cat /proc/self/cgroup | grep -c stockade-test", "0\n"),
        (
            "cgroup file system",
            |it| it,
            "grep -h -c . /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | head -1; mkdir /sys/fs/cgroup/x 2>&1",
            "Read-only file system",
        ),
        ("standard input", |it| it, "cat; echo end", "end\n"),
        (
            "the root is the only mount of its kind",
            |it| it,
            "grep -c ' /rootfs\\| / / ' /proc/self/mountinfo; grep -c /proc/ /proc/self/mountinfo",
            "",
        ),
        ("no propagation", |it| it, "grep -c 'shared:\\|master:' /proc/self/mountinfo", "0\n"),
    ];
    for (what, change, script, expected) in rows {
        let rig = Rig::new();
        let output = rig.run(&change(rig.script(script)));
        assert!(output.text.contains(expected), "{what}: {output:?} lacks {expected:?}");
    }
}

/// We ignore `SIGPIPE`, as every Rust program does.
fn signals_are_as_new() {
    let rig = Rig::new();
    let output = rig.run(&rig.container(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]));
    assert_eq!(output.text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

fn overlay_keeps_its_layers() {
    let rig = Rig::new();
    let upper_layer = rig.directory.path().join("layer2");
    fs::create_dir_all(upper_layer.join("etc")).unwrap();
    fs::write(upper_layer.join("etc/layer"), "second\n").unwrap();
    fs::write(rig.rootfs().join("etc/layer"), "first\n").unwrap();
    let root = overlay(&[&rig.rootfs(), &upper_layer]);
    let script = "cat /etc/layer; echo changed >/etc/layer; cat /etc/layer; touch /etc/new";
    let output = rig.run(&Draft::container(root, &["sh", "-c", script]));
    assert_eq!(output.text, "second\nchanged\n");
    assert_eq!(fs::read_to_string(upper_layer.join("etc/layer")).unwrap(), "second\n");
    assert!(!rig.rootfs().join("etc/new").exists());
}

fn overlay_takes_many_layers() {
    let rig = Rig::new();
    let deep = rig.directory.path().join("x".repeat(200));
    let layers: Vec<_> = (0..60).map(|it| deep.join(format!("layer-{it}"))).collect();
    for (number, layer) in layers.iter().enumerate() {
        fs::create_dir_all(layer.join("etc")).unwrap();
        fs::write(layer.join("etc/layer"), number.to_string()).unwrap();
    }
    let rootfs = rig.rootfs();
    let all: Vec<&Path> =
        [rootfs.as_path()].into_iter().chain(layers.iter().map(|it| it.as_path())).collect();
    let output = rig.run(&Draft::container(overlay(&all), &["cat", "/etc/layer"]));
    assert_eq!(output.text, "59");
}

fn capabilities_are_exact() {
    let set = |all: &[Capability]| all.iter().copied().collect::<CapabilitySet>();
    let some = set(&[Capability::Chown, Capability::Kill]);
    let ambient = set(&[Capability::Kill]);
    let none = CapabilitySet::EMPTY;
    let all = |it| CapabilitySets {
        bounding: it,
        effective: it,
        permitted: it,
        inheritable: none,
        ambient: none,
    };
    // As the workload sees them, after execve.
    for (uid, given, expected) in [
        (0, all(some), all(some)),
        (0, all(none), all(none)),
        (
            1000,
            CapabilitySets { bounding: some, effective: none, permitted: none, ..all(none) },
            CapabilitySets { bounding: some, ..all(none) },
        ),
        (
            1000,
            CapabilitySets {
                bounding: some,
                effective: ambient,
                permitted: ambient,
                inheritable: ambient,
                ambient,
            },
            CapabilitySets {
                bounding: some,
                effective: ambient,
                permitted: ambient,
                inheritable: ambient,
                ambient,
            },
        ),
    ] {
        let rig = Rig::new();
        let draft = rig
            .container(&["grep", "Cap", "/proc/self/status"])
            .instead(Stage::BoundingSet, Action::LimitBounding(given.bounding))
            .instead(Stage::Identity, identity(uid, uid, &[]))
            .instead(Stage::CapabilitiesHeld, Action::SetCapabilities(given))
            .instead(Stage::Capabilities, Action::SetCapabilities(given));
        let CapabilitySets { bounding, effective, permitted, inheritable, ambient } = expected;
        let expected = format!(
            "CapInh:\t{:016x}\nCapPrm:\t{:016x}\nCapEff:\t{:016x}\nCapBnd:\t{:016x}\nCapAmb:\t{:016x}\n",
            inheritable.0, permitted.0, effective.0, bounding.0, ambient.0
        );
        assert_eq!(rig.run(&draft).text, expected, "uid {uid}");
    }
}

fn privileged_filter() {
    let rig = Rig::new();
    let mut held = capabilities();
    held.effective = held.effective.with(Capability::SysAdmin);
    held.permitted = held.permitted.with(Capability::SysAdmin);
    let draft = rig
        .script("echo \"<$(uname)>\"; grep -E 'NoNewPrivs|CapEff|filters' /proc/self/status")
        .without_stage(Stage::NoNewPrivs)
        .instead(Stage::CapabilitiesHeld, Action::SetCapabilities(held))
        .with(Stage::SeccompPrivileged, load());
    let output = rig.run(&draft);
    let expected = format!(
        "<>\nCapEff:\t{:016x}\nNoNewPrivs:\t0\nSeccomp_filters:\t1\n",
        capabilities().effective.0
    );
    assert!(output.text.ends_with(&expected), "{output:?}");

    let weak = draft.instead(Stage::CapabilitiesHeld, Action::SetCapabilities(capabilities()));
    let created = create(&weak.plan(), &rig.site()).unwrap();
    let failed = created.start(Hold::No).unwrap_err().to_string();
    assert!(failed.contains("neither no_new_privs nor CAP_SYS_ADMIN is there"), "{failed}");
}

fn limits_bind() {
    let rig = Rig::new();
    let limits = Limits {
        pids: Some(7),
        memory: Some(64 << 20),
        cpu_micros: Some(500_000),
        cpu_shares: Some(512),
    };
    let draft = rig
        .script("i=0; while [ $i -lt 20 ]; do sleep 5 2>/dev/null & i=$((i+1)); done")
        .instead(Stage::Cgroup, Action::MakeCgroup { limits, devices: None });
    let mut site = rig.site();
    let (given, read) = streams();
    site.streams = given;
    let created = create(&draft.plan(), &site).unwrap();
    drop(site);
    let file = |controller: &str, v1: &str, v2: &str| {
        let (mount, file) = match rig.cgroups.v1.get(controller) {
            Some(mount) => (mount, v1),
            None => (&rig.cgroups.v2.as_ref().unwrap().mount, v2),
        };
        let path = Path::new(mount).join(rig.cgroup.as_str()).join(file);
        fs::read_to_string(path).unwrap().trim().to_owned()
    };
    assert_eq!(file("pids", "pids.max", "pids.max"), "7");
    assert_eq!(file("memory", "memory.limit_in_bytes", "memory.max"), (64 << 20).to_string());
    assert!(
        ["50000", "50000 100000"].contains(&file("cpu", "cpu.cfs_quota_us", "cpu.max").as_str())
    );
    assert!(["512", "20"].contains(&file("cpu", "cpu.shares", "cpu.weight").as_str()));
    assert_eq!(file("pids", "cgroup.procs", "cgroup.procs"), created.pid().to_string());
    let Started::Running(running) = created.start(Hold::No).unwrap() else { panic!("held") };
    let output = rig.finish(&running, read);
    assert!(output.text.contains("can't fork: Resource temporarily unavailable"), "{output:?}");
}

fn binds_have_their_flags() {
    let rig = Rig::new();
    let volume = rig.canary();
    fs::create_dir(volume.join("below")).unwrap();
    fs::write(volume.join("file"), "content\n").unwrap();
    let flags =
        |it| MountFlags { no_exec: Some(it), no_suid: Some(it), no_dev: Some(it), ..read_only() };
    let script = "cat /a/file /b; touch /a/x /b /c/x 2>&1; touch /d/below/ok; grep -E ' /[abcd] ' /proc/self/mountinfo";
    let draft = rig
        .script(script)
        .with(Stage::Mounts, bind(&volume, "/a", flags(Recursion::All)))
        .with(Stage::Mounts, bind(&volume.join("file"), "/b", read_only()))
        .with(
            Stage::Mounts,
            bind(
                &volume,
                "/c",
                MountFlags { read_only: Some(Recursion::One), ..MountFlags::default() },
            ),
        )
        .with(
            Stage::Mounts,
            bind(
                &volume,
                "/d",
                MountFlags { no_atime: Some(Recursion::One), ..MountFlags::default() },
            ),
        );
    let text = rig.run(&draft).text;
    assert!(text.starts_with("content\ncontent\n"), "{text}");
    assert_eq!(text.matches("Read-only file system").count(), 3, "{text}");
    assert!(text.contains("/a ro,nosuid,nodev,noexec"), "{text}");
    assert!(text.contains("/d rw,noatime"), "{text}");
    assert!(volume.join("below/ok").exists());
}

fn pod_files_are_bound() {
    let rig = Rig::new();
    let file = |name: &str| {
        let path = rig.directory.path().join(name);
        fs::write(&path, format!("{name}\n")).unwrap();
        path
    };
    let shared_memory = rig.directory.path().join("shm");
    fs::create_dir(&shared_memory).unwrap();
    let mut site = rig.site();
    site.pod_files = Some(PodFiles {
        hosts: file("hosts"),
        hostname: file("hostname"),
        resolv_conf: file("resolv.conf"),
        shared_memory: shared_memory.clone(),
    });
    let pod_file = |target: &str, file| {
        Action::Mount(Mount {
            target: target.to_owned(),
            source: MountSource::PodFile(file),
            flags: MountFlags::default(),
            propagation: None,
        })
    };
    let draft = rig
        .script("cat /etc/hosts /etc/hostname /etc/resolv.conf; touch /dev/shm/here")
        .with(Stage::Mounts, pod_file("/etc/hosts", PodFile::Hosts))
        .with(Stage::Mounts, pod_file("/etc/hostname", PodFile::Hostname))
        .with(Stage::Mounts, pod_file("/etc/resolv.conf", PodFile::ResolvConf))
        .with(Stage::Mounts, pod_file("/dev/shm", PodFile::SharedMemory));
    let output = rig.run_at(&draft, site).unwrap();
    assert_eq!(output.text, "hosts\nhostname\nresolv.conf\n");
    assert!(shared_memory.join("here").exists());
}

fn a_terminal_is_its_own() {
    let rig = Rig::new();
    let draft = rig
        .script("tty; stat -c '%t:%T' /dev/console | head -c 2; echo; test -t 0 && test -t 2 && echo all")
        .instead(Stage::Session, Action::NewSession(Terminal::New));
    let mut created = create(&draft.plan(), &rig.site()).unwrap();
    let terminal = created.take_terminal().unwrap();
    let Started::Running(running) = created.start(Hold::No).unwrap() else { panic!("held") };
    let mut text = Vec::new();
    let mut some = [0; 512];
    // The end of a terminal is EIO.
    while let Ok(more @ 1..) = rustix::io::read(&terminal, &mut some) {
        text.extend_from_slice(&some[..more]);
    }
    assert_eq!(wait(&running), Some(0));
    let text = String::from_utf8(text).unwrap().replace('\r', "");
    // 136, in hexadecimal, is the major number of pseudoterminals.
    assert_eq!(text, "/dev/pts/0\n88\nall\n");
    rig.clean_up();
}

fn missing_directory() {
    let rig = Rig::new();
    let draft = rig
        .script("pwd; touch x 2>&1")
        .with(Stage::RootAccess, Action::RootReadOnly)
        .instead(Stage::Chdir, Action::Chdir("/srv/app".into()));
    assert_eq!(rig.run(&draft).text, "/srv/app\ntouch: x: Read-only file system\n");
}

fn devices_can_be_bound() {
    let rig = Rig::new();
    let null = DeviceNode {
        path: "/dev/null".into(),
        device: Some(Device { kind: DeviceKind::Character, major: 1, minor: 3 }),
        mode: 0o666,
        uid: 0,
        gid: 0,
        made_by: NodeMaking::Bind,
    };
    let draft = rig
        .script("stat -c '%F %t:%T' /dev/null; echo x >/dev/null && echo works")
        .instead(Stage::Devices, Action::MakeDevices(vec![null.clone()]));
    assert_eq!(rig.run(&draft).text, "character special file 1:3\nworks\n");

    let other = Some(Device { kind: DeviceKind::Character, major: 1, minor: 5 });
    let wrong = vec![DeviceNode { device: other, ..null }];
    let failed = rig.fails(&draft.instead(Stage::Devices, Action::MakeDevices(wrong)));
    assert_eq!(failed.cause.to_string(), "/dev/null is not the device c 1:5");
}

fn only_asked_for_descriptors() {
    let rig = Rig::new();
    let canary = fs::File::open(rig.canary()).unwrap();
    // At a number that is surely above ours, and inheritable.
    let leaked = rustix::io::fcntl_dupfd_cloexec(&canary, 100).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let draft = rig.container(&["ls", "/proc/self/fd"]);
    // 3 is the directory that `ls` reads.
    assert_eq!(rig.run(&draft).text, "0\n1\n2\n3\n");
}

fn load() -> Action {
    Action::LoadSeccomp(SeccompLoad {
        program: deny_uname(),
        log: LogDenied::AsConfigured,
        speculation: Speculation::Allow,
    })
}

pub(crate) fn sysctl(name: &str, value: &str) -> Action {
    Action::WriteSysctl { name: name.to_owned(), value: value.to_owned() }
}

fn identity(uid: u32, gid: u32, groups: &[u32]) -> Action {
    Action::SetIdentity { uid, gid, groups: Some(groups.to_vec()), umask: None }
}

pub(crate) fn overlay(layers: &[&Path]) -> RootSource {
    RootSource::Overlay {
        layers: layers.iter().map(|it| it.to_str().unwrap().to_owned()).collect(),
        attributes: OverlayAttributes::Trusted,
    }
}
