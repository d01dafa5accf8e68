//! A machine to carry plans out on: a root file system with busybox, the cgroups that are here, and
//! a plan with everything that a container usually has.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use stockade_abi::facts::{Device, DeviceAccess, DeviceKind, DeviceRule, DeviceVerdict};
use stockade_abi::host::{CgroupV2, Cgroups};
use stockade_abi::{Capability, CapabilitySet, CapabilitySets, NamespaceKind, NamespaceSet};
use stockade_confine::limits::Limits;
use stockade_confine::plan::{
    Action, DeviceNode, NodeMaking, Plan, Propagation, RootSource, Stage, Step, Terminal,
};
use stockade_confine::workload::{Mount, MountFlags, MountSource, Recursion};
use stockade_runtime::cgroup::{self, CgroupPath};
use stockade_runtime::{
    Gate, Hold, Join, Known, Life, Running, Site, Started, StepFailed, Streams, Tie, create,
};

/// A directory with a root file system, and where things go.
pub(crate) struct Rig {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) cgroups: Cgroups,
    pub(crate) cgroup: CgroupPath,
}

/// What came out of a process.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) code: Option<i32>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = tempfile::tempdir().unwrap();
        let rootfs = directory.path().join("rootfs");
        for name in ["bin", "proc", "sys", "dev", "tmp", "etc"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        fs::create_dir(directory.path().join("scratch")).unwrap();
        fs::create_dir(directory.path().join("canary")).unwrap();
        let cgroup = format!("stockade-test-{}/{number}", std::process::id());
        Self { directory, cgroups: cgroups(), cgroup: cgroup.parse().unwrap() }
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.directory.path().join("rootfs")
    }

    /// A directory outside of every container. Whatever turns up in it has escaped.
    pub(crate) fn canary(&self) -> PathBuf {
        self.directory.path().join("canary")
    }

    pub(crate) fn site(&self) -> Site<'_> {
        Site {
            cgroups: &self.cgroups,
            cgroup: self.cgroup.clone(),
            scratch: self.directory.path().join("scratch"),
            pod_files: None,
            join: Join::Nothing,
            streams: Streams::Inherited,
            tie: Tie::DiesWithUs,
            gate: Gate::Held,
            known: Known {
                id: "test".to_owned(),
                bundle: self.directory.path().to_owned(),
                annotations: BTreeMap::new(),
                life: Life::Made,
            },
        }
    }

    /// A plan that runs a script in a container with everything.
    pub(crate) fn script(&self, script: &str) -> Draft {
        self.container(&["sh", "-c", script])
    }

    pub(crate) fn container(&self, arguments: &[&str]) -> Draft {
        let root = self.rootfs().to_str().unwrap().to_owned();
        Draft::container(RootSource::Directory(root), arguments)
    }

    /// Carries a plan out to its end.
    #[track_caller]
    pub(crate) fn run(&self, draft: &Draft) -> Output {
        self.try_run(draft).unwrap()
    }

    pub(crate) fn try_run(&self, draft: &Draft) -> Result<Output, Box<dyn std::error::Error>> {
        self.run_at(draft, self.site())
    }

    pub(crate) fn run_at(
        &self,
        draft: &Draft,
        mut site: Site<'_>,
    ) -> Result<Output, Box<dyn std::error::Error>> {
        let (streams, read) = streams();
        site.streams = streams;
        let created = create(&draft.plan(), &site)?;
        drop(site);
        let Started::Running(running) = created.start(Hold::No)? else { panic!("it is held") };
        Ok(self.finish(&running, read))
    }

    /// Reads all that a process says and takes its end.
    pub(crate) fn finish(&self, running: &Running, read: OwnedFd) -> Output {
        let mut text = String::new();
        fs::File::from(read).read_to_string(&mut text).unwrap();
        let code = wait(running);
        self.clean_up();
        Output { text, code }
    }

    pub(crate) fn clean_up(&self) {
        cgroup::kill_all(&self.cgroups, &self.cgroup, SOON).unwrap();
        cgroup::remove(&self.cgroups, &self.cgroup, SOON).unwrap();
        stockade_runtime::remove_scratch(&self.directory.path().join("scratch")).unwrap();
    }

    /// The step that fails.
    #[track_caller]
    pub(crate) fn fails(&self, draft: &Draft) -> StepFailed {
        create(&draft.plan(), &self.site()).map(|_| "it did not fail").unwrap_err()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let parent = self.cgroup.parent().unwrap();
        cgroup::remove(&self.cgroups, &parent, SOON).unwrap();
    }
}

/// Steps to be changed by a test.
#[derive(Clone)]
pub(crate) struct Draft(pub(crate) Vec<Step>);

impl Draft {
    pub(crate) fn container(root: RootSource, arguments: &[&str]) -> Self {
        let all = [
            (Stage::Cgroup, Action::MakeCgroup { limits: limits(), devices: Some(rules()) }),
            (Stage::Birth, Action::Birth { unshare: usual_namespaces() }),
            (Stage::CgroupEntry, Action::EnterCgroup),
            (Stage::CgroupNamespace, Action::UnshareCgroupNamespace),
            (Stage::Network, Action::LoopbackUp),
            (Stage::Hostname, Action::SetHostname("box".to_owned())),
            (Stage::Propagation, Action::SetPropagation(Propagation::Private)),
            (Stage::RootMount, Action::MountRoot(root)),
            (Stage::Mounts, new("proc", "/proc", &[])),
            (Stage::Mounts, new("tmpfs", "/dev", &["mode=755", "size=65536k"])),
            (
                Stage::Mounts,
                new("devpts", "/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"]),
            ),
            (Stage::Mounts, new("tmpfs", "/dev/shm", &["mode=1777", "size=65536k"])),
            (Stage::Mounts, new("mqueue", "/dev/mqueue", &[])),
            (Stage::Mounts, new("sysfs", "/sys", &[])),
            (
                Stage::Mounts,
                Action::Mount(Mount {
                    target: "/sys/fs/cgroup".to_owned(),
                    source: MountSource::Cgroups,
                    flags: read_only(),
                    propagation: None,
                }),
            ),
            (Stage::Devices, Action::MakeDevices(nodes())),
            (Stage::PivotRoot, Action::PivotRoot),
            (Stage::MaskedPaths, Action::Mask("/proc/keys".to_owned())),
            (Stage::MaskedPaths, Action::Mask("/sys/firmware".to_owned())),
            (Stage::MaskedPaths, Action::Mask("/proc/no-such-file".to_owned())),
            (Stage::MaskedPaths, Action::MakeReadOnly("/proc/sys".to_owned())),
            (Stage::Keyring, Action::NewSessionKeyring),
            (Stage::Session, Action::NewSession(Terminal::None)),
            (Stage::NoNewPrivs, Action::SetNoNewPrivs),
            (Stage::Chdir, Action::Chdir("/".to_owned())),
            (Stage::BoundingSet, Action::LimitBounding(capabilities().bounding)),
            (
                Stage::Identity,
                Action::SetIdentity { uid: 0, gid: 0, groups: Some(vec![]), umask: None },
            ),
            (Stage::CapabilitiesHeld, Action::SetCapabilities(capabilities())),
            (Stage::Descriptors, Action::CloseDescriptors { preserved: 0 }),
            (Stage::Created, Action::AwaitStart),
            (Stage::Capabilities, Action::SetCapabilities(capabilities())),
            (Stage::Exec, exec(arguments)),
        ];
        Self(all.into_iter().map(|(stage, action)| step(stage, action)).collect())
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan::in_stage_order(self.0.clone())
    }

    #[must_use]
    pub(crate) fn with(mut self, stage: Stage, action: Action) -> Self {
        self.0.push(step(stage, action));
        self
    }

    #[must_use]
    pub(crate) fn without_stage(mut self, unwanted: Stage) -> Self {
        self.0.retain(|it| it.stage != unwanted);
        self
    }

    /// Puts an action in the place of all of its stage.
    #[must_use]
    pub(crate) fn instead(self, stage: Stage, action: Action) -> Self {
        self.without_stage(stage).with(stage, action)
    }
}

pub(crate) fn step(stage: Stage, action: Action) -> Step {
    Step::always(stage, action, "the test says so")
}

pub(crate) fn exec(arguments: &[&str]) -> Action {
    Action::Exec {
        arguments: arguments.iter().map(|&it| it.to_owned()).collect(),
        environment: vec!["PATH=/bin".to_owned(), "HOME=/".to_owned()],
    }
}

pub(crate) fn new(kind: &str, target: &str, options: &[&str]) -> Action {
    Action::Mount(Mount {
        target: target.to_owned(),
        source: MountSource::New {
            kind: kind.to_owned(),
            name: kind.to_owned(),
            options: options.iter().map(|&it| it.to_owned()).collect(),
        },
        flags: MountFlags::default(),
        propagation: None,
    })
}

pub(crate) fn bind(path: &Path, target: &str, flags: MountFlags) -> Action {
    Action::Mount(Mount {
        target: target.to_owned(),
        source: MountSource::Bind {
            path: path.to_str().unwrap().to_owned(),
            recursion: Recursion::All,
        },
        flags,
        propagation: None,
    })
}

pub(crate) fn read_only() -> MountFlags {
    MountFlags { read_only: Some(Recursion::All), ..MountFlags::default() }
}

pub(crate) fn limits() -> Limits {
    Limits { pids: Some(64), memory: Some(1 << 28), ..Limits::default() }
}

pub(crate) fn usual_namespaces() -> NamespaceSet {
    use NamespaceKind::{Ipc, Mount, Net, Pid, Uts};
    [Mount, Pid, Net, Ipc, Uts].into_iter().collect()
}

/// A few capabilities, and the same in every set that a root process has.
pub(crate) fn capabilities() -> CapabilitySets {
    let some: CapabilitySet =
        [Capability::Chown, Capability::NetBindService, Capability::Kill].into_iter().collect();
    CapabilitySets {
        bounding: some,
        effective: some,
        permitted: some,
        inheritable: CapabilitySet::EMPTY,
        ambient: CapabilitySet::EMPTY,
    }
}

fn rules() -> Vec<DeviceRule> {
    let allow = |major, minor, access: &str| DeviceRule {
        verdict: DeviceVerdict::Allow,
        kind: Some(DeviceKind::Character),
        major,
        minor,
        access: DeviceAccess::parse(access).unwrap(),
    };
    let mut rules = vec![allow(None, None, "m")];
    rules.extend(
        [(1, 3), (1, 5), (1, 8), (1, 9), (5, 0), (5, 2)]
            .map(|(major, minor)| allow(Some(major), Some(minor), "rwm")),
    );
    rules.push(allow(Some(136), None, "rwm"));
    rules
}

fn nodes() -> Vec<DeviceNode> {
    let all = [("null", 1, 3), ("zero", 1, 5), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    all.map(|(name, major, minor)| DeviceNode {
        path: format!("/dev/{name}"),
        device: Some(Device { kind: DeviceKind::Character, major, minor }),
        mode: 0o666,
        uid: 0,
        gid: 0,
        made_by: NodeMaking::Mknod,
    })
    .to_vec()
}

/// `/dev/null` as input, and a pipe for output and errors.
pub(crate) fn streams() -> (Streams, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let null = OwnedFd::from(fs::File::open("/dev/null").unwrap());
    let errors = write.try_clone().unwrap();
    (Streams::Given([null, write, errors]), read)
}

pub(crate) fn wait(running: &Running) -> Option<i32> {
    use std::os::fd::AsFd;
    let id = WaitId::PidFd(running.pidfd.as_fd());
    waitid(id, WaitIdOptions::EXITED).unwrap().unwrap().exit_status()
}

/// Runs a test and verifies that it leaves no mount, no process and no cgroup behind.
pub(crate) fn with_nothing_left_behind(test: fn()) {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    test();
    assert_eq!(mounts(), before, "mounts of the host changed");
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children, "", "processes are left");
    let ours = format!("stockade-test-{}", std::process::id()).parse().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while left_of(&ours) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!left_of(&ours), "cgroups are left");
}

fn left_of(path: &CgroupPath) -> bool {
    let cgroups = cgroups();
    let mounts = cgroups.v1.values().chain(cgroups.v2.iter().map(|it| &it.mount));
    mounts.into_iter().any(|mount| Path::new(mount).join(path.as_str()).exists())
}

/// How cgroups are mounted here.
pub(crate) fn cgroups() -> Cgroups {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut all = Cgroups { v1: BTreeMap::new(), v2: None };
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[2] {
            "cgroup" => {
                for option in fields[3].split(',') {
                    if ["pids", "memory", "cpu", "devices", "freezer"].contains(&option) {
                        all.v1.insert(option.to_owned(), fields[1].to_owned());
                    }
                }
            }
            "cgroup2" => {
                let controllers = Path::new(fields[1]).join("cgroup.controllers");
                let controllers = fs::read_to_string(controllers).unwrap();
                all.v2 = Some(CgroupV2 {
                    mount: fields[1].to_owned(),
                    controllers: controllers.split_whitespace().map(str::to_owned).collect(),
                });
            }
            _ => {}
        }
    }
    all
}

pub(crate) const SOON: Duration = Duration::from_secs(5);
const APPLETS: [&str; 25] = [
    "sh", "cat", "tr", "id", "ls", "mount", "uname", "hostname", "grep", "touch", "pwd", "stat",
    "head", "sleep", "tty", "mknod", "dd", "wc", "readlink", "sed", "ps", "test", "mkdir", "true",
    "ip",
];
