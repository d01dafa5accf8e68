//! One step less, or looser, than declared: what surrounds a process.

use stockade_abi::facts::{DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_abi::{IdMap, IdRange, NamespaceKind};
use stockade_confine::limits::Limits;
use stockade_confine::plan::Action;
use stockade_confine::world::NodeUserNamespace;
use stockade_confine::{Mechanism, UserNamespace};

use crate::Test;
use crate::stand::{Plans, Stand, not_ok};

pub(crate) const ALL: &[Test] = &[
    ("untouched_plans_hold_in_every_line", untouched_plans_hold_in_every_line),
    ("namespaces", namespaces),
    ("a_user_namespace_that_was_not_made", a_user_namespace_that_was_not_made),
    ("mounts_of_the_host", mounts_of_the_host),
    ("root_filesystem", root_filesystem),
    ("every_masked_path", every_masked_path),
    ("every_read_only_path", every_read_only_path),
    ("a_mask_that_is_only_read_only", a_mask_that_is_only_read_only),
    ("devices", devices),
    ("limits", limits),
    ("a_cgroup_that_was_not_entered", a_cgroup_that_was_not_entered),
    ("hostname", hostname),
    ("sysctls", sysctls),
];

/// A line that is not `ok`: mechanism, word, and something that is said about it.
pub(crate) type Red = (Mechanism, &'static str, &'static str);
/// What is shown, what is done to the plans, what is seen.
pub(crate) type Row<'a> = (&'a str, &'a dyn Fn(Plans) -> Plans, &'a [Red]);

fn untouched_plans_hold_in_every_line() {
    for manifest in [USER, ROOT] {
        let stand = Stand::new(manifest);
        let findings = stand.start(stand.plans()).findings();
        assert_eq!(not_ok(&findings), [], "{manifest}");
        let judged: Vec<String> = findings.iter().map(|it| it.mechanism.to_string()).collect();
        let mut lines = vec![
            "identity",
            "capabilities",
            "privilege escalation",
            "seccomp",
            "AppArmor",
            "SELinux",
            "namespaces",
            "root filesystem",
            "guarded paths",
            "devices",
            "limits",
            "hostname",
        ];
        if manifest == USER {
            lines.push("sysctl net.ipv4.ip_unprivileged_port_start");
        }
        assert_eq!(judged, lines, "every mechanism has its line");
    }
}

fn namespaces() {
    use NamespaceKind::{Cgroup, Ipc, Net, Pid, Uts};
    for kind in [Net, Ipc, Uts, Pid, Cgroup] {
        let weaken = |plans: Plans| {
            let own_steps = |it: &Action| match it {
                Action::LoopbackUp => kind == Net,
                Action::SetHostname(_) => kind == Uts,
                Action::UnshareCgroupNamespace => kind == Cgroup,
                _ => false,
            };
            let shared = |it: &mut Action| match it {
                Action::Birth { unshare: kinds } | Action::JoinNamespaces { kinds } => {
                    *kinds = kinds.without(kind);
                    true
                }
                _ => false,
            };
            match kind {
                Net | Uts => plans.without(own_steps).with(shared),
                Cgroup => plans.without(own_steps),
                _ => plans.with(shared),
            }
        };
        let shared = (Mechanism::Namespaces, "WEAKER", kind.proc_name());
        let renamed = (Mechanism::Hostname, "different", "another host name");
        let all = if kind == Uts { vec![shared, renamed] } else { vec![shared] };
        check(ROOT, &[(kind.proc_name(), &weaken, &all)]);
    }
}

/// As on a node that would start its pods without root, by one that does not.
fn a_user_namespace_that_was_not_made() {
    let map = || IdMap::new(vec![IdRange::new(0, 100_000, 65_536).unwrap()]).unwrap();
    let maps = UserNamespace { uids: map(), gids: map() };
    let declared = Stand::on(ROOT, NodeUserNamespace::Own(maps));
    let started = Stand::new(ROOT);
    let standing = started.start(started.plans());
    let findings = declared.judge(standing.held.pid(), Some(&standing.held));
    assert_eq!(not_ok(&standing.findings()), [], "as it was started");
    assert_red(
        "no user namespace",
        &not_ok(&findings),
        &[
            (Mechanism::Identity, "WEAKER", "the user namespace maps other ids"),
            (Mechanism::Namespaces, "WEAKER", "user"),
        ],
    );
}

/// A process that stays where it is sees the host's files; everything that would mount is left out.
fn mounts_of_the_host() {
    let weaken = |plans: Plans| {
        let mounts = |it: &Action| {
            matches!(
                it,
                Action::SetPropagation(_)
                    | Action::MountRoot(_)
                    | Action::Mount(_)
                    | Action::MakeDevices(_)
                    | Action::PivotRoot
                    | Action::RootReadOnly
                    | Action::Mask(_)
                    | Action::MakeReadOnly(_)
                    | Action::Chdir(_)
            )
        };
        plans.without(mounts).with(|it| match it {
            Action::Birth { unshare } => {
                *unshare = unshare.without(NamespaceKind::Mount);
                true
            }
            _ => false,
        })
    };
    let red = [
        (Mechanism::Namespaces, "WEAKER", "mount"),
        (Mechanism::Root, "WEAKER", "can be written"),
        (Mechanism::Paths, "WEAKER", "/proc/sys is writable"),
    ];
    check(ROOT, &[("the host's mounts", &weaken, &red)]);
}

fn root_filesystem() {
    let red = [(Mechanism::Root, "WEAKER", "can be written")];
    let without = |plans: Plans| plans.without(|it| matches!(it, Action::RootReadOnly));
    check(USER, &[("writable", &without, &red)]);
}

fn every_masked_path() {
    each_path(|it| if let Action::Mask(path) = it { Some(path) } else { None }, 5);
}

fn every_read_only_path() {
    each_path(|it| if let Action::MakeReadOnly(path) = it { Some(path) } else { None }, 4);
}

/// Leaves each of the paths open that this kernel has. What it does not have cannot be open.
#[track_caller]
fn each_path(of: fn(&Action) -> Option<&String>, at_least: usize) {
    let stand = Stand::new(ROOT);
    let steps = stand.plans().container;
    let paths: Vec<&String> = steps.iter().filter_map(|it| of(&it.action)).collect();
    let (here, absent): (Vec<&String>, Vec<_>) =
        paths.into_iter().partition(|it| std::path::Path::new(it).exists());
    assert!(here.len() >= at_least, "this kernel has but {here:?}");
    for path in here {
        let plans = stand.plans().without(|it| of(it) == Some(path));
        let seen = not_ok(&stand.start(plans).findings());
        let [(Mechanism::Paths, word, detail)] = &*seen else { panic!("{path}: {seen:?}") };
        assert_eq!(word, "WEAKER", "{path}");
        assert!(detail.starts_with(&format!("{path} is ")), "{path}: {detail}");
    }
    for path in absent {
        let plans = stand.plans().without(|it| of(it) == Some(path));
        assert_eq!(not_ok(&stand.start(plans).findings()), [], "{path}");
    }
}

fn a_mask_that_is_only_read_only() {
    let weaken = |plans: Plans| {
        plans.with(|it| match it {
            Action::Mask(path) if path == "/proc/keys" => {
                *it = Action::MakeReadOnly("/proc/keys".to_owned());
                true
            }
            _ => false,
        })
    };
    let red = [(Mechanism::Paths, "WEAKER", "/proc/keys is readable")];
    check(ROOT, &[("read-only is no mask", &weaken, &red)]);
}

fn devices() {
    use DeviceKind::{Block, Character};
    let more = |kind, major, minor, access: &str| {
        let rule = DeviceRule {
            verdict: DeviceVerdict::Allow,
            kind,
            major,
            minor,
            access: DeviceAccess::parse(access).unwrap(),
        };
        move |plans: Plans| {
            plans.with(|it| match it {
                Action::MakeCgroup { limits: _, devices: Some(rules) } => {
                    rules.push(rule);
                    true
                }
                _ => false,
            })
        }
    };
    let uncontrolled = |plans: Plans| {
        plans.with(|it| match it {
            Action::MakeCgroup { limits: _, devices } => {
                *devices = None;
                true
            }
            _ => false,
        })
    };
    let red = |what| [(Mechanism::Devices, "WEAKER", what)];
    check(
        ROOT,
        &[
            ("memory", &more(Some(Character), Some(1), Some(1), "rw"), &red("c 1:1 rw")),
            ("memory, to read", &more(Some(Character), Some(1), Some(1), "r"), &red("c 1:1 r")),
            ("a disk", &more(Some(Block), Some(8), Some(0), "rwm"), &red("b 8:0 rw")),
            ("a part of a disk", &more(Some(Block), Some(8), Some(1), "r"), &red("b 8:1 r")),
            ("all disks", &more(Some(Block), None, None, "rw"), &red("b 8:0 rw")),
            (
                "one that is rarely thought of",
                &more(Some(Character), Some(10), Some(144), "rw"),
                &red("c 10:144 rw"),
            ),
            ("everything", &more(None, None, None, "rwm"), &red("c 1:1 rw")),
            ("no rules at all", &uncontrolled, &red("c 1:1 rw")),
        ],
    );
}

fn limits() {
    let set = |change: fn(&mut Limits)| {
        move |plans: Plans| {
            plans.with(|it| match it {
                Action::MakeCgroup { limits, devices: _ } => {
                    change(limits);
                    true
                }
                _ => false,
            })
        }
    };
    let red = |what| [(Mechanism::Limits, "WEAKER", what)];
    check(
        ROOT,
        &[
            ("pids", &set(|it| it.pids = None), &red("pids")),
            ("more pids", &set(|it| it.pids = Some(65)), &red("pids")),
            ("memory", &set(|it| it.memory = None), &red("memory")),
            ("more memory", &set(|it| it.memory = Some(65 << 20)), &red("memory")),
            ("cpu", &set(|it| it.cpu_micros = None), &red("cpu")),
            ("more cpu", &set(|it| it.cpu_micros = Some(510_000)), &red("cpu")),
        ],
    );
}

fn a_cgroup_that_was_not_entered() {
    let without = |plans: Plans| plans.without(|it| matches!(it, Action::EnterCgroup));
    let red =
        [(Mechanism::Devices, "WEAKER", "c 1:1 rw"), (Mechanism::Limits, "WEAKER", "not in force")];
    check(ROOT, &[("outside", &without, &red)]);
}

fn hostname() {
    let other = |plans: Plans| {
        plans.with(|it| match it {
            Action::SetHostname(name) => {
                "other".clone_into(name);
                true
            }
            _ => false,
        })
    };
    let unset = |plans: Plans| plans.without(|it| matches!(it, Action::SetHostname(_)));
    let red = [(Mechanism::Hostname, "different", "another host name")];
    check(ROOT, &[("another name", &other, &red), ("the host's name", &unset, &red)]);
}

fn sysctls() {
    let name = "net.ipv4.ip_unprivileged_port_start";
    let other = |plans: Plans| {
        plans.with(|it| match it {
            Action::WriteSysctl { name: _, value } => {
                "80".clone_into(value);
                true
            }
            _ => false,
        })
    };
    let unset = |plans: Plans| plans.without(|it| matches!(it, Action::WriteSysctl { .. }));
    let red = [(Mechanism::Sysctl(name.to_owned()), "WEAKER", "declared `81`")];
    check(USER, &[("another value", &other, &red), ("the kernel's value", &unset, &red)]);
}

/// Weakens, starts, looks and compares.
#[track_caller]
pub(crate) fn check(manifest: &str, rows: &[Row<'_>]) {
    let stand = Stand::new(manifest);
    for (shows, weaken, red) in rows {
        let findings = stand.start(weaken(stand.plans())).findings();
        assert_red(shows, &not_ok(&findings), red);
        for finding in &findings {
            let is_weaker = finding.verdict.to_string() == "WEAKER";
            assert_eq!(finding.verdict.is_acceptable(), !is_weaker, "{shows}: {finding:?}");
        }
    }
}

#[track_caller]
fn assert_red(shows: &str, seen: &[(Mechanism, String, String)], red: &[Red]) {
    let same = seen.len() == red.len()
        && seen.iter().zip(red).all(|(seen, (mechanism, word, part))| {
            seen.0 == *mechanism && seen.1 == *word && seen.2.contains(part)
        });
    assert!(same, "{shows}:\n expected {red:?}\n     seen {seen:?}");
}

/// A user who is not root: nothing is in effect of what the bounding set has.
pub(crate) const USER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: declared}
spec:
  securityContext:
    runAsUser: 1000
    runAsGroup: 2000
    supplementalGroups: [3000]
    sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "81"}]
  containers:
  - name: app
    image: box
    command: [sleep, "60"]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL], add: [CHOWN]}
      seccompProfile: {type: Localhost, localhostProfile: declared.json}
    resources: {limits: {cpu: 500m, memory: 64Mi}}
"#;

/// Root, with the capabilities that some of the weakened plans need; no filter and no sysctl, so that
/// what they rely on can be left out alone.
pub(crate) const ROOT: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: declared}
spec:
  containers:
  - name: app
    image: box
    command: [sleep, "60"]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL], add: [CHOWN, NET_BIND_SERVICE]}
    resources: {limits: {cpu: 500m, memory: 64Mi}}
"#;
