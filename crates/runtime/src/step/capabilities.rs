//! The bounding set, and the four others.

use rustix::thread::{
    CapabilitySet as RawSet, CapabilitySets as RawSets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};
use stockade_abi::{CapabilitySet, CapabilitySets};
use stockade_sys::Calls;

use crate::fault::Done;

/// Drops everything else from the bounding set, whatever the kernel calls it.
pub(crate) fn limit_bounding(keep: CapabilitySet) -> Done {
    for number in (0..64).filter(|number| keep.0 >> number & 1 == 0) {
        match remove_capability_from_bounding_set(single(number)) {
            // The kernel knows no more.
            Err(rustix::io::Errno::INVAL) if number > 0 => break,
            result => result.call("prctl(PR_CAPBSET_DROP)")?,
        }
    }
    Ok(())
}

/// Sets effective, permitted, inheritable and ambient to exactly these.
///
/// `ambient_now` is what an earlier step has set and this one finds. If it is what is wanted, only
/// `capset` is called: behind a filter there may be no `prctl`. (`capset` takes out of the ambient
/// set what it takes out of the others.)
pub(crate) fn set(sets: &CapabilitySets, ambient_now: &mut Option<CapabilitySet>) -> Done {
    let CapabilitySets { bounding: _, effective, permitted, inheritable, ambient } = *sets;
    let raw = RawSets {
        effective: RawSet::from_bits_retain(effective.0),
        permitted: RawSet::from_bits_retain(permitted.0),
        inheritable: RawSet::from_bits_retain(inheritable.0),
    };
    set_capabilities(None, raw).call("capset")?;

    let possible = permitted.intersection(inheritable);
    if ambient_now.map(|it| it.intersection(possible)) != Some(ambient) {
        clear_ambient_capability_set().call("prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
        for number in ambient.numbers() {
            configure_capability_in_ambient_set(single(number), true)
                .call("prctl(PR_CAP_AMBIENT_RAISE)")?;
        }
        *ambient_now = Some(ambient);
    }
    Ok(())
}

const fn single(number: u8) -> RawSet {
    RawSet::from_bits_retain(1 << number)
}
