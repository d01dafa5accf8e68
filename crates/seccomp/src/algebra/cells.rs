//! The environments that rules tell apart: capabilities, kernels, machines; and how the answer to each
//! becomes `includes` and `excludes` again.

use std::collections::BTreeSet;

use stockade_abi::{Capability, CapabilitySet};

use crate::meaning::{Id, TooComplex};
use crate::profile::{Listed, ProfileRule, Selector};

/// What a rule may ask about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Environment {
    /// `None`: any that no rule in question names.
    pub(super) machine: Option<Listed>,
    pub(super) capabilities: CapabilitySet,
    pub(super) kernel: (u32, u32),
}

/// What some rules do ask about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Questions {
    pub(super) machines: Vec<Listed>,
    pub(super) capabilities: CapabilitySet,
    pub(super) kernels: BTreeSet<(u32, u32)>,
}

impl Questions {
    pub(super) fn add(&mut self, rule: &ProfileRule) {
        self.add_selector(&rule.includes);
        self.add_selector(&rule.excludes);
    }

    pub(super) fn add_selector(&mut self, selector: &Selector) {
        for machine in &selector.architectures {
            if !self.machines.contains(machine) {
                self.machines.push(*machine);
            }
        }
        self.capabilities = self.capabilities.union(selector.capabilities);
        self.kernels.extend(selector.min_kernel);
    }

    pub(super) fn capabilities(&self) -> Vec<Capability> {
        Capability::ALL.iter().copied().filter(|it| self.capabilities.contains(*it)).collect()
    }
}

/// An answer and the environments that get it.
pub(super) type Cell = (Selector, Selector, Id);

/// The answers to all environments, as few as they can be told apart by.
pub(super) fn cells<E: From<TooComplex>>(
    questions: &Questions,
    answer: &mut impl FnMut(&Environment) -> Result<Id, E>,
) -> Result<Vec<Cell>, E> {
    let asked = questions.capabilities();
    if asked.len() > MAX_CAPABILITIES {
        return Err(TooComplex.into());
    }
    by_capability(questions, &asked, CapabilitySet::EMPTY, answer)
}

fn by_capability<E>(
    questions: &Questions,
    asked: &[Capability],
    held: CapabilitySet,
    answer: &mut impl FnMut(&Environment) -> Result<Id, E>,
) -> Result<Vec<Cell>, E> {
    let Some((first, rest)) = asked.split_first() else {
        return by_kernel(questions, held, answer);
    };
    let mut with = by_capability(questions, rest, held.with(*first), answer)?;
    let mut without = by_capability(questions, rest, held, answer)?;
    if with == without {
        return Ok(with);
    }
    for (includes, ..) in &mut with {
        includes.capabilities = includes.capabilities.with(*first);
    }
    for (_, excludes, _) in &mut without {
        excludes.capabilities = excludes.capabilities.with(*first);
    }
    with.append(&mut without);
    Ok(with)
}

fn by_kernel<E>(
    questions: &Questions,
    capabilities: CapabilitySet,
    answer: &mut impl FnMut(&Environment) -> Result<Id, E>,
) -> Result<Vec<Cell>, E> {
    let mut stretches: Vec<((u32, u32), Vec<Cell>)> = Vec::new();
    for kernel in [(0, 0)].into_iter().chain(questions.kernels.iter().copied()) {
        let cells = by_machine(questions, capabilities, kernel, answer)?;
        if stretches.last().is_none_or(|(_, before)| *before != cells) {
            stretches.push((kernel, cells));
        }
    }
    let ends: Vec<Option<(u32, u32)>> =
        stretches.iter().skip(1).map(|it| Some(it.0)).chain([None]).collect();
    let mut all = Vec::new();
    for ((start, cells), end) in stretches.into_iter().zip(ends) {
        for (mut includes, mut excludes, id) in cells {
            includes.min_kernel = (start != (0, 0)).then_some(start);
            excludes.min_kernel = end;
            all.push((includes, excludes, id));
        }
    }
    Ok(all)
}

fn by_machine<E>(
    questions: &Questions,
    capabilities: CapabilitySet,
    kernel: (u32, u32),
    answer: &mut impl FnMut(&Environment) -> Result<Id, E>,
) -> Result<Vec<Cell>, E> {
    let other = answer(&Environment { machine: None, capabilities, kernel })?;
    let mut excludes = Selector::default();
    let mut groups: Vec<Cell> = Vec::new();
    for &machine in &questions.machines {
        let id = answer(&Environment { machine: Some(machine), capabilities, kernel })?;
        if id == other {
            continue;
        }
        excludes.architectures.push(machine);
        match groups.iter_mut().find(|it| it.2 == id) {
            Some((includes, ..)) => includes.architectures.push(machine),
            None => {
                let includes = Selector { architectures: vec![machine], ..Selector::default() };
                groups.push((includes, Selector::default(), id));
            }
        }
    }
    groups.insert(0, (Selector::default(), excludes, other));
    Ok(groups)
}

/// Rules for one system call ask about one or two.
const MAX_CAPABILITIES: usize = 6;
