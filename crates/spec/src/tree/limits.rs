//! How much a text may ask of us.
//!
//! An object in a cluster has at most 1.5 MiB (etcd's limit), so a manifest
//! that exceeds these is a mistake or an attack. Each limit is checked before
//! the work is done.

use crate::manifest_error::ManifestErrorKind;

/// Bytes of a file.
pub(super) const MOST_BYTES: usize = 3 * 1024 * 1024;

/// Lists and objects inside each other. The API's own types nest about fifteen
/// deep.
pub(super) const MOST_DEPTH: usize = 100;

/// Keys and values of a file.
pub(super) const MOST_NODES: usize = 400_000;

/// Keys and values that come from aliases and merge keys: ten lines of nested
/// aliases stand for a billion nodes.
pub(super) const MOST_ALIASED: usize = 20_000;

/// Documents in a file.
pub(super) const MOST_DOCUMENTS: usize = 1_000;

/// Flaws of one document that are told.
pub(super) const MOST_FLAWS: usize = 50;

/// What is left of the allowance for one file.
#[derive(Debug)]
pub(super) struct Budget {
    nodes: usize,
    aliased: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { nodes: MOST_NODES, aliased: MOST_ALIASED }
    }

    pub(super) fn take_node(&mut self) -> Result<(), ManifestErrorKind> {
        take(&mut self.nodes, 1, "keys and values", MOST_NODES)
    }

    pub(super) fn take_aliased(&mut self, nodes: usize) -> Result<(), ManifestErrorKind> {
        take(&mut self.aliased, nodes, "keys and values from aliases", MOST_ALIASED)
    }
}

pub(super) fn check_depth(depth: usize) -> Result<(), ManifestErrorKind> {
    if depth < MOST_DEPTH { Ok(()) } else { Err(too_much("levels", MOST_DEPTH)) }
}

pub(super) fn too_much(what: &'static str, most: usize) -> ManifestErrorKind {
    ManifestErrorKind::TooMuch { what, most }
}

/// The kernel would end a text there, and act on another one than was judged.
pub(super) fn null_character() -> ManifestErrorKind {
    ManifestErrorKind::NotJson("a null character in a text".to_owned())
}

fn take(
    left: &mut usize,
    amount: usize,
    what: &'static str,
    most: usize,
) -> Result<(), ManifestErrorKind> {
    *left = left.checked_sub(amount).ok_or_else(|| too_much(what, most))?;
    Ok(())
}
