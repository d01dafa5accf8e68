//! That a profile means what was wanted: every call, on every machine, with every set of capabilities
//! and on every kernel that some rule tells apart.
//!
//! What is wanted is computed here from the resolved rules of the sources, number by number; what the
//! writer thought about names is not used.
//!
//! Two differences are not held against the result, and told. Where the same error is only another
//! number because a profile no longer is too old to know a call. And a multiplexer's view of a call whose
//! arguments a pattern looks at: there it may do what the profile did or what the pattern says.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::syscalls::{self, Syscall};
use stockade_abi::{Architecture, Capability, CapabilitySet};

use super::architectures::MACHINES;
use super::cells::Questions;
use super::operation::{Operation, behind_multiplexer, counts, wanted_of_number};
use super::{AlgebraError, Remark};
use crate::action::Action;
use crate::answers::{Answer, answer, stretches};
use crate::call::Call;
use crate::condition::Width;
use crate::meaning::{Id, Store, TooComplex};
use crate::multiplex::multiplexer;
use crate::pattern::{Change, Pattern};
use crate::profile::{Listed, Name, Profile};
use crate::resolve::{Target, resolve};
use crate::rules::Rules;

pub(super) fn prove(
    operation: &Operation<'_>,
    result: &Profile,
) -> Result<Vec<Remark>, AlgebraError> {
    let mut remarks = BTreeSet::new();
    let mut seen: Vec<Vec<Rules>> = Vec::new();
    for target in targets(operation, result)? {
        let mut all = Vec::new();
        for (profile, source) in operation.profiles().into_iter().enumerate() {
            let rules = resolve(source, &target);
            all.push(rules.map_err(|errors| AlgebraError::Contradiction { profile, errors })?);
        }
        all.push(resolve(result, &target).map_err(|errors| {
            errors.first().map_or(AlgebraError::Loading { field: "syscalls" }, |it| {
                AlgebraError::Contradictory { syscall: it.syscall, architecture: it.architecture }
            })
        })?);
        // A pattern may ask for the machine, which is the first architecture.
        if seen.contains(&all) {
            continue;
        }
        for architecture in Architecture::ALL {
            // A pattern is about calls of the architectures that the profile lists.
            let is_listed = all[0].architectures.iter().any(|it| it.architecture == architecture);
            let operation = match *operation {
                Operation::Change { base, .. } if !is_listed => {
                    Operation::Change { base, patterns: &[] }
                }
                any @ (Operation::Change { .. } | Operation::Both { .. }) => any,
            };
            Proof {
                operation: &operation,
                target: &target,
                architecture,
                all: &all,
                remarks: &mut remarks,
            }
            .all_numbers()?;
        }
        seen.push(all);
    }
    Ok(remarks.into_iter().collect())
}

/// One architecture of one machine.
struct Proof<'a> {
    operation: &'a Operation<'a>,
    target: &'a Target,
    architecture: Architecture,
    /// The sources and the result.
    all: &'a [Rules],
    remarks: &'a mut BTreeSet<Remark>,
}

impl Proof<'_> {
    fn all_numbers(&mut self) -> Result<(), AlgebraError> {
        let patterns = self.operation.patterns();
        let clone3 = patterns.iter().any(|it| it.syscall.name() == "clone");
        let also: Vec<u32> = patterns
            .iter()
            .flat_map(|it| [Some(it.syscall), behind_multiplexer(it).map(|it| it.syscall)])
            .chain(clone3.then(|| Syscall::named("clone3")))
            .filter_map(|it| it?.number(self.architecture))
            .collect();
        let rules: Vec<&Rules> = self.all.iter().collect();
        for (first, last) in stretches(&rules, &also, self.architecture) {
            let syscall = syscalls::name(self.architecture, first).unwrap_or("?");
            let complex = |TooComplex| AlgebraError::TooComplex { syscall };
            let answers: Vec<Answer<'_>> =
                rules.iter().map(|it| answer(it, self.architecture, first)).collect();
            // What did not change needs no computing.
            let is_same = answers.iter().all(|it| *it == answers[0]);
            if is_same && !also.contains(&first) {
                continue;
            }

            self.number(first, last, &answers).map_err(complex)??;
        }
        Ok(())
    }

    /// The outer error: too complex to say.
    fn number(
        &mut self,
        first: u32,
        last: u32,
        answers: &[Answer<'_>],
    ) -> Result<Result<(), AlgebraError>, TooComplex> {
        let mut store = Store::default();
        let width = Width::of(self.architecture);
        let mut said = Vec::new();
        for answer in answers {
            said.push(answer.function(&mut store, width)?);
        }
        let Some(mut found) = said.pop() else { return Ok(Ok(())) };
        let number = (self.architecture, first);
        let mut wanted = wanted_of_number(self.operation, &mut store, &said, self.target, number)?;
        for pattern in self.operation.patterns() {
            if let Some(place) = self.multiplexed(pattern, first) {
                let inside = self.inside(&mut store, pattern, &place, &mut wanted, &mut found)?;
                if let Err(error) = inside {
                    return Ok(Err(self.with_number(error, first)));
                }
            }
        }
        self.siblings(first, &store.pairs(found, found));
        for ((wanted, found), arguments) in store.pairs(wanted, found) {
            if wanted == found {
                continue;
            }
            let are_errors = matches!((wanted, found), (Action::Errno(_), Action::Errno(_)));
            // A multiplexer follows the calls behind it, also those that are no longer too new.
            let is_newer = answers.iter().any(|it| matches!(it, Answer::Newer(_)))
                || ["socketcall", "ipc"]
                    .map(Some)
                    .contains(&syscalls::name(self.architecture, first));
            if !are_errors || !is_newer {
                let error = self.not_exact(wanted, found, arguments);
                return Ok(Err(self.with_number(error, first)));
            }
            let names = syscalls::all(self.architecture)
                .filter(|(number, _)| (first..=last).contains(number));
            let architecture = self.architecture;
            self.remarks.extend(names.map(|(_, syscall)| Remark::Error { syscall, architecture }));
        }
        Ok(Ok(()))
    }

    /// What is denied to `clone` can be done by `clone3`.
    fn siblings(&mut self, number: u32, found: &[((Action, Action), [u64; 6])]) {
        if syscalls::name(self.architecture, number) != Some("clone3") {
            return;
        }
        for pattern in self.operation.patterns() {
            let denies = pattern.change == Change::Deny && pattern.syscall.name() == "clone";
            let exceeds = |(is, _): (Action, Action)| {
                pattern.action.is_some_and(|it| is.permissiveness() > it.permissiveness())
            };
            if denies && found.iter().any(|(pair, _)| exceeds(*pair)) {
                self.open(pattern, "clone3".to_owned(), "clone3=ENOSYS");
            }
        }
    }

    fn open(&mut self, pattern: &Pattern, through: String, closed_by: &'static str) {
        let pattern = pattern.text.clone();
        let architecture = self.architecture;
        self.remarks.insert(Remark::Open { pattern, through, closed_by, architecture });
    }

    /// The pattern as calls of that number, if that is a multiplexer of the pattern's call.
    fn multiplexed(&self, pattern: &Pattern, number: u32) -> Option<Pattern> {
        let native = Some(Listed::Known(self.target.architecture));
        let outer = behind_multiplexer(pattern)?;
        let is_here = outer.syscall.number(self.architecture) == Some(number)
            && counts(pattern, native, self.target.capabilities, self.target.kernel);
        is_here.then_some(outer)
    }

    /// Within a multiplexer's view of a call: what was, or what the pattern says. Takes the place out of
    /// both functions.
    fn inside(
        &mut self,
        store: &mut Store,
        pattern: &Pattern,
        place: &Pattern,
        wanted: &mut Id,
        found: &mut Id,
    ) -> Result<Result<(), AlgebraError>, TooComplex> {
        let mut here = store.yes();
        let no = store.no();
        for (condition, _) in &place.conditions {
            let one = store.all(&[*condition], Width::Bits32)?;
            here = store.choose(one, here, no)?;
        }
        let blank = store.action(Action::KillProcess);
        let (inner_wanted, inner_found) =
            (store.choose(here, *wanted, blank)?, store.choose(here, *found, blank)?);
        for ((was, is), arguments) in store.pairs(inner_wanted, inner_found) {
            let action = pattern.action.unwrap_or(is);
            if was != is && is != action {
                return Ok(Err(self.not_exact(was, is, arguments)));
            }
            if pattern.change == Change::Deny
                && is.permissiveness() > action.permissiveness()
                && let Some((outer, inner)) = multiplexer(pattern.syscall.name())
            {
                let closed_by = if outer == "ipc" { "ipc=ENOSYS" } else { "socketcall=ENOSYS" };
                self.open(pattern, format!("{outer}({inner}, …)"), closed_by);
            }
        }
        *wanted = store.choose(here, blank, *wanted)?;
        *found = store.choose(here, blank, *found)?;
        Ok(Ok(()))
    }

    fn not_exact(&self, wanted: Action, found: Action, arguments: [u64; 6]) -> AlgebraError {
        let call = Call::new(self.architecture, 0).with(arguments);
        let target = Box::new(*self.target);
        AlgebraError::NotExact { target, call: Box::new(call), wanted, found }
    }

    fn with_number(&self, mut error: AlgebraError, number: u32) -> AlgebraError {
        if let AlgebraError::NotExact { call, .. } = &mut error {
            call.number = number;
        }
        error
    }
}

/// Every machine, kernel and set of capabilities that can make a difference to any one call.
fn targets(operation: &Operation<'_>, result: &Profile) -> Result<Vec<Target>, AlgebraError> {
    let mut profiles = operation.profiles();
    profiles.push(result);
    let mut kernels = BTreeSet::from([(0, 0)]);
    let mut asked: BTreeMap<Syscall, CapabilitySet> = BTreeMap::new();
    for rule in profiles.iter().flat_map(|it| &it.rules) {
        let mut questions = Questions::default();
        questions.add(rule);
        kernels.extend(questions.kernels.iter().copied());
        for name in &rule.names {
            let Name::Known(syscall) = name else { continue };
            // One number: by several names, or behind a multiplexer.
            let outer = multiplexer(syscall.name()).and_then(|it| Syscall::named(it.0));
            for name in std::iter::once(*syscall).chain(outer).chain(namesakes(*syscall)) {
                let all = asked.entry(name).or_default();
                *all = all.union(questions.capabilities);
            }
        }
    }
    // A number sees no capability but those that its own rules ask about, so one set serves many numbers.
    let every = asked.values().fold(CapabilitySet::EMPTY, |all, it| all.union(*it));
    let mut sets = vec![CapabilitySet::EMPTY, every];
    for (syscall, together) in asked {
        let all: Vec<Capability> =
            Capability::ALL.iter().copied().filter(|it| together.contains(*it)).collect();
        if all.len() > MAX_TOGETHER {
            return Err(AlgebraError::TooComplex { syscall: syscall.name() });
        }
        for chosen in 0..1u32 << all.len() {
            let held = all.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
            let held: CapabilitySet = held.map(|(_, it)| *it).collect();
            if sets.iter().all(|it| it.intersection(together) != held) {
                sets.push(held);
            }
        }
    }
    let mut all = Vec::new();
    for architecture in MACHINES {
        for &kernel in &kernels {
            let target = |set: &CapabilitySet| Target { architecture, kernel, capabilities: *set };
            all.extend(sets.iter().map(target));
        }
    }
    Ok(all)
}

/// Other names of the same number on some architecture.
fn namesakes(syscall: Syscall) -> impl Iterator<Item = Syscall> {
    Architecture::ALL.into_iter().filter_map(move |architecture| {
        let name = syscalls::name(architecture, syscall.number(architecture)?)?;
        Syscall::named(name).filter(|it| *it != syscall)
    })
}

/// More capabilities than rules for one number ask about.
const MAX_TOGETHER: usize = 10;
