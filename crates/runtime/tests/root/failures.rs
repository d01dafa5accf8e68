//! Steps that cannot be done: what is said, and that nothing stays.
//!
//! That nothing stays (mounts, processes, cgroups) is verified after every test of this program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use stockade_abi::Capability;
use stockade_abi::bpf::{Instruction, Program};
use stockade_abi::facts::{DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_confine::plan::{Action, LogDenied, SeccompLoad, SecurityModule, Speculation, Stage};
use stockade_confine::workload::{MountFlags, Rlimit};
use stockade_runtime::{Hold, create};

use crate::Test;
use crate::effects::sysctl;
use crate::mounts::overlay;
use crate::rig::{Draft, Rig, bind, capabilities, exec, limits, new};

pub(crate) const ALL: &[Test] = &[
    ("a_step_that_fails_is_named_and_nothing_stays", failing_steps),
    ("a_start_that_fails_is_named_and_nothing_stays", failing_starts),
    ("a_filter_that_kills_its_own_execve_is_noticed", a_filter_that_kills),
    ("a_cgroup_that_is_there_is_not_taken", a_cgroup_is_not_taken),
    ("a_failed_overlay_leaves_no_scratch", no_scratch_is_left),
];

/// What is planned, and what the error has in it.
type Row = (&'static str, fn(Draft) -> Draft, &'static str);

fn failing_steps() {
    let rows: &[Row] = &[
        (
            "sysctl that is not there",
            |it| it.with(Stage::Sysctls, sysctl("kernel.nonsense", "1")),
            "set the sysctl kernel.nonsense to `1`: ENOENT",
        ),
        (
            "sysctl that is no path",
            |it| it.with(Stage::Sysctls, sysctl("kernel..msgmax", "1")),
            "`kernel..msgmax` is not a sysctl",
        ),
        (
            "sysctl with a bad value",
            |it| it.with(Stage::Sysctls, sysctl("kernel.msgmax", "x")),
            "EINVAL (Invalid argument) from write(sysctl), because of the default (the test",
        ),
        (
            "source that is not there",
            |it| it.with(Stage::Mounts, bind(Path::new("/no/such"), "/x", MountFlags::default())),
            "mount /no/such at /x: ENOENT (No such file or directory) from open_tree",
        ),
        (
            "file system that is not there",
            |it| it.with(Stage::Mounts, new("nonsensefs", "/x", &[])),
            "ENODEV",
        ),
        (
            "option that is not there",
            |it| it.with(Stage::Mounts, new("tmpfs", "/x", &["roo"])),
            "fsconfig of the option `roo`",
        ),
        (
            "limit that is not there",
            |it| {
                let limit = Rlimit { resource: "NOFILE".into(), soft: None, hard: None };
                it.with(Stage::Limits, Action::SetRlimit(limit))
            },
            "there is no limit called `NOFILE`",
        ),
        (
            "label without the module",
            |it| {
                let module = SecurityModule::SeLinux;
                it.with(Stage::LabelHandles, Action::OpenLabelHandle(module)).with(
                    Stage::LsmLabel,
                    Action::SetExecLabel { module, label: "no:such:label:s0".into() },
                )
            },
            "ask SELinux for `no:such:label:s0`: ",
        ),
        (
            "label without a handle",
            |it| {
                let module = SecurityModule::AppArmor;
                it.with(Stage::LsmLabel, Action::SetExecLabel { module, label: "x".into() })
            },
            "the label's file was not opened before",
        ),
        (
            "directory that is a file",
            |it| it.instead(Stage::Chdir, Action::Chdir("/bin/busybox".into())),
            "change to the directory /bin/busybox: ENOTDIR",
        ),
        (
            "id that is none",
            |it| {
                let groups = Some(vec![]);
                let identity = Action::SetIdentity { uid: u32::MAX, gid: 0, groups, umask: None };
                it.instead(Stage::Identity, identity)
            },
            "4294967295 is not an id",
        ),
        (
            "argument with NUL",
            |it| it.instead(Stage::Exec, exec(&["sh", "a\0b"])),
            "has a NUL byte in it",
        ),
        (
            "no namespace to join",
            |it| {
                let kinds = crate::rig::usual_namespaces();
                it.with(Stage::JoinNamespaces, Action::JoinNamespaces { kinds })
            },
            "there is nothing to join",
        ),
        (
            "rules that the controller cannot hold",
            |it| {
                let rule = |verdict, major, access: &str| DeviceRule {
                    verdict,
                    kind: Some(DeviceKind::Character),
                    major,
                    minor: None,
                    access: DeviceAccess::parse(access).unwrap(),
                };
                let rules = vec![
                    rule(DeviceVerdict::Allow, None, "rwm"),
                    rule(DeviceVerdict::Deny, Some(1), "w"),
                ];
                let devices = Some(rules);
                it.instead(Stage::Cgroup, Action::MakeCgroup { limits: limits(), devices })
            },
            "cannot hold the rule",
        ),
        (
            "capability that was given up",
            |it| {
                let first = Action::SetCapabilities(capabilities());
                let mut sets = capabilities();
                sets.permitted = sets.permitted.with(Capability::SysAdmin);
                it.instead(Stage::CapabilitiesHeld, first)
                    .with(Stage::CapabilitiesHeld, Action::SetCapabilities(sets))
            },
            "set the capabilities: EPERM (Operation not permitted) from capset",
        ),
    ];
    for (what, change, expected) in rows {
        let rig = Rig::new();
        if *what == "rules that the controller cannot hold"
            && !rig.cgroups.v1.contains_key("devices")
        {
            continue;
        }
        let draft = change(rig.script("touch /tmp/ran"));
        let failed = match create(&draft.plan(), &rig.site()) {
            Ok(_) => panic!("{what}: it did not fail"),
            Err(failed) => failed.to_string(),
        };
        assert!(failed.contains(expected), "{what}: {failed:?} lacks {expected:?}");
        assert!(!rig.rootfs().join("tmp/ran").exists(), "{what}");
    }
}

fn failing_starts() {
    let filter = || {
        let program = Program::new(vec![Instruction { code: 0xffff, jt: 0, jf: 0, k: 0 }]);
        let program = program.unwrap();
        let (log, speculation) = (LogDenied::AsConfigured, Speculation::Mitigate);
        Action::LoadSeccomp(SeccompLoad { program, log, speculation, listener: None })
    };
    let rows = [
        ("no program", Stage::Exec, exec(&["nonsense"]), Hold::No, "run `nonsense`: ENOENT"),
        ("that, held", Stage::Exec, exec(&["nonsense"]), Hold::AtExec, "run `nonsense`: ENOENT"),
        ("a directory", Stage::Exec, exec(&["/bin"]), Hold::AtExec, "run `/bin`: EACCES"),
        ("a text", Stage::Exec, exec(&["/etc/text"]), Hold::No, "run `/etc/text`: ENOEXEC"),
        (
            "a filter that is none",
            Stage::SeccompLast,
            filter(),
            Hold::AtExec,
            "load the seccomp filter: EINVAL (Invalid argument) from seccomp(",
        ),
    ];
    for (what, stage, action, hold, expected) in rows {
        let rig = Rig::new();
        let text = rig.rootfs().join("etc/text");
        fs::write(&text, "text").unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        let draft = rig.script("true").instead(stage, action);
        let created = create(&draft.plan(), &rig.site()).unwrap();
        let failed = created.start(hold).map(|_| "started").unwrap_err().to_string();
        assert!(failed.contains(expected), "{what}: {failed:?} lacks {expected:?}");
    }
}

fn a_filter_that_kills() {
    let kill = Program::new(vec![Instruction { code: 6, jt: 0, jf: 0, k: 0x8000_0000 }]).unwrap();
    let rig = Rig::new();
    let draft = rig.script("true").with(
        Stage::SeccompLast,
        Action::LoadSeccomp(SeccompLoad {
            program: kill,
            log: LogDenied::AsConfigured,
            speculation: Speculation::Mitigate,
            listener: None,
        }),
    );
    let created = create(&draft.plan(), &rig.site()).unwrap();
    let failed = created.start(Hold::AtExec).map(|_| "started").unwrap_err().to_string();
    assert_eq!(failed, "the process ended before its program began: killed by signal 31");
}

fn a_cgroup_is_not_taken() {
    let rig = Rig::new();
    let draft = rig.script("true");
    let first = create(&draft.plan(), &rig.site()).unwrap();
    let failed = rig.fails(&draft).to_string();
    assert!(failed.contains("make the cgroup: the cgroup "), "{failed}");
    assert!(failed.contains(" exists already"), "{failed}");
    // The first is untouched.
    let members = stockade_runtime::cgroup::processes(&rig.cgroups, &rig.cgroup).unwrap();
    assert_eq!(members, [first.pid()]);
}

fn no_scratch_is_left() {
    let rig = Rig::new();
    let draft = Draft::container(overlay(&[&rig.rootfs()]), &["true"])
        .with(Stage::Sysctls, sysctl("kernel.nonsense", "1"));
    rig.fails(&draft);
    let scratch = rig.directory.path().join("scratch");
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
}
