//! Which of several conditional rules for one system call comes first.
//!
//! OCI leaves open what overlapping rules mean, so it means what libseccomp makes of it, with which
//! every profile was tested. libseccomp sorts: it keeps the conditions of a call in a tree whose
//! levels have an order of their own, and tests depth first. On a level stand first the later
//! arguments (the high half before the low one), then equalities, then less-than by rising
//! constant, then greater-than by falling constant; ties keep the order of the profile. So
//! `== 40: deny` comes before `!= 16: allow` however they are written.
//!
//! Two rules of the same conditions and different actions, or a rule that a later, shorter one with
//! another action swallows, make libseccomp refuse the profile: [`Contradiction`].

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::action::Action;
use crate::call::Half;
use crate::condition::{Condition, Operator, Width};
use crate::rules::Rule;

/// Two rules, by their index in the input, that cannot both be meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Contradiction {
    pub(crate) first: usize,
    pub(crate) second: usize,
}

/// Sorts rules so that the first match is the one that counts. The conditions of each must be
/// sorted by argument, and made for `width`.
pub(crate) fn order(rules: Vec<Rule>, width: Width) -> Result<Vec<Rule>, Contradiction> {
    if is_indifferent(&rules) {
        return Ok(rules);
    }
    Ok(sorted(&rules, width)?.into_iter().map(|index| rules[index].clone()).collect())
}

/// The same order, as indices into the input. A rule that is not in it never decides.
pub(crate) fn sequence(rules: &[Rule], width: Width) -> Result<Vec<usize>, Contradiction> {
    if is_indifferent(rules) { Ok((0..rules.len()).collect()) } else { sorted(rules, width) }
}

/// Of rules with one action it does not matter which of them matches.
fn is_indifferent(rules: &[Rule]) -> bool {
    rules.windows(2).all(|pair| pair[0].action == pair[1].action)
}

fn sorted(rules: &[Rule], width: Width) -> Result<Vec<usize>, Contradiction> {
    let mut kept: Vec<usize> = Vec::with_capacity(rules.len());
    let mut known = Beginnings::default();
    for (second, rule) in rules.iter().enumerate() {
        if let Some(first) = known.contradicts(rule) {
            return Err(Contradiction { first, second });
        }
        if !known.swallows(rule) {
            known.add(second, rule);
            kept.push(second);
        }
    }
    let chains: Vec<(usize, Vec<Node>)> = kept
        .into_iter()
        .map(|index| {
            (index, rules[index].conditions.iter().flat_map(|it| nodes(it, width)).collect())
        })
        .collect();
    let mut sorted = Vec::with_capacity(chains.len());
    sort(chains.iter().map(|(index, nodes)| (*index, nodes.as_slice())).collect(), &mut sorted);
    Ok(sorted)
}

/// The conditions with which the rules so far begin. By their hash, since a hostile profile has
/// thousands of rules for one call.
#[derive(Default)]
struct Beginnings<'a> {
    whole: HashMap<&'a [Condition], (usize, Action)>,
    parts: HashMap<&'a [Condition], Longer>,
}

/// The longer rules that begin in one way.
struct Longer {
    first: usize,
    action: Action,
    /// The first one with another action.
    other: Option<usize>,
}

impl<'a> Beginnings<'a> {
    fn add(&mut self, index: usize, rule: &'a Rule) {
        self.whole.insert(&rule.conditions, (index, rule.action));
        for length in 0..rule.conditions.len() {
            let longer = self.parts.entry(&rule.conditions[..length]).or_insert(Longer {
                first: index,
                action: rule.action,
                other: None,
            });
            if longer.action != rule.action {
                longer.other.get_or_insert(index);
            }
        }
    }

    /// The first rule that has the same conditions or goes on with more, and does something else.
    fn contradicts(&self, rule: &Rule) -> Option<usize> {
        let conditions = rule.conditions.as_slice();
        let same = self.whole.get(conditions).filter(|it| it.1 != rule.action).map(|it| it.0);
        let longer = self
            .parts
            .get(conditions)
            .and_then(|it| if it.action == rule.action { it.other } else { Some(it.first) });
        same.into_iter().chain(longer).min()
    }

    /// Whether the rule never matters, because an earlier one asks for less.
    fn swallows(&self, rule: &Rule) -> bool {
        (0..=rule.conditions.len()).any(|it| self.whole.contains_key(&rule.conditions[..it]))
    }
}

/// A rule by its index, and the tests that are left of it.
type Chain<'a> = (usize, &'a [Node]);

/// Lays out one level of the tree and what hangs below each of its nodes.
fn sort(chains: Vec<Chain<'_>>, sorted: &mut Vec<usize>) {
    let mut level: Vec<(Node, Vec<Chain<'_>>)> = Vec::new();
    let mut places: HashMap<Test, usize> = HashMap::new();
    for (index, chain) in chains {
        let Some((node, rest)) = chain.split_first() else {
            sorted.push(index);
            continue;
        };
        match places.entry(node.test()) {
            Entry::Occupied(place) => level[*place.get()].1.push((index, rest)),
            Entry::Vacant(place) => {
                place.insert(level.len());
                level.push((*node, vec![(index, rest)]));
            }
        }
    }
    level.sort_by(|(a, _), (b, _)| a.before(b));
    for (_, below) in level {
        sort(below, sorted);
    }
}

/// A test of one half of an argument, as libseccomp's tree has it.
#[derive(Clone, Copy, Debug)]
struct Node {
    argument: u8,
    half: Half,
    kind: Kind,
    class: Class,
    mask: u32,
    datum: u32,
}

/// The instruction behind a test; `!=`, `<` and `<=` are its other branch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Equal,
    MaskedEqual,
    Greater,
    GreaterOrEqual,
}

/// Where tests of the same half stand.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    Equality,
    Less,
    Greater,
}

/// What makes two nodes one: all but their class.
type Test = (u8, Half, Kind, u32, u32);

impl Node {
    fn test(&self) -> Test {
        (self.argument, self.half, self.kind, self.mask, self.datum)
    }

    fn before(&self, other: &Self) -> Ordering {
        let place = (other.argument, other.half).cmp(&(self.argument, self.half));
        place.then(self.class.cmp(&other.class)).then_with(|| match self.class {
            Class::Less => self.datum.cmp(&other.datum),
            Class::Equality | Class::Greater => other.datum.cmp(&self.datum),
        })
    }
}

fn nodes(condition: &Condition, width: Width) -> Vec<Node> {
    let (kind, class, mask, value) = match condition.operator {
        Operator::Equal(value) | Operator::NotEqual(value) => {
            (Kind::Equal, Class::Equality, u64::MAX, value)
        }
        Operator::MaskedEqual { mask, value } => {
            (Kind::MaskedEqual, Class::Equality, mask, value & mask)
        }
        Operator::Less(value) => (Kind::GreaterOrEqual, Class::Less, u64::MAX, value),
        Operator::LessOrEqual(value) => (Kind::Greater, Class::Less, u64::MAX, value),
        Operator::Greater(value) => (Kind::Greater, Class::Greater, u64::MAX, value),
        Operator::GreaterOrEqual(value) => (Kind::GreaterOrEqual, Class::Greater, u64::MAX, value),
    };
    let node = |half, kind| {
        let (mask, datum) = match half {
            Half::Low => (mask as u32, value as u32),
            Half::High => ((mask >> 32) as u32, (value >> 32) as u32),
        };
        Node { argument: condition.argument, half, kind, class, mask, datum }
    };
    match (width, kind) {
        (Width::Bits32, _) => vec![node(Half::Low, kind)],
        (Width::Bits64, Kind::Equal | Kind::MaskedEqual) => {
            vec![node(Half::High, kind), node(Half::Low, kind)]
        }
        (Width::Bits64, Kind::Greater | Kind::GreaterOrEqual) => {
            vec![
                node(Half::High, Kind::Greater),
                node(Half::High, Kind::Equal),
                node(Half::Low, kind),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::Errno;

    use super::*;

    /// `(argument, operator)` per condition; the action of a rule is its place in the input.
    type Conditions<'a> = &'a [(u8, Operator)];

    #[track_caller]
    fn ordered(rules: &[Conditions<'_>]) -> Result<Vec<u16>, Contradiction> {
        let rules = rules.iter().enumerate().map(|(index, conditions)| Rule {
            conditions: conditions
                .iter()
                .map(|&(argument, operator)| Condition { argument, operator })
                .collect(),
            action: Action::Errno(Errno(index as u16)),
        });
        let sorted = order(rules.collect(), Width::Bits64)?;
        Ok(sorted.into_iter().map(|rule| rule.action.return_value() as u16).collect())
    }

    #[test]
    fn levels_have_an_order_of_their_own() {
        use Operator::*;
        let masked = |mask| MaskedEqual { mask, value: 1 };
        for (shows, first, second, expected) in [
            ("larger constants first", (0, Equal(5)), (0, Equal(9)), [1, 0]),
            ("the high half counts first", (0, Equal(5)), (0, Equal(1 << 32)), [1, 0]),
            ("equality before ranges", (0, Greater(5)), (0, Equal(7)), [1, 0]),
            ("less before greater", (0, Greater(5)), (0, Less(9)), [1, 0]),
            ("less: narrow first", (0, Less(9)), (0, Less(5)), [1, 0]),
            ("greater: narrow first", (0, Greater(5)), (0, Greater(9)), [1, 0]),
            ("later arguments first", (0, Equal(5)), (1, Equal(5)), [1, 0]),
            ("inequality stands by its constant", (0, NotEqual(5)), (0, Equal(9)), [1, 0]),
            ("ties keep their order", (0, masked(1)), (0, masked(3)), [0, 1]),
        ] {
            assert_eq!(ordered(&[&[first], &[second]]), Ok(expected.to_vec()), "{shows}");
        }
    }

    #[test]
    fn rules_that_cannot_both_be_meant_are_refused() {
        use Operator::*;
        let short: Conditions<'_> = &[(0, Equal(5))];
        let long: Conditions<'_> = &[(0, Equal(5)), (1, Equal(1))];
        assert_eq!(ordered(&[short, short]), Err(Contradiction { first: 0, second: 1 }));
        assert_eq!(ordered(&[long, short]), Err(Contradiction { first: 0, second: 1 }));
        let longer: Conditions<'_> = &[(0, Equal(5)), (1, Equal(1)), (2, Equal(0))];
        assert_eq!(ordered(&[longer, long]), Err(Contradiction { first: 0, second: 1 }));
        let other: Conditions<'_> = &[(0, Equal(5)), (2, Equal(1))];
        assert_eq!(ordered(&[other, long, short]), Err(Contradiction { first: 0, second: 2 }));
        assert_eq!(
            ordered(&[short, long]),
            Ok(vec![0]),
            "what is swallowed by an earlier one is dead"
        );
    }
}
