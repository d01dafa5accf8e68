//! `stockade seccomp check`, `explain` and `compile --dump` through the real binary: what they say,
//! where, and with which code they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use stockade_abi::Architecture;

/// Exit code, standard output, standard error.
type Outcome = (Option<i32>, String, String);

fn seccomp(arguments: &[&str], input: &str) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .arg("seccomp")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may end without reading.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[track_caller]
fn assert_says(outcome: &Outcome, code: i32, out: &[&str], err: &[&str]) {
    assert_eq!(outcome.0, Some(code), "{outcome:#?}");
    for (text, parts) in [(&outcome.1, out), (&outcome.2, err)] {
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in {outcome:#?}");
        }
    }
}

/// `TIOCSTI` is denied, but not with a high bit set.
const HOLE: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
  {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO",
   "args": [{"index": 1, "value": 21522, "op": "SCMP_CMP_EQ"}]}]}"#;

const SOUND: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
 "syscalls": [{"action": "SCMP_ACT_ALLOW", "names": ["execve", "exit", "exit_group", "close", "futex",
 "openat", "write", "capset", "chdir", "fchown", "getppid", "prctl", "setgid", "setgroups", "setresgid", "setresuid", "setuid"]}]}"#;

const ON_X86_64: [&str; 4] = ["--arch", "x86_64", "--kernel", "6.12"];

#[test]
fn findings_are_the_answer_and_errors_make_it_a_no() {
    let check =
        |more: &[&str], input| seccomp(&[&["check", "-"][..], &ON_X86_64, more].concat(), input);
    let hole = check(&[], HOLE);
    let drawn = [
        "error: argument-width: syscalls[0].args[0]: the kernel looks at 32 bits",
        "--> <stdin>:3:13",
        "note: 0x100005412 is 0x5412 to the kernel, and passes this rule",
        "help: `SCMP_CMP_MASKED_EQ` with value 4294967295 and valueTwo 21522",
        "warning: open-default",
    ];
    assert_says(&hole, 1, &drawn, &["note: 1 profile: 1 error, 1 warning, 1 note"]);

    let sound = check(&[], SOUND);
    assert_says(&sound, 0, &[], &["no errors, no warnings, no notes"]);
    assert_eq!(sound.1, "");
    assert_says(&check(&["--strict"], SOUND), 0, &[], &[]);

    let noted = SOUND.replace(r#""SCMP_ARCH_X86""#, "");
    assert_says(&check(&[], &noted), 0, &["note: missing-architecture"], &["1 note"]);
    assert_says(&check(&["--strict"], &noted), 1, &[], &[]);

    let unknown = HOLE.replace("ioctl", "ioctll");
    assert_says(
        &check(&[], &unknown),
        1,
        &["error: unknown-syscall", "did you mean `ioctl`?"],
        &[],
    );
    assert_says(&check(&[], "{}"), 2, &["error: malformed: `defaultAction` is missing"], &[]);
    let hostile = HOLE.replace("ioctl", "\\u001b[2Jx\u{9b}");
    let hostile = check(&[], &hostile);
    assert_says(&hostile, 1, &["unknown-syscall"], &[]);
    assert!(!hostile.1.contains(['\x1b', '\u{9b}']), "{hostile:?}");
}

#[test]
fn several_profiles_are_one_document() {
    let ours = &["check", "RuntimeDefault", "-", "-o", "json"];
    let (code, out, _) = seccomp(&[&ours[..], &ON_X86_64].concat(), HOLE);
    assert_eq!(code, Some(1), "{out}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["apiVersion"], "stockade.dev/v1alpha1");
    assert_eq!(document["kind"], "SeccompCheck");
    let [ours, theirs] = document["profiles"].as_array().unwrap().as_slice() else {
        panic!("{document:#}");
    };
    assert_eq!(ours["file"], "RuntimeDefault");
    let severities: Vec<&Value> =
        ours["findings"].as_array().unwrap().iter().map(|it| &it["severity"]).collect();
    assert!(!severities.contains(&&Value::from("error")), "{ours:#}");
    let finding = &theirs["findings"][2];
    assert_eq!(finding["lint"], "argument-width", "{theirs:#}");
    assert_eq!((&finding["line"], &finding["column"]), (&Value::from(3), &Value::from(13)));
    assert_eq!(finding["path"], "syscalls[0].args[0]");
    assert_eq!(seccomp(&["check", "/no/such/file"], "").0, Some(2));
    assert_eq!(seccomp(&["check"], "").0, Some(2));
}

#[test]
fn a_verdict_is_explained_with_its_line() {
    for (arguments, parts) in [
        (
            &["-", "ioctl"][..],
            &[
                "ioctl on x86_64 (16): it depends",
                "arg1 == 0x5412  errno EPERM  syscalls[0], <stdin>:2:3",
                "otherwise       allow        defaultAction, <stdin>:1:19",
            ][..],
        ),
        (&["-", "16", "_", "TIOCSTI"], &["ioctl on x86_64 (16): errno EPERM"]),
        (&["-", "ioctl", "0", "0x100005412"], &["ioctl on x86_64 (16): allow"]),
        (
            &["RuntimeDefault", "socket", "AF_ALG"],
            &[
                "socket on x86_64 (41), i386 (359), x32 (0x40000029): errno EPERM",
                "socket through socketcall(1, …) on i386 (102): allow",
            ],
        ),
        (
            &["RuntimeDefault", "mount"],
            &["errno EPERM", "(allow): only with CAP_SYS_ADMIN", "CAP_SYS_ADMIN would open more"],
        ),
        (&["RuntimeDefault", "mount", "--capabilities", "SYS_ADMIN"], &["): allow"]),
        (&["RuntimeDefault", "9999"], &["call 0x270f", "newer than every call"]),
        (&["RuntimeDefault"], &["CAP_SYS_CHROOT      chroot\n"]),
        (&["-"], &["no capability opens a system call"]),
    ] {
        let outcome = seccomp(&[&["explain"][..], arguments, &ON_X86_64].concat(), HOLE);
        assert_says(&outcome, 0, parts, &[]);
    }
}

#[test]
fn what_cannot_be_explained_is_a_wrong_question() {
    for (arguments, parts) in [
        (&["-", "chmood"][..], &["no system call `chmood`", "did you mean `chmod`?"][..]),
        (&["-", "set_tls"], &["no architecture of the profile has `set_tls`"]),
        (&["-", "ioctl", "AF_NONE"], &["`AF_NONE` is neither a number nor a name"]),
        (&["-", "ioctl", "1", "2", "3", "4", "5", "6", "7"], &["6 arguments at most"]),
    ] {
        let outcome = seccomp(&[&["explain"][..], arguments, &ON_X86_64].concat(), HOLE);
        assert_says(&outcome, 2, &[], parts);
    }
    let twice = HOLE.replace(
        "]}]}",
        r#"]}, {"names": ["ioctl"], "action": "SCMP_ACT_LOG",
        "args": [{"index": 1, "value": 21522, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    let outcome = seccomp(&[&["explain", "-", "ioctl"][..], &ON_X86_64].concat(), &twice);
    assert_says(&outcome, 2, &[], &["contradicts the one at 2:3"]);
}

#[test]
fn explanations_are_json_too() {
    let explain = |arguments: &[&str]| -> Value {
        let options = ["-o", "json"];
        let (code, out, err) =
            seccomp(&[&["explain"][..], arguments, &options, &ON_X86_64].concat(), HOLE);
        assert_eq!(code, Some(0), "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let ioctl = explain(&["-", "ioctl"]);
    let decision = &ioctl["decisions"][0];
    assert_eq!((&ioctl["kind"], &decision["number"]), (&"SeccompExplanation".into(), &16.into()));
    assert_eq!(decision["verdict"], Value::Null);
    assert_eq!(decision["clauses"][0]["conditions"][0], "arg1 == 0x5412");
    assert_eq!(decision["clauses"][0]["origin"]["line"], 2);
    assert_eq!(decision["clauses"][1]["by"], "default");
    let mount = explain(&["RuntimeDefault", "mount"]);
    assert_eq!(mount["openedBy"][0], "CAP_SYS_ADMIN");
    assert_eq!(mount["decisions"][0]["silent"][0]["why"], "only with CAP_SYS_ADMIN");
    let all = explain(&["RuntimeDefault"]);
    assert_eq!(all["kind"], "SeccompCapabilities");
    assert_eq!(all["capabilities"][0]["opens"][0], "open_by_handle_at");
}

#[test]
fn a_program_is_written_in_words_or_as_the_kernel_takes_it() {
    let compile =
        |more: &[&str]| seccomp(&[&["compile", "-"][..], more, &ON_X86_64].concat(), SOUND);
    let (code, out, _) = compile(&["--dump"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with(" 0  ld [4]                   ; architecture\n"), "{out}");
    assert!(out.contains("; exit_group\n") && out.contains("; errno ENOSYS\n"), "{out}");
    let file = std::env::temp_dir().join(format!("stockade-dump-{}", std::process::id()));
    let path = file.to_str().unwrap();
    assert_eq!(compile(&["--dump", "--output", path]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), out);
    assert_eq!(compile(&["--output", path]).0, Some(0));
    assert_eq!(std::fs::read(&file).unwrap().len(), 8 * out.lines().count());
    std::fs::remove_file(&file).unwrap();
}

/// Its pictures are of x86_64.
#[test]
fn the_handbook_shows_what_is_printed() {
    if Architecture::NATIVE != Architecture::X86_64 {
        return;
    }
    let page = include_str!("../../../docs/seccomp.md");
    let mut shown = 0;
    for heading in ["## Check a profile\n", "## Explain a verdict\n", "## Read the program\n"] {
        let (_, section) = page.split_once(heading).unwrap();
        let section = section.split("\n## ").next().unwrap();
        for block in section.split("```console\n$ stockade seccomp ").skip(1) {
            let (command, printed) = block.split_once('\n').unwrap();
            let printed = printed.split("```").next().unwrap();
            let words: Vec<&str> = command.split(' ').map(|it| it.trim_matches('\'')).collect();
            let (_, out, err) = seccomp(&words, "");
            assert_eq!(
                out.trim_end().to_owned() + &gap(&out, &err) + err.trim_end(),
                printed.trim_end(),
                "{command}"
            );
            shown += 1;
        }
    }
    assert!(shown >= 8, "{shown} pictures");
}

/// What a terminal shows between the two streams.
fn gap(out: &str, err: &str) -> String {
    if err.is_empty() { String::new() } else { out[out.trim_end().len()..].to_owned() }
}
