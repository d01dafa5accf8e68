//! The node's list of sysctls that pods may set, and its refusal of the others.
//!
//! Reads `spec.securityContext.sysctls` (and the annotations that came before it) in order; the
//! first that is not on the list, or whose namespace the pod shares with the host, decides. The list
//! is the safe sysctls of the node's version and kernel, and what `--allowed-unsafe-sysctls` adds.
//!
//! Source: Kubernetes `pkg/kubelet/sysctl`, reason `SysctlForbidden`.

use std::fmt;

use stockade_abi::NamespaceKind;
use stockade_abi::host::Kernel;
use stockade_confine::{Origin, Reason, Refusal, Resolved, Sourced, Sysctl, World, dotted_sysctl};
use stockade_spec::{FieldPath, Place, Pod};

pub(crate) fn check(pod: &Pod, resolved: &Resolved, world: &World) -> Vec<Refusal> {
    let sysctls = &resolved.pod.sysctls;
    if sysctls.is_empty() {
        return Vec::new();
    }
    let minor = world.node.legacy.minor();
    let patterns = &world.node.allowed_unsafe_sysctls;
    let list = match Allowlist::build(patterns, minor, &world.node.kernel) {
        Ok(list) => list,
        Err(error) => {
            let place = pod.place(&FieldPath::root());
            return vec![refusal(place, format!("the node's own list is not valid: {error}"))];
        }
    };
    let shares = |kind| !resolved.pod.namespaces.value.contains(kind);
    let first = sysctls.iter().enumerate().find_map(|(index, it)| {
        let name = name_at(pod, index, it, minor);
        let why = list.refuses(name, &shares)?;
        let mut refusal = refusal(it.origin.place_or_self(), format!("forbidden sysctl: {why}"));
        if list.namespace_of(name).is_none() && namespace(name, minor).is_some() {
            refusal.hint = Some(format!(
                "if the node's administrator agrees, run with --allowed-unsafe-sysctls '{name}'"
            ));
        }
        Some(refusal)
    });
    first.into_iter().collect()
}

/// The name as a node of that version reads it: with slashes as they are before it knew them.
fn name_at<'a>(pod: &'a Pod, index: usize, sysctl: &'a Sourced<Sysctl>, minor: u32) -> &'a str {
    let resolved = sysctl.value.name.as_str();
    match &sysctl.origin {
        // Those of the field come first, and all of them.
        Origin::Declared(_) if minor < SLASHES_SINCE => {
            let context = pod.spec().and_then(|it| it.security_context.as_ref());
            let declared = context.and_then(|it| it.sysctls.as_ref());
            declared.and_then(|it| it.get(index)).map_or(resolved, |it| it.name.as_str())
        }
        Origin::Declared(_)
        | Origin::Annotation(_)
        | Origin::Image(_)
        | Origin::Node(_)
        | Origin::Default(_) => resolved,
    }
}

const fn refusal(place: Place, why: String) -> Refusal {
    Refusal { reason: Reason::SysctlForbidden, place, why, hint: None }
}

/// The sysctls that a node lets pods set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowlist {
    minor: u32,
    exact: Vec<(String, NamespaceKind)>,
    prefixes: Vec<(String, NamespaceKind)>,
}

/// A pattern with which a kubelet would not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadPattern {
    /// Not of the form of a sysctl name or pattern.
    Malformed {
        /// The pattern as given.
        pattern: String,
        /// The form that the node's version takes.
        regex: &'static str,
    },
    /// Not known to belong to a namespace: to set it in a pod would set it on the host.
    NotNamespaced {
        /// As upstream's message of that version quotes it.
        shown: String,
        /// Whether the message speaks of one sysctl (exact entries before 1.29).
        singular: Singular,
    },
}

/// Number of the noun in a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Singular {
    /// `the sysctl "x" are not known to be namespaced`
    Yes,
    /// `the sysctls "x" are not known to be namespaced`
    No,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { pattern, regex } => write!(
                f,
                "sysctl {pattern:?} must have at most 253 characters and match regex {regex}"
            ),
            Self::NotNamespaced { shown, singular: Singular::Yes } => {
                write!(f, "the sysctl {shown:?} are not known to be namespaced")
            }
            Self::NotNamespaced { shown, singular: Singular::No } => {
                write!(f, "the sysctls {shown:?} are not known to be namespaced")
            }
        }
    }
}

impl std::error::Error for BadPattern {}

impl Allowlist {
    /// Builds the list of a node of Kubernetes 1.`minor`.
    ///
    /// # Errors
    ///
    /// The first pattern with which a kubelet of that version would refuse to start.
    pub fn build(patterns: &[String], minor: u32, kernel: &Kernel) -> Result<Self, BadPattern> {
        let safe = SAFE.iter().filter(|it| it.since <= minor && it.works_on(kernel, minor));
        let mut list = Self {
            minor,
            exact: safe.map(|it| (it.name.to_owned(), it.namespace)).collect(),
            prefixes: Vec::new(),
        };
        for pattern in patterns {
            list.add(pattern)?;
        }
        Ok(list)
    }

    fn add(&mut self, pattern: &str) -> Result<(), BadPattern> {
        if !is_pattern(pattern, self.minor) {
            let regex = if self.minor >= SLASHES_SINCE { REGEX } else { REGEX_WITHOUT_SLASHES };
            return Err(BadPattern::Malformed { pattern: pattern.to_owned(), regex });
        }
        let name =
            if self.minor >= SLASHES_SINCE { dotted_sysctl(pattern) } else { pattern.to_owned() };
        let (text, is_prefix) = match name.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (name.as_str(), false),
        };
        let Some(namespace) = namespace(text, self.minor) else {
            return Err(match (self.minor >= 29, is_prefix) {
                (true, _) => {
                    BadPattern::NotNamespaced { shown: text.to_owned(), singular: Singular::No }
                }
                (false, true) => {
                    BadPattern::NotNamespaced { shown: name.clone(), singular: Singular::No }
                }
                (false, false) => {
                    BadPattern::NotNamespaced { shown: name.clone(), singular: Singular::Yes }
                }
            });
        };
        let entry = (text.to_owned(), namespace);
        if is_prefix {
            self.prefixes.push(entry)
        } else {
            self.exact.push(entry)
        }
        Ok(())
    }

    /// The namespace by which a sysctl is allowed, or `None` if it is not.
    pub fn namespace_of(&self, name: &str) -> Option<NamespaceKind> {
        let exact = self.exact.iter().find(|(it, _)| it == name);
        let found = exact.or_else(|| self.prefixes.iter().find(|(it, _)| name.starts_with(it)));
        found.map(|it| it.1)
    }

    /// Why a pod may not set `name`, in the kubelet's words; `None` if it may.
    pub fn refuses(
        &self,
        name: &str,
        shares_with_host: &dyn Fn(NamespaceKind) -> bool,
    ) -> Option<String> {
        let modern = self.minor >= 29;
        let host = |new: &str, old: &str| {
            let word = if modern { new } else { old };
            Some(format!("{name:?} not allowed with host {word} enabled"))
        };
        match self.namespace_of(name) {
            Some(NamespaceKind::Ipc) if shares_with_host(NamespaceKind::Ipc) => host("IPC", "ipc"),
            Some(NamespaceKind::Net) if shares_with_host(NamespaceKind::Net) => host("Net", "net"),
            Some(_) => None,
            None if self.minor <= 21 => Some(format!("{name:?} not whitelisted")),
            None => Some(format!("{name:?} not allowlisted")),
        }
    }
}

/// Segments as in a sysctl name; the last may end in `*`, or be only that.
fn is_pattern(pattern: &str, minor: u32) -> bool {
    let separators: &[char] = if minor >= SLASHES_SINCE { &['.', '/'] } else { &['.'] };
    let letter = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let inner = |it: char| letter(it) || it == '-' || it == '_';
    let name = |it: &str| it.starts_with(letter) && it.ends_with(letter) && it.chars().all(inner);
    let last = |it: &str| match it.strip_suffix('*') {
        Some("") => true,
        Some(stem) => stem.starts_with(letter) && stem.chars().all(inner),
        None => name(it),
    };
    let mut segments: Vec<&str> = pattern.split(separators).collect();
    let Some(end) = segments.pop() else { return false };
    pattern.len() <= 253 && segments.into_iter().all(name) && last(end)
}

/// The namespace that a sysctl, or all with a prefix, is known to belong to.
fn namespace(text: &str, minor: u32) -> Option<NamespaceKind> {
    let (exact, prefixes): (&[&str], &[&str]) = if minor >= 29 {
        (IPC_NAMES, &["fs.mqueue."])
    } else {
        (&["kernel.sem"], &["kernel.shm", "kernel.msg", "fs.mqueue."])
    };
    if exact.contains(&text) || prefixes.iter().any(|it| text.starts_with(it)) {
        Some(NamespaceKind::Ipc)
    } else if text.starts_with("net.") {
        Some(NamespaceKind::Net)
    } else {
        None
    }
}

/// A sysctl that every node allows.
struct Safe {
    name: &'static str,
    since: u32,
    namespace: NamespaceKind,
    kernel: Option<(u32, u32)>,
}

impl Safe {
    fn works_on(&self, kernel: &Kernel, minor: u32) -> bool {
        minor < 27 || self.kernel.is_none_or(|(major, minor)| kernel.at_least(major, minor))
    }
}

const fn safe(
    name: &'static str,
    since: u32,
    namespace: NamespaceKind,
    kernel: Option<(u32, u32)>,
) -> Safe {
    Safe { name, since, namespace, kernel }
}

/// The version from which on slashes separate segments, too.
const SLASHES_SINCE: u32 = 23;

const REGEX: &str = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]";

const REGEX_WITHOUT_SLASHES: &str =
    r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]";

const IPC_NAMES: &[&str] = &[
    "kernel.sem",
    "kernel.shm",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.msg",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
];

const SAFE: &[Safe] = &[
    safe("kernel.shm_rmid_forced", 4, NamespaceKind::Ipc, None),
    safe("net.ipv4.ip_local_port_range", 4, NamespaceKind::Net, None),
    safe("net.ipv4.tcp_syncookies", 4, NamespaceKind::Net, None),
    safe("net.ipv4.ping_group_range", 18, NamespaceKind::Net, None),
    safe("net.ipv4.ip_unprivileged_port_start", 22, NamespaceKind::Net, None),
    safe("net.ipv4.ip_local_reserved_ports", 27, NamespaceKind::Net, Some((3, 16))),
    safe("net.ipv4.tcp_keepalive_time", 29, NamespaceKind::Net, Some((4, 5))),
    safe("net.ipv4.tcp_fin_timeout", 29, NamespaceKind::Net, Some((4, 6))),
    safe("net.ipv4.tcp_keepalive_intvl", 29, NamespaceKind::Net, Some((4, 5))),
    safe("net.ipv4.tcp_keepalive_probes", 29, NamespaceKind::Net, Some((4, 5))),
    safe("net.ipv4.tcp_rmem", 32, NamespaceKind::Net, Some((4, 15))),
    safe("net.ipv4.tcp_wmem", 32, NamespaceKind::Net, Some((4, 15))),
    safe("net.ipv4.tcp_slow_start_after_idle", 37, NamespaceKind::Net, None),
    safe("net.ipv4.tcp_notsent_lowat", 37, NamespaceKind::Net, None),
];

#[cfg(test)]
mod tests;
