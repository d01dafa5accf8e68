//! What a list of rules says about one system call, as a function of its arguments: exactly, not by
//! trying values.
//!
//! A function is a decision diagram over the bits of the arguments, reduced and shared (Bryant 1986):
//! in one [`Store`] two functions are the same if and only if they are the same [`Id`]. That makes
//! equality, "at most as permissive as" and witnesses exact, and it makes the written form of a
//! function a matter of reading its diagram (`algebra::write`).
//!
//! The bits of an argument stand together, high before low, the first argument on top: comparisons,
//! equalities and masks are then at most 64 nodes each. What this module does *not* know: profiles,
//! and system calls.

use std::collections::HashMap;

use crate::action::Action;
use crate::condition::{Condition, Operator, Width};
use crate::rules::Rule;

mod write;

/// A function within a [`Store`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Id(u32);

/// A diagram that grows too large to be worked with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooComplex;

type Result<T> = std::result::Result<T, TooComplex>;

/// One node: a bit and what follows, or an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Node {
    /// Whatever follows.
    Leaf(u32),
    /// The bit decides.
    Bit {
        /// `64 * argument + 63 - bit`.
        level: u16,
        zero: Id,
        one: Id,
    },
}

/// Diagrams, each node once.
#[derive(Debug, Default)]
pub(crate) struct Store {
    nodes: Vec<Node>,
    known: HashMap<Node, Id>,
    choices: HashMap<(Id, Id, Id), Id>,
}

impl Store {
    pub(crate) fn node(&self, id: Id) -> Node {
        self.nodes[id.0 as usize]
    }

    pub(crate) fn action(&mut self, action: Action) -> Id {
        self.leaf(action.return_value())
    }

    /// The action that the function always gives, `None` if the arguments count.
    pub(crate) fn constant(&self, id: Id) -> Option<Action> {
        match self.node(id) {
            Node::Leaf(value) => Some(Action::from_return_value(value)),
            Node::Bit { .. } => None,
        }
    }

    pub(crate) fn yes(&mut self) -> Id {
        self.leaf(YES)
    }

    pub(crate) fn no(&mut self) -> Id {
        self.leaf(NO)
    }

    /// The action of the first of `rules` that matches, else `default`.
    pub(crate) fn first(&mut self, rules: &[Rule], default: Id, width: Width) -> Result<Id> {
        let mut rest = default;
        for rule in rules.iter().rev() {
            let when = self.all(&rule.conditions, width)?;
            let then = self.action(rule.action);
            rest = self.choose(when, then, rest)?;
        }
        Ok(rest)
    }

    /// Where all of `conditions` hold.
    pub(crate) fn all(&mut self, conditions: &[Condition], width: Width) -> Result<Id> {
        let mut all = self.yes();
        let no = self.no();
        for condition in conditions {
            let one = self.condition(*condition, width);
            all = self.choose(one, all, no)?;
        }
        Ok(all)
    }

    /// `then` where `when` holds, `otherwise` elsewhere.
    pub(crate) fn choose(&mut self, when: Id, then: Id, otherwise: Id) -> Result<Id> {
        if then == otherwise {
            return Ok(then);
        }
        let Node::Bit { .. } = self.node(when) else {
            return Ok(if self.node(when) == Node::Leaf(YES) { then } else { otherwise });
        };
        let key = (when, then, otherwise);
        if let Some(known) = self.choices.get(&key) {
            return Ok(*known);
        }
        let level = [when, then, otherwise].map(|it| self.level(it));
        let top = level.into_iter().min().unwrap_or(LEAF);
        let [(w0, w1), (t0, t1), (o0, o1)] = [when, then, otherwise].map(|it| self.halves(it, top));
        let zero = self.choose(w0, t0, o0)?;
        let one = self.choose(w1, t1, o1)?;
        let made = self.bit(top, zero, one)?;
        self.choices.insert(key, made);
        Ok(made)
    }

    /// The function that gives `join` of what two functions give.
    pub(crate) fn join(
        &mut self,
        first: Id,
        second: Id,
        join: impl Fn(Action, Action) -> Action,
    ) -> Result<Id> {
        self.joined(first, second, &join, &mut HashMap::new())
    }

    fn joined(
        &mut self,
        first: Id,
        second: Id,
        join: &impl Fn(Action, Action) -> Action,
        done: &mut HashMap<(Id, Id), Id>,
    ) -> Result<Id> {
        if let Some(known) = done.get(&(first, second)) {
            return Ok(*known);
        }
        let made = match (self.constant(first), self.constant(second)) {
            (Some(a), Some(b)) => self.action(join(a, b)),
            _ => {
                let top = self.level(first).min(self.level(second));
                let ((f0, f1), (s0, s1)) = (self.halves(first, top), self.halves(second, top));
                let zero = self.joined(f0, s0, join, done)?;
                let one = self.joined(f1, s1, join, done)?;
                self.bit(top, zero, one)?
            }
        };
        done.insert((first, second), made);
        Ok(made)
    }

    /// Every pair of answers that two functions give to the same arguments, each with such arguments.
    pub(crate) fn pairs(&self, first: Id, second: Id) -> Vec<((Action, Action), [u64; 6])> {
        let mut found = Vec::new();
        let mut done = HashMap::new();
        self.walk(first, second, [0; 6], &mut done, &mut |pair, arguments| {
            if found.iter().all(|(other, _)| *other != pair) {
                found.push((pair, arguments));
            }
        });
        found
    }

    fn walk(
        &self,
        first: Id,
        second: Id,
        arguments: [u64; 6],
        done: &mut HashMap<(Id, Id), ()>,
        each: &mut impl FnMut((Action, Action), [u64; 6]),
    ) {
        if done.insert((first, second), ()).is_some() {
            return;
        }
        if let (Some(a), Some(b)) = (self.constant(first), self.constant(second)) {
            return each((a, b), arguments);
        }
        let top = self.level(first).min(self.level(second));
        let ((f0, f1), (s0, s1)) = (self.halves(first, top), self.halves(second, top));
        self.walk(f0, s0, arguments, done, each);
        let mut with = arguments;
        with[usize::from(top / 64)] |= 1 << (63 - top % 64);
        self.walk(f1, s1, with, done, each);
    }

    /// Where the condition holds, as that width computes it.
    fn condition(&mut self, condition: Condition, width: Width) -> Id {
        let (yes, no) = (self.yes(), self.no());
        let (below, equal, above, value, mask) = match condition.operator.on(width) {
            Operator::NotEqual(value) => (yes, no, yes, value, u64::MAX),
            Operator::Less(value) => (yes, no, no, value, u64::MAX),
            Operator::LessOrEqual(value) => (yes, yes, no, value, u64::MAX),
            Operator::Equal(value) => (no, yes, no, value, u64::MAX),
            Operator::GreaterOrEqual(value) => (no, yes, yes, value, u64::MAX),
            Operator::Greater(value) => (no, no, yes, value, u64::MAX),
            Operator::MaskedEqual { mask, value } => (no, yes, no, value, mask),
        };
        let bits = match width {
            Width::Bits32 => 0..32,
            Width::Bits64 => 0..64,
        };
        let mut now = equal;
        for bit in bits.filter(|it| mask >> it & 1 == 1) {
            let level = u16::from(condition.argument) * 64 + 63 - bit;
            let (zero, one) = if value >> bit & 1 == 1 { (below, now) } else { (now, above) };
            now = self.made(level, zero, one);
        }
        now
    }

    fn halves(&self, id: Id, at: u16) -> (Id, Id) {
        match self.node(id) {
            Node::Bit { level, zero, one } if level == at => (zero, one),
            Node::Bit { .. } | Node::Leaf(_) => (id, id),
        }
    }

    /// Which bit decides first; [`LEAF`] if none does.
    pub(crate) fn level(&self, id: Id) -> u16 {
        match self.node(id) {
            Node::Bit { level, .. } => level,
            Node::Leaf(_) => LEAF,
        }
    }

    pub(crate) fn bit(&mut self, level: u16, zero: Id, one: Id) -> Result<Id> {
        if self.nodes.len() > MAX_NODES {
            return Err(TooComplex);
        }
        Ok(self.made(level, zero, one))
    }

    fn made(&mut self, level: u16, zero: Id, one: Id) -> Id {
        if zero == one { zero } else { self.intern(Node::Bit { level, zero, one }) }
    }

    fn leaf(&mut self, value: u32) -> Id {
        self.intern(Node::Leaf(value))
    }

    fn intern(&mut self, node: Node) -> Id {
        let next = Id(self.nodes.len() as u32);
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            next
        })
    }
}

/// Below every bit.
pub(crate) const LEAF: u16 = u16::MAX;

/// Truth, in diagrams of where something holds. No action has these values.
const YES: u32 = 1 << 30 | 1;
const NO: u32 = 1 << 30;

/// Some hundred times what a large profile needs, and some tens of megabytes.
const MAX_NODES: usize = 1 << 20;

#[cfg(test)]
mod tests;
