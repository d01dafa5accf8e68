//! `stockade seccomp convert`, with the real binary: what each form says of a profile, and what it is
//! refused for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, standard output, standard error.
fn stockade(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn converted(directory: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = stockade(directory, &[&["seccomp", "convert"], arguments].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    out
}

#[test]
fn a_profile_comes_through_every_form_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    fs::write(here.join("all.json"), EVERYTHING).unwrap();
    let oci = converted(here, &["all.json", "--to", "oci"]);
    fs::write(here.join("all.yaml"), converted(here, &["all.json", "--to", "spo"])).unwrap();
    converted(here, &["all.yaml", "--to", "artifact", "-o", "artifact"]);
    let archived = Command::new("tar")
        .args(["cf", "artifact.tar", "-C", "artifact", "."])
        .current_dir(here)
        .status();
    assert!(archived.unwrap().success());
    for form in ["all.yaml", "artifact", "artifact.tar"] {
        assert_eq!(converted(here, &[form, "--to", "oci"]), oci, "{form}");
    }
    let program = |file: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .args(["seccomp", "compile", file, "--kernel", "6.12"])
            .current_dir(here)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(program("all.yaml"), program("all.json"));
    assert_eq!(program("artifact.tar"), program("all.json"));
}

#[test]
fn what_depends_on_the_machine_is_answered_for_one() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    let machine = ["--arch", "s390x", "--capabilities", "CAP_SYS_ADMIN", "--kernel", "6.12"];
    let arguments = [&["RuntimeDefault", "--to", "spo", "--flatten", "--name", "a"], &machine[..]];
    fs::write(here.join("flat.yaml"), converted(here, &arguments.concat())).unwrap();
    let compiled = |file, to| {
        let arguments = [&["seccomp", "compile", file, "-o", to], &machine[..]].concat();
        let (code, _, err) = stockade(here, &arguments);
        assert_eq!(code, Some(0), "{err}");
        fs::read(here.join(to)).unwrap()
    };
    assert_eq!(compiled("flat.yaml", "a"), compiled("RuntimeDefault", "b"));
}

#[test]
fn what_a_form_cannot_say_is_named_with_its_place() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    let rule = |more: &str| {
        format!(
            "{{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n \"syscalls\": [{{\"names\": [\"bpf\"], \"action\": \"SCMP_ACT_ERRNO\"{more}}}]}}"
        )
    };
    let head =
        "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nspec:\n";
    for (shows, text, to, code, expected) in [
        (
            "caps",
            rule(r#", "excludes": {"caps": ["CAP_BPF"]}"#),
            "oci",
            1,
            &["p:2:15", "syscalls[0].excludes", "--flatten"][..],
        ),
        (
            "archMap",
            r#"{"defaultAction": "SCMP_ACT_LOG", "archMap": [{"architecture": "SCMP_ARCH_ARM"}]}"#
                .to_owned(),
            "spo",
            1,
            &["archMap"],
        ),
        (
            "a number of its own",
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38}"#.to_owned(),
            "spo",
            1,
            &["defaultErrnoRet"],
        ),
        ("0 for success", rule(r#", "errnoRet": 0"#), "spo", 1, &["syscalls[0].errnoRet"]),
        (
            "a large value",
            rule(r#", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 9223372036854775808}]"#),
            "spo",
            1,
            &["syscalls[0].args", "2⁶³"],
        ),
        (
            "just small enough",
            rule(r#", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 9223372036854775807}]"#),
            "spo",
            0,
            &[],
        ),
        (
            "a foreign architecture",
            r#"{"defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_LOONGARCH64"]}"#
                .to_owned(),
            "spo",
            1,
            &["architectures"],
        ),
        (
            "a base",
            format!("{head}  baseProfileName: runc\n  defaultAction: SCMP_ACT_LOG\n"),
            "oci",
            1,
            &["p:4:20", "spec.baseProfileName", "`runc`"],
        ),
        (
            "a base, where there can be one",
            format!("{head}  baseProfileName: runc\n  defaultAction: SCMP_ACT_LOG\n"),
            "spo",
            0,
            &["warning: spec.baseProfileName"],
        ),
        (
            "switched off",
            format!("{head}  disabled: true\n  defaultAction: SCMP_ACT_LOG\n"),
            "oci",
            1,
            &["p:4:13", "spec.disabled"],
        ),
        (
            "a mistake in YAML",
            format!(
                "{head}  defaultAction: SCMP_ACT_LOG\n  syscalls:\n  - names: [bpf]\n    acton: SCMP_ACT_KILL\n"
            ),
            "oci",
            2,
            &["p:7:5", "spec.syscalls[0]: unknown field `acton`"],
        ),
        (
            "a mistake around it",
            format!("{head}  defaultAction: SCMP_ACT_LOG\nspek: 1\n"),
            "oci",
            2,
            &["p:5:1", "unknown field `spek`"],
        ),
    ] {
        fs::write(here.join("p"), &text).unwrap();
        let (found, out, err) = stockade(here, &["seccomp", "convert", "p", "--to", to]);
        assert_eq!(found, Some(code), "{shows}: {out}{err}");
        assert_eq!(out.is_empty(), code != 0, "{shows}: {out}");
        for part in expected {
            assert!(err.contains(part), "{shows}: no {part} in {err}");
        }
    }
}

#[test]
fn artifacts_that_runtimes_refuse_are_written_with_a_warning() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    let rules = vec![r#"{"name": "bpf", "action": "SCMP_ACT_LOG"}"#; 129].join(",");
    for (name, text, expected) in [
        ("ask", r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a", "syscalls": [{"name": "bpf", "action": "SCMP_ACT_NOTIFY"}]}"#.to_owned(), "asks a supervisor"),
        ("many", format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rules}]}}"#), "here are 129"),
    ] {
        fs::write(here.join(format!("{name}.json")), &text).unwrap();
        let file = format!("{name}.json");
        let arguments = ["seccomp", "convert", &file, "--to", "artifact", "-o", name];
        let (code, _, err) = stockade(here, &arguments);
        assert_eq!(code, Some(0), "{err}");
        assert!(err.contains(expected), "{err}");
        let (code, _, err) = stockade(here, &arguments);
        assert_eq!(code, Some(3), "nothing is overwritten: {err}");
    }
}

#[test]
fn every_command_reads_every_form_and_says_places_of_its_text() {
    const OBJECT: &str = "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\n\
        kind: SeccompProfile\nmetadata: {name: x}\nspec:\n  defaultAction: SCMP_ACT_ALLOW\n  \
        syscalls:\n  - {action: SCMP_ACT_ERRNO, names: [chmod]}\n";
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    fs::write(here.join("p.yaml"), OBJECT).unwrap();
    converted(here, &["p.yaml", "--to", "artifact", "-o", "artifact"]);
    let (code, out, _) = stockade(here, &["seccomp", "check", "p.yaml"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("spec.syscalls[0].names[0]: `chmod` is denied"), "{out}");
    assert!(out.contains("--> p.yaml:7:38"), "{out}");
    let (_, out, _) = stockade(here, &["seccomp", "explain", "p.yaml", "chmod"]);
    assert!(out.contains("p.yaml:7:5"), "{out}");
    for (form, expected) in [("p.yaml", Some(0)), ("artifact", Some(0))] {
        let (code, out, err) = stockade(here, &["seccomp", "diff", "p.yaml", form]);
        assert_eq!((code, out.as_str()), (expected, ""), "{form}: {err}");
        for flag in ["--write", "--check"] {
            let (code, _, err) = stockade(here, &["seccomp", "fmt", flag, form]);
            assert_eq!(code, Some(2), "{form} {flag}");
            assert!(err.contains("convert --to oci"), "{form} {flag}: {err}");
        }
    }
    assert_eq!(fs::read_to_string(here.join("p.yaml")).unwrap(), OBJECT);
}

const EVERYTHING: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_MIPS"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
    "listenerPath": "/var/run/security-profiles-operator/a", "listenerMetadata": "a: 'b' \"c\" é\n",
    "syscalls": [
        {"names": ["read", "write", "fstatat64"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 5, "op": "SCMP_CMP_NE"}]},
        {"names": ["socket"], "action": "SCMP_ACT_TRACE", "errnoRet": 7, "args": [{"index": 5, "value": 1, "op": "SCMP_CMP_GE"}]},
        {"names": ["bpf"], "action": "SCMP_ACT_NOTIFY"},
        {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["acct"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["reboot"], "action": "SCMP_ACT_KILL"},
        {"names": ["mount"], "action": "SCMP_ACT_TRAP"},
        {"names": ["umount2"], "action": "SCMP_ACT_LOG"}
    ]
}"#;
