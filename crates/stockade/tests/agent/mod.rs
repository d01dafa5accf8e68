//! Seccomp agents: what a bundle's profile leaves to a supervisor is answered by one, for real.

use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::support::agent::{Agent, hear};
use crate::{Place, config};

pub(crate) fn answers(place: &Place) {
    for bit in [true, false] {
        let agent = Agent::at(&place.path("agent"), 1);
        place.write_config(&supervised(
            place,
            &[
                "sh",
                "-c",
                "mkdir /tmp/no; mkdir /tmp/yes && echo /tmp/*; mkdir /tmp/yes/no; echo $?",
            ],
            bit,
        ));
        let answer = place.run(&["run", "-b", &place.text("bundle"), "one"]);
        assert_eq!((answer.code, answer.out.as_str()), (0, "/tmp/yes\n1\n"), "{answer:?}");
        assert_eq!(answer.err.matches("Invalid cross-device link").count(), 2, "{answer:?}");

        let (told, asked) = agent.end().remove(0);
        assert_eq!(asked, ["/tmp/no", "/tmp/yes", "/tmp/yes/no"]);
        assert_eq!((&told["ociVersion"], &told["fds"]), (&json!("1.2.0"), &json!(["seccompFd"])));
        assert_eq!(told["metadata"], "for the agent");
        let state = &told["state"];
        assert_eq!((&state["id"], &state["status"]), (&json!("one"), &json!("created")));
        assert_eq!(state["bundle"], place.text("bundle"));
        assert_eq!(state["annotations"], json!({ "org.example.a": "b" }));
        assert_eq!(state["pid"], told["pid"]);
    }
}

pub(crate) fn hears_at_the_start(place: &Place) {
    let agent = Agent::at(&place.path("agent"), 1);
    let script = "mkdir /tmp/no 2>/dev/null; sleep 100";
    place.write_config(&supervised(place, &["sh", "-c", script], true));
    place.expect(&["create", "--bundle", &place.text("bundle"), "one"], 0);
    let pid = place.state("one")["pid"].clone();
    place.expect(&["start", "one"], 0);
    place.expect(&["kill", "one", "KILL"], 0);
    place.until("one", "stopped");
    place.expect(&["delete", "one"], 0);
    let (told, _) = agent.end().remove(0);
    assert_eq!((&told["pid"], &told["state"]["pid"]), (&pid, &pid));
}

pub(crate) fn is_gone(place: &Place) {
    let socket = UnixListener::bind(place.path("agent")).expect("a socket");
    let agent = std::thread::spawn(move || drop(hear(&socket)));
    let script = "sleep 0.2; mkdir /tmp/x";
    place.write_config(&supervised(place, &["sh", "-c", script], true));
    let answer = place.run(&["run", "-b", &place.text("bundle"), "one"]);
    agent.join().expect("an agent");
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.err.contains("Function not implemented"), "{answer:?}");
}

pub(crate) fn is_missing(place: &Place) {
    place.write_config(&supervised(place, &["true"], true));
    for errno in ["ENOENT", "ECONNREFUSED"] {
        for command in ["run", "create"] {
            let answer = place.run(&[command, "-b", &place.text("bundle"), "one"]);
            assert_ne!(answer.code, 0, "{answer:?}");
            let why = format!(": {errno} (");
            assert!(answer.err.contains(&why), "{answer:?}");
            let step = format!("`linux.seccomp`, for the agent at {}", place.text("agent"));
            assert!(answer.err.contains(&step), "{answer:?}");
        }
        // The next time there is a socket, of somebody who is gone.
        drop(UnixListener::bind(place.path("agent")));
    }
}

pub(crate) fn is_asked_too_early(place: &Place) {
    let _socket = UnixListener::bind(place.path("agent")).expect("a socket");
    let asks = |call: &str| json!([{ "names": [call], "action": "SCMP_ACT_NOTIFY" }]);
    let denies = json!([
        { "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" },
        { "names": ["sendmsg"], "action": "SCMP_ACT_ERRNO" },
    ]);
    for (syscalls, path, bit, expected) in [
        (asks("execve"), place.text("agent"), true, "does not allow `execve`"),
        (asks("sendmsg"), place.text("agent"), true, "does not allow `sendmsg`"),
        (denies, place.text("agent"), true, "does not allow `sendmsg`"),
        (asks("capset"), place.text("agent"), false, "does not allow `capset`"),
        (asks("mkdir"), String::new(), true, "names none (`listenerPath`)"),
        (asks("mkdir"), "agent".to_owned(), true, "must be an absolute path"),
    ] {
        let mut config = supervised(place, &["true"], bit);
        config["linux"]["seccomp"]["syscalls"] = syscalls;
        config["linux"]["seccomp"]["listenerPath"] = path.into();
        place.write_config(&config);
        let answer = place.run(&["run", "-b", &place.text("bundle"), "one"]);
        assert_ne!(answer.code, 0, "{answer:?}");
        assert!(answer.err.contains(expected), "{expected}: {answer:?}");
    }
}

/// A bundle whose `mkdir` is left to the agent of the place.
fn supervised(place: &Place, arguments: &[&str], no_new_privs: bool) -> Value {
    let mut config = config(arguments);
    config["process"]["noNewPrivileges"] = no_new_privs.into();
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": place.text("agent"),
        "listenerMetadata": "for the agent",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY" }],
    });
    config
}
