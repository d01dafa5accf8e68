use std::collections::BTreeSet;

use super::*;
use crate::{
    Call, Rules, SyscallRules, Target, compare_with_rules, compile, evaluate, resolve, steps,
};
use stockade_abi::syscalls;

fn rules(architecture: Architecture, capabilities: &[Capability]) -> Rules {
    let capabilities = capabilities.iter().copied().collect();
    resolve(&default_profile(), &Target { architecture, capabilities, kernel: (6, 12) }).unwrap()
}

#[test]
fn names_are_known_sorted_and_unique() {
    let lists = [ALWAYS, MISSING, SINCE_4_8]
        .into_iter()
        .chain(BY_ARCHITECTURE.iter().map(|it| it.1))
        .chain(BY_CAPABILITY.iter().map(|it| it.1));
    for list in lists {
        assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
    }
    let profile = default_profile();
    let names = profile.rules.iter().flat_map(|it| &it.names);
    let unknown: BTreeSet<&str> = names
        .filter_map(|it| match it {
            Name::Unknown(name) => Some(&**name),
            Name::Known(_) => None,
        })
        .collect();
    // A name of the C library, and calls that were never merged or are gone.
    let expected = BTreeSet::from(["fstatat64"]);
    assert!(unknown.is_subset(&expected), "{unknown:?}");
}

#[test]
fn verdicts() {
    use Architecture::{Aarch64, S390x, X32, X86, X86_64};
    use Capability::{Bpf, DacReadSearch, NetAdmin, SysAdmin, SysTime, Syslog};
    const NEWUSER: u64 = 0x1000_0000;
    for (native, caller, capabilities, name, arguments, expected) in [
        (X86_64, X86_64, &[][..], "read", [0; 3], "allow"),
        (X86_64, X86, &[], "read", [0; 3], "allow"),
        (X86_64, X32, &[], "read", [0; 3], "allow"),
        (X86_64, X86_64, &[], "mount", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[SysAdmin], "mount", [0; 3], "allow"),
        // The new mount API is as closed as the old one.
        (X86_64, X86_64, &[], "fsopen", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "open_tree", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "move_mount", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "mount_setattr", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[SysAdmin], "mount_setattr", [0; 3], "allow"),
        (X86_64, X86_64, &[SysAdmin], "pivot_root", [0; 3], "errno EPERM"),
        // Namespaces: through clone by flag, through clone3 not at all.
        (X86_64, X86_64, &[], "clone", [17, 0, 0], "allow"),
        (X86_64, X86_64, &[], "clone", [NEWUSER | 17, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[], "clone", [1 << 32 | 17, 0, 0], "allow"),
        (X86_64, X86_64, &[SysAdmin], "clone", [NEWUSER | 17, 0, 0], "allow"),
        (X86_64, X86_64, &[], "clone3", [0; 3], "errno ENOSYS"),
        (X86_64, X86_64, &[SysAdmin], "clone3", [0; 3], "allow"),
        (X86_64, X86_64, &[], "unshare", [0; 3], "errno EPERM"),
        (S390x, S390x, &[], "clone", [NEWUSER, 17, 0], "allow"),
        (S390x, S390x, &[], "clone", [0, NEWUSER, 0], "errno EPERM"),
        // Sockets, also with a high half that the kernel does not look at.
        (X86_64, X86_64, &[], "socket", [2, 0, 0], "allow"),
        (X86_64, X86_64, &[], "socket", [38, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[], "socket", [39, 0, 0], "allow"),
        (X86_64, X86_64, &[], "socket", [40, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[], "socket", [41, 0, 0], "allow"),
        (X86_64, X86_64, &[], "socket", [45, 0, 0], "allow"),
        (X86_64, X86_64, &[], "socket", [46, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[], "socket", [1 << 32 | 38, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[], "socket", [1 << 32 | 40, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[], "socket", [1 << 63 | 38, 0, 0], "errno EPERM"),
        // A 32-bit caller has no high half, whatever the register holds.
        (X86_64, X86, &[], "socket", [1 << 32 | 2, 0, 0], "allow"),
        (X86_64, X86_64, &[SysAdmin, NetAdmin], "socket", [38, 0, 0], "errno EPERM"),
        (X86_64, X86, &[], "socket", [38, 0, 0], "errno EPERM"),
        (X86_64, X86, &[], "socketcall", [1, 0, 0], "allow"),
        (X86_64, X86_64, &[], "personality", [0x2_0008, 0, 0], "allow"),
        (X86_64, X86_64, &[], "personality", [0xFFFF_FFFF, 0, 0], "allow"),
        (X86_64, X86_64, &[], "personality", [0x4_0000, 0, 0], "errno EPERM"),
        (X86_64, X86_64, &[SysAdmin], "io_uring_setup", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "userfaultfd", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "keyctl", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "add_key", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[], "bpf", [0; 3], "errno EPERM"),
        (X86_64, X86_64, &[Bpf], "bpf", [0; 3], "allow"),
        (X86_64, X86_64, &[Syslog], "syslog", [0; 3], "allow"),
        (X86_64, X86_64, &[SysTime], "clock_settime", [0; 3], "allow"),
        (X86_64, X86_64, &[DacReadSearch], "open_by_handle_at", [0; 3], "allow"),
        (X86_64, X86_64, &[], "ptrace", [0; 3], "allow"),
        (X86_64, X86_64, &[], "arch_prctl", [0; 3], "allow"),
        (X86_64, X86_64, &[], "fchmodat2", [0; 3], "allow"),
        (X86_64, X86_64, &[], "rseq_slice_yield", [0; 3], "errno ENOSYS"),
        (Aarch64, Aarch64, &[], "openat", [0; 3], "allow"),
    ] {
        let rules = rules(native, capabilities);
        let [a, b, c] = arguments;
        let call =
            Call::new(caller, syscalls::number(caller, name).unwrap()).with([a, b, c, 0, 0, 0]);
        assert_eq!(evaluate(&rules, &call).to_string(), expected, "{call} with {capabilities:?}");
    }
}

#[test]
fn the_kernel_version_decides_on_tracing() {
    let target = Target {
        architecture: Architecture::X86_64,
        capabilities: CapabilitySet::EMPTY,
        kernel: (4, 7),
    };
    let rules = resolve(&default_profile(), &target).unwrap();
    let ptrace = Call::new(Architecture::X86_64, 101);
    assert_eq!(evaluate(&rules, &ptrace), Action::EPERM);
}

/// Every x32 number, allowed or not, is treated as its own and never as x86_64's.
#[test]
fn x32_numbers_are_no_way_around() {
    let mut rules = rules(Architecture::X86_64, &[]);
    let both = compile(&rules).unwrap();
    for number in 0..1024 {
        let call = Call::new(Architecture::X86_64, syscalls::X32_BIT | number);
        let (value, _) = steps(&both, &call).unwrap();
        assert_eq!(Action::from_return_value(value), evaluate(&rules, &call));
    }
    rules.architectures.retain(|it| it.architecture != Architecture::X32);
    let without = compile(&rules).unwrap();
    for number in 0..1024 {
        let call = Call::new(Architecture::X86_64, syscalls::X32_BIT | number);
        let (value, _) = steps(&without, &call).unwrap();
        assert_eq!(Action::from_return_value(value), Action::KillProcess);
    }
}

/// The goals: 320 instructions for three architectures, 90 for one, 16 executed where no argument
/// is looked at.
#[test]
fn programs_are_small_and_flat() {
    use Architecture::{Aarch64, Ppc64le, Riscv64, S390x, X86_64};
    for (native, goal) in [(X86_64, 80), (Aarch64, 80), (Riscv64, 80), (Ppc64le, 120), (S390x, 120)]
    {
        let mut rules = rules(native, &[]);
        let all = compile(&rules).unwrap();
        assert!(all.instructions().len() <= 260, "{native}: {}", all.instructions().len());
        assert_eq!(compare_with_rules(&rules, &all), Ok(crate::Comparison::Equal), "{native}");
        for section in &rules.architectures {
            for number in (0..1024).chain([1 << 20, u32::MAX]) {
                let base =
                    if section.architecture == Architecture::X32 { syscalls::X32_BIT } else { 0 };
                let call = Call::new(section.architecture, base.saturating_add(number));
                let said = section.syscalls.iter().find(|it| it.0 == call.number);
                if !matches!(said, Some((_, SyscallRules::First(_)))) {
                    let (_, executed) = steps(&all, &call).unwrap();
                    assert!(executed <= 14, "{executed} for {call}");
                }
            }
        }
        rules.architectures.truncate(1);
        let one = compile(&rules).unwrap();
        assert!(one.instructions().len() <= goal, "{native}: {}", one.instructions().len());
    }
}

/// The kernel follows loads, `and`, comparisons with constants and returns without running the
/// filter; any other instruction costs every call.
#[test]
fn the_kernel_can_foresee_what_is_always_allowed() {
    use crate::interpret::operation::*;
    let program = compile(&rules(Architecture::X86_64, &[])).unwrap();
    for instruction in program.instructions() {
        let known = [LD_ABS, AND_K, JA, JEQ_K, JGE_K, JGT_K, JSET_K, RET_K];
        assert!(known.contains(&instruction.code), "{instruction:?}");
    }
}

#[test]
fn capabilities_say_what_they_open() {
    assert_eq!(opened_by(Capability::SysChroot), ["chroot"]);
    assert_eq!(opened_by(Capability::NetAdmin), [""; 0]);
    for (capability, names) in BY_CAPABILITY {
        for name in *names {
            let Some(number) = syscalls::number(Architecture::X86_64, name) else { continue };
            let call = Call::new(Architecture::X86_64, number).with([0x1000_0000; 6]);
            let with = evaluate(&rules(Architecture::X86_64, &[*capability]), &call);
            assert_eq!(with, Action::Allow, "{name} with {capability}");
        }
    }
}
