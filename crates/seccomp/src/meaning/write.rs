//! From a function back to rules: disjoint ones, so that their order does not matter.
//!
//! Below an argument's bits the diagram has few different continuations. For each, the set of values
//! that lead to it is written as conditions, each of which must be one (two on the same argument of one
//! rule mean *or*): as intervals, of which those with two ends become aligned blocks, or as the paths of
//! the diagram, which are masks. The shorter wins.

use std::collections::HashMap;

use super::{Id, Node, Result, Store, TooComplex, YES};
use crate::action::Action;
use crate::condition::{Condition, Operator, Width};
use crate::rules::Rule;

impl Store {
    /// Where one function gives `a` and the other `b`.
    pub(crate) fn both(&mut self, first: Id, a: Action, second: Id, b: Action) -> Result<Id> {
        let met = self.join(first, second, |x, y| {
            if (x, y) == (a, b) { Action::Allow } else { Action::KillProcess }
        })?;
        let (allow, yes, no) = (self.action(Action::Allow), self.yes(), self.no());
        let mut label = |store: &Self, it| match store.node(it) {
            Node::Bit { .. } => it,
            Node::Leaf(_) if it == allow => yes,
            Node::Leaf(_) => no,
        };
        self.relabel(met, &mut label, &mut HashMap::new())
    }

    /// Lists of conditions, disjoint, one of which holds wherever `place` does.
    pub(crate) fn cases(
        &mut self,
        place: Id,
        width: Width,
        limit: usize,
    ) -> Result<Vec<Vec<Condition>>> {
        let no = self.no();
        let written = self.written(place, no, width, limit)?;
        Ok(written.into_iter().map(|(conditions, _)| conditions).collect())
    }

    /// Disjoint rules that say what `function` does, but for where that is `default`.
    pub(crate) fn rules(
        &mut self,
        function: Id,
        default: Action,
        limit: usize,
    ) -> Result<Vec<Rule>> {
        let default = self.action(default);
        let written = self.written(function, default, Width::Bits64, limit)?;
        let rule = |(conditions, leaf)| {
            let action = self.constant(leaf).ok_or(TooComplex)?;
            Ok(Rule { conditions, action })
        };
        written.into_iter().map(rule).collect()
    }

    fn written(
        &mut self,
        function: Id,
        default: Id,
        width: Width,
        limit: usize,
    ) -> Result<Vec<(Vec<Condition>, Id)>> {
        if function == default {
            return Ok(Vec::new());
        }
        let Node::Bit { level, .. } = self.node(function) else {
            return Ok(vec![(Vec::new(), function)]);
        };
        let argument = level / 64;
        let mut below = Vec::new();
        self.below(function, argument, &mut below, &mut Vec::new());
        let mut all = Vec::new();
        let (yes, no) = (self.yes(), self.no());
        for next in below.into_iter().filter(|it| *it != default) {
            let rest = self.written(next, default, width, limit)?;
            let is_inside = |store: &Self, it| store.level(it) / 64 == argument;
            let mut label = |store: &Self, it| {
                if it == next {
                    yes
                } else if is_inside(store, it) {
                    it
                } else {
                    no
                }
            };
            let values = self.relabel(function, &mut label, &mut HashMap::new())?;
            for operator in self.operators(values, width, limit)? {
                for (conditions, leaf) in &rest {
                    let first = Condition { argument: argument as u8, operator };
                    let conditions = std::iter::once(first).chain(conditions.iter().copied());
                    all.push((conditions.collect(), *leaf));
                    if all.len() > limit {
                        return Err(TooComplex);
                    }
                }
            }
        }
        Ok(all)
    }

    /// What follows on the bits of an argument, in the order of its values.
    fn below(&self, id: Id, argument: u16, found: &mut Vec<Id>, done: &mut Vec<Id>) {
        match self.node(id) {
            Node::Bit { level, zero, one } if level / 64 == argument => {
                if !done.contains(&id) {
                    done.push(id);
                    self.below(zero, argument, found, done);
                    self.below(one, argument, found, done);
                }
            }
            Node::Bit { .. } | Node::Leaf(_) if !found.contains(&id) => found.push(id),
            Node::Bit { .. } | Node::Leaf(_) => {}
        }
    }

    /// The diagram with other ends: where `label` gives something else for a node, that stands there.
    fn relabel(
        &mut self,
        id: Id,
        label: &mut impl FnMut(&Self, Id) -> Id,
        done: &mut HashMap<Id, Id>,
    ) -> Result<Id> {
        let labelled = label(self, id);
        if labelled != id {
            return Ok(labelled);
        }
        let Node::Bit { level, zero, one } = self.node(id) else { return Ok(id) };
        if let Some(known) = done.get(&id) {
            return Ok(*known);
        }
        let zero = self.relabel(zero, label, done)?;
        let one = self.relabel(one, label, done)?;
        let made = self.bit(level, zero, one)?;
        done.insert(id, made);
        Ok(made)
    }

    /// The values of one argument, as disjoint conditions.
    fn operators(&self, values: Id, width: Width, limit: usize) -> Result<Vec<Operator>> {
        let mut intervals = Intervals { found: Vec::new(), steps: 0, limit };
        let first = match width {
            Width::Bits32 => 31,
            Width::Bits64 => 63,
        };
        let by_interval = self
            .intervals(values, Some(first), 0, &mut intervals)
            .map(|()| from_intervals(&intervals.found, width));
        let mut paths = Vec::new();
        let by_path = self.paths(values, 0, 0, limit, &mut paths).map(|()| {
            let largest = width.truncate(u64::MAX);
            let operator = |(mask, value)| match mask {
                _ if mask == largest => Operator::Equal(value),
                _ => Operator::MaskedEqual { mask, value },
            };
            paths.into_iter().map(operator).collect::<Vec<_>>()
        });
        match (by_interval, by_path) {
            (Ok(first), Ok(second)) if first.len() <= second.len() => Ok(first),
            (_, Ok(second)) => Ok(second),
            (Ok(first), Err(TooComplex)) => Ok(first),
            (Err(TooComplex), Err(TooComplex)) => Err(TooComplex),
        }
    }

    /// Adds the values, ascending. `bit` is the next one below those that `from` has.
    fn intervals(&self, id: Id, bit: Option<u16>, from: u64, all: &mut Intervals) -> Result<()> {
        all.steps += 1;
        if all.steps > MAX_STEPS {
            return Err(TooComplex);
        }
        let last = bit.map_or(0, |it| u64::MAX >> (63 - it));
        match (self.node(id), bit) {
            (Node::Leaf(YES), _) => all.add(from, from + last),
            (Node::Leaf(_), _) | (Node::Bit { .. }, None) => Ok(()),
            (Node::Bit { level, zero, one }, Some(bit)) => {
                let (zero, one) = if level % 64 == 63 - bit { (zero, one) } else { (id, id) };
                let next = bit.checked_sub(1);
                self.intervals(zero, next, from, all)?;
                self.intervals(one, next, from | 1 << bit, all)
            }
        }
    }

    fn paths(
        &self,
        id: Id,
        mask: u64,
        value: u64,
        limit: usize,
        all: &mut Vec<(u64, u64)>,
    ) -> Result<()> {
        match self.node(id) {
            Node::Leaf(YES) if all.len() >= limit => Err(TooComplex),
            Node::Leaf(YES) => {
                all.push((mask, value));
                Ok(())
            }
            Node::Leaf(_) => Ok(()),
            Node::Bit { level, zero, one } => {
                let bit = 1 << (63 - level % 64);
                self.paths(zero, mask | bit, value, limit, all)?;
                self.paths(one, mask | bit, value | bit, limit, all)
            }
        }
    }
}

struct Intervals {
    found: Vec<(u64, u64)>,
    steps: usize,
    limit: usize,
}

impl Intervals {
    fn add(&mut self, from: u64, to: u64) -> Result<()> {
        if let Some((_, last)) = self.found.last_mut()
            && last.checked_add(1) == Some(from)
        {
            *last = to;
            return Ok(());
        }
        if self.found.len() > self.limit {
            return Err(TooComplex);
        }
        self.found.push((from, to));
        Ok(())
    }
}

/// Every border is written from one side (`<=` and `>`), so that both sides of it stay complements on
/// 32 bits.
fn from_intervals(intervals: &[(u64, u64)], width: Width) -> Vec<Operator> {
    let largest = width.truncate(u64::MAX);
    if let [(0, below), (above, last)] = *intervals
        && last == largest
        && below + 2 == above
    {
        return vec![Operator::NotEqual(below + 1)];
    }
    let mut all = Vec::new();
    for &(from, to) in intervals {
        match (from, to) {
            (from, to) if from == to => all.push(Operator::Equal(from)),
            (0, to) => all.push(Operator::LessOrEqual(to)),
            (from, to) if to == largest => all.push(Operator::Greater(from - 1)),
            (from, to) => blocks(from, to, largest, &mut all),
        }
    }
    all
}

/// The largest blocks that are aligned to their size.
fn blocks(mut from: u64, to: u64, largest: u64, all: &mut Vec<Operator>) {
    loop {
        let mut size = 1u64;
        while from.is_multiple_of(size * 2) && from + (size * 2 - 1) <= to {
            size *= 2;
        }
        all.push(match size {
            1 => Operator::Equal(from),
            _ => Operator::MaskedEqual { mask: largest & !(size - 1), value: from },
        });
        match from.checked_add(size).filter(|it| *it <= to) {
            Some(next) => from = next,
            None => return,
        }
    }
}

/// Where a set is no list of intervals, it shows soon.
const MAX_STEPS: usize = 1 << 14;
