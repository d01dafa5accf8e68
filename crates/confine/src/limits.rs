//! Limits of a cgroup, as they are meant.

/// What a cgroup is limited to. `None` leaves the kernel's default (no limit).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Most processes and threads.
    pub pids: Option<u64>,
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// CPU time per second of wall time, in microseconds.
    pub cpu_micros: Option<u64>,
    /// Relative share of CPU time, in the v1 controller's unit (1024 is one CPU's worth).
    pub cpu_shares: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub const fn is_unlimited(&self) -> bool {
        self.pids.is_none()
            && self.memory.is_none()
            && self.cpu_micros.is_none()
            && self.cpu_shares.is_none()
    }
}
