//! Pods: their directory on disk, the supervisor that is there as long as they are, and their end.
//!
//! There is no daemon. Each pod has one supervisor, which holds the pod's namespaces, relays and
//! keeps what its containers write, waits for them and starts them again. It holds a lock in the
//! pod's directory for as long as it lives; whether a pod is looked after is asked of that lock and
//! never of a process id. Its containers die with it, so that nothing runs unsupervised.
//!
//! Everything that exists because of a pod can be found from its directory alone, which is written
//! before anything else is made: a pod whose supervisor was killed can be deleted like any other.

mod asked;
mod clock;
mod directory;
mod end;
mod health;
mod kept;
mod proven;
mod relay;
mod status;
mod stopping;
mod supervise;
mod tasks;
mod to_run;
mod turns;
mod volumes;
mod waiting;

pub use directory::{PodDirectory, PodId, Pods, Vacancy};
pub use end::{EndError, Patience, end};
pub use relay::Output;
pub use status::{Condition, ContainerState, ContainerStatus, Exit, Kind, Phase, Status};
pub use supervise::{Ended, Ending, Permission, Watcher, supervise};
pub use to_run::{
    ContainerToRun, Demand, HealthToRun, HookToRun, NotStartedPod, PodToRun, ProbeToRun,
};
pub use volumes::{VolumeFailed, make_volumes, pinned};
