//! What each action does, one small function per action.
//!
//! Those of the child take the [`Hands`](crate::child::Hands) where they need what an earlier step
//! made, and nothing otherwise.

pub(crate) mod agent;
pub(crate) mod capabilities;
pub(crate) mod cgroup;
pub(crate) mod cgroup_mount;
pub(crate) mod chdir;
pub(crate) mod descriptors;
pub(crate) mod devices;
pub(crate) mod exec;
pub(crate) mod id_maps;
pub(crate) mod identity;
pub(crate) mod label;
pub(crate) mod limits;
pub(crate) mod mask;
pub(crate) mod mount;
pub(crate) mod namespaces;
pub(crate) mod overlay;
pub(crate) mod root;
pub(crate) mod seccomp;
pub(crate) mod session;
pub(crate) mod sources;
pub(crate) mod sysctl;
pub(crate) mod target;
pub(crate) mod volume;
