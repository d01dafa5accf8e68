//! The real binary on seccomp profiles: compared, changed, brought into one form.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("stockade-profiles-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.json"), A).unwrap();
        Self(path)
    }

    /// Exit code, standard output and standard error.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .arg("seccomp")
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .output()
            .unwrap();
        let text = |it| String::from_utf8(it).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    /// Writes what a command prints to a file.
    #[track_caller]
    fn make(&self, name: &str, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, Some(0), "{err}");
        fs::write(self.0.join(name), out).unwrap();
        err
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const A: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
  {"names": ["write", "read", "socket", "socketcall"], "action": "SCMP_ACT_ALLOW", "comment": "why"}]}"#;

const ON_X86_64: &[&str] = &["--arch", "x86_64", "--kernel", "6.12"];

#[test]
fn a_denied_call_is_the_only_difference() {
    let place = Place::new("overlay");
    let told = place.make("b.json", &["overlay", "a.json", "--deny", "socket(AF_ALG)=EACCES"]);
    assert!(told.contains("stays open through socketcall(1, …) on i386"), "{told}");
    assert!(told.contains("`--deny socketcall=ENOSYS` closes it"), "{told}");

    let (code, out, err) = place.run(&[&["diff", "a.json", "b.json"], ON_X86_64].concat());
    assert_eq!((code, err.as_str()), (Some(1), ""));
    assert_eq!(
        out,
        "\
tighter socket where arg0 & 0xffffffff == 0x26
        allow -> errno EACCES on x86_64
        as socket(0x26, 0x0, 0x0, 0x0, 0x0, 0x0) on x86_64
        a.json:2, b.json:11, b.json:19, b.json:26
tighter socket where arg0 == 0x26
        allow -> errno EACCES on i386
        as socket(0x26, 0x0, 0x0, 0x0, 0x0, 0x0) on i386
        a.json:2, b.json:11, b.json:19, b.json:26
"
    );
    for (shows, arguments, expected) in [
        ("it stays within", ["subset", "b.json", "a.json"], 0),
        ("but not the other way", ["subset", "a.json", "b.json"], 1),
        ("a profile is itself", ["diff", "a.json", "a.json"], 0),
        ("contradictions and mistakes", ["diff", "a.json", "none.json"], 2),
    ] {
        let (code, ..) = place.run(&[&arguments, ON_X86_64].concat());
        assert_eq!(code, Some(expected), "{shows}");
    }
    let json = [&["diff", "b.json", "a.json", "-o", "json"], ON_X86_64].concat();
    let (_, out, _) = place.run(&json);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["undecided"], serde_json::json!([]));
    assert_eq!(
        document["differences"][0],
        serde_json::json!({
            "verdict": "weaker", "syscalls": ["socket"], "unnamed": false, "architectures": ["x86_64"],
            "where": [["arg0 & 0xffffffff == 0x26"]], "first": "errno EACCES", "second": "allow",
            "witness": "socket(0x26, 0x0, 0x0, 0x0, 0x0, 0x0) on x86_64",
            "firstLines": [11, 19, 26], "secondLines": [2],
        })
    );
}

#[test]
fn two_profiles_become_one_or_the_call_is_named_that_forbids_it() {
    let place = Place::new("both");
    place.make("b.json", &["overlay", "a.json", "--deny", "write", "--allow", "close"]);
    place.make("both.json", &["intersect", "a.json", "b.json"]);
    place.make("either.json", &["union", "a.json", "b.json"]);
    for (first, second, expected) in [
        ("both.json", "a.json", 0),
        ("both.json", "b.json", 0),
        ("a.json", "either.json", 0),
        ("b.json", "either.json", 0),
        ("either.json", "a.json", 1),
    ] {
        let (code, ..) = place.run(&[&["subset", first, second], ON_X86_64].concat());
        assert_eq!(code, Some(expected), "{first} within {second}");
    }
    // Only one speaks of x32, and the other allows more.
    let x32 = A.replace("SCMP_ARCH_X86", "SCMP_ARCH_X32").replace("\"write\", ", "");
    fs::write(place.0.join("x32.json"), x32).unwrap();
    let (code, out, err) = place.run(&["union", "a.json", "x32.json"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("no profile says exactly this: write(0x0"), "{err}");
    assert!(err.contains("should get `errno EPERM` and would get `allow`"), "{err}");
}

#[test]
fn what_is_no_call_is_a_wrong_question() {
    let place = Place::new("patterns");
    for (arguments, part) in [
        (&[][..], "there is nothing to change"),
        (&["--deny", "sokcet"], "unknown system call `sokcet`"),
        (&["--deny", "socket(AF_LAG)"], "`AF_LAG` is no number, comparison or known constant"),
        (&["--allow", "read=EPERM"], "`EPERM` is no action to allow a call"),
        (&["--deny", "clone3(CLONE_NEWUSER)"], "lie in memory, where a filter cannot look"),
    ] {
        let (code, out, err) = place.run(&[&["overlay", "a.json"], arguments].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
}

#[test]
fn the_canonical_form_is_written_and_checked() {
    let place = Place::new("fmt");
    let (code, out, err) = place.run(&["fmt", "--check", "a.json"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("a.json is not in canonical form"), "{err}");
    let (_, printed, _) = place.run(&["fmt", "a.json"]);
    assert!(printed.contains("[\"read\", \"socket\", \"socketcall\", \"write\"]"), "{printed}");
    assert!(printed.contains("\"comment\": \"why\""), "{printed}");
    assert_eq!(place.run(&["fmt", "--write", "a.json"]).0, Some(0));
    assert_eq!(fs::read_to_string(place.0.join("a.json")).unwrap(), printed);
    assert_eq!(place.run(&["fmt", "--check", "a.json"]).0, Some(0));
    assert_eq!(place.run(&["fmt", "--write", "RuntimeDefault"]).0, Some(2));
}
