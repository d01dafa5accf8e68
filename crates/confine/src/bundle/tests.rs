mod devices;
mod files;
mod namespaces;
mod process;

use stockade_abi::Host;
use stockade_abi::facts::NoNewPrivs;
use stockade_spec::bundle::parse;

use super::*;
use crate::plan::{Action, Plan, Propagation};
use crate::testing::{amiss, host, model, node};
use crate::{AppArmor, Mechanism, SeLinux, Seccomp, diff, expect, plan, plan_pod};

/// A bundle with more said: at the top, in `process`, in `linux`. What is said replaces what this
/// one says of it.
fn bundle(top: &str, process: &str, linux: &str) -> Bundle {
    let without = |said: &str, usual: &[(&str, &str)]| {
        let mut all: Vec<String> = (usual.iter())
            .filter(|(name, _)| !said.contains(&format!("\"{name}\"")))
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        all.extend((!said.is_empty()).then(|| said.to_owned()));
        all.join(", ")
    };
    let process = without(
        process,
        &[("args", r#"["x"]"#), ("cwd", "\"/\""), ("user", r#"{"uid": 0, "gid": 0}"#)],
    );
    let linux = without(linux, &[("namespaces", r#"[{"type": "mount"}, {"type": "pid"}]"#)]);
    let top = without(top, &[("ociVersion", "\"1.2.0\""), ("root", r#"{"path": "rootfs"}"#)]);
    let text = format!("{{{top}, \"process\": {{{process}}}, \"linux\": {{{linux}}}}}");
    parse("config.json", &text).unwrap_or_else(|all| panic!("{all:?}\n{text}"))
}

#[track_caller]
fn read_on(bundle: &Bundle, node: &Node) -> Bundled {
    from_bundle(bundle, "/bundle", node).unwrap()
}

#[track_caller]
fn meant(top: &str, process: &str, linux: &str) -> Bundled {
    read_on(&bundle(top, process, linux), &node())
}

fn told_on(bundle: &Bundle, node: &Node) -> Vec<String> {
    let told = from_bundle(bundle, "/bundle", node).err().unwrap_or_default();
    told.iter().map(|it| format!("{}: {}: {}", it.place.path, it.reason, it.why)).collect()
}

/// One refusal that begins with `expected`, or none if that is empty.
#[track_caller]
fn check_refusal(top: &str, process: &str, linux: &str, expected: &str) {
    let told = told_on(&bundle(top, process, linux), &node());
    let holds = match expected {
        "" => told.is_empty(),
        begin => told.len() == 1 && told[0].starts_with(begin),
    };
    assert!(holds, "{top} {process} {linux}\n{told:?}\nexpected {expected}");
}

fn planned(bundled: &Bundled, host: &Host) -> Plan {
    plan(&bundled.container, &bundled.pod, host).unwrap()
}

/// Plans, has the model kernel do it, and tells what is not as meant.
fn proven(bundled: &Bundled, host: &Host) -> Vec<String> {
    let plan = planned(bundled, host);
    assert_eq!(plan_pod(&bundled.pod, host), Ok(None));
    let expected = expect(&bundled.container, &bundled.pod, host);
    amiss(&diff(&expected, &model::facts(None, &plan, host, &expected).unwrap()))
}

#[test]
fn what_is_not_said_is_not_given() {
    let bundled = meant("", "", "");
    let Confinement { identity, capabilities, no_new_privs, seccomp, apparmor, selinux, .. } =
        &bundled.container.confinement;
    assert_eq!((identity.value.uid, identity.value.groups.len()), (0, 0));
    assert_eq!(capabilities.value, stockade_abi::CapabilitySets::default());
    assert_eq!(no_new_privs.value, NoNewPrivs::Unset);
    assert_eq!(seccomp.value, Seccomp::Unconfined);
    assert_eq!((&apparmor.value, &selinux.value), (&AppArmor::Unset, &SeLinux::Unset));
    let Confinement { namespaces, root, paths, limits, .. } = &bundled.container.confinement;
    assert_eq!(namespaces.value.to_string(), "mount pid");
    assert_eq!(root.value.source, crate::plan::RootSource::Directory("/bundle/rootfs".to_owned()));
    assert!(paths.value.masked.is_empty() && limits.value.is_unlimited());
    assert_eq!(bundled.container.workload.mounts, []);
    assert_eq!(proven(&bundled, &host()), [""; 0]);
}

const FULL: (&str, &str, &str) = (
    r#""root": {"path": "/srv/root", "readonly": true}, "hostname": "h", "domainname": "d",
       "annotations": {"run.oci.handler": "krun", "org.systemd.property.X": "'y'"},
       "mounts": [
         {"destination": "/proc", "type": "proc", "source": "proc"},
         {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
          "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
         {"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid"]},
         {"destination": "/data", "source": "data", "options": ["rbind", "ro", "rslave"]}]"#,
    r#""user": {"uid": 5, "gid": 6, "umask": 63, "additionalGids": [9, 7, 9]},
       "capabilities": {"bounding": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"],
         "permitted": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]},
       "noNewPrivileges": true, "apparmorProfile": "enforcing", "oomScoreAdj": 100,
       "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1024}],
       "env": ["A=b", "C="], "terminal": true, "cwd": "/data", "args": ["sh", "-c", ""]"#,
    r#""namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"},
         {"type": "uts"}, {"type": "cgroup"}],
       "sysctl": {"net.ipv4.ip_forward": "1", "kernel/msgmax": "1 2 3"},
       "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
       "rootfsPropagation": "rslave", "cgroupsPath": "/a/b",
       "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
         "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18446744073709551615}]},
       "resources": {"devices": [{"allow": false, "access": "rwm"},
           {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
         "memory": {"limit": 1048576, "swap": -1}, "pids": {"limit": 10},
         "cpu": {"quota": 50000, "period": 100000, "shares": 512}}"#,
);

#[test]
fn everything_that_is_said_reaches_the_kernel() {
    let linux = FULL.2.replace(r#", "errnoRet": 18446744073709551615"#, "");
    let bundled = meant(FULL.0, FULL.1, &linux);
    assert_eq!(proven(&bundled, &host()), [""; 0]);
    assert_eq!(bundled.cgroup.as_ref().unwrap().value, "a/b");
    let words: Vec<String> = crate::render(&bundled.container, &bundled.pod)
        .iter()
        .filter(|(mechanism, _)| !matches!(mechanism, Mechanism::SeLinux))
        .map(|(mechanism, it)| {
            let path = it.origin.place().map_or("", |it| it.path.as_str());
            format!("{mechanism}: {} [{path}]", it.value)
        })
        .collect();
    assert_eq!(
        words,
        [
            "identity: user 5, group 6, groups 7 9 [process.user]",
            "capabilities: CHOWN KILL; inheritable KILL; ambient KILL [process.capabilities]",
            "privilege escalation: no escalation [process.noNewPrivileges]",
            "seccomp: linux.seccomp [linux.seccomp]",
            "AppArmor: localhost/enforcing [process.apparmorProfile]",
            "namespaces: own mount pid net ipc uts cgroup [linux.namespaces]",
            "root filesystem: read-only [root]",
            "guarded paths: 1 masked, 1 read-only [linux.maskedPaths]",
            "devices: 9 standard devices and c 10:229 [linux.resources.devices]",
            "limits: 10 processes, 1 MiB, 0.50 CPUs [linux.resources]",
            "hostname: h [hostname]",
            "sysctl kernel.msgmax: 1 2 3 [linux.sysctl[kernel/msgmax]]",
            "sysctl net.ipv4.ip_forward: 1 [linux.sysctl[net.ipv4.ip_forward]]",
        ]
    );
    let workload = &bundled.container.workload;
    assert_eq!(workload.arguments.value, ["sh", "-c", ""]);
    assert_eq!(workload.environment, ["A=b", "C="]);
    assert_eq!(workload.working_directory.value, "/data");
    assert_eq!(workload.terminal, crate::plan::Terminal::New);
    assert_eq!(workload.oom_score_adj.as_ref().unwrap().value, 100);
    let limit = &workload.rlimits[0].0;
    assert_eq!((limit.resource.as_str(), limit.soft, limit.hard), ("nofile", Some(1024), None));
    assert_eq!(bundled.container.confinement.identity.value.umask, Some(0o077));
    let plan = planned(&bundled, &host());
    let has = |action: &Action| plan.steps().iter().any(|it| it.action == *action);
    assert!(has(&Action::SetDomainname("d".to_owned())) && has(&Action::LoopbackUp));
    assert!(has(&Action::SetPropagation(Propagation::Slave)));
    assert!(plan.steps().is_sorted_by_key(|it| it.stage));
    // A number that no error has is one mistake, with its place.
    check_refusal(FULL.0, FULL.1, FULL.2, "linux.seccomp.syscalls[0].errnoRet: ");
}

const MAPS: &str = r#""uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": 200000, "size": 65536}]"#;

#[test]
fn the_rest_is_refused_by_name_unless_it_asks_for_nothing() {
    for (top, process, linux, expected) in [
        (r#""hooks": {}"#, "", "", ""),
        (r#""hooks": {"poststop": []}"#, "", "", ""),
        (r#""hooks": {"prestart": [{"path": "/x"}]}"#, "", "", "hooks.prestart: NotEnforced"),
        (r#""hooks": {"poststop": [{"path": "/x"}]}"#, "", "", "hooks.poststop: NotEnforced"),
        ("", r#""scheduler": {"policy": "SCHED_IDLE"}"#, "", "process.scheduler: NotEnforced"),
        (
            "",
            r#""ioPriority": {"class": "IOPRIO_CLASS_IDLE"}"#,
            "",
            "process.ioPriority: NotEnforced",
        ),
        ("", r#""execCPUAffinity": {}"#, "", "process.execCPUAffinity: NotEnforced"),
        ("", r#""consoleSize": {"height": 1, "width": 1}"#, "", ""),
        ("", r#""env": ["A"]"#, "", "process.env[0]: "),
        ("", r#""env": ["=A"]"#, "", "process.env[0]: "),
        ("", r#""env": ["A=", "B=c=d"]"#, "", ""),
        (
            "",
            r#""rlimits": [{"type": "RLIMIT_BOGUS", "hard": 1, "soft": 1}]"#,
            "",
            "process.rlimits[0].type: ",
        ),
        (
            "",
            r#""rlimits": [{"type": "NOFILE", "hard": 1, "soft": 1}]"#,
            "",
            "process.rlimits[0].type: ",
        ),
        (
            "",
            r#""rlimits": [{"type": "RLIMIT_nofile", "hard": 1, "soft": 1}]"#,
            "",
            "process.rlimits[0].type: ",
        ),
        ("", r#""apparmorProfile": """#, "", ""),
        ("", r#""apparmorProfile": "unconfined""#, "", ""),
        ("", r#""apparmorProfile": "a\nb""#, "", "process.apparmorProfile: "),
        ("", r#""apparmorProfile": " a""#, "", "process.apparmorProfile: "),
        ("", r#""selinuxLabel": """#, "", ""),
        ("", r#""selinuxLabel": "u:r:t:s0:c1,c2""#, "", ""),
        ("", r#""selinuxLabel": "u:r:t""#, "", ""),
        ("", r#""selinuxLabel": "t""#, "", "process.selinuxLabel: "),
        ("", r#""selinuxLabel": "u::t:s0""#, "", "process.selinuxLabel: "),
        ("", "", r#""mountLabel": """#, ""),
        ("", "", r#""mountLabel": "u:r:t:s0""#, "linux.mountLabel: NotEnforced"),
        ("", "", r#""personality": {"domain": "LINUX"}"#, ""),
        ("", "", r#""personality": {"domain": "LINUX32"}"#, "linux.personality: NotEnforced"),
        ("", "", r#""intelRdt": {}"#, "linux.intelRdt: NotEnforced"),
        ("", "", r#""timeOffsets": {"boottime": {}}"#, "linux.timeOffsets: NotEnforced"),
        ("", "", r#""netDevices": {"eth0": {}}"#, "linux.netDevices: NotEnforced"),
        ("", "", r#""memoryPolicy": {"mode": "MPOL_LOCAL"}"#, "linux.memoryPolicy: NotEnforced"),
    ] {
        check_refusal(top, process, linux, expected);
    }
    let config = r#"{"ociVersion": "1.2.0", "root": {"path": "r"}, "linux": {"namespaces": [{"type": "mount"}]}}"#;
    let told = told_on(&parse("config.json", config).unwrap(), &node());
    assert_eq!(
        told,
        ["process: CreateContainerConfigError: a container without a process is not supported"]
    );
}

#[test]
fn an_annotation_changes_nothing() {
    let plain = meant("", "", "");
    for key in [
        "run.oci.handler",
        "run.oci.mount_context_type",
        "org.systemd.property.X",
        "io.kubernetes.cri.x",
    ] {
        let noted = meant(&format!(r#""annotations": {{"{key}": "1"}}"#), "", "");
        assert_eq!(planned(&noted, &host()).steps().len(), planned(&plain, &host()).steps().len());
        let kinds: Vec<NamespaceKind> = noted.joins.iter().map(|it| it.0).collect();
        assert_eq!((kinds, noted.cgroup), (vec![], None), "{key}");
    }
}
