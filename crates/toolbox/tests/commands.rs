//! The toolbox as users meet it: as a program with the name of a command.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn errors_are_worded_as_coreutils_words_them() {
    for (argv, code, expected) in [
        (
            "touch /missing/file",
            1,
            "touch: cannot touch '/missing/file': No such file or directory\n",
        ),
        ("cat /missing", 1, "cat: /missing: No such file or directory\n"),
        ("ls /missing", 2, "ls: cannot access '/missing': No such file or directory\n"),
        ("chmod 600 /missing", 1, "chmod: cannot access '/missing': No such file or directory\n"),
        (
            "mkdir /proc/x",
            1,
            "mkdir: cannot create directory '/proc/x': No such file or directory\n",
        ),
        ("rm /missing", 1, "rm: cannot remove '/missing': No such file or directory\n"),
        (
            "head /missing",
            1,
            "head: cannot open '/missing' for reading: No such file or directory\n",
        ),
    ] {
        let output = toolbox(argv);
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{argv}");
        assert_eq!(output.status.code(), Some(code), "{argv}");
    }
}

#[test]
fn help_shows_texts_and_not_their_keys() {
    for command in stockade_toolbox::COMMANDS {
        let output = toolbox(&format!("{} --help", command.name));
        let help = String::from_utf8_lossy(&output.stdout);

        assert!(help.contains("Usage:"), "{}: {help}", command.name);
        let key = format!("{}-", command.name);
        let key_shown = help.split_whitespace().find(|word| word.starts_with(&key));
        assert_eq!(key_shown, None, "{help}");
    }
}

#[test]
fn files_are_made_changed_shown_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let shown = file.display();

    assert_eq!(succeed(&format!("touch {shown}")), "");
    assert_eq!(succeed(&format!("chmod 640 {shown}")), "");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    fs::write(&file, "one\ntwo\n").unwrap();
    assert_eq!(succeed(&format!("cat {shown}")), "one\ntwo\n");
    assert_eq!(succeed(&format!("head -n1 {shown}")), "one\n");
    assert_eq!(succeed(&format!("ls {}", dir.path().display())), "file\n");
    assert_eq!(succeed(&format!("rm {shown}")), "");
    assert_eq!(succeed(&format!("ls {}", dir.path().display())), "");
}

#[test]
fn simple_answers() {
    assert_eq!(succeed("echo a b"), "a b\n");
    assert_eq!(succeed("env -i A=1"), "A=1\n");
    assert_eq!(succeed("uname -s"), "Linux\n");
    assert_eq!(succeed("sleep 0.01"), "");
    assert_eq!(succeed("id -u"), format!("{}\n", fs::metadata("/proc/self").unwrap().uid()));
}

/// Runs the toolbox under the name of the command.
fn toolbox(line: &str) -> Output {
    let mut words = line.split_whitespace();
    let name = words.next().expect("a line has a command");
    Command::new(program())
        .arg0(name)
        .args(words)
        .env("LC_ALL", "C")
        .output()
        .expect("cargo builds the example")
}

#[track_caller]
fn succeed(line: &str) -> String {
    let output = toolbox(line);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    assert_eq!(output.status.code(), Some(0), "{line}");
    String::from_utf8(output.stdout).expect("these commands write text")
}

/// The example `toolbox`, which cargo builds beside the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("/proc is mounted");
    let profile = test.parent().and_then(Path::parent).expect("tests lie in <profile>/deps");
    profile.join("examples/toolbox")
}
