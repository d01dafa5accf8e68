//! The kernel's words.
//!
//! Vocabulary that every other crate shares and nothing here depends on: names and numbers of
//! capabilities, ids, namespaces, BPF instructions and syscalls; and the two records that cross
//! the whole product, [`facts::ProcessFacts`] (what the kernel says about a process) and
//! [`host::Host`] (what the kernel of this machine can do).
//!
//! What this crate does *not* know: manifests, policies, how any of it is read or done.

pub mod architecture;
pub mod bpf;
pub mod capability;
pub mod errno;
pub mod facts;
pub mod host;
pub mod id;
pub mod namespace;
pub mod reading;
pub mod syscalls;

pub use architecture::Architecture;
pub use capability::{Capability, CapabilitySet, CapabilitySets};
pub use errno::Errno;
pub use facts::ProcessFacts;
pub use host::Host;
pub use id::{ContainerGid, ContainerUid, HostId, IdMap, IdRange};
pub use namespace::{NamespaceKind, NamespaceSet};
pub use reading::{Reading, Why};
