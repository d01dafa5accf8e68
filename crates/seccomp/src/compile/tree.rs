//! Finds the treatment of a number by balanced search.
//!
//! Neighbouring ranges are first gathered into blocks: one treatment, broken by a few single
//! numbers with others. A hole of one number costs one equality test within its block, where a
//! search for ranges alone would spend two comparisons. How ranges are best cut into blocks is
//! worked out from the right, one range at a time.

use super::emit::{Emitter, Target};
use crate::interpret::operation::{JEQ_K, JGE_K};

/// The treatment of the numbers from `start` to the next range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) target: Target,
}

/// Adds a range to those before it, as part of the last one if the treatment is the same.
#[inline]
pub(super) fn push(ranges: &mut Vec<Range>, start: u32, target: Target) {
    if ranges.last().is_none_or(|last| last.target != target) {
        ranges.push(Range { start, target });
    }
}

/// Emits the search through `ranges`, which begin at 0 and were put together by [`push`]. The number
/// must be in the accumulator.
pub(super) fn emit(emitter: &mut Emitter, ranges: &[Range]) -> Target {
    let blocks = cut(ranges);
    search(emitter, &blocks)
}

/// Most single numbers in a block: each is an instruction on the way of those behind it.
const MAX_SINGLES: u32 = 2;

struct Block<'a> {
    usual: Target,
    ranges: &'a [Range],
}

fn search(emitter: &mut Emitter, blocks: &[Block<'_>]) -> Target {
    match blocks {
        [] => unreachable!("there is a range for every number"),
        [Block { usual, ranges }] => {
            let singles = ranges.iter().rev().filter(|it| it.target != *usual);
            singles
                .fold(*usual, |otherwise, it| emitter.jump(JEQ_K, it.start, it.target, otherwise))
        }
        _ => {
            let (left, right) = blocks.split_at(blocks.len() / 2);
            let start = right[0].ranges[0].start;
            let right = search(emitter, right);
            let left = search(emitter, left);
            emitter.jump(JGE_K, start, right, left)
        }
    }
}

/// Cuts ranges into blocks, with the fewest instructions: one per block and one per single number.
fn cut(ranges: &[Range]) -> Vec<Block<'_>> {
    let count = ranges.len();
    let is_single = |index: usize| {
        let next = ranges.get(index + 1).map_or(0, |it| it.start);
        next.wrapping_sub(ranges[index].start) == 1
    };

    // Per range, the best block that begins there: what it and all behind it cost, its end, and
    // its usual treatment. Past the last range nothing costs anything.
    let mut best: Vec<(u32, u32, Target)> = vec![(0, 0, Target::Return(0)); count + 1];
    for first in (0..count).rev() {
        let mut found = (u32::MAX, 0, ranges[first].target);
        let candidates = if is_single(first) { 2 } else { 1 };
        for &Range { target: usual, .. } in ranges[first..].iter().take(candidates) {
            let mut singles = 0;
            for index in first..count {
                if ranges[index].target != usual {
                    singles += 1;
                    if singles > MAX_SINGLES || !is_single(index) {
                        break;
                    }
                }
                let cost = 1 + singles + best[index + 1].0;
                if cost <= found.0 {
                    found = (cost, index as u32 + 1, usual);
                }
            }
        }
        best[first] = found;
    }

    let mut blocks = Vec::with_capacity(best.first().map_or(0, |it| it.0 as usize));
    let mut first = 0;
    while first < count {
        let (_, end, usual) = best[first];
        let end = end as usize;
        blocks.push(Block { usual, ranges: &ranges[first..end] });
        first = end;
    }
    blocks
}
