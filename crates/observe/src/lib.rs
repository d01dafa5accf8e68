//! Eyes: reads processes and the host; never changes what it looks at.
//!
//! Fills [`stockade_abi::ProcessFacts`] (what is *seen*, for the comparison with what is *meant*)
//! and [`stockade_abi::Host`] (what a plan can count on). Three rules hold everywhere here:
//!
//! - A fact that cannot be read is [`Reading::Unreadable`](stockade_abi::Reading), never a default.
//! - A process is held by descriptors while it is read, so a reused process id cannot put another
//!   process in its place.
//! - What a container controls is data: names are bounded and unescaped, its files are neither
//!   opened nor executed, and nothing that it could make slow is waited for without a deadline.
//!
//! What this crate does *not* know: pods, confinements, plans. It links nothing that could change
//! a process; whoever wants a seccomp filter back must stop the task first and hand it over, see
//! [`process_with_filters`].

mod bounded;
mod cgroup;
mod file;
mod host;
mod id_map;
mod label;
mod lsm;
mod mountinfo;
mod namespaces;
mod paths;
mod privilege;
mod process;
mod status;
mod subject;
mod sysctl;

pub use host::{Unmeasured, cgroups, host};
pub use process::{process, process_with_filters};
pub use subject::Gone;
