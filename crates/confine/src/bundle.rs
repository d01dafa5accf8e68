//! The second front door: from an OCI bundle to the same two halves of a container.
//!
//! | said | meant |
//! |---|---|
//! | `process` | [`process`]: identity, capabilities, no_new_privs, labels; and the workload |
//! | `root`, `mounts`, `linux.maskedPaths`, `linux.readonlyPaths`, `linux.rootfsPropagation` | [`files`] and [`mounts`] |
//! | `linux.namespaces`, `linux.uidMappings`, `linux.gidMappings`, `hostname`, `domainname`, `linux.sysctl` | [`namespaces`] |
//! | `linux.devices`, `linux.resources` | [`devices`] and [`resources`] |
//! | `linux.seccomp` | [`filter`] |
//! | everything else | [`support`]: refused by name, unless it asks for nothing |
//!
//! A bundle says everything itself: what it leaves out is not filled in as for a pod. Capabilities
//! that are not named are not given, a namespace that is not listed is the host's. It does not know
//! that a caller may be an orchestrator; annotations never mean anything here.
//!
//! Source: OCI runtime specification 1.2, `config.md` and `config-linux.md`.

mod devices;
mod files;
mod filter;
mod mounts;
mod namespaces;
mod options;
mod process;
mod resources;
mod support;

use stockade_abi::{NamespaceKind, NamespaceSet};
use stockade_spec::bundle::{self as oci, Bundle};
use stockade_spec::{FieldPath, Place};

use crate::container::{Confinement, Container, Maker, PodConfinement, Warning};
use crate::health::Health;
use crate::limits::Limits;
use crate::scope::Findings;
use crate::turn::{Restart, RestartPolicy, Turn};
use crate::world::Node;
use crate::{Origin, Reason, Refusal, Sourced};

/// What a bundle amounts to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundled {
    /// The container. Its name is empty: who creates it names it.
    pub container: Container,
    /// What a pod would have for it.
    pub pod: PodConfinement,
    /// Where the namespaces to join are, as host paths. Whoever opens one verifies its kind. They
    /// are expected not to be the host's own: a bundle that wants those does not list them.
    pub joins: Vec<(NamespaceKind, Sourced<String>)>,
    /// `linux.cgroupsPath`, without a slash at either end.
    pub cgroup: Option<Sourced<String>>,
    /// Things worth saying that stop nothing.
    pub warnings: Vec<Warning>,
}

/// Says what a bundle amounts to on a node. `directory` is the bundle's own, absolute.
///
/// # Errors
///
/// Everything that this build or the node cannot honour, each with its field.
pub fn from_bundle(bundle: &Bundle, directory: &str, node: &Node) -> Result<Bundled, Vec<Refusal>> {
    let none = oci::Linux::default();
    let linux = bundle.config.linux.as_ref().unwrap_or(&none);
    let mut desk = Desk { bundle, linux, directory, node, findings: Findings::default() };
    support::examine(&mut desk);
    let bundled = read(&mut desk);
    let Findings { refusals, warnings } = desk.findings;
    match bundled {
        Some(bundled) if refusals.is_empty() => Ok(Bundled { warnings, ..bundled }),
        _ => Err(refusals),
    }
}

/// `None` only after a refusal.
fn read(desk: &mut Desk<'_>) -> Option<Bundled> {
    let namespaces::Namespaces { all, joined, joins, user } = namespaces::read(desk);
    let process = desk.bundle.config.process.as_ref();
    if process.is_none() {
        desk.wrong("process", "a container without a process is not supported");
    }
    let process = process?;
    let set = all.value;
    let capabilities = process::capabilities(desk, process);
    let confinement = Confinement {
        identity: process::identity(desk, process, user.as_ref()),
        no_new_privs: process::no_new_privs(desk, process),
        seccomp: filter::read(desk, capabilities.value.bounding),
        capabilities,
        apparmor: process::apparmor(desk, process),
        selinux: process::selinux(desk, process),
        namespaces: all,
        root: files::root(desk),
        paths: files::guarded_paths(desk),
        // Its mounts are its workload's.
        volumes: Vec::new(),
        devices: devices::read(desk, set.contains(NamespaceKind::User)),
        limits: resources::limits(desk),
    };
    let own = joined.value.iter().fold(set, NamespaceSet::without);
    let pod = PodConfinement {
        namespaces: joined,
        maker: Maker::Container,
        user_namespace: user,
        hostname: namespaces::name(desk, "hostname", own),
        domainname: namespaces::name(desk, "domainname", own),
        sysctls: namespaces::sysctls(desk, own),
        limits: support::unsaid(Limits::default()),
    };
    let workload = process::workload(desk, process);
    let container = Container {
        name: String::new(),
        turn: Turn::Regular,
        restart: support::unsaid(Restart { policy: RestartPolicy::Never, rules: Vec::new() }),
        health: Health::default(),
        confinement,
        workload,
    };
    let cgroup = resources::cgroup(desk);
    Some(Bundled { container, pod, joins, cgroup, warnings: Vec::new() })
}

/// A bundle that is being read.
struct Desk<'a> {
    bundle: &'a Bundle,
    linux: &'a oci::Linux,
    directory: &'a str,
    node: &'a Node,
    findings: Findings,
}

impl Desk<'_> {
    fn place(&self, path: &str) -> Place {
        self.bundle.place(&FieldPath::from(path))
    }

    fn origin(&self, path: &str) -> Origin {
        Origin::Declared(self.place(path))
    }

    /// A value that cannot be meant.
    fn wrong(&mut self, path: &str, why: impl Into<String>) {
        let place = self.place(path);
        self.findings.refuse(Reason::CreateContainerConfigError, place, why);
    }

    /// A field that this build does not enforce.
    fn unenforced(&mut self, path: &str, why: impl Into<String>) {
        let place = self.place(path);
        self.findings.refuse(Reason::NotEnforced, place, why);
    }

    /// What this node, or these privileges, cannot do.
    fn unsupported(&mut self, path: &str, why: impl Into<String>) {
        let place = self.place(path);
        self.findings.refuse(Reason::Unsupported, place, why);
    }

    /// A host path, which may be relative to the bundle.
    fn host_path(&self, path: &str) -> String {
        if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.directory.trim_end_matches('/'))
        }
    }
}

/// The names on an absolute path, as far as its words tell: `..` takes back the one before.
fn words(path: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in path.split('/') {
        match word {
            "" | "." => {}
            ".." => {
                words.pop();
            }
            name => words.push(name),
        }
    }
    words
}

#[cfg(test)]
mod tests;
