//! What the lints find in default profiles that other runtimes install.
//!
//! Needs these (Debian: `golang-github-containers-common`, and one file of
//! `golang-github-docker-docker-dev`). Without them the tests are skipped by name;
//! `STOCKADE_NO_SKIP=1` makes that a failure.

#![expect(clippy::disallowed_methods, reason = "the crate is pure; these profiles are files")]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use stockade_abi::{Architecture, Capability, CapabilitySet};
use stockade_seccomp::{Profile, Severity, Target, lint};

fn main() -> ExitCode {
    let no_skip = std::env::var_os("STOCKADE_NO_SKIP").is_some_and(|it| it == "1");
    let args = Arguments::from_args();
    let trials = INSTALLED.iter().map(|(name, path, known)| {
        let text = std::fs::read_to_string(path).map_err(|it| format!("{path}: {it}"));
        match text {
            Ok(text) => Trial::test(*name, move || errors_are(&text, known)),
            Err(why) if no_skip => Trial::test(*name, move || Err(why.into())),
            Err(why) => {
                Trial::test(format!("{name} [skipped: {why}]"), || Ok(())).with_ignored_flag(true)
            }
        }
    });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

/// On every architecture, with no capability and with all of them.
fn errors_are(text: &str, known: &[&str]) -> Result<(), Failed> {
    let parsed = Profile::parse("default.json", text).map_err(|it| format!("{it:#?}"))?;
    let all: CapabilitySet = Capability::ALL.iter().copied().collect();
    for architecture in [
        Architecture::X86_64,
        Architecture::Aarch64,
        Architecture::Riscv64,
        Architecture::Ppc64le,
        Architecture::S390x,
    ] {
        for (capabilities, known) in [(CapabilitySet::EMPTY, known), (all, &[])] {
            let found =
                lint(&parsed, text, &Target { architecture, capabilities, kernel: (6, 12) });
            let errors = found.iter().filter(|it| it.severity == Severity::Error);
            let errors: Vec<String> =
                errors.map(|it| format!("{}: {}", it.lint, it.what)).collect();
            let is_known = |it: &String| known.iter().any(|known| it.starts_with(known));
            if errors.len() != known.len() || !errors.iter().all(is_known) {
                return Err(format!("{architecture}, {capabilities:?}: {errors:#?}").into());
            }
        }
    }
    Ok(())
}

/// Name of the test, the file, and the errors that are really in it.
const INSTALLED: &[(&str, &str, &[&str])] = &[
    (
        "the_default_of_docker_has_no_errors",
        "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json",
        &[],
    ),
    (
        // Version 0.50 allows `setns` to all, and denies it without CAP_SYS_ADMIN further below. It
        // denies the audit's socket without CAP_AUDIT_WRITE by values that a process can write in
        // another way.
        "the_default_of_podman_has_the_errors_that_are_in_it",
        "/usr/share/containers/seccomp.json",
        &[
            "shadowed-rule: never decides on `setns`",
            "argument-width: the kernel looks at 32 bits of argument 0 of `socket`, `arg0 == 0x10`",
            "argument-width: the kernel looks at 32 bits of argument 2 of `socket`, `arg2 == 0x9`",
        ],
    ),
];
