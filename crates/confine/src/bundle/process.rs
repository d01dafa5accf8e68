//! `process` of a bundle: who it is, what it may do, what it runs.

use std::collections::BTreeSet;

use stockade_abi::facts::NoNewPrivs;
use stockade_abi::{Capability, CapabilitySet, CapabilitySets};
use stockade_spec::bundle as oci;

use super::{Desk, mounts, support::unsaid};
use crate::container::{AppArmor, Identity, SeLinux, UserNamespace};
use crate::plan::Terminal;
use crate::workload::{Rlimit, Stdin, Workload};
use crate::{Origin, Sourced};

pub(super) fn identity(
    desk: &mut Desk<'_>,
    process: &oci::Process,
    namespace: Option<&Sourced<UserNamespace>>,
) -> Sourced<Identity> {
    let oci::User { uid, gid, umask, additional_gids } = &process.user;
    let groups: BTreeSet<u32> = additional_gids.iter().copied().collect();
    if let Some(Sourced { value: maps, .. }) = namespace {
        let mut unmapped = |path: &str, what: &str, id: u32| {
            let why = format!("{what} {id} does not exist in the user namespace");
            desk.wrong(&format!("process.user.{path}"), why);
        };
        if maps.uids.to_outside(*uid).is_none() {
            unmapped("uid", "user", *uid);
        }
        if maps.gids.to_outside(*gid).is_none() {
            unmapped("gid", "group", *gid);
        }
        let outside = |it: &&u32| maps.gids.is_single() || maps.gids.to_outside(**it).is_none();
        if let Some(group) = groups.iter().find(outside) {
            unmapped("additionalGids", "supplementary group", *group);
        }
    }
    let groups = groups.into_iter().collect();
    let value = Identity { uid: *uid, gid: *gid, groups, umask: *umask };
    Sourced::new(value, desk.origin("process.user"))
}

/// Exactly the five sets that are named; one that is not is empty.
pub(super) fn capabilities(desk: &mut Desk<'_>, process: &oci::Process) -> Sourced<CapabilitySets> {
    let Some(said) = &process.capabilities else { return unsaid(CapabilitySets::default()) };
    let oci::Capabilities { bounding, effective, inheritable, permitted, ambient } = said;
    let sets = CapabilitySets {
        bounding: set(desk, "bounding", bounding),
        effective: set(desk, "effective", effective),
        permitted: set(desk, "permitted", permitted),
        inheritable: set(desk, "inheritable", inheritable),
        ambient: set(desk, "ambient", ambient),
    };
    // What the kernel refuses, said before anything is started: capabilities(7).
    for (name, inner, outer_name, outer) in [
        ("effective", sets.effective, "permitted", sets.permitted),
        ("inheritable", sets.inheritable, "bounding", sets.bounding),
        ("ambient", sets.ambient, "permitted", sets.permitted),
        ("ambient", sets.ambient, "inheritable", sets.inheritable),
    ] {
        let extra = inner.difference(outer);
        if !extra.is_empty() {
            let why = format!("{extra} cannot be {name} without being {outer_name}");
            desk.wrong(&format!("process.capabilities.{name}"), why);
        }
    }
    Sourced::new(sets, desk.origin("process.capabilities"))
}

fn set(desk: &mut Desk<'_>, name: &str, names: &[String]) -> CapabilitySet {
    let mut set = CapabilitySet::EMPTY;
    for (index, text) in names.iter().enumerate() {
        let path = format!("process.capabilities.{name}[{index}]");
        match text.parse::<Capability>() {
            // A typo must not take away, or give, the wrong one.
            Err(unknown) => desk.wrong(&path, unknown.to_string()),
            Ok(known) if !desk.node.capabilities.contains(known) => {
                let why = format!("{known} cannot be given: Stockade's own process lacks it here");
                desk.unsupported(&path, why);
            }
            Ok(known) => set = set.with(known),
        }
    }
    set
}

pub(super) fn no_new_privs(desk: &Desk<'_>, process: &oci::Process) -> Sourced<NoNewPrivs> {
    let value = match process.no_new_privileges {
        None => return unsaid(NoNewPrivs::Unset),
        Some(true) => NoNewPrivs::Set,
        Some(false) => NoNewPrivs::Unset,
    };
    Sourced::new(value, desk.origin("process.noNewPrivileges"))
}

pub(super) fn apparmor(desk: &mut Desk<'_>, process: &oci::Process) -> Sourced<AppArmor> {
    const FIELD: &str = "process.apparmorProfile";
    let value = match process.apparmor_profile.as_deref() {
        None | Some("") => return unsaid(AppArmor::Unset),
        Some("unconfined") => AppArmor::Unconfined,
        Some(name) => {
            refuse_odd_label(desk, FIELD, name);
            AppArmor::Localhost(name.to_owned())
        }
    };
    Sourced::new(value, desk.origin(FIELD))
}

/// The labels of the files are the caller's: `linux.mountLabel` is refused.
pub(super) fn selinux(desk: &mut Desk<'_>, process: &oci::Process) -> Sourced<SeLinux> {
    const FIELD: &str = "process.selinuxLabel";
    let Some(label) = process.selinux_label.as_deref().filter(|it| !it.is_empty()) else {
        return unsaid(SeLinux::Unset);
    };
    refuse_odd_label(desk, FIELD, label);
    let words: Vec<&str> = label.splitn(4, ':').collect();
    if words.len() < 3 || words.iter().any(|it| it.is_empty()) {
        desk.wrong(FIELD, format!("{label:?} is not of the form user:role:type:level"));
    }
    Sourced::new(SeLinux::Context(label.to_owned()), desk.origin(FIELD))
}

/// A label is written to a file whose language has lines and blanks.
fn refuse_odd_label(desk: &mut Desk<'_>, path: &str, label: &str) {
    if label.trim() != label || label.chars().any(char::is_control) {
        desk.wrong(path, format!("{label:?} is not a label"));
    }
}

pub(super) fn workload(desk: &mut Desk<'_>, process: &oci::Process) -> Workload {
    for (index, variable) in process.env.iter().enumerate() {
        if variable.split_once('=').is_none_or(|(name, _)| name.is_empty()) {
            let path = format!("process.env[{index}]");
            desk.wrong(&path, format!("{variable:?} is not of the form NAME=value"));
        }
    }
    let mut rlimits = Vec::with_capacity(process.rlimits.len());
    for (index, limit) in process.rlimits.iter().enumerate() {
        let path = format!("process.rlimits[{index}]");
        if let Some(limit) = rlimit(desk, limit, &path) {
            rlimits.push((limit, desk.origin(&path)));
        }
    }
    let sourced = |desk: &Desk<'_>, path: &str| desk.origin(path);
    Workload {
        arguments: Sourced::new(process.args.clone(), sourced(desk, "process.args")),
        environment: process.env.clone(),
        working_directory: Sourced::new(process.cwd.clone(), sourced(desk, "process.cwd")),
        mounts: mounts::read(desk),
        terminal: match process.terminal {
            Some(true) => Terminal::New,
            Some(false) | None => Terminal::None,
        },
        stdin: Stdin::Open,
        rlimits,
        oom_score_adj: process
            .oom_score_adj
            .map(|score| Sourced::new(score, sourced(desk, "process.oomScoreAdj"))),
        stop_signal: Sourced {
            value: "SIGTERM".to_owned(),
            origin: Origin::Default("a bundle names no signal"),
        },
    }
}

fn rlimit(desk: &mut Desk<'_>, said: &oci::Rlimit, path: &str) -> Option<Rlimit> {
    let oci::Rlimit { kind, hard, soft } = said;
    let name = kind.strip_prefix("RLIMIT_").filter(|it| LIMITS.contains(it));
    let Some(name) = name else {
        desk.wrong(&format!("{path}.type"), format!("`{kind}` is not a resource limit"));
        return None;
    };
    // To the kernel the largest number is no limit.
    let limit = |it: u64| (it != u64::MAX).then_some(it);
    Some(Rlimit { resource: name.to_ascii_lowercase(), soft: limit(*soft), hard: limit(*hard) })
}

/// getrlimit(2).
const LIMITS: &[&str] = &[
    "AS",
    "CORE",
    "CPU",
    "DATA",
    "FSIZE",
    "LOCKS",
    "MEMLOCK",
    "MSGQUEUE",
    "NICE",
    "NOFILE",
    "NPROC",
    "RSS",
    "RTPRIO",
    "RTTIME",
    "SIGPENDING",
    "STACK",
];
