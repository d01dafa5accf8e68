//! How what two profiles mean on one machine differs, call by call, completely.
//!
//! Unlike [`crate::compare`], which asks two programs about values around their constants, this
//! takes the rules apart and decides exactly ([`crate::meaning`]); it names every system call on which
//! they differ, with arguments for which they do.

use std::ops::RangeInclusive;

use stockade_abi::Architecture;

use crate::action::Action;
use crate::answers::{Answer, answer, stretches};
use crate::call::Call;
use crate::compare::Witness;
use crate::condition::{Condition, Width};
use crate::meaning::{Store, TooComplex};
use crate::rules::Rules;

/// All differences between two sets of rules.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Differences {
    /// By architecture and number; for one number one entry for each pair of answers.
    pub found: Vec<Difference>,
    /// Calls whose rules are too entangled to be decided.
    pub undecided: Vec<Call>,
}

/// A pair of different answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Whose numbers.
    pub architecture: Architecture,
    /// One system call, or a stretch of numbers that no rule names.
    pub numbers: RangeInclusive<u32>,
    /// For which arguments.
    pub extent: Extent,
    /// A call that gets these answers.
    pub witness: Witness,
}

/// For which arguments a difference is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Extent {
    /// For all.
    Always,
    /// Where all conditions of one of these lists hold.
    Where(Vec<Vec<Condition>>),
    /// For some, which are hard to describe.
    Sometimes,
}

/// Finds out on which calls `theirs` answers otherwise than `ours`.
pub fn differences(ours: &Rules, theirs: &Rules) -> Differences {
    let mut all = Differences::default();
    for architecture in Architecture::ALL {
        let width = Width::of(architecture);
        for (first, last) in stretches(&[ours, theirs], &[], architecture) {
            let pair = [answer(ours, architecture, first), answer(theirs, architecture, first)];
            let call = Call::new(architecture, first);
            match pairs(pair, width) {
                Ok(pairs) => {
                    all.found.extend(pairs.into_iter().map(|(extent, found)| Difference {
                        architecture,
                        numbers: first..=last,
                        extent,
                        witness: Witness {
                            call: call.with(found.2),
                            ours: found.0,
                            theirs: found.1,
                        },
                    }))
                }
                Err(TooComplex) => all.undecided.push(call),
            }
        }
    }
    all
}

/// Two answers and arguments that get them.
type Pair = (Action, Action, [u64; 6]);

fn pairs(pair: [Answer<'_>; 2], width: Width) -> Result<Vec<(Extent, Pair)>, TooComplex> {
    use Answer::{Always, Newer};
    if let [Always(ours) | Newer(ours), Always(theirs) | Newer(theirs)] = pair {
        let differs = ours != theirs;
        return Ok(differs
            .then_some((Extent::Always, (ours, theirs, [0; 6])))
            .into_iter()
            .collect());
    }
    if pair[0] == pair[1] {
        return Ok(Vec::new());
    }
    let mut store = Store::default();
    let ours = pair[0].function(&mut store, width)?;
    let theirs = pair[1].function(&mut store, width)?;
    let pairs = store.pairs(ours, theirs);
    let is_always = pairs.len() == 1;
    let mut found = Vec::new();
    for ((a, b), arguments) in pairs.into_iter().filter(|((a, b), _)| a != b) {
        let extent = if is_always {
            Extent::Always
        } else {
            let here = store.both(ours, a, theirs, b)?;
            match store.cases(here, width, MAX_CASES) {
                Ok(cases) => Extent::Where(cases),
                Err(TooComplex) => Extent::Sometimes,
            }
        };
        found.push((extent, (a, b, arguments)));
    }
    Ok(found)
}

/// More than anybody reads.
const MAX_CASES: usize = 8;

#[cfg(test)]
mod tests;
