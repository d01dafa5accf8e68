//! The default seccomp profile for the container of the benchmarks: as OCI JSON for runtimes, and as
//! instructions for the floor.

use serde_json::{Value, json};
use stockade_abi::{Architecture, Capability, CapabilitySet};
use stockade_seccomp::{
    Action, Condition, Listed, Name, Operator, Profile, ProfileRule, Selector, Target, compile,
    default_profile, resolve,
};

/// What the container may do: Docker's default.
pub(super) const CAPABILITIES: [Capability; 14] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::SysChroot,
    Capability::Mknod,
    Capability::AuditWrite,
    Capability::Setfcap,
];

/// `linux.seccomp` of the bundle.
pub(super) fn oci() -> Value {
    let Profile { default_action, rules, .. } = default_profile();
    let syscalls: Vec<Value> = rules.iter().filter(|it| applies(it)).map(rule).collect();
    let mut profile = json!({
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": syscalls,
    });
    profile["defaultAction"] = action(default_action).0.into();
    profile["defaultErrnoRet"] = action(default_action).1.into();
    profile
}

/// `filter.h` of the floor.
pub(super) fn header() -> Result<String, String> {
    let rules = resolve(&default_profile(), &target()).map_err(|it| format!("{it:?}"))?;
    let program = compile(&rules).map_err(|it| it.to_string())?;
    let lines: Vec<String> = (program.instructions().iter())
        .map(|it| format!("    {{{:#x}, {}, {}, {:#x}}},", it.code, it.jt, it.jf, it.k))
        .collect();
    Ok(format!("static struct sock_filter FILTER[] = {{\n{}\n}};\n", lines.join("\n")))
}

/// The machine and the container.
pub(super) fn target() -> Target {
    let capabilities: CapabilitySet = CAPABILITIES.into_iter().collect();
    Target { architecture: Architecture::X86_64, capabilities, kernel: KERNEL }
}

/// OCI has no conditions on the machine and the container: they are decided here.
fn applies(rule: &ProfileRule) -> bool {
    let Target { capabilities, .. } = target();
    let Selector { architectures, capabilities: needed, min_kernel } = &rule.includes;
    let native = Listed::Known(Architecture::X86_64);
    let included = (architectures.is_empty() || architectures.contains(&native))
        && needed.difference(capabilities).is_empty()
        && min_kernel.is_none_or(|it| it <= KERNEL);
    let excluded = rule.excludes.architectures.contains(&native)
        || rule.excludes.capabilities.difference(capabilities) != rule.excludes.capabilities;
    included && !excluded
}

fn rule(rule: &ProfileRule) -> Value {
    let names: Vec<&str> = (rule.names.iter())
        .map(|it| match it {
            Name::Known(syscall) => syscall.name(),
            Name::Unknown(name) => name,
        })
        .collect();
    let (action, errno) = action(rule.action);
    let args: Vec<Value> = rule.conditions.iter().map(condition).collect();
    let mut json = json!({ "names": names, "action": action });
    if let Some(errno) = errno {
        json["errnoRet"] = errno.into();
    }
    if !args.is_empty() {
        json["args"] = args.into();
    }
    json
}

fn condition(condition: &Condition) -> Value {
    let (op, value, second) = match condition.operator {
        Operator::NotEqual(value) => ("SCMP_CMP_NE", value, 0),
        Operator::Less(value) => ("SCMP_CMP_LT", value, 0),
        Operator::LessOrEqual(value) => ("SCMP_CMP_LE", value, 0),
        Operator::Equal(value) => ("SCMP_CMP_EQ", value, 0),
        Operator::GreaterOrEqual(value) => ("SCMP_CMP_GE", value, 0),
        Operator::Greater(value) => ("SCMP_CMP_GT", value, 0),
        Operator::MaskedEqual { mask, value } => ("SCMP_CMP_MASKED_EQ", mask, value),
    };
    json!({ "index": condition.argument, "value": value, "valueTwo": second, "op": op })
}

/// Those that the default profile has.
fn action(action: Action) -> (&'static str, Option<u16>) {
    match action {
        Action::Allow => ("SCMP_ACT_ALLOW", None),
        Action::Errno(errno) => ("SCMP_ACT_ERRNO", Some(errno.0)),
        Action::KillProcess
        | Action::KillThread
        | Action::Trap
        | Action::Notify
        | Action::Trace(_)
        | Action::Log => unreachable!("not in the default profile"),
    }
}

/// Every kernel on which this can be measured is newer.
const KERNEL: (u32, u32) = (5, 10);
