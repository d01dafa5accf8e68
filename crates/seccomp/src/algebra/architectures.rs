//! Which architectures a profile of two is about.
//!
//! A call of an architecture that is not listed kills the process: the stricter of two profiles lists
//! what both list, the looser what either does.

use stockade_abi::Architecture;

use super::operation::Join;
use crate::profile::{ArchitectureList, Listed};
use crate::resolve::architectures;

pub(super) fn join(
    first: &ArchitectureList,
    second: &ArchitectureList,
    join: Join,
) -> ArchitectureList {
    if first == second {
        return first.clone();
    }
    let mut map = Vec::new();
    for native in MACHINES {
        // The native one always comes first.
        let mine = &architectures(first, native)[1..];
        let theirs = &architectures(second, native)[1..];
        let mut all: Vec<Architecture> = mine.to_vec();
        match join {
            Join::Stricter => all.retain(|it| theirs.contains(it)),
            Join::Looser => all.extend(theirs.iter().filter(|it| !mine.contains(it))),
        }
        if !all.is_empty() {
            map.push((Listed::Known(native), all.into_iter().map(Listed::Known).collect()));
        }
    }
    if map.is_empty() { ArchitectureList::Native } else { ArchitectureList::Map(map) }
}

/// The architectures that machines have. The others are interfaces of one of them.
pub(super) const MACHINES: [Architecture; 5] = [
    Architecture::X86_64,
    Architecture::Aarch64,
    Architecture::Riscv64,
    Architecture::Ppc64le,
    Architecture::S390x,
];
