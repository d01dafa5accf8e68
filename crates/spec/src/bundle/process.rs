//! `process`: what runs, as whom, and with which limits.

use serde::Deserialize;

/// `process`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether it gets a terminal.
    pub terminal: Option<bool>,
    /// The terminal's size.
    pub console_size: Option<ConsoleSize>,
    /// As whom it runs. Root if not said.
    #[serde(default)]
    pub user: User,
    /// The program and its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// `NAME=value`.
    #[serde(default)]
    pub env: Vec<String>,
    /// The working directory, absolute.
    pub cwd: String,
    /// The five sets. If not said, the process keeps what the runtime has.
    pub capabilities: Option<Capabilities>,
    /// Resource limits.
    #[serde(default)]
    pub rlimits: Vec<Rlimit>,
    /// Whether `execve` gives no new privileges.
    pub no_new_privileges: Option<bool>,
    /// The AppArmor profile that is entered at `execve`.
    pub apparmor_profile: Option<String>,
    /// The SELinux label that is entered at `execve`.
    pub selinux_label: Option<String>,
    /// How likely the process is killed when memory is short, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// How it is scheduled.
    pub scheduler: Option<Scheduler>,
    /// Its priority for disks.
    pub io_priority: Option<IoPriority>,
    /// The processors of processes that join later.
    #[serde(rename = "execCPUAffinity")]
    pub exec_cpu_affinity: Option<CpuAffinity>,
}

/// `process.consoleSize`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct ConsoleSize {
    /// Lines.
    pub height: u16,
    /// Characters per line.
    pub width: u16,
}

/// `process.user`. Ids are those inside the container.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// Permissions that new files do not get.
    pub umask: Option<u32>,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
}

/// `process.capabilities`. Names as written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Capabilities {
    /// What `execve` can never exceed.
    pub bounding: Vec<String>,
    /// What the kernel checks.
    pub effective: Vec<String>,
    /// What `execve` keeps for files that inherit it.
    pub inheritable: Vec<String>,
    /// What the process may make effective.
    pub permitted: Vec<String>,
    /// What `execve` keeps for all files.
    pub ambient: Vec<String>,
}

/// An element of `process.rlimits`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE` and the like, as written.
    #[serde(rename = "type")]
    pub kind: String,
    /// The most that the soft limit can become.
    pub hard: u64,
    /// The limit in force.
    pub soft: u64,
}

/// `process.scheduler`, for sched_setattr(2).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Scheduler {
    /// The policy.
    pub policy: SchedulerPolicy,
    /// For the ordinary policies.
    pub nice: Option<i32>,
    /// For the real-time policies.
    pub priority: Option<i32>,
    /// `SCHED_FLAG_RESET_ON_FORK` and the like, as written.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Nanoseconds, for the deadline policy.
    pub runtime: Option<u64>,
    /// Nanoseconds, for the deadline policy.
    pub deadline: Option<u64>,
    /// Nanoseconds, for the deadline policy.
    pub period: Option<u64>,
}

/// `process.scheduler.policy`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SchedulerPolicy {
    /// The ordinary one.
    SchedOther,
    /// First in, first out.
    SchedFifo,
    /// In turns.
    SchedRr,
    /// For background work.
    SchedBatch,
    /// Reserved by the specification.
    SchedIso,
    /// For when nothing else runs.
    SchedIdle,
    /// By deadlines.
    SchedDeadline,
}

/// `process.ioPriority`, for ioprio_set(2).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
pub struct IoPriority {
    /// The class.
    pub class: IoClass,
    /// The priority in its class, 0 (highest) to 7.
    #[serde(default)]
    pub priority: i32,
}

/// `process.ioPriority.class`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
pub enum IoClass {
    /// Before all others.
    #[serde(rename = "IOPRIO_CLASS_RT")]
    RealTime,
    /// The ordinary one.
    #[serde(rename = "IOPRIO_CLASS_BE")]
    BestEffort,
    /// For when nobody else wants the disk.
    #[serde(rename = "IOPRIO_CLASS_IDLE")]
    Idle,
}

/// `process.execCPUAffinity`. Lists of processors: `0-3,7`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct CpuAffinity {
    /// Before the process is in the container's cgroup.
    pub initial: Option<String>,
    /// After it is.
    #[serde(rename = "final")]
    pub last: Option<String>,
}
