//! How the node is set up, as options: those of a kubelet where it has one.
//!
//! Each is also read from the environment (`STOCKADE_SECCOMP_DEFAULT=true`), so that a machine can
//! be set up once.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::BoolishValueParser;
use stockade_abi::Host;
use stockade_abi::host::Kernel;
use stockade_admit::node::sysctls::Allowlist;
use stockade_confine::world::{Legacy, LegacyUnconfined, SeccompDefault};
use stockade_image::PullOptions;

use crate::answer::Failure;
use crate::ui::Ui;

/// Options that say how the node is set up.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct NodeArgs {
    /// Sysctls and patterns (`kernel.msg*`) that pods may set beside the safe ones; comma-separated
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        env = "STOCKADE_ALLOWED_UNSAFE_SYSCTLS",
        hide_env_values = true
    )]
    #[arg(visible_alias = "experimental-allowed-unsafe-sysctls")]
    pub(crate) allowed_unsafe_sysctls: Vec<String>,

    /// Where seccomp profiles for `localhost/…` are
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/kubelet/seccomp",
        env = "STOCKADE_SECCOMP_PROFILE_ROOT",
        hide_env_values = true
    )]
    pub(crate) seccomp_profile_root: PathBuf,

    /// Let an unset seccomp profile mean RuntimeDefault instead of Unconfined
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        hide_default_value = true,
        hide_possible_values = true,
        env = "STOCKADE_SECCOMP_DEFAULT",
        hide_env_values = true
    )]
    pub(crate) seccomp_default: bool,

    /// Treat annotations exactly as Kubernetes VERSION (`1.NN`) does
    #[arg(
        long,
        value_name = "VERSION",
        env = "STOCKADE_KUBERNETES_VERSION",
        hide_env_values = true
    )]
    pub(crate) kubernetes_version: Option<KubernetesVersion>,

    /// Take `unconfined` from annotations that clusters no longer read
    #[arg(
        long,
        value_parser = BoolishValueParser::new(),
        env = "STOCKADE_ALLOW_LEGACY_UNCONFINED",
        hide_env_values = true
    )]
    pub(crate) allow_legacy_unconfined: bool,

    /// Most processes in a pod
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        env = "STOCKADE_POD_MAX_PIDS",
        hide_env_values = true
    )]
    pub(crate) pod_max_pids: Option<u64>,

    /// Which images to fetch, whatever the manifest says
    #[arg(long, value_enum, value_name = "POLICY", env = "STOCKADE_PULL", hide_env_values = true)]
    pub(crate) pull: Option<Pull>,

    /// Registry to speak to in plain HTTP (loopback ones always are)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "HOST[:PORT]",
        env = "STOCKADE_INSECURE_REGISTRY",
        hide_env_values = true
    )]
    pub(crate) insecure_registry: Vec<String>,

    /// Refuse what only deserves a warning, and values that the kernel takes in another form
    #[arg(
        long,
        value_parser = BoolishValueParser::new(),
        env = "STOCKADE_STRICT",
        hide_env_values = true
    )]
    pub(crate) strict: bool,

    /// Refuse what cannot be read back in full
    #[arg(
        long,
        value_parser = BoolishValueParser::new(),
        env = "STOCKADE_REQUIRE_PROOF",
        hide_env_values = true
    )]
    pub(crate) require_proof: bool,

    /// Feature gates as a kubelet takes them (`AppArmor=true`)
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAME=BOOL",
        env = "STOCKADE_FEATURE_GATES",
        hide_env_values = true
    )]
    pub(crate) feature_gates: Vec<String>,
}

/// Which images to fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Pull {
    /// Every one, even if it is here.
    Always,
    /// Those that are not here.
    Missing,
    /// None.
    Never,
}

/// A minor version of Kubernetes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KubernetesVersion(pub(crate) u32);

impl FromStr for KubernetesVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as `1.NN`, for example `1.29`".to_owned();
        let numbers =
            text.strip_prefix('v').unwrap_or(text).strip_prefix("1.").ok_or_else(wrong)?;
        let (minor, patch) = numbers.split_once('.').unwrap_or((numbers, "0"));
        let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        if !is_number(minor) || !is_number(patch) {
            return Err(wrong());
        }
        let minor = minor.parse().map_err(|_| wrong())?;
        if (OLDEST..=NEWEST).contains(&minor) {
            Ok(Self(minor))
        } else {
            Err(format!("the rules of 1.{OLDEST} to 1.{NEWEST} are known"))
        }
    }
}

impl NodeArgs {
    /// Judges the options before any manifest is read.
    ///
    /// # Errors
    ///
    /// What a kubelet would not start with.
    pub(crate) fn check(&self, host: &Host, ui: &mut Ui) -> Result<(), Failure> {
        self.check_sysctls(&host.kernel)?;
        for gate in self.feature_gates.iter().filter(|it| !it.is_empty()) {
            if let Some(note) = feature_gate(gate)? {
                ui.note(&note);
            }
        }
        Ok(())
    }

    fn check_sysctls(&self, kernel: &Kernel) -> Result<(), Failure> {
        let minor = self.kubernetes_version.map_or(NEWEST, |it| it.0);
        match Allowlist::build(&self.sysctls(), minor, kernel) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::question(format!("--allowed-unsafe-sysctls: {error}"))),
        }
    }

    /// The patterns, without the blanks that a shell's quotes keep.
    pub(crate) fn sysctls(&self) -> Vec<String> {
        let trimmed = self.allowed_unsafe_sysctls.iter().map(|it| it.trim().to_owned());
        trimmed.filter(|it| !it.is_empty()).collect()
    }

    /// How annotations from before the fields count.
    pub(crate) fn legacy(&self) -> Legacy {
        match (self.kubernetes_version, self.allow_legacy_unconfined) {
            (Some(version), _) => Legacy::Exactly(version.0),
            (None, true) => Legacy::Honoured { unconfined: LegacyUnconfined::Taken },
            (None, false) => Legacy::Honoured { unconfined: LegacyUnconfined::Refused },
        }
    }

    /// What an unset seccomp profile means.
    pub(crate) const fn unset_seccomp(&self) -> SeccompDefault {
        if self.seccomp_default {
            SeccompDefault::RuntimeDefault
        } else {
            SeccompDefault::Unconfined
        }
    }

    /// How to talk to registries.
    pub(crate) fn pull_options(&self) -> PullOptions {
        let insecure_registries = self.insecure_registry.clone();
        PullOptions { insecure_registries, ..PullOptions::default() }
    }

    /// What is demanded of the report.
    pub(crate) const fn demands(&self) -> Demands {
        Demands {
            adjusted: if self.strict { Demand::Refuse } else { Demand::Accept },
            unproven: if self.require_proof { Demand::Refuse } else { Demand::Accept },
        }
    }
}

/// What is demanded beyond that nothing is weaker than declared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Demands {
    /// Warnings, and values that the kernel took in another form (`--strict`).
    pub(crate) adjusted: Demand,
    /// What could not be read back in full (`--require-proof`).
    pub(crate) unproven: Demand,
}

/// What becomes of something that is not quite as declared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Demand {
    /// It is reported.
    Accept,
    /// The pod does not run with it.
    Refuse,
}

/// Judges a feature gate: what to say about it, if anything.
fn feature_gate(text: &str) -> Result<Option<String>, Failure> {
    let wrong = |why: String| Failure::question(format!("--feature-gates {text}: {why}"));
    let (name, value) =
        text.trim().split_once('=').ok_or_else(|| wrong("write it as `NAME=true`".to_owned()))?;
    let value = match value.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => true,
        "false" | "f" | "0" => false,
        other => return Err(wrong(format!("`{other}` is neither true nor false"))),
    };
    match (name, value) {
        // Upstream's gates for what this program does anyway.
        ("SeccompDefault", true) => Ok(Some(
            "--feature-gates SeccompDefault=true is no longer needed, and never turned it on: \
             --seccomp-default does"
                .to_owned(),
        )),
        ("AppArmor" | "AppArmorFields" | "Sysctls" | "ProcMountType", true) => {
            Ok(Some(format!("--feature-gates {name}=true is no longer needed: it is always on")))
        }
        ("AppArmor" | "AppArmorFields" | "SeccompDefault" | "Sysctls" | "ProcMountType", false) => {
            Err(wrong(
                "it is always on and cannot be turned off: to run a pod with less \
                       confinement, declare that in its manifest"
                    .to_owned(),
            ))
        }
        (_, _) => Err(wrong("there is no such feature gate here".to_owned())),
    }
}

/// The oldest and the newest version whose rules are known.
const OLDEST: u32 = 4;
const NEWEST: u32 = stockade_spec::ApiVersion::LATEST.0 as u32;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        node: NodeArgs,
    }

    fn parse(arguments: &[&str]) -> Result<NodeArgs, clap::Error> {
        Line::try_parse_from([&["stockade"], arguments].concat()).map(|it| it.node)
    }

    #[test]
    fn versions_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1.29", Some(29)),
            ("v1.4", Some(4)),
            ("1.30.2", Some(30)),
            ("1.3", None),
            ("1.99", None),
            ("2.29", None),
            ("29", None),
            ("1.", None),
            ("1.29.", None),
            ("1.+29", None),
            ("vv1.29", None),
        ] {
            assert_eq!(text.parse::<KubernetesVersion>().ok().map(|it| it.0), expected, "{text}");
        }
    }

    #[test]
    fn flags_are_a_kubelet_s() {
        let node = parse(&[
            "--experimental-allowed-unsafe-sysctls",
            "kernel.msg*, net.ipv4.route.min_pmtu",
            "--allowed-unsafe-sysctls=net.core.somaxconn",
            "--seccomp-default",
            "--strict",
        ])
        .unwrap();
        let expected = ["kernel.msg*", "net.ipv4.route.min_pmtu", "net.core.somaxconn"];
        assert_eq!(node.sysctls(), expected);
        assert_eq!(node.unset_seccomp(), SeccompDefault::RuntimeDefault);
        assert_eq!(node.demands().adjusted, Demand::Refuse);
        assert_eq!(node.demands().unproven, Demand::Accept);

        let node = parse(&["--seccomp-default=false"]).unwrap();
        assert_eq!(node.unset_seccomp(), SeccompDefault::Unconfined);
        assert_eq!(node.legacy(), Legacy::Honoured { unconfined: LegacyUnconfined::Refused });
        for wrong in [
            &["--pod-max-pids", "0"][..],
            &["--kubernetes-version", "new"],
            &["--pull", "sometimes"],
            &["--seccomp-default=perhaps"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_pattern_that_no_kubelet_takes_is_a_wrong_question() {
        let kernel = Kernel { major: 6, minor: 1, release: "6.1".to_owned() };
        for (list, expected) in [
            ("kernel.msg*,net.ipv4.route.min_pmtu", None),
            ("vm.swappiness", Some("the sysctls \"vm.swappiness\" are not known to be namespaced")),
            ("net.*x", Some("must have at most 253 characters and match regex")),
        ] {
            let node = parse(&["--allowed-unsafe-sysctls", list]).unwrap();
            let found = node.check_sysctls(&kernel);
            match (found, expected) {
                (Ok(()), None) => {}
                (Err(Failure::Message { what, .. }), Some(part)) => {
                    assert!(what.starts_with("--allowed-unsafe-sysctls: ") && what.contains(part));
                }
                (found, _) => panic!("{list}: {found:?}"),
            }
        }
    }

    #[test]
    fn every_feature_gate_gets_an_answer() {
        for (gate, is_ok, part) in [
            ("AppArmor=true", true, "no longer needed"),
            ("AppArmor=false", false, "cannot be turned off"),
            ("Apparmor=true", false, "no such feature gate"),
            ("AppArmor", false, "write it as"),
            ("AppArmor=yes", false, "neither true nor false"),
        ] {
            let (found, text) = match feature_gate(gate) {
                Ok(note) => (true, note.unwrap_or_default()),
                Err(failure) => (false, format!("{failure:?}")),
            };
            assert_eq!(found, is_ok, "{gate}");
            assert!(text.contains(part), "{gate}: {text}");
        }
    }
}
