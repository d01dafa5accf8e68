//! May it run? The node's own refusals, and the proof that there were none.
//!
//! What a kubelet would refuse is refused here, with the kubelet's own reason words and messages.
//! A refusal is an answer, not an error. [`Runnable`] can be had from [`admit`] only, so that
//! nothing reaches the kernel that was not judged.
//!
//! What this crate does *not* know: HTTP, files, the kernel.

pub mod node;

use stockade_abi::Host;
use stockade_confine::{Refusal, Resolved, World};
use stockade_spec::Pod;

/// A resolved pod that no policy forbids and no node refuses. Only [`admit`] makes these.
#[derive(Clone, Debug)]
pub struct Runnable(Resolved);

impl Runnable {
    /// What is meant.
    pub const fn resolved(&self) -> &Resolved {
        &self.0
    }
}

/// Judges what a pod amounts to.
///
/// # Errors
///
/// Every refusal of the node, in the order of a kubelet's checks.
pub fn admit(
    pod: &Pod,
    resolved: Resolved,
    world: &World,
    host: &Host,
) -> Result<Runnable, Vec<Refusal>> {
    let mut refusals = node::sysctls::check(pod, &resolved, world);
    refusals.extend(node::apparmor::check(pod, &resolved, world, host));
    if refusals.is_empty() { Ok(Runnable(resolved)) } else { Err(refusals) }
}
