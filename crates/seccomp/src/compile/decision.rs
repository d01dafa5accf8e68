//! Tests of arguments as a graph.
//!
//! Classic BPF compares 32 bits at a time, so a condition on a 64-bit argument is up to three tests
//! of its halves. Rules in order become one graph: a test leads on to what can still match, and what
//! an earlier test has settled is not asked again. Five rules for five values of one argument look
//! at its high half once, and are one range if they follow each other.
//!
//! Such a graph can grow exponentially, so there is a limit, and a plain form (rule by
//! rule, every test as written) for what exceeds it.

use std::borrow::Cow;

use super::emit::{Emitter, Target};
use crate::action::Action;
use crate::call::{Half, argument_offset};
use crate::condition::{Condition, Operator, Width};
use crate::interpret::operation::{JEQ_K, JGE_K, JGT_K};
use crate::rules::Rule;

/// Emits the tests for `rules`, of which the first match counts.
pub(super) fn emit(
    emitter: &mut Emitter,
    rules: &[Rule],
    default: Action,
    width: Width,
    audit_number: u32,
) -> Target {
    let default = Next::Return(default.return_value());
    let rules = ranges(rules);
    let graph = learned(&rules, default, width).unwrap_or_else(|| plain(&rules, default, width));
    graph.emit(emitter, audit_number)
}

/// Three or more values in a row, each a rule of its own, as one rule.
fn ranges(rules: &[Rule]) -> Cow<'_, [Rule]> {
    let value = |rule: &Rule| match rule.conditions.as_slice() {
        [Condition { argument, operator: Operator::Equal(value) }] => Some((*argument, *value)),
        _ => None,
    };
    let follows = |pair: &[Rule]| {
        pair[0].action == pair[1].action
            && value(&pair[0]).zip(value(&pair[1])).is_some_and(|((before, low), (after, high))| {
                before == after && low.checked_add(1) == Some(high)
            })
    };
    if !rules.windows(3).any(|it| follows(&it[..2]) && follows(&it[1..])) {
        return Cow::Borrowed(rules);
    }
    let mut all = Vec::with_capacity(rules.len());
    let mut rest = rules;
    while let [first, ..] = rest {
        let length = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
        let (run, later) = rest.split_at(length);
        rest = later;
        match (value(first), run.last().and_then(value)) {
            (Some((argument, low)), Some((_, high))) if length >= 3 => {
                let bounds = [Operator::GreaterOrEqual(low), Operator::LessOrEqual(high)];
                let conditions = bounds.map(|operator| Condition { argument, operator }).to_vec();
                all.push(Rule { conditions, action: first.action });
            }
            _ => all.extend_from_slice(run),
        }
    }
    Cow::Owned(all)
}

/// Half of an argument.
type Word = (u8, Half);

/// One test of one word.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Test {
    word: Word,
    mask: u32,
    sign: Sign,
    k: u32,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Sign {
    Equal,
    Greater,
    GreaterOrEqual,
}

/// Where a test leads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Next {
    Return(u32),
    Node(usize),
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Node {
    test: Test,
    yes: Next,
    no: Next,
}

/// A graph whose nodes stand behind all that they lead to.
struct Graph {
    nodes: Vec<Node>,
    root: Next,
}

impl Graph {
    fn emit(&self, emitter: &mut Emitter, audit_number: u32) -> Target {
        // A node that follows an unmasked test of the same word finds it in the accumulator.
        let mut is_loaded_for_all = vec![true; self.nodes.len()];
        for node in &self.nodes {
            for next in [node.yes, node.no] {
                if let Next::Node(index) = next {
                    is_loaded_for_all[index] &= keeps(&node.test, &self.nodes[index].test);
                }
            }
        }
        if let Next::Node(root) = self.root {
            is_loaded_for_all[root] = false;
        }

        // Per node: entered with its word in the accumulator, and without.
        let mut entries: Vec<(Target, Target)> = Vec::with_capacity(self.nodes.len());
        for (index, Node { test, yes, no }) in self.nodes.iter().enumerate() {
            let entry = |next: Next| match next {
                Next::Return(value) => Target::Return(value),
                Next::Node(index) => {
                    let (loaded, unloaded) = entries[index];
                    if keeps(test, &self.nodes[index].test) { loaded } else { unloaded }
                }
            };
            let code = match test.sign {
                Sign::Equal => JEQ_K,
                Sign::Greater => JGT_K,
                Sign::GreaterOrEqual => JGE_K,
            };
            let (yes, no) = (entry(*yes), entry(*no));
            let mut loaded = emitter.jump(code, test.k, yes, no);
            if test.mask != u32::MAX {
                loaded = emitter.and(test.mask, loaded);
            }
            let unloaded = if is_loaded_for_all[index] {
                loaded
            } else {
                let (argument, half) = test.word;
                emitter.load(argument_offset(audit_number, argument, half), loaded)
            };
            entries.push((loaded, unloaded));
        }
        match self.root {
            Next::Return(value) => Target::Return(value),
            Next::Node(root) => entries[root].1,
        }
    }
}

/// Whether the accumulator holds the word of `next` after `test`.
fn keeps(test: &Test, next: &Test) -> bool {
    test.word == next.word && test.mask == u32::MAX
}

/// The tests of a condition, in order, each with what its two answers mean.
fn tests(condition: &Condition, width: Width) -> Vec<(Test, Answer, Answer)> {
    use Answer::{Fails, Holds, Open};
    let (argument, operator) = (condition.argument, condition.operator.on(width));
    let test = |half, mask: u64, sign, value: u64| {
        let shift = if half == Half::High { 32 } else { 0 };
        let (mask, k) = ((mask >> shift) as u32, ((value & mask) >> shift) as u32);
        Test { word: (argument, half), mask, sign, k }
    };
    let is_wide = width == Width::Bits64;
    let mut all = Vec::with_capacity(3);
    let (sign, value, holds, fails) = match operator {
        Operator::Equal(value) => (Sign::Equal, value, Holds, Fails),
        Operator::NotEqual(value) => (Sign::Equal, value, Fails, Holds),
        Operator::Greater(value) => (Sign::Greater, value, Holds, Fails),
        Operator::LessOrEqual(value) => (Sign::Greater, value, Fails, Holds),
        Operator::GreaterOrEqual(value) => (Sign::GreaterOrEqual, value, Holds, Fails),
        Operator::Less(value) => (Sign::GreaterOrEqual, value, Fails, Holds),
        Operator::MaskedEqual { mask, value } => {
            if is_wide && mask >> 32 != 0 {
                let last = if mask as u32 == 0 { Holds } else { Open };
                all.push((test(Half::High, mask, Sign::Equal, value), last, Fails));
            }
            if mask as u32 != 0 {
                all.push((test(Half::Low, mask, Sign::Equal, value), Holds, Fails));
            }
            return all;
        }
    };
    if is_wide {
        if sign != Sign::Equal {
            all.push((test(Half::High, u64::MAX, Sign::Greater, value), holds, Open));
        }
        all.push((test(Half::High, u64::MAX, Sign::Equal, value), Open, fails));
    }
    all.push((test(Half::Low, u64::MAX, sign, value), holds, fails));
    all
}

/// What the answer to a test means for its condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Holds,
    Fails,
    /// The next test decides.
    Open,
}

/// Rule by rule, every test as written.
fn plain(rules: &[Rule], default: Next, width: Width) -> Graph {
    let mut nodes = Vec::new();
    let mut root = default;
    for rule in rules.iter().rev() {
        let fails = root;
        root = Next::Return(rule.action.return_value());
        for condition in rule.conditions.iter().rev() {
            let holds = root;
            let mut open = holds;
            for (test, yes, no) in tests(condition, width).into_iter().rev() {
                let next = |answer| match answer {
                    Answer::Holds => holds,
                    Answer::Fails => fails,
                    Answer::Open => open,
                };
                nodes.push(Node { test, yes: next(yes), no: next(no) });
                open = Next::Node(nodes.len() - 1);
            }
            root = open;
        }
    }
    Graph { nodes, root }
}

/// With what earlier tests have settled left out. `None` if that is nothing, or grows too large.
fn learned(rules: &[Rule], default: Next, width: Width) -> Option<Graph> {
    // Where every rule is one test there is nothing to learn.
    let is_simple = width == Width::Bits32 && rules.iter().all(|it| it.conditions.len() == 1);
    if is_simple || rules.len() > 64 {
        return None;
    }
    let steps: Vec<Steps> = rules
        .iter()
        .map(|rule| Steps {
            conditions: rule.conditions.iter().map(|it| tests(it, width)).collect(),
            action: Next::Return(rule.action.return_value()),
        })
        .collect();
    let count: usize = steps.iter().flat_map(|it| &it.conditions).map(Vec::len).sum();
    let nodes = Vec::with_capacity(2 * count);
    let mut learner = Learner { rules: &steps, default, nodes, budget: 8 * count + 32 };
    let root = learner.follow((0, 0, 0), None)?;
    Some(Graph { nodes: learner.nodes, root })
}

struct Steps {
    conditions: Vec<Vec<(Test, Answer, Answer)>>,
    action: Next,
}

/// Rule, condition, test.
type At = (usize, usize, usize);

struct Learner<'a> {
    rules: &'a [Steps],
    default: Next,
    nodes: Vec<Node>,
    budget: usize,
}

impl Learner<'_> {
    /// The graph from a test on, given what is known there.
    fn follow(&mut self, at: At, known: Option<&Known<'_>>) -> Option<Next> {
        let (rule, condition, index) = at;
        let Some(steps) = self.rules.get(rule) else { return Some(self.default) };
        let Some(tests) = steps.conditions.get(condition) else { return Some(steps.action) };
        let Some(&(test, yes, no)) = tests.get(index) else {
            return self.follow((rule, condition + 1, 0), known);
        };
        let next = |answer| match answer {
            Answer::Holds => (rule, condition + 1, 0),
            Answer::Fails => (rule + 1, 0, 0),
            Answer::Open => (rule, condition, index + 1),
        };
        match settled(known, &test) {
            Some(true) => return self.follow(next(yes), known),
            Some(false) => return self.follow(next(no), known),
            None => {}
        }
        self.budget = self.budget.checked_sub(1)?;
        let after = |answer| Known { earlier: known, test, answer };
        let no = self.follow(next(no), Some(&after(false)))?;
        let yes = self.follow(next(yes), Some(&after(true)))?;
        Some(if yes == no { yes } else { self.node(Node { test, yes, no }) })
    }

    /// A node, or the same one of those that were made last.
    fn node(&mut self, node: Node) -> Next {
        let recent = self.nodes.len().saturating_sub(64);
        let same = self.nodes[recent..].iter().position(|it| *it == node);
        Next::Node(match same {
            Some(index) => recent + index,
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        })
    }
}

/// The tests on the way to a place and their answers, latest first.
struct Known<'a> {
    earlier: Option<&'a Known<'a>>,
    test: Test,
    answer: bool,
}

/// The answer to `test`, if what is known leaves only one.
fn settled(known: Option<&Known<'_>>, test: &Test) -> Option<bool> {
    let about =
        || std::iter::successors(known, |it| it.earlier).filter(|it| it.test.word == test.word);
    let (mut least, mut most) = (0, u32::MAX);
    for Known { test: Test { mask, sign, k, .. }, answer, .. } in about() {
        match (sign, answer) {
            // An open test has both answers, so neither sum can overflow.
            (Sign::Greater, true) => least = least.max(k + 1),
            (Sign::Greater, false) => most = most.min(*k),
            (Sign::GreaterOrEqual, true) => least = least.max(*k),
            (Sign::GreaterOrEqual, false) => most = most.min(k - 1),
            (Sign::Equal, true) if *mask == u32::MAX => (least, most) = (*k, *k),
            (Sign::Equal, _) => {}
        }
        if least == most {
            break;
        }
    }
    if least == most {
        let value = least & test.mask;
        return Some(match test.sign {
            Sign::Equal => value == test.k,
            Sign::Greater => value > test.k,
            Sign::GreaterOrEqual => value >= test.k,
        });
    }
    match test.sign {
        Sign::Equal if test.mask == u32::MAX && !(least..=most).contains(&test.k) => Some(false),
        Sign::Equal => about().find(|it| it.test == *test).map(|it| it.answer),
        Sign::Greater if least > test.k => Some(true),
        Sign::Greater if most <= test.k => Some(false),
        Sign::GreaterOrEqual if least >= test.k => Some(true),
        Sign::GreaterOrEqual if most < test.k => Some(false),
        Sign::Greater | Sign::GreaterOrEqual => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_a_row_are_one_range() {
        let rule = |argument, value, action| Rule {
            conditions: vec![Condition { argument, operator: Operator::Equal(value) }],
            action,
        };
        let allow = |value| rule(0, value, Action::Allow);
        for (shows, rules, expected) in [
            ("three", vec![allow(3), allow(4), allow(5)], 1),
            ("two are cheaper as they are", vec![allow(3), allow(4)], 2),
            ("a gap", vec![allow(3), allow(4), allow(6)], 3),
            ("backwards", vec![allow(5), allow(4), allow(3)], 3),
            ("another action", vec![allow(3), rule(0, 4, Action::Log), allow(5)], 3),
            ("another argument", vec![allow(3), rule(1, 4, Action::Allow), allow(5)], 3),
            ("no value after the last", vec![allow(u64::MAX - 1), allow(u64::MAX), allow(0)], 3),
            ("two runs", (1..4).chain(9..13).map(allow).collect(), 2),
        ] {
            let found = ranges(&rules);
            assert_eq!(found.len(), expected, "{shows}");
            for value in (0..15).chain([u64::MAX - 1, u64::MAX]) {
                let first = |list: &[Rule]| {
                    let holds = |it: &Condition| it.argument == 0 && it.operator.holds(value);
                    list.iter().find(|it| it.conditions.iter().all(holds)).map(|it| it.action)
                };
                assert_eq!(first(&found), first(&rules), "{shows}: {value}");
            }
        }
    }
}
