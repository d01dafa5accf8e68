//! Where a pod is started by a plan that is not the one it asked for, and looked at.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};
use rustix::system::uname;
use stockade_abi::facts::ProcessFacts;
use stockade_abi::host::Privilege;
use stockade_abi::{Architecture, Host, Reading};
use stockade_confine::plan::{Action, Plan, Step};
use stockade_confine::world::{
    ImageFacts, Legacy, LegacyUnconfined, Node, NodeUserNamespace, Objects, ProfileFile,
    SeccompDefault,
};
use stockade_confine::{
    Container, Finding, Mechanism, Resolved, RestartDefault, World, diff, expect, plan, plan_pod,
    questions, resolve,
};
use stockade_runtime::cgroup::{self, CgroupPath};
use stockade_runtime::pod::{make_volumes, pinned};
use stockade_runtime::{
    Gate, Held, Hold, Join, Known, Life, PodFiles, PodNamespaces, Site, Started, Streams, Tie,
    VolumeRoot, create, make_namespaces,
};

/// A machine with one image, and a pod that was declared for it.
pub(crate) struct Stand {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) host: Host,
    pub(crate) cgroup: CgroupPath,
    pub(crate) declared: Resolved,
    volumes: BTreeMap<String, VolumeRoot>,
}

/// The steps of a pod, to be tampered with.
pub(crate) struct Plans {
    pub(crate) pod: Vec<Step>,
    pub(crate) container: Vec<Step>,
}

/// A container that stands at its first instruction.
pub(crate) struct Standing<'a> {
    pub(crate) stand: &'a Stand,
    pub(crate) held: Held,
    /// Kept for as long as the container is.
    _namespaces: Option<PodNamespaces>,
}

impl Stand {
    pub(crate) fn new(manifest: &str) -> Self {
        Self::on(manifest, NodeUserNamespace::NotNeeded)
    }

    /// A pod on a node whose pods need this user namespace.
    pub(crate) fn on(manifest: &str, user_namespace: NodeUserNamespace) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = tempfile::tempdir().unwrap();
        image(&directory.path().join("layer"));
        for name in ["hosts", "hostname", "resolv.conf"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        for name in ["shm", "scratch", "volumes"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let host = stockade_observe::host().unwrap();
        let world = world(&host, &directory.path().join("layer"), user_namespace);
        let declared = resolved(manifest, &world);
        let cgroup = format!("stockade-proof-{}/{number}", std::process::id());
        let (own, scratch) = (directory.path().join("volumes"), directory.path().join("scratch"));
        let volumes = make_volumes(&declared.volumes, &own, &scratch, &host.privilege).unwrap();
        Self { directory, host, cgroup: cgroup.parse().unwrap(), declared, volumes }
    }

    pub(crate) fn container(&self) -> &Container {
        &self.declared.containers[0]
    }

    /// What the declaration amounts to.
    pub(crate) fn plans(&self) -> Plans {
        let pod = plan_pod(&self.declared.pod, &self.host).unwrap();
        let container = plan(self.container(), &self.declared.pod, &self.host).unwrap();
        let steps = |it: &Plan| it.steps().to_vec();
        Plans { pod: pod.as_ref().map(steps).unwrap_or_default(), container: steps(&container) }
    }

    /// Starts the pod by these plans, whatever was declared, and holds it.
    #[track_caller]
    pub(crate) fn start(&self, plans: Plans) -> Standing<'_> {
        let Plans { pod, container } = plans;
        let namespaces = (!pod.is_empty()).then(|| {
            make_namespaces(&Plan::in_stage_order(pod), &self.site(Join::Nothing)).unwrap()
        });
        let join = namespaces.as_ref().map_or(Join::Nothing, |it| it.to_join().unwrap());
        let created = create(&Plan::in_stage_order(container), &self.site(join)).unwrap();
        let Started::Held(held) = created.start(Hold::AtExec).unwrap() else {
            panic!("it is not held")
        };
        Standing { stand: self, held, _namespaces: namespaces }
    }

    /// Compares a process with what was declared.
    pub(crate) fn judge(&self, pid: i32, filters: Option<&Held>) -> Vec<Finding> {
        let expected = self.expected();
        let asked = questions(&expected);
        let pid = pid.cast_unsigned();
        let seen = match filters {
            Some(held) => {
                let filters = Reading::from(held.filters());
                stockade_observe::process_with_filters(pid, &asked, filters)
            }
            None => stockade_observe::process(pid, &asked),
        };
        diff(&expected, &seen.unwrap())
    }

    pub(crate) fn expected(&self) -> ProcessFacts {
        let expected = expect(self.container(), &self.declared.pod, &self.host);
        let plan = plan(self.container(), &self.declared.pod, &self.host).unwrap();
        pinned(&expected, &plan, &self.volumes).unwrap()
    }

    /// The file of the container's cgroup.
    pub(crate) fn cgroup_file(&self, controller: &str, v1: &str, v2: &str) -> PathBuf {
        let (mount, file) = match self.host.cgroups.v1.get(controller) {
            Some(mount) => (mount, v1),
            None => (&self.host.cgroups.v2.as_ref().unwrap().mount, v2),
        };
        Path::new(mount).join(self.cgroup.as_str()).join(file)
    }

    fn site(&self, join: Join) -> Site<'_> {
        let file = |name: &str| self.directory.path().join(name);
        Site {
            cgroups: &self.host.cgroups,
            cgroup: self.cgroup.clone(),
            scratch: file("scratch"),
            pod_files: Some(PodFiles {
                hosts: file("hosts"),
                hostname: file("hostname"),
                resolv_conf: file("resolv.conf"),
                shared_memory: file("shm"),
                volumes: self.volumes.clone(),
            }),
            join,
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

    pub(crate) fn clean_up(&self) {
        cgroup::kill_all(&self.host.cgroups, &self.cgroup, SOON).unwrap();
        cgroup::remove(&self.host.cgroups, &self.cgroup, SOON).unwrap();
        stockade_runtime::remove_scratch(&self.directory.path().join("scratch")).unwrap();
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // A supervisor's would go with its mount namespace.
        for name in self.volumes.keys() {
            let own = self.directory.path().join("volumes").join(name);
            unmount(&own, UnmountFlags::DETACH).ok();
        }
        // After a failed assertion the container may still be there.
        let parent = self.cgroup.parent().unwrap();
        let killed = cgroup::kill_all(&self.host.cgroups, &self.cgroup, SOON);
        let own = cgroup::remove(&self.host.cgroups, &self.cgroup, SOON);
        let above = cgroup::remove(&self.host.cgroups, &parent, SOON);
        if !std::thread::panicking() {
            killed.and(own).and(above).unwrap();
        }
    }
}

impl Standing<'_> {
    /// What the kernel says of it, compared with what was declared; then it is gone.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let Self { stand, held, _namespaces } = self;
        let findings = stand.judge(held.pid(), Some(&held));
        held.kill().unwrap();
        stand.clean_up();
        findings
    }
}

impl Plans {
    /// Leaves steps out.
    #[track_caller]
    pub(crate) fn without(mut self, unwanted: impl Fn(&Action) -> bool) -> Self {
        let before = self.pod.len() + self.container.len();
        self.pod.retain(|it| !unwanted(&it.action));
        self.container.retain(|it| !unwanted(&it.action));
        assert!(self.pod.len() + self.container.len() < before, "there is no such step");
        self
    }

    /// Changes steps; says whether it was one to be changed.
    #[track_caller]
    pub(crate) fn with(mut self, mut change: impl FnMut(&mut Action) -> bool) -> Self {
        let all = self.pod.iter_mut().chain(&mut self.container);
        let changed = all.map(|it| change(&mut it.action)).filter(|it| *it).count();
        assert!(changed > 0, "there is no such step");
        self
    }
}

/// Every line that is not `ok`: the mechanism, the word, and what is said about it.
pub(crate) fn not_ok(findings: &[Finding]) -> Vec<(Mechanism, String, String)> {
    let line = |it: &Finding| {
        let detail = it.verdict.detail()?.to_owned();
        Some((it.mechanism.clone(), it.verdict.to_string(), detail))
    };
    findings.iter().filter_map(line).collect()
}

/// Runs a test and verifies that it leaves no mount, no process and no cgroup behind.
pub(crate) fn with_nothing_left_behind(test: fn()) {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let name = || uname().nodename().to_owned();
    let before = (mounts(), name());
    test();
    assert_eq!((mounts(), name()), before, "the host changed");
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children, "", "processes are left");
    let cgroups = stockade_observe::host().unwrap().cgroups;
    let ours = format!("stockade-proof-{}", std::process::id());
    for mount in cgroups.v1.values().chain(cgroups.v2.iter().map(|it| &it.mount)) {
        assert!(!Path::new(mount).join(&ours).exists(), "a cgroup is left in {mount}");
    }
}

fn resolved(manifest: &str, world: &World) -> Resolved {
    let parsed = stockade_spec::parse("pod.yaml", manifest);
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    resolve(parsed.pods().next().unwrap(), world, RestartDefault::Never).unwrap()
}

fn world(host: &Host, layer: &Path, user_namespace: NodeUserNamespace) -> World {
    let image =
        ImageFacts { layers: vec![layer.to_str().unwrap().to_owned()], ..ImageFacts::default() };
    let Privilege::Root { capabilities } = host.privilege else { panic!("needs root") };
    let profile = |(name, text): (&str, &str)| {
        let file = ProfileFile { path: name.to_owned(), text: text.to_owned() };
        (name.to_owned(), Ok(file))
    };
    World {
        images: BTreeMap::from([("box".to_owned(), image)]),
        profiles: PROFILES.into_iter().map(profile).collect(),
        objects: Objects::default(),
        node: Node {
            kernel: host.kernel.clone(),
            architecture: Architecture::NATIVE,
            capabilities,
            last_cpu: host.last_cpu,
            allowed_unsafe_sysctls: Vec::new(),
            seccomp_default: SeccompDefault::Unconfined,
            legacy: Legacy::Honoured { unconfined: LegacyUnconfined::Refused },
            hostname: "node".to_owned(),
            pod_pids_limit: Some(64),
            devices: Vec::new(),
            user_namespace,
        },
    }
}

fn image(layer: &Path) {
    for name in ["bin", "etc", "tmp"] {
        fs::create_dir_all(layer.join(name)).unwrap();
    }
    fs::copy("/bin/busybox", layer.join("bin/busybox")).unwrap();
    for applet in ["sh", "sleep", "mount", "umount"] {
        symlink("busybox", layer.join("bin").join(applet)).unwrap();
    }
}

pub(crate) const SOON: Duration = Duration::from_secs(5);

/// The declared profile, and one that has one rule less.
const PROFILES: [(&str, &str); 2] = [
    (
        "declared.json",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["chmod", "mount", "add_key"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO",
             "args": [{"index": 0, "value": 38, "op": "SCMP_CMP_EQ"}]}]}"#,
    ),
    (
        "loosened.json",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["chmod", "mount", "add_key"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO",
             "args": [{"index": 0, "value": 39, "op": "SCMP_CMP_EQ"}]}]}"#,
    ),
];
