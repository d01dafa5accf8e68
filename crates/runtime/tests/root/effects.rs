//! What each action does, seen from inside.

use std::fs;
use std::path::Path;

use stockade_abi::{Capability, CapabilitySet, CapabilitySets};
use stockade_confine::limits::Limits;
use stockade_confine::plan::{Action, LogDenied, SeccompLoad, Speculation, Stage, Terminal};
use stockade_confine::workload::Rlimit;
use stockade_runtime::{Hold, Started, create};

use crate::Test;
use crate::lifecycle::deny_uname;
use crate::rig::{Draft, Rig, capabilities, streams, wait};

pub(crate) const ALL: &[Test] = &[
    ("actions_have_their_effect", actions_have_their_effect),
    ("signals_are_those_of_a_new_program", signals_are_as_new),
    ("capabilities_are_exactly_those_of_the_plan", capabilities_are_exact),
    ("a_filter_without_no_new_privs_is_loaded_while_there_is_privilege", privileged_filter),
    ("limits_bind", limits_bind),
    ("a_terminal_is_the_containers_own", a_terminal_is_its_own),
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
        listener: None,
    })
}

pub(crate) fn sysctl(name: &str, value: &str) -> Action {
    Action::WriteSysctl { name: name.to_owned(), value: value.to_owned() }
}

fn identity(uid: u32, gid: u32, groups: &[u32]) -> Action {
    Action::SetIdentity { uid, gid, groups: Some(groups.to_vec()), umask: None }
}
