use super::*;

#[track_caller]
fn errors(text: &str) -> Vec<String> {
    match Profile::parse("p.json", text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn parsed(text: &str) -> Parsed {
    Profile::parse("p.json", text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// A profile with one rule that has these fields.
fn with_rule(fields: &str) -> String {
    format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{{fields}}}]}}"#)
}

#[test]
fn the_forms_of_the_wild_are_read() {
    let old = parsed(
        r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "name": "chmod", "action": "SCMP_ACT_ERRNO" } ] }"#,
    );
    let [rule] = old.profile.rules.as_slice() else { panic!("{old:?}") };
    assert_eq!(rule.names, [Name::Known(Syscall::named("chmod").unwrap())]);
    assert_eq!((old.profile.default_action, rule.action), (Action::Allow, Action::EPERM));
    assert_eq!(rule.place, Place { line: 1, column: 52 });
    assert_eq!(old.profile.architectures, ArchitectureList::Native);

    let full = parsed(
        r#"{
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                        {"architecture": "SCMP_ARCH_MIPS", "subArchitectures": null}],
            "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
            "listenerPath": "/run/a\u0062.sock", "listenerMetadata": "x",
            "syscalls": [
                {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "comment": "", "args": null,
                 "includes": {}, "excludes": {"caps": ["CAP_BPF"], "arches": ["s390", "mips3l64n32"], "minKernel": "4.8"}},
                {"names": ["clone"], "action": "SCMP_ACT_TRACE", "errnoRet": 5,
                 "args": [{"index": 1, "value": 18446744073709551615, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]},
                {"names": ["bpf"], "action": "SCMP_ACT_NOTIFY"}
            ]
        }"#,
    );
    assert_eq!(full.warnings, []);
    let profile = full.profile;
    assert_eq!(profile.default_action, Action::ENOSYS);
    assert_eq!(profile.flags, [Flag::Log, Flag::WaitKillableRecv]);
    assert_eq!(profile.listener_path.as_deref(), Some("/run/ab.sock"));
    let ArchitectureList::Map(map) = &profile.architectures else { panic!("{profile:?}") };
    assert_eq!(
        map[0],
        (Listed::Known(Architecture::X86_64), vec![Listed::Known(Architecture::X86)])
    );
    assert_eq!(map[1], (Listed::Foreign("SCMP_ARCH_MIPS"), vec![]));
    let [first, second, third] = profile.rules.as_slice() else { panic!("{profile:?}") };
    assert_eq!(first.includes, Selector::default());
    assert_eq!(first.excludes.min_kernel, Some((4, 8)));
    assert_eq!(first.excludes.capabilities.to_string(), "BPF");
    assert_eq!(
        first.excludes.architectures,
        [Listed::Known(Architecture::S390), Listed::Foreign("mips3l64n32")]
    );
    assert_eq!(second.action, Action::Trace(5));
    let operator = crate::Operator::MaskedEqual { mask: u64::MAX, value: 3 };
    assert_eq!(second.conditions, [Condition { argument: 1, operator }]);
    assert_eq!(third.action, Action::Notify);
}

#[test]
fn every_action_and_operator_is_known() {
    for (word, action) in [
        ("ALLOW", Action::Allow),
        ("ERRNO", Action::EPERM),
        ("KILL", Action::KillThread),
        ("KILL_PROCESS", Action::KillProcess),
        ("KILL_THREAD", Action::KillThread),
        ("LOG", Action::Log),
        ("NOTIFY", Action::Notify),
        ("TRACE", Action::Trace(1)),
        ("TRAP", Action::Trap),
    ] {
        let text = format!(r#"{{"defaultAction": "SCMP_ACT_{word}"}}"#);
        assert_eq!(parsed(&text).profile.default_action, action, "{word}");
    }
    use crate::Operator::*;
    for (word, operator) in [
        ("NE", NotEqual(7)),
        ("LT", Less(7)),
        ("LE", LessOrEqual(7)),
        ("EQ", Equal(7)),
        ("GE", GreaterOrEqual(7)),
        ("GT", Greater(7)),
        ("MASKED_EQ", MaskedEqual { mask: 7, value: 0 }),
    ] {
        let text = with_rule(&format!(
            r#""names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{{"index": 5, "value": 7, "op": "SCMP_CMP_{word}"}}]"#
        ));
        let found = parsed(&text).profile.rules[0].conditions[0];
        assert_eq!(found, Condition { argument: 5, operator }, "{word}");
    }
}

#[test]
fn mistakes_have_a_place_and_a_path() {
    let rule = |fields: &str| with_rule(&format!(r#""names": ["read"], {fields}"#));
    let allow = |fields: &str| rule(&format!(r#""action": "SCMP_ACT_ALLOW", {fields}"#));
    for (text, at, expected) in [
        ("{".to_owned(), r#""#, "the text ends here"),
        ("{}".to_owned(), r#"{}"#, "`defaultAction` is missing"),
        ("[]".to_owned(), r#"[]"#, "expected an object"),
        (r#"{"defaultAction": 7}"#.to_owned(), r#"7}"#, "defaultAction: expected a string"),
        (
            r#"{"defaultAction": "SCMP_ACT_BOGUS"}"#.to_owned(),
            r#""SCMP_ACT_BOGUS"#, "defaultAction: unknown action `SCMP_ACT_BOGUS`",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultAction": "SCMP_ACT_KILL"}"#.to_owned(),
            r#""defaultAction": "SCMP_ACT_KILL"#, "`defaultAction` stands here twice",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscals": []}"#.to_owned(),
            r#""syscals""#, "unknown field `syscals`",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_Z80"]}"#.to_owned(),
            r#""SCMP_ARCH_Z80"#, "architectures[0]: unknown architecture `SCMP_ARCH_Z80`",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["LOG"]}"#.to_owned(),
            r#""LOG""#, "flags[0]: unknown flag `LOG`",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#.to_owned(),
            r#"1}"#, "the action returns no error number",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]}"#.to_owned(),
            r#"{"defaultAction"#, "`architectures` and `archMap` exclude each other",
        ),
        (rule(r#""comment": "x""#), r#"{"names"#, "syscalls[0]: `action` is missing"),
        (with_rule(r#""action": "SCMP_ACT_ALLOW""#), r#"{"action"#, "syscalls[0]: the rule names no system call"),
        (allow(r#""name": "write""#), r#"{"names"#, "syscalls[0]: `name` and `names` exclude each other"),
        (allow(r#""errnoRet": 1"#), r#"1}"#, "syscalls[0]: the action returns no error number"),
        (
            rule(r#""action": "SCMP_ACT_ERRNO", "errnoRet": 4096"#),
            r#"4096"#, "syscalls[0].errnoRet: 4096 is not a number from 0 to 4095",
        ),
        (
            rule(r#""action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "ENOSYS""#),
            r#""ENOSYS""#, "syscalls[0]: `errno` and `errnoRet` exclude each other",
        ),
        (
            allow(r#""args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]"#),
            r#"6,"#, "syscalls[0].args[0].index: 6 is not a number from 0 to 5",
        ),
        (
            allow(r#""args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]"#),
            r#"-1"#, "syscalls[0].args[0].value: -1 is not a number from 0 to 18446744073709551615",
        ),
        (
            allow(r#""args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQUALS"}]"#),
            r#""SCMP_CMP_EQUALS"#, "syscalls[0].args[0].op: unknown operator `SCMP_CMP_EQUALS`",
        ),
        (
            allow(r#""args": [{"index": 0, "op": "SCMP_CMP_EQ"}]"#),
            r#"{"index"#, "syscalls[0].args[0]: `value` is missing",
        ),
        (
            allow(r#""includes": {"caps": ["BPF"]}"#),
            r#""BPF""#, "syscalls[0].includes.caps[0]: unknown capability `BPF`",
        ),
        (
            allow(r#""includes": {"minKernel": "4"}"#),
            r#""4""#, "syscalls[0].includes.minKernel: `4` is not a kernel version like `4.8`",
        ),
        (
            with_rule(r#""names": ["raed"], "action": "SCMP_ACT_KILL""#),
            r#""raed""#, "syscalls[0].names[0]: unknown system call `raed`",
        ),
    ] {
        let errors = Profile::parse("p.json", &text).expect_err(&text);
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        let rest = text.get(error.place.column as usize - 1..).unwrap_or("?");
        assert!(rest.starts_with(at), "{expected} at {rest}");
        let what = format!("p.json:{}: {expected}", error.place);
        assert_eq!(error.to_string(), what, "{text}");
    }
}

#[test]
fn an_unknown_name_matters_only_where_it_tightens() {
    let loosens = parsed(&with_rule(r#""names": ["chmood"], "action": "SCMP_ACT_ALLOW""#));
    let [warning] = loosens.warnings.as_slice() else { panic!("{loosens:?}") };
    assert_eq!(
        warning.to_string(),
        "p.json:1:61: syscalls[0].names[0]: unknown system call `chmood`"
    );
    assert_eq!(warning.kind.hint().as_deref(), Some("did you mean `chmod`?"));
    // The default may stand behind the rules.
    let late = r#"{"syscalls": [{"names": ["raed"], "action": "SCMP_ACT_LOG"}], "defaultAction": "SCMP_ACT_ALLOW"}"#;
    assert_eq!(errors(late), ["p.json:1:26: syscalls[0].names[0]: unknown system call `raed`"]);
}

#[test]
fn what_has_no_effect_is_told() {
    for (text, expected) in [
        (
            with_rule(
                r#""names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]"#,
            ),
            "p.json:1:108: syscalls[0].args[0]: 0x2 has bits outside the mask 0x1; they do not count",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#.to_owned(),
            "p.json:1:1: listenerPath: the action asks a supervisor, but there is no `listenerPath`",
        ),
    ] {
        let warnings = parsed(&text).warnings;
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [expected]);
    }
}

#[test]
fn all_mistakes_are_reported_in_order_but_no_flood() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "x": 1, "syscalls": [{"action": "NO"}, {"names": 7}]}"#;
    let places: Vec<String> = Profile::parse("p", text)
        .unwrap_err()
        .iter()
        .map(|it| format!("{} {}", it.place, it.kind))
        .collect();
    assert_eq!(
        places,
        [
            "1:37 unknown field `x`",
            "1:69 unknown action `NO`",
            "1:76 `action` is missing",
            "1:86 expected an array",
        ]
    );
    let flood = format!(
        r#"{{"defaultAction": "SCMP_ACT_LOG", "flags": [{}"x"]}}"#,
        r#""x","#.repeat(100_000)
    );
    assert_eq!(Profile::parse("p", &flood).unwrap_err().len(), 100);
}

/// Only so many mistakes are kept; one that counts is not lost behind many that do not.
#[test]
fn an_unknown_name_that_matters_is_found_behind_many_that_do_not() {
    let many = r#""nope","#.repeat(300);
    let allow = format!(r#"{{"names": [{many}"read"], "action": "SCMP_ACT_ALLOW"}}"#);
    let log = format!(r#"{{"names": [{many}"read"], "action": "SCMP_ACT_LOG"}}"#);
    let kill = r#"{"names": ["nein"], "action": "SCMP_ACT_KILL"}"#;
    for rules in [format!("{allow}, {kill}, {log}"), format!("{allow}, {log}, {log}, {kill}")] {
        let text = format!(r#"{{"syscalls": [{rules}], "defaultAction": "SCMP_ACT_ERRNO"}}"#);
        let found = errors(&text);
        assert!(found.len() == 1 && found[0].contains("`nein`"), "{found:?}");
        let text = text.replace("nein", "kill");
        assert_eq!(parsed(&text).warnings.len(), 100);
    }
}

/// Places are counted on from the last one that was asked for, which may be behind.
#[test]
fn places_are_right_in_whatever_order_they_are_asked_for() {
    let text = "{\"syscalls\": [{\"names\": [\"é\", \"üb\"], \"x\": 1}, {\"y\": 2}],\n \"z\": 3, \"ä\": 4}";
    let places: Vec<_> = Profile::parse("p", text)
        .unwrap_err()
        .iter()
        .map(|it| format!("{} {}", it.place, it.kind))
        .collect();
    let expected = [
        "1:1 `defaultAction` is missing",
        "1:15 `action` is missing",
        "1:38 unknown field `x`",
        "1:47 `action` is missing",
        "1:48 unknown field `y`",
        "2:2 unknown field `z`",
        "2:10 unknown field `ä`",
    ];
    assert_eq!(places, expected);
}
