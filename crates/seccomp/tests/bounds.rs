//! Bad and hostile profiles: an answer within a second and little memory, whatever they hold.
//!
//! The bound is for a build without optimisation on a machine with other work to do; most take
//! milliseconds. A text that could be larger is refused before it is looked at.

#![expect(
    clippy::disallowed_methods,
    reason = "the crate is pure; how long it takes is seen from outside"
)]

use std::fs;
use std::time::Duration;

use stockade_abi::{Architecture, Capability};
use stockade_seccomp::{Profile, Target, check, compile, resolve};

/// For one text: to read it, and if it can be read, to work out, compile and check what it means.
const MOST_TIME: Duration = Duration::from_secs(1);

/// For the whole process, all texts together.
const MOST_MEMORY: u64 = 200 << 20;

/// What became of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// It is not a profile, or not one that is read.
    Refused,
    /// It is a profile that says two things at once.
    Contradictory,
    /// It is a profile that the kernel would not take.
    TooLong,
    Compiled,
}

#[test]
fn a_text_that_breaks_off_anywhere_is_refused() {
    let whole = format!(r#"{{{HEAD}, "syscalls": [{}], {TAIL}}}"#, rule(r#""read", "clone""#, ONE));
    assert_eq!(fate("whole", &whole), Fate::Compiled);
    let ends: Vec<usize> = whole.char_indices().map(|it| it.0).chain([whole.len()]).collect();
    for &end in &ends[..ends.len() - 1] {
        assert_eq!(fate("broken off", &whole[..end]), Fate::Refused, "{}", &whole[..end]);
    }
    // With any one character missing or another one: an answer of some kind.
    for pair in ends.windows(2) {
        let (before, after) = (&whole[..pair[0]], &whole[pair[1]..]);
        for other in ["", "\"", "{", "]", ",", "0", "-", "\\", "\u{0}", "é"] {
            fate("another character", &[before, other, after].concat());
        }
    }
}

#[test]
fn large_texts_are_answered_as_soon_as_small_ones() {
    let rules = |all: String| format!(r#"{{{HEAD}, "syscalls": [{all}]}}"#);
    let plain = rule(r#""read""#, "");
    let one = |value: usize| condition(0, value);
    for (shows, text, expected) in [
        ("larger than is read", " ".repeat((1 << 20) + 1), Fate::Refused),
        ("as large as is read", rules(plain.clone()) + &" ".repeat(1_000_000), Fate::Compiled),
        ("nested deeply", "[".repeat(1_000_000), Fate::Refused),
        (
            "nested deeply in a field",
            format!(r#"{{"x": {}"#, r#"{"x":"#.repeat(200_000)),
            Fate::Refused,
        ),
        ("400,000 rules", rules(vec!["{}"; 400_000].join(",")), Fate::Refused),
        ("as many empty rules as fit", rules(vec!["{}"; 349_000].join(",")), Fate::Refused),
        ("as many rules as fit", rules(vec![plain.as_str(); 18_000].join(",")), Fate::Compiled),
        (
            "a name that is none, over and over",
            rules(rule(&list("\"a\"", 250_000), "")),
            Fate::Compiled,
        ),
        ("names that are none", rules(rule(&numbered("getpi", 80_000), "")), Fate::Compiled),
        (
            "names that are none, in a rule that tightens",
            deny(&numbered("getpi", 80_000)),
            Fate::Refused,
        ),
        ("fields that are none", format!("{{{}}}", fields(80_000)), Fate::Refused),
        ("a field over and over", format!("{{{}}}", list(r#""flags":[]"#, 80_000)), Fate::Refused),
        (
            "architectures over and over",
            format!(
                r#"{{"defaultAction": "SCMP_ACT_LOG", "architectures": [{}]}}"#,
                list(r#""SCMP_ARCH_X86""#, 60_000)
            ),
            Fate::Compiled,
        ),
        (
            "words that are none",
            format!(r#"{{{HEAD}, "flags": [{}]}}"#, numbered("SECCOMP_FILTER_FLAG_", 30_000)),
            Fate::Refused,
        ),
        (
            "numbers out of range",
            rules(rule(r#""read""#, &list(r#"{"index":9}"#, 80_000))),
            Fate::Refused,
        ),
        (
            "conditions on one call",
            rules(rule(r#""read""#, &(0..20_000).map(one).collect::<Vec<_>>().join(","))),
            Fate::Refused,
        ),
        (
            "rules on one call",
            rules((0..10_000).map(|it| rule(r#""read""#, &one(it))).collect::<Vec<_>>().join(",")),
            Fate::Refused,
        ),
        (
            "rules of two actions on one call",
            rules((0..8_000).map(|it| other(it % 2, &one(it))).collect::<Vec<_>>().join(",")),
            Fate::TooLong,
        ),
        (
            "many conditions on many calls",
            rules(rule(&every_name(), &(0..10_000).map(one).collect::<Vec<_>>().join(","))),
            Fate::Refused,
        ),
        (
            "masks and values",
            rules((0..4_000).map(|it| other(it % 2, &masked(it))).collect::<Vec<_>>().join(",")),
            Fate::TooLong,
        ),
        (
            "the same case over and over",
            rules((0..8_000).map(|it| other(it % 2, ONE)).collect::<Vec<_>>().join(",")),
            Fate::Contradictory,
        ),
        (
            "a string without an end",
            format!(r#"{{"listenerPath": "{}"#, "a".repeat(1_000_000)),
            Fate::Refused,
        ),
        (
            "escapes",
            format!(r#"{{{HEAD}, "listenerPath": "{}"}}"#, "\\u0061".repeat(170_000)),
            Fate::Compiled,
        ),
        (
            "a number without an end",
            format!(r#"{{"defaultErrnoRet": {}}}"#, "1".repeat(1_000_000)),
            Fate::Refused,
        ),
        (
            "a comment of a megabyte",
            rules(format!(
                r#"{{"names":["read"],"action":"SCMP_ACT_ALLOW","comment":"{}"}}"#,
                "x".repeat(1_000_000)
            )),
            Fate::Compiled,
        ),
    ] {
        assert_eq!(fate(shows, &text), expected, "{shows}");
    }
}

fn fate(shows: &str, text: &str) -> Fate {
    let start = time();
    let result = meaning(text);
    let took = time() - start;
    assert!(took < MOST_TIME, "{shows}: {took:?}");
    let peak = peak_memory();
    assert!(peak < MOST_MEMORY, "{shows}: {} MiB", peak >> 20);
    result
}

fn meaning(text: &str) -> Fate {
    let parsed = match Profile::parse("p.json", text) {
        Ok(parsed) => parsed,
        Err(errors) => {
            assert!((1..=101).contains(&errors.len()), "{} mistakes", errors.len());
            return Fate::Refused;
        }
    };
    assert!(parsed.warnings.len() <= 100, "{} warnings", parsed.warnings.len());
    let capabilities = Capability::ALL.iter().copied().collect();
    let target = Target { architecture: Architecture::X86_64, capabilities, kernel: (6, 12) };
    let Ok(rules) = resolve(&parsed.profile, &target) else { return Fate::Contradictory };
    let Ok(program) = compile(&rules) else { return Fate::TooLong };
    assert_eq!(check(&program), Ok(()));
    Fate::Compiled
}

/// How long this thread has computed; others may have the processor meanwhile.
fn time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("there is a /proc");
    let nanoseconds = text.split(' ').next().and_then(|it| it.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// The most that this process ever had in memory (`VmHWM`).
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("a VmHWM line");
    let number = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    number << 10
}

const HEAD: &str =
    r#""defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]"#;
const TAIL: &str =
    r#""flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/é\u0061\n", "defaultErrnoRet": 1"#;
const ONE: &str = r#"{"index":0,"value":1,"valueTwo":0,"op":"SCMP_CMP_EQ"}"#;

fn rule(names: &str, conditions: &str) -> String {
    format!(r#"{{"names":[{names}],"action":"SCMP_ACT_ALLOW","args":[{conditions}]}}"#)
}

fn other(which: usize, conditions: &str) -> String {
    let action = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"][which];
    format!(r#"{{"name":"read","action":"{action}","args":[{conditions}]}}"#)
}

fn deny(names: &str) -> String {
    format!(
        r#"{{"syscalls":[{{"names":[{names}],"action":"SCMP_ACT_KILL"}}],"defaultAction":"SCMP_ACT_ALLOW"}}"#
    )
}

fn condition(argument: usize, value: usize) -> String {
    format!(r#"{{"index":{argument},"value":{value},"op":"SCMP_CMP_EQ"}}"#)
}

fn masked(value: usize) -> String {
    format!(
        r#"{{"index":0,"value":{},"valueTwo":{value},"op":"SCMP_CMP_MASKED_EQ"}}"#,
        value | 1 << 40
    )
}

fn list(one: &str, times: usize) -> String {
    vec![one; times].join(",")
}

fn numbered(start: &str, times: usize) -> String {
    (0..times).map(|it| format!("\"{start}{it}\"")).collect::<Vec<_>>().join(",")
}

fn fields(times: usize) -> String {
    (0..times).map(|it| format!("\"f{it}\":1")).collect::<Vec<_>>().join(",")
}

fn every_name() -> String {
    let all = stockade_abi::syscalls::Syscall::all().map(|it| format!("\"{}\"", it.name()));
    all.collect::<Vec<_>>().join(",")
}
