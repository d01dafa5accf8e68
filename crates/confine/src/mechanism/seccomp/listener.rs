//! Who answers for calls that a profile leaves to a supervisor (`SCMP_ACT_NOTIFY`).
//!
//! The profile names the socket of an agent, `listenerPath`. A profile that asks and names nobody is
//! refused: every call that it asks about would fail for want of an answer. One that names somebody
//! and does not ask has no listener.
//!
//! Source: OCI runtime-spec `config-linux.md`, "Seccomp".

use stockade_seccomp::{Action, Flag, Profile};

use crate::plan::{Interruption, SeccompListener};

pub(super) fn of(name: &str, profile: &Profile) -> Result<Option<SeccompListener>, String> {
    let mut actions = profile.rules.iter().map(|it| it.action).chain([profile.default_action]);
    if !actions.any(|it| it == Action::Notify) {
        return Ok(None);
    }
    let Some(path) = profile.listener_path.as_deref().filter(|it| !it.is_empty()) else {
        return Err(format!(
            "seccomp profile `{name}` asks for a supervisor (SCMP_ACT_NOTIFY) and names none \
             (`listenerPath`)"
        ));
    };
    if !path.starts_with('/') {
        return Err(format!("seccomp profile `{name}`: `listenerPath` must be an absolute path"));
    }
    let is_killable = profile.flags.contains(&Flag::WaitKillableRecv);
    Ok(Some(SeccompListener {
        profile: name.to_owned(),
        path: path.to_owned(),
        metadata: profile.listener_metadata.clone(),
        interruption: if is_killable { Interruption::Fatal } else { Interruption::AnySignal },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_names_who_answers() {
        let asks = r#""syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_NOTIFY"}]"#;
        let at = r#""listenerPath": "/run/agent""#;
        let some = |metadata: Option<&str>, interruption| {
            Ok(Some(SeccompListener {
                profile: "p".to_owned(),
                path: "/run/agent".to_owned(),
                metadata: metadata.map(str::to_owned),
                interruption,
            }))
        };
        let refused = |why: &str| Err(format!("seccomp profile `p`{why}"));
        let nobody = " asks for a supervisor (SCMP_ACT_NOTIFY) and names none (`listenerPath`)";
        for (fields, expected) in [
            (format!("{asks}, {at}"), some(None, Interruption::AnySignal)),
            (
                format!(r#"{asks}, {at}, "listenerMetadata": "m""#),
                some(Some("m"), Interruption::AnySignal),
            ),
            (
                format!(r#"{asks}, {at}, "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#),
                some(None, Interruption::Fatal),
            ),
            (at.to_owned(), Ok(None)),
            (asks.to_owned(), refused(nobody)),
            (format!(r#"{asks}, "listenerPath": """#), refused(nobody)),
            (
                format!(r#"{asks}, "listenerPath": "run/agent""#),
                refused(": `listenerPath` must be an absolute path"),
            ),
        ] {
            let text = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", {fields}}}"#);
            let parsed = Profile::parse("p", &text).unwrap();
            assert_eq!(of("p", &parsed.profile), expected, "{fields}");
        }
        let all = format!(r#"{{"defaultAction": "SCMP_ACT_NOTIFY", {at}}}"#);
        let parsed = Profile::parse("p", &all).unwrap();
        assert_eq!(of("p", &parsed.profile), some(None, Interruption::AnySignal));
    }
}
