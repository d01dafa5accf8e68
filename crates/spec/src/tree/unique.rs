//! One value per key.
//!
//! A key that is written twice is a flaw; the last one counts, as it does for
//! kubectl. A written key beats a merged one (`<<`); kubectl's YAML library sees
//! that only if the merge comes first, so the other order is a flaw too.

use std::collections::HashMap;

use super::limits::MOST_FLAWS;
use super::{Entry, Flaw};
use crate::manifest_error::ManifestErrorKind;

/// An entry as it is found, before keys are unique.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) comes_from: ComesFrom,
}

/// How a key came into its mapping.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ComesFrom {
    /// It is written there.
    Text,
    /// Through `<<`.
    Merge,
}

/// Keeps one entry per key. `line_of` tells the line of a byte.
pub(super) fn unique(
    found: Vec<Found>,
    line_of: impl Fn(u32) -> usize,
    flaws: &mut Vec<Flaw>,
) -> Vec<Entry> {
    let mut flaw = |bytes, kind| {
        if flaws.len() < MOST_FLAWS {
            flaws.push(Flaw { bytes, kind });
        }
    };
    let mut at_key: HashMap<String, usize> = HashMap::with_capacity(found.len());
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for new in found {
        let Some(&index) = at_key.get(&new.entry.key) else {
            at_key.insert(new.entry.key.clone(), kept.len());
            kept.push(new);
            continue;
        };
        let old = &mut kept[index];
        let name = new.entry.key.clone();
        match (old.comes_from, new.comes_from) {
            (ComesFrom::Text, ComesFrom::Text) => {
                let first_line = line_of(old.entry.key_bytes.start);
                let kind = ManifestErrorKind::DuplicateKey { name, first_line };
                flaw(new.entry.key_bytes, kind);
                *old = new;
            }
            (ComesFrom::Text, ComesFrom::Merge) => {
                flaw(old.entry.key_bytes, ManifestErrorKind::AmbiguousMerge { name });
            }
            (ComesFrom::Merge, ComesFrom::Text) => *old = new,
            // Of several merged mappings the earlier one counts.
            (ComesFrom::Merge, ComesFrom::Merge) => {}
        }
    }
    kept.into_iter().map(|found| found.entry).collect()
}
