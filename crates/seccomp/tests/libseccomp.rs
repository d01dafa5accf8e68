//! Our filters against libseccomp's, over random profiles: no call tells them apart, but for numbers
//! that are newer than the profile, where ours answer `ENOSYS`.
//!
//! Needs a C compiler and the library with its header (Debian: `libseccomp-dev`). Without them the
//! test is skipped by name; `STOCKADE_NO_SKIP=1` makes that a failure.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; its oracle is another process"
)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use common::{TARGET, any_profile};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use stockade_abi::bpf::{Instruction, Program};
use stockade_abi::syscalls::{self, Syscall};
use stockade_abi::{Architecture, Capability, CapabilitySet};
use stockade_seccomp::{
    Action, ArchitectureList, Call, Change, Comparison, Condition, Listed, Name, Operator, Pattern,
    Profile, ProfileRule, Rules, Target, Width, compare, compile, default_profile, intersect,
    overlay, resolve,
};

fn main() -> ExitCode {
    let no_skip = std::env::var_os("STOCKADE_NO_SKIP").is_some_and(|it| it == "1");
    let args = Arguments::from_args();
    let oracle = build_oracle();
    let installed = std::fs::read_to_string(INSTALLED).map_err(|it| format!("{INSTALLED}: {it}"));

    let trial =
        |name: &str, needs: Result<(), String>, test: fn(&Path) -> Result<(), Failed>| match oracle
            .clone()
            .and_then(|oracle| needs.map(|()| oracle))
        {
            Ok(oracle) => Trial::test(name, move || test(&oracle)),
            Err(why) if no_skip => Trial::test(name, move || Err(why.into())),
            Err(why) => {
                Trial::test(format!("{name} [skipped: {why}]"), || Ok(())).with_ignored_flag(true)
            }
        };
    let trials = vec![
        trial("random_profiles_mean_the_same", Ok(()), random_profiles),
        trial("our_default_profile_means_the_same", Ok(()), default_profiles),
        trial(
            "an_installed_profile_means_the_same",
            installed.clone().map(drop),
            installed_profile,
        ),
        trial("changed_profiles_mean_the_same", installed.map(drop), changed_profiles),
    ];
    libtest_mimic::run(&args, trials).exit_code()
}

/// podman's default profile (Debian: `golang-github-containers-common`).
const INSTALLED: &str = "/usr/share/containers/seccomp.json";

fn default_profiles(oracle: &Path) -> Result<(), Failed> {
    for capability in std::iter::once(None).chain(Capability::ALL.iter().copied().map(Some)) {
        same(oracle, &default_profile(), capability.into_iter().collect())?;
    }
    Ok(())
}

fn installed_profile(oracle: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(INSTALLED)?;
    let parsed = Profile::parse(INSTALLED, &text).map_err(|errors| format!("{errors:?}"))?;
    for capability in std::iter::once(None).chain(Capability::ALL.iter().copied().map(Some)) {
        same(oracle, &parsed.profile, capability.into_iter().collect())?;
    }
    Ok(())
}

/// Denials that stand in front of what was there rely on the order of overlapping rules.
fn changed_profiles(oracle: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(INSTALLED)?;
    let parsed = Profile::parse(INSTALLED, &text).map_err(|errors| format!("{errors:?}"))?;
    let read = Profile::parse("printed", &parsed.profile.to_json());
    let read = read.map_err(|errors| format!("{errors:?}"))?.profile;
    if placeless(&read) != placeless(&parsed.profile) {
        return Err("printed and read, it is another profile".into());
    }
    let both = intersect(&read, &default_profile())?.profile;
    same(oracle, &both, CapabilitySet::EMPTY)?;
    for base in [&read, &default_profile()] {
        for call in [
            "socket(AF_ALG)",
            "socket(AF_PACKET)=EAFNOSUPPORT",
            "ioctl(_, 0x5412)",
            "read(_, _, >=9)",
        ] {
            let patterns = Pattern::parse(call, Change::Deny)?;
            let changed = overlay(base, &patterns)?.profile;
            for held in [None, Some(Capability::AuditWrite), Some(Capability::SysAdmin)] {
                same(oracle, &changed, held.into_iter().collect())
                    .map_err(|it| format!("{call}: {}", it.message().unwrap_or_default()))?;
            }
        }
    }
    Ok(())
}

fn placeless(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    profile.rules.iter_mut().for_each(|it| it.place = Default::default());
    profile
}

/// A real profile: no difference at all.
fn same(oracle: &Path, profile: &Profile, capabilities: CapabilitySet) -> Result<(), Failed> {
    let target = Target { capabilities, ..TARGET };
    let mut oracle = Oracle::start(oracle)?;
    // An older library does not know the newest calls; their rules would be lost.
    let mut profile = profile.clone();
    for rule in &mut profile.rules {
        let mut known = Vec::new();
        for name in rule.names.drain(..) {
            if let Name::Known(syscall) = name
                && oracle.knows(syscall)?
            {
                known.push(name);
            }
        }
        rule.names = known;
    }
    let rules = resolve(&profile, &target).map_err(|errors| format!("{errors:?}"))?;
    let ours = compile(&Rules { newer: None, ..rules })?;
    let text = commands(&selected(&profile, &target));
    let theirs = oracle.ask(&text)?.map_err(|it| format!("they refuse: {it}"))?;
    match compare(&ours, &theirs)? {
        Comparison::Equal => Ok(()),
        found @ (Comparison::Different(_) | Comparison::Undecided { .. }) => {
            Err(format!("with {capabilities}: {found:?}").into())
        }
    }
}

/// The profile without what does not apply, for a machine of architecture x86_64.
fn selected(profile: &Profile, target: &Target) -> Profile {
    let is_native = |it: &Listed| *it == Listed::Known(Architecture::X86_64);
    let applies = |rule: &&ProfileRule| {
        let (with, without) = (&rule.includes, &rule.excludes);
        (with.architectures.is_empty() || with.architectures.iter().any(is_native))
            && with.capabilities.is_subset(target.capabilities)
            && !without.architectures.iter().any(is_native)
            && without.capabilities.intersection(target.capabilities).is_empty()
            && with.min_kernel.is_none_or(|it| target.kernel >= it)
            && without.min_kernel.is_none_or(|it| target.kernel < it)
    };
    let ArchitectureList::Map(map) = &profile.architectures else { return profile.clone() };
    let subordinate = map.iter().find(|(key, _)| is_native(key)).map(|(_, list)| list.clone());
    Profile {
        architectures: ArchitectureList::Listed(subordinate.unwrap_or_default()),
        rules: profile.rules.iter().filter(applies).cloned().collect(),
        ..profile.clone()
    }
}

fn build_oracle() -> Result<PathBuf, String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/oracle.c");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libseccomp-oracle");
    let built = Command::new("cc")
        .args(["-O1", "-w", source, "-static", "-lseccomp", "-o"])
        .arg(&target)
        .output()
        .map_err(|error| format!("no C compiler: {error}"))?;
    if built.status.success() { Ok(target) } else { Err("no libseccomp to link with".to_owned()) }
}

fn random_profiles(path: &Path) -> Result<(), Failed> {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(500);
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(1), ..Config::default() });
    let strategy = any_profile(6, 2);
    let mut oracle = Oracle::start(path)?;
    let mut counts = [0; 5];
    for _ in 0..cases {
        let profile = strategy.new_tree(&mut runner).map_err(|error| error.to_string())?.current();
        counts[judge(&mut oracle, &profile)? as usize] += 1;
    }
    let [equal, both, they, unfounded, ranges] = counts;
    eprintln!(
        "{cases} profiles: {equal} equal, {both} refused by both, {they} by libseccomp alone; \
         libseccomp does what no rule says in {unfounded}, and orders ranges differently in {ranges}"
    );
    if equal * 10 < cases * 8 { Err("too few profiles were compared".into()) } else { Ok(()) }
}

#[derive(Clone, Copy)]
enum Outcome {
    Equal,
    BothRefuse,
    /// Rules that overlap in part, which it cannot put into one tree.
    TheyRefuse,
    /// Its program does something that no matching rule asks for: its tree loses its way among
    /// several ranges of one argument, and on i386 it can forget to load the number.
    Unfounded,
    /// Several rules with ranges (`!=` is two) and different actions match, and it takes another one:
    /// it has one action for all high halves, whatever the low one says.
    Ranges,
}

fn judge(oracle: &mut Oracle, profile: &Profile) -> Result<Outcome, Failed> {
    let text = commands(profile);
    let theirs = oracle.ask(&text)?;
    let ours = resolve(profile, &TARGET);
    let (rules, theirs) = match (ours, theirs) {
        (Err(_), Err(_)) => return Ok(Outcome::BothRefuse),
        (Err(errors), Ok(_)) => return Err(format!("only we refuse: {errors:?}\n{text}").into()),
        (Ok(_), Err(_)) => return Ok(Outcome::TheyRefuse),
        (Ok(rules), Ok(theirs)) => (rules, theirs),
    };
    let ours = compile(&Rules { newer: None, ..rules })?;
    let witness = match compare(&ours, &theirs)? {
        Comparison::Equal => return Ok(Outcome::Equal),
        Comparison::Different(witness) => witness,
        Comparison::Undecided { calls } => {
            return Err(format!("undecided after {calls}\n{text}").into());
        }
    };
    let matching = matching(profile, &witness.call);
    let founded = |action| match matching.as_slice() {
        [] => action == profile.default_action,
        some => some.iter().any(|it| it.action == action),
    };
    let is_range = |condition: &Condition| match condition.operator {
        Operator::Equal(_) | Operator::MaskedEqual { .. } => false,
        Operator::NotEqual(_)
        | Operator::Less(_)
        | Operator::LessOrEqual(_)
        | Operator::Greater(_)
        | Operator::GreaterOrEqual(_) => true,
    };
    let has_ranges = matching.iter().flat_map(|it| &it.conditions).any(is_range);
    match (founded(witness.ours), founded(witness.theirs)) {
        (true, false) => Ok(Outcome::Unfounded),
        (true, true) if has_ranges => Ok(Outcome::Ranges),
        _ => Err(format!(
            "{}: ours {}, theirs {}\n{text}",
            witness.call, witness.ours, witness.theirs
        )
        .into()),
    }
}

/// The rules of the profile that match a call, in a third reading of their own: no order, no first
/// match.
fn matching<'a>(profile: &'a Profile, call: &Call) -> Vec<&'a ProfileRule> {
    let Some(architecture) = call.architecture() else { return Vec::new() };
    let name = syscalls::name(architecture, call.number).unwrap_or_default();
    let width = Width::of(architecture);
    let inner_name = match (name, call.arguments[0]) {
        ("socketcall", 1) => "socket",
        ("socketcall", 2) => "bind",
        ("socketcall", 5) => "accept",
        ("ipc", 1) => "semop",
        _ => "",
    };
    let holds = |it: &Condition| {
        let argument = call.arguments[usize::from(it.argument)];
        it.operator.on(width).holds(width.truncate(argument))
    };
    let matches = |rule: &&ProfileRule| {
        let named = |name: &str| {
            rule.names.iter().any(|it| matches!(it, Name::Known(known) if known.name() == name))
        };
        // Behind a multiplexer, argument 0 has found the inner call already.
        let (outer, inner): (Vec<bool>, Vec<bool>) =
            rule.conditions.iter().map(|it| (holds(it), it.argument == 0 || holds(it))).unzip();
        let all = |answers: &[bool]| match repeats(&rule.conditions) {
            true => answers.contains(&true),
            false => !answers.contains(&false),
        };
        rule.action != profile.default_action
            && (named(name) && all(&outer) || named(inner_name) && all(&inner))
    };
    profile.rules.iter().filter(matches).collect()
}

/// A profile in the oracle's language.
fn commands(profile: &Profile) -> String {
    let mut out =
        format!("new {:x} {:x}\n", value(profile.default_action), value(Action::KillProcess));
    if let ArchitectureList::Listed(list) = &profile.architectures {
        for one in list {
            let Listed::Known(known) = one else { continue };
            out.push_str(&format!("arch {:x}\n", token(*known)));
        }
    }
    for rule in &profile.rules {
        let size = if repeats(&rule.conditions) { 1 } else { rule.conditions.len().max(1) };
        let mut alternatives: Vec<_> = rule.conditions.chunks(size).collect();
        if alternatives.is_empty() {
            alternatives.push(&[]);
        }
        for name in &rule.names {
            let Name::Known(name) = name else { continue };
            for conditions in &alternatives {
                let action = value(rule.action);
                out.push_str(&format!("rule {action:x} {} {}", name.name(), conditions.len()));
                for condition in *conditions {
                    let (operator, a, b) = match condition.operator {
                        Operator::NotEqual(value) => (1, value, 0),
                        Operator::Less(value) => (2, value, 0),
                        Operator::LessOrEqual(value) => (3, value, 0),
                        Operator::Equal(value) => (4, value, 0),
                        Operator::GreaterOrEqual(value) => (5, value, 0),
                        Operator::Greater(value) => (6, value, 0),
                        Operator::MaskedEqual { mask, value } => (7, mask, value),
                    };
                    out.push_str(&format!(" {} {operator} {a} {b}", condition.argument));
                }
                out.push('\n');
            }
        }
    }
    out.push_str("end\n");
    out
}

/// `SCMP_ARCH_*`: the audit number, and for x32 x86_64's without the bit for 64 bits.
fn token(architecture: Architecture) -> u32 {
    if architecture == Architecture::X32 { 0x4000_003E } else { architecture.audit_number() }
}

/// Whether an argument occurs twice, so that the conditions are alternatives.
fn repeats(conditions: &[Condition]) -> bool {
    (0..6).any(|argument| conditions.iter().filter(|it| it.argument == argument).count() > 1)
}

/// libseccomp's encoding, which is the kernel's.
fn value(action: Action) -> u32 {
    action.return_value()
}

struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    fn start(path: &Path) -> Result<Self, Failed> {
        let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    /// Whether libseccomp has the call wherever our tables have it. Between -10000 and 0 are its
    /// own numbers for calls behind a multiplexer.
    fn knows(&mut self, syscall: Syscall) -> Result<bool, Failed> {
        for architecture in [Architecture::X86_64, Architecture::X32, Architecture::X86] {
            writeln!(self.input, "number {:x} {}", token(architecture), syscall.name())?;
            self.input.flush()?;
            let number = self.word()?;
            if syscall.number(architecture).is_some() && (number == -1 || number <= -10_000) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The program for a profile, or libseccomp's error.
    fn ask(&mut self, commands: &str) -> Result<Result<Program, i32>, Failed> {
        self.input.write_all(commands.as_bytes())?;
        self.input.flush()?;
        let count = self.word()?;
        if count < 0 {
            return Ok(Err(count));
        }
        let mut bytes = vec![0; count as usize * 8];
        self.output.read_exact(&mut bytes)?;
        let instructions = bytes
            .chunks_exact(8)
            .map(|it| Instruction {
                code: u16::from_le_bytes([it[0], it[1]]),
                jt: it[2],
                jf: it[3],
                k: u32::from_le_bytes([it[4], it[5], it[6], it[7]]),
            })
            .collect();
        Ok(Ok(Program::new(instructions).ok_or("libseccomp's program has no proper size")?))
    }
}

impl Oracle {
    fn word(&mut self) -> Result<i32, Failed> {
        let mut word = [0; 4];
        self.output.read_exact(&mut word)?;
        Ok(i32::from_le_bytes(word))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The process ends with its input; a failed kill means that it has.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
