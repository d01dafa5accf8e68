//! From meant to plan: what is to be done, laid out before anything is done.

use stockade_abi::host::{Host, LsmState, Privilege};
use stockade_abi::{NamespaceKind, NamespaceSet, Reading};

use crate::container::{
    AppArmor, Confinement, Container, Maker, PodConfinement, SeLinux, Seccomp, UserNamespace,
};
use crate::mechanism::{
    apparmor, capabilities, devices, hostname, identity, limits, namespaces, no_new_privs, paths,
    root, seccomp, selinux, sysctls, volumes,
};
use crate::plan::{Action, Plan, SetGroups, Stage, Step, Terminal};
use crate::resolve::shared;
use crate::workload::Workload;
use crate::{Origin, Reason, Refusal};

/// Lays out what makes the pod's own namespaces. `None` if it has none of its own.
///
/// # Errors
///
/// What this host cannot do.
pub fn plan_pod(pod: &PodConfinement, host: &Host) -> Result<Option<Plan>, Vec<Refusal>> {
    let namespaces = &pod.namespaces;
    let set = namespaces.value;
    if set.is_empty() || pod.maker == Maker::Container {
        return Ok(None);
    }
    let refusals = unavailable(set, &namespaces.origin, host);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let birth = Action::Birth { unshare: set };
    let mut steps = vec![Step::new(Stage::Birth, birth, namespaces.origin.clone())];
    steps.extend(furnish(set, pod, host));
    Ok(Some(Plan::in_stage_order(steps)))
}

/// Sets up the pod's namespaces; `own` are those that were just made.
fn furnish(own: NamespaceSet, pod: &PodConfinement, host: &Host) -> Vec<Step> {
    // Limits are those of a cgroup, which is there before any process.
    let PodConfinement {
        namespaces: _,
        maker: _,
        user_namespace,
        hostname,
        domainname,
        sysctls,
        limits: _,
    } = pod;
    let mut steps = Vec::new();
    if let Some(user) = user_namespace {
        if own.contains(NamespaceKind::User) {
            steps.push(id_maps(&user.value, &user.origin, host));
        }
        steps.push(become_root());
    }
    if own.contains(NamespaceKind::Net) {
        steps.push(Step::always(Stage::Network, Action::LoopbackUp, "a pod can reach itself"));
    }
    steps.extend(hostname.as_ref().map(hostname::plan));
    if let Some(name) = domainname {
        let action = Action::SetDomainname(name.value.clone());
        steps.push(Step::new(Stage::Hostname, action, name.origin.clone()));
    }
    steps.extend(sysctls.iter().map(sysctls::plan));
    steps
}

/// Lays out what starts a container in its pod.
///
/// # Errors
///
/// What this host cannot do.
pub fn plan(
    container: &Container,
    pod: &PodConfinement,
    host: &Host,
) -> Result<Plan, Vec<Refusal>> {
    let Container { name: _, turn: _, restart: _, health: _, confinement, workload } = container;
    let set = confinement.namespaces.value;
    let mut refusals = unavailable(set, &confinement.namespaces.origin, host);
    let place = || confinement.limits.origin.place_or_self();
    refusals.extend(limits::unsupported(&confinement.limits, host, place));
    refusals.extend(unenforceable(confinement, pod, host));

    let own = namespaces::own(set, shared(pod));
    let birth = Action::Birth { unshare: own };
    let mut steps = vec![Step::new(Stage::Birth, birth, confinement.namespaces.origin.clone())];
    let joined: NamespaceSet = shared(pod).iter().filter(|it| set.contains(*it)).collect();
    steps.extend(cgroup_steps(confinement, joined, host));
    if !joined.is_empty() {
        let action = Action::JoinNamespaces { kinds: joined };
        steps.push(Step::new(Stage::JoinNamespaces, action, pod.namespaces.origin.clone()));
    }
    match pod.maker {
        Maker::Container => steps.extend(furnish(own, pod, host)),
        Maker::Pod if pod.user_namespace.is_some() => steps.push(become_root()),
        Maker::Pod => {}
    }
    steps.extend(root::plan(&confinement.root));
    for (mount, origin) in &workload.mounts {
        steps.push(Step::new(Stage::Mounts, Action::Mount(mount.clone()), origin.clone()));
    }
    steps.extend(confinement.volumes.iter().map(volumes::plan));
    steps.extend(devices::plan(&confinement.devices));
    steps.extend(paths::plan(&confinement.paths));
    let user = pod.user_namespace.as_ref().map(|it| &it.value);
    match process_steps(confinement, workload, user) {
        Ok(more) => steps.extend(more),
        Err(refusal) => refusals.push(*refusal),
    }
    if refusals.is_empty() { Ok(Plan::in_stage_order(steps)) } else { Err(refusals) }
}

/// Lays out what starts another process in a running container: the same steps but for those that
/// made what it joins.
///
/// # Errors
///
/// What this host cannot do.
pub fn plan_exec(
    container: &Container,
    pod: &PodConfinement,
    host: &Host,
) -> Result<Plan, Vec<Refusal>> {
    let Container { name: _, turn: _, restart: _, health: _, confinement, workload } = container;
    let set = confinement.namespaces.value;
    let origin = Origin::Default("the process joins its container");
    let mut steps = vec![
        Step::new(Stage::Birth, Action::Birth { unshare: NamespaceSet::EMPTY }, origin.clone()),
        Step::new(Stage::JoinNamespaces, Action::JoinNamespaces { kinds: set }, origin.clone()),
    ];
    if matches!(host.privilege, Privilege::Root { .. }) {
        steps.push(Step::new(Stage::CgroupEntry, Action::EnterCgroup, origin));
    }
    if pod.user_namespace.is_some() {
        steps.push(become_root());
    }
    let mut refusals = unenforceable(confinement, pod, host);
    let user = pod.user_namespace.as_ref().map(|it| &it.value);
    match process_steps(confinement, workload, user) {
        Ok(more) => steps.extend(more),
        Err(refusal) => refusals.push(*refusal),
    }
    if refusals.is_empty() { Ok(Plan::in_stage_order(steps)) } else { Err(refusals) }
}

fn become_root() -> Step {
    let why = "files are made by the namespace's own root";
    Step::always(Stage::UsernsRoot, Action::BecomeRoot, why)
}

fn id_maps(maps: &UserNamespace, origin: &Origin, host: &Host) -> Step {
    let set_groups = match host.privilege {
        Privilege::Root { .. } => SetGroups::Allow,
        Privilege::User { .. } => SetGroups::Deny,
    };
    let UserNamespace { uids, gids } = maps.clone();
    let write = Action::WriteIdMaps { uids, gids, set_groups };
    Step::new(Stage::IdMaps, write, origin.clone())
}

/// A cgroup of its own, where we may make one, and a namespace that ends there.
fn cgroup_steps(confinement: &Confinement, joined: NamespaceSet, host: &Host) -> Vec<Step> {
    let mut steps = match host.privilege {
        Privilege::User { .. } => Vec::new(),
        Privilege::Root { .. } => {
            let make = Action::MakeCgroup {
                limits: confinement.limits.value,
                devices: devices::controlled(&confinement.devices.value, host),
            };
            let why = "each container has its cgroup";
            vec![
                Step::new(Stage::Cgroup, make, confinement.limits.origin.clone()),
                Step::always(Stage::CgroupEntry, Action::EnterCgroup, why),
            ]
        }
    };
    let kind = NamespaceKind::Cgroup;
    if confinement.namespaces.value.contains(kind) && !joined.contains(kind) {
        steps.push(Step::new(
            Stage::CgroupNamespace,
            Action::UnshareCgroupNamespace,
            confinement.namespaces.origin.clone(),
        ));
    }
    steps
}

/// The steps that a container's first process and every later one have in common. One code path, so
/// that they cannot differ.
fn process_steps(
    confinement: &Confinement,
    workload: &Workload,
    user: Option<&UserNamespace>,
) -> Result<Vec<Step>, Box<Refusal>> {
    let Confinement {
        identity,
        capabilities,
        no_new_privs,
        seccomp,
        apparmor,
        selinux,
        namespaces: _,
        root: _,
        paths: _,
        volumes: _,
        devices: _,
        limits: _,
    } = confinement;
    let Workload {
        arguments,
        environment,
        working_directory,
        mounts: _,
        terminal,
        stdin: _,
        rlimits,
        oom_score_adj,
        stop_signal: _,
    } = workload;
    let needs = seccomp::needs(&seccomp.value, no_new_privs.value, &capabilities.value);

    let mut steps = Vec::new();
    for (limit, origin) in rlimits {
        steps.push(Step::new(Stage::Limits, Action::SetRlimit(limit.clone()), origin.clone()));
    }
    if let Some(score) = oom_score_adj {
        let action = Action::SetOomScoreAdj(score.value);
        steps.push(Step::new(Stage::Limits, action, score.origin.clone()));
    }
    let keyring = Action::NewSessionKeyring;
    steps.push(Step::always(Stage::Keyring, keyring, "the caller's keys stay outside"));
    steps.push(session(*terminal));
    steps.extend(apparmor::plan(apparmor));
    steps.extend(selinux::plan(selinux));
    steps.extend(no_new_privs::plan(no_new_privs));
    steps.push(Step::new(
        Stage::Chdir,
        Action::Chdir(working_directory.value.clone()),
        working_directory.origin.clone(),
    ));
    steps.push(identity::plan(identity, user));
    steps.extend(capabilities::plan(capabilities, needs));
    let close = Action::CloseDescriptors { preserved: 0 };
    steps.push(Step::always(Stage::Descriptors, close, "nothing of ours stays open"));
    steps.push(Step::always(Stage::Created, Action::AwaitStart, "created, then started"));
    steps.extend(seccomp::plan(seccomp, needs)?);
    let exec =
        Action::Exec { arguments: arguments.value.clone(), environment: environment.clone() };
    steps.push(Step::new(Stage::Exec, exec, arguments.origin.clone()));
    steps.push(Step::always(Stage::Proof, Action::Prove, "nothing runs unproven"));
    Ok(steps)
}

fn session(terminal: Terminal) -> Step {
    let why = "no terminal of the caller's is within reach";
    Step::always(Stage::Session, Action::NewSession(terminal), why)
}

/// Kinds of namespaces that the kernel or our privilege does not give.
fn unavailable(set: NamespaceSet, origin: &Origin, host: &Host) -> Vec<Refusal> {
    let refuse = |why: String| Refusal {
        reason: Reason::Unsupported,
        place: origin.place_or_self(),
        why,
        hint: None,
    };
    let mut all: Vec<Refusal> = (set.iter())
        .filter(|kind| !host.namespaces.contains(*kind))
        .map(|kind| refuse(format!("this kernel has no {kind} namespaces")))
        .collect();
    if let Privilege::User { user_namespace: Reading::Unreadable(why), .. } = &host.privilege {
        all.push(refuse(format!("without root a user namespace is needed, and: {why}")));
    }
    all
}

/// What this kernel, or these privileges, cannot put on a process.
fn unenforceable(confinement: &Confinement, pod: &PodConfinement, host: &Host) -> Vec<Refusal> {
    let refuse = |reason, origin: &Origin, why: String, hint: Option<&str>| Refusal {
        reason,
        place: origin.place_or_self(),
        why,
        hint: hint.map(ToOwned::to_owned),
    };
    let mut all = Vec::new();

    if let Some(why) = no_profile(&confinement.apparmor.value, host) {
        all.push(refuse(Reason::AppArmor, &confinement.apparmor.origin, why.0, why.1));
    }
    let selinux = &confinement.selinux;
    if let (SeLinux::Context(_), LsmState::Inactive) = (&selinux.value, host.selinux) {
        let why = "SELinux is not active on this host".to_owned();
        all.push(refuse(Reason::Unsupported, &selinux.origin, why, None));
    }
    let seccomp = &confinement.seccomp;
    if let Seccomp::Filter(_) = &seccomp.value
        && host.seccomp_actions.is_empty()
    {
        let why = "this kernel has no seccomp filters".to_owned();
        all.push(refuse(Reason::Unsupported, &seccomp.origin, why, None));
    }
    // In a user namespace of its own a process begins with all of them.
    if let (Privilege::Root { capabilities: ours }, None) = (&host.privilege, &pod.user_namespace) {
        let capabilities = &confinement.capabilities;
        let sets = &capabilities.value;
        let wanted = sets.bounding.union(sets.permitted).union(sets.inheritable);
        let lacking = wanted.difference(*ours);
        if !lacking.is_empty() {
            let why = format!("{lacking} cannot be given: Stockade's own process lacks it here");
            all.push(refuse(Reason::Unsupported, &capabilities.origin, why, None));
        }
    }
    all
}

/// Why an AppArmor profile cannot be entered, as far as can be seen, and what to do about it.
fn no_profile(profile: &AppArmor, host: &Host) -> Option<(String, Option<&'static str>)> {
    let why = match (profile, host.apparmor.state) {
        (AppArmor::Unset | AppArmor::Unconfined, _) => return None,
        (_, LsmState::Inactive) => "AppArmor is not enabled on the host".to_owned(),
        (AppArmor::RuntimeDefault, LsmState::Active) => {
            "this build has no runtime default profile".to_owned()
        }
        (AppArmor::Localhost(name), LsmState::Active) => {
            let loaded = host.apparmor.profiles.known()?;
            if loaded.contains_key(name) {
                return None;
            }
            let hint = "load it with `apparmor_parser --replace FILE`; loaded profiles are listed \
                        in /sys/kernel/security/apparmor/profiles";
            let why = format!("Cannot enforce AppArmor: profile \"{name}\" is not loaded");
            return Some((why, Some(hint)));
        }
    };
    Some((format!("Cannot enforce AppArmor: {why}"), None))
}

#[cfg(test)]
mod tests;
