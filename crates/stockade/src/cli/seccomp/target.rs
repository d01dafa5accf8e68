//! The machine and the process that a profile is asked about.

use stockade_abi::{Architecture, Capability, CapabilitySet};
use stockade_confine::default_capabilities;
use stockade_seccomp::Target;

use crate::answer::Failure;

/// Options of every subcommand that says what a profile means.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Machine {
    /// Machine to answer for: `x86_64`, `aarch64`, `riscv64`, `ppc64le`, `s390x` (default: this one)
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    arch: Option<Architecture>,

    /// Capabilities of the container, with commas; `ALL`, `NONE` (default: those that containers get)
    #[arg(long, value_name = "CAPS", value_parser = capabilities)]
    capabilities: Option<CapabilitySet>,

    /// Kernel to answer for, as `6.12` (default: this one)
    #[arg(long, value_name = "VERSION", value_parser = kernel)]
    kernel: Option<(u32, u32)>,
}

impl Machine {
    /// What the profile may ask about.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        Ok(Target {
            architecture: self.arch.unwrap_or(Architecture::NATIVE),
            capabilities: self.capabilities.unwrap_or_else(default_capabilities),
            kernel: match self.kernel {
                Some(named) => named,
                None => own_kernel()?,
            },
        })
    }
}

fn own_kernel() -> Result<(u32, u32), Failure> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    kernel(&release).map_err(|why| Failure::unanswered(why).hint("name one with --kernel"))
}

fn architecture(text: &str) -> Result<Architecture, String> {
    // The others are not machines but interfaces of one.
    let machines = [
        Architecture::X86_64,
        Architecture::Aarch64,
        Architecture::Riscv64,
        Architecture::Ppc64le,
        Architecture::S390x,
    ];
    let found = machines.into_iter().find(|it| it.to_string() == text);
    found.ok_or_else(|| {
        format!("`{text}` is none of {}", machines.map(|it| it.to_string()).join(", "))
    })
}

fn capabilities(text: &str) -> Result<CapabilitySet, String> {
    match text {
        "ALL" => return Ok(Capability::ALL.iter().copied().collect()),
        "NONE" | "" => return Ok(CapabilitySet::EMPTY),
        _ => {}
    }
    let one = |name: &str| {
        let bare = name.strip_prefix("CAP_").unwrap_or(name);
        let found = Capability::ALL.iter().copied().find(|it| it.name() == bare);
        found.ok_or_else(|| format!("`{name}` is no capability"))
    };
    text.split(',').map(|it| one(it.trim())).collect()
}

fn kernel(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("`{text}` is no kernel version");
    let (major, rest) = text.split_once('.').ok_or_else(wrong)?;
    let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
    let number = |it: &str| it.parse::<u32>().map_err(|_| wrong());
    Ok((number(major)?, number(&rest[..end])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_capabilities_are_read_as_people_write_them() {
        for (text, expected) in [
            ("6.12", Some((6, 12))),
            ("6.1.0-30-amd64", Some((6, 1))),
            ("6.18-rc1", Some((6, 18))),
            ("6", None),
            ("6.x", None),
            (".1", None),
        ] {
            assert_eq!(kernel(text).ok(), expected, "{text}");
        }
        let chown: CapabilitySet = [Capability::Chown].into_iter().collect();
        for (text, expected) in [
            ("CAP_CHOWN", Some(chown)),
            ("CHOWN, KILL", Some(chown.with(Capability::Kill))),
            ("NONE", Some(CapabilitySet::EMPTY)),
            ("chown", None),
        ] {
            assert_eq!(capabilities(text).ok(), expected, "{text}");
        }
        assert!(architecture("x32").is_err());
        assert_eq!(architecture("aarch64"), Ok(Architecture::Aarch64));
    }
}
