//! Actions in words, for errors.

use stockade_confine::plan::{Action, RootSource, SeccompListener, SecurityModule, Terminal};
use stockade_confine::workload::{Mount, MountSource, PodFile};

/// What an action does, as an order that fits after "step 3 of 20,".
pub(crate) fn doing(action: &Action) -> String {
    match action {
        Action::MakeCgroup { .. } => "make the cgroup".to_owned(),
        Action::Birth { unshare } => format!("make the process, with new namespaces: {unshare}"),
        Action::WriteIdMaps { uids, gids, .. } => {
            format!("write the id maps (users {uids}; groups {gids})")
        }
        Action::EnterCgroup => "enter the cgroup".to_owned(),
        Action::UnshareCgroupNamespace => "make a cgroup namespace".to_owned(),
        Action::BecomeRoot => "become root of the user namespace".to_owned(),
        Action::JoinNamespaces { kinds } => format!("join namespaces: {kinds}"),
        Action::LoopbackUp => "bring the loopback device up".to_owned(),
        Action::SetHostname(name) => format!("set the host name to `{name}`"),
        Action::SetDomainname(name) => format!("set the domain name to `{name}`"),
        Action::WriteSysctl { name, value } => format!("set the sysctl {name} to `{value}`"),
        Action::OpenLabelHandle(module) => format!("reach {}", module_name(*module)),
        Action::SetPropagation(_) => "cut mount propagation".to_owned(),
        Action::MountRoot(RootSource::Overlay { .. }) => "mount the image".to_owned(),
        Action::MountRoot(RootSource::Directory(path)) => format!("mount {path} as root"),
        Action::Mount(mount) => format!("mount {}", mount_in_words(mount)),
        Action::MakeDevices(_) => "fill /dev".to_owned(),
        Action::PivotRoot => "change the root".to_owned(),
        Action::RootReadOnly => "make the root read-only".to_owned(),
        Action::Mask(path) => format!("mask {path}"),
        Action::MakeReadOnly(path) => format!("make {path} read-only"),
        Action::SetRlimit(limit) => format!("limit {}", limit.resource),
        Action::SetOomScoreAdj(value) => format!("set the OOM score adjustment to {value}"),
        Action::NewSessionKeyring => "join a new session keyring".to_owned(),
        Action::NewSession(Terminal::None) => "start a session".to_owned(),
        Action::NewSession(Terminal::New) => "start a session with a terminal".to_owned(),
        Action::SetExecLabel { module, label } => {
            format!("ask {} for `{label}`", module_name(*module))
        }
        Action::SetNoNewPrivs => "set no_new_privs".to_owned(),
        Action::Chdir(path) => format!("change to the directory {path}"),
        Action::LimitBounding(_) => "limit the capability bounding set".to_owned(),
        Action::SetIdentity { uid, gid, .. } => format!("become user {uid}, group {gid}"),
        Action::SetCapabilities(_) => "set the capabilities".to_owned(),
        Action::CloseDescriptors { .. } => "mark descriptors close-on-exec".to_owned(),
        Action::AwaitStart => "wait for the start".to_owned(),
        Action::LoadSeccomp(load) => match &load.listener {
            None => "load the seccomp filter".to_owned(),
            Some(SeccompListener { profile, path, .. }) => {
                format!("load the seccomp filter of `{profile}`, for the agent at {path}")
            }
        },
        Action::Exec { arguments, .. } => {
            format!("run `{}`", arguments.first().map_or("", String::as_str))
        }
        Action::Prove => "hold the process at its first instruction".to_owned(),
    }
}

const fn module_name(module: SecurityModule) -> &'static str {
    match module {
        SecurityModule::AppArmor => "AppArmor",
        SecurityModule::SeLinux => "SELinux",
    }
}

fn mount_in_words(mount: &Mount) -> String {
    let target = &mount.target;
    match &mount.source {
        MountSource::New { kind, .. } => format!("{kind} at {target}"),
        MountSource::Cgroups => format!("the cgroups at {target}"),
        MountSource::Bind { path, .. } => format!("{path} at {target}"),
        MountSource::Volume { name, sub_path: None } => format!("volume {name} at {target}"),
        MountSource::Volume { name, sub_path: Some(path) } => {
            format!("{path} of volume {name} at {target}")
        }
        MountSource::PodFile(PodFile::Hosts) => format!("the pod's hosts file at {target}"),
        MountSource::PodFile(PodFile::Hostname) => format!("the pod's hostname file at {target}"),
        MountSource::PodFile(PodFile::ResolvConf) => {
            format!("the pod's resolv.conf at {target}")
        }
        MountSource::PodFile(PodFile::SharedMemory) => {
            format!("the pod's shared memory at {target}")
        }
    }
}
