//! What is known to lead around filters, tried on `RuntimeDefault`'s program.
//!
//! Each attack is a table of calls with what the kernel would be told. The capabilities are those
//! that containers get, which open nothing but `chroot`; where it matters, `SYS_ADMIN` beside them.

use stockade_abi::syscalls::{self, X32_BIT};
use stockade_abi::{Architecture, Capability, CapabilitySet, Errno};
use stockade_seccomp::{
    Action, ArchitectureList, Call, Name, Profile, ProfileRule, Target, compile, default_profile,
    interpret, resolve,
};

use Architecture::{Aarch64, Ppc64le, Riscv64, S390x, X32, X86, X86_64};

const MACHINES: [Architecture; 5] = [X86_64, Aarch64, Riscv64, Ppc64le, S390x];

const ENOSYS: Action = Action::Errno(Errno(38));
const EPERM: Action = Action::Errno(Errno(1));

#[test]
fn x32_is_answered_by_its_own_list_or_killed() {
    let with = Filter::new(X86_64, &[]);
    let without = Filter::of(&native_only(), X86_64, &[]);
    for number in 0..1024 {
        let call = Call::new(X86_64, X32_BIT | number);
        assert_eq!(without.action(&call), Action::KillProcess, "{call}");
        let name = syscalls::name(X32, X32_BIT | number);
        if let Some("mount" | "open_tree" | "io_uring_setup" | "keyctl" | "bpf") = name {
            assert_eq!(with.action(&call), EPERM, "{call}");
        }
    }
}

#[test]
fn a_call_by_interrupt_is_answered_by_its_own_list_or_killed() {
    let with = Filter::new(X86_64, &[]);
    let without = Filter::of(&native_only(), X86_64, &[]);
    for number in (0..1024).chain([u32::MAX]) {
        let call = Call::new(X86, number);
        assert_eq!(without.action(&call), Action::KillProcess, "{call}");
    }
    // i386 has other calls at the numbers of x86_64: 41 is `dup` there, `socket` here.
    assert_eq!(with.action(&Call::new(X86, 41).with([38, 5, 0, 0, 0, 0])), Action::Allow);
    for (name, expected) in [("mount", EPERM), ("umount", EPERM), ("clone3", ENOSYS)] {
        assert_eq!(with.named(X86, name, 0), expected, "{name}");
    }
    for architecture in [Aarch64, Riscv64, Ppc64le, S390x] {
        let call = Call::new(architecture, 64);
        assert_eq!(with.action(&call), Action::KillProcess, "{architecture}");
    }
}

#[test]
fn what_is_newer_than_the_profile_is_missing() {
    for machine in MACHINES {
        let filter = Filter::new(machine, &[]);
        let newest = syscalls::newest(machine);
        for number in [newest + 1, newest + 100, 1000, 100_000] {
            assert_eq!(filter.action(&Call::new(machine, number)), ENOSYS, "{number}, {machine}");
        }
        assert_eq!(filter.named(machine, "clone3", 0), ENOSYS, "{machine}");
        // Known, and not among what is allowed: denied, not missing.
        assert_eq!(filter.named(machine, "keyctl", 0), EPERM, "{machine}");
    }
}

#[test]
fn no_flag_of_clone_makes_a_namespace() {
    for machine in MACHINES {
        let filter = Filter::new(machine, &[]);
        let flags_at = usize::from(machine == S390x);
        for (flags, expected) in [
            (0x11, Action::Allow),
            (0x3D_0F00, Action::Allow),
            (1 << 32 | 0x11, Action::Allow),
            (0x0002_0000, EPERM),
            (0x0200_0000, EPERM),
            (0x0400_0000, EPERM),
            (0x0800_0000, EPERM),
            (0x1000_0000, EPERM),
            (0x2000_0000, EPERM),
            (0x4000_0000, EPERM),
            (1 << 32 | 0x1000_0011, EPERM),
        ] {
            let mut arguments = [0; 6];
            arguments[flags_at] = flags;
            let number = syscalls::number(machine, "clone").unwrap();
            let call = Call::new(machine, number).with(arguments);
            assert_eq!(filter.action(&call), expected, "{call}");
        }
        for name in ["unshare", "setns"] {
            assert_eq!(filter.named(machine, name, 0), EPERM, "{name} on {machine}");
        }
    }
}

/// The kernel takes the low half of these arguments and does not look at the other.
#[test]
fn a_high_half_is_no_way_around() {
    for machine in MACHINES {
        let filter = Filter::new(machine, &[]);
        for high in [0, 1 << 32, 0xFFFF_FFFF << 32, 1 << 63] {
            for (name, low) in [("socket", 38), ("socket", 40), ("personality", 0x4_0000)] {
                assert_eq!(filter.named(machine, name, high | low), EPERM, "{name} {high:#x}");
            }
        }
    }
}

#[test]
fn only_families_that_are_needed_can_be_asked_for() {
    for machine in MACHINES {
        let filter = Filter::new(machine, &[Capability::SysAdmin, Capability::NetAdmin]);
        for family in 0..64 {
            let expected =
                if [38, 40].contains(&family) || family > 45 { EPERM } else { Action::Allow };
            assert_eq!(filter.named(machine, "socket", family), expected, "{family}, {machine}");
        }
    }
    // And by the other interfaces of the machine.
    let filter = Filter::new(X86_64, &[]);
    for architecture in [X86, X32] {
        for family in [38, 40] {
            let found = filter.named(architecture, "socket", family);
            assert_eq!(found, EPERM, "{family} on {architecture}");
        }
    }
}

/// `docs/decisions/runtime-default.md` says why it is open, and how it is closed.
#[test]
fn socketcall_is_open_until_somebody_closes_it() {
    for (machine, caller) in [(X86_64, X86), (S390x, S390x), (Ppc64le, Ppc64le)] {
        let open = Filter::new(machine, &[]);
        let mut profile = default_profile();
        let socketcall = |it: &Name| matches!(it, Name::Known(it) if it.name() == "socketcall");
        for rule in &mut profile.rules {
            rule.names.retain(|it| !socketcall(it));
        }
        let closing = Name::Known(stockade_abi::syscalls::Syscall::named("socketcall").unwrap());
        let rule = ProfileRule { names: vec![closing], action: ENOSYS, ..any_rule() };
        profile.rules.push(rule);
        let closed = Filter::of(&profile, machine, &[]);
        for inner in 0..=21 {
            assert_eq!(open.named(caller, "socketcall", inner), Action::Allow, "{inner}, {caller}");
            assert_eq!(closed.named(caller, "socketcall", inner), ENOSYS, "{inner}, {caller}");
        }
        assert_eq!(closed.named(caller, "socket", 2), Action::Allow, "{caller}");
        assert_eq!(closed.named(caller, "socket", 38), EPERM, "{caller}");
    }
}

/// `mount` is not the only way to mount.
#[test]
fn every_call_that_changes_mounts_needs_sys_admin() {
    const NAMES: &[&str] = &[
        "mount",
        "umount2",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "open_tree",
        "move_mount",
        "mount_setattr",
    ];
    for machine in MACHINES {
        let (without, with) =
            (Filter::new(machine, &[]), Filter::new(machine, &[Capability::SysAdmin]));
        for name in NAMES {
            assert_eq!(without.named(machine, name, 0), EPERM, "{name} on {machine}");
            assert_eq!(with.named(machine, name, 0), Action::Allow, "{name} on {machine}");
        }
        // Newer than the profile, and no way around either.
        assert_eq!(without.named(machine, "open_tree_attr", 0), ENOSYS, "{machine}");
        assert_eq!(with.named(machine, "pivot_root", 0), EPERM, "{machine}");
    }
}

/// What io_uring does is not seen by any filter, so there is no io_uring; and the rest of what
/// containers have no use for and attackers have.
#[test]
fn the_usual_ways_into_the_kernel_are_closed_whatever_the_capabilities() {
    const NAMES: &[&str] = &[
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "userfaultfd",
        "keyctl",
        "add_key",
        "request_key",
        "kexec_load",
        "swapon",
        "nfsservctl",
    ];
    let all: Vec<Capability> = Capability::ALL.to_vec();
    for machine in MACHINES {
        let filter = Filter::new(machine, &all);
        for name in NAMES {
            let Some(number) = syscalls::number(machine, name) else { continue };
            assert_eq!(filter.action(&Call::new(machine, number)), EPERM, "{name} on {machine}");
        }
    }
}

/// What the kernel itself makes a program call must stay open: to return from a signal and from a
/// traced function. Neither passes arguments that could be judged.
#[test]
fn what_the_kernel_puts_into_a_program_is_let_through() {
    let filter = Filter::new(X86_64, &[]);
    for name in ["rt_sigreturn", "restart_syscall", "uretprobe"] {
        assert_eq!(filter.named(X86_64, name, 0), Action::Allow, "{name}");
    }
}

struct Filter(stockade_abi::bpf::Program);

impl Filter {
    fn new(machine: Architecture, more: &[Capability]) -> Self {
        Self::of(&default_profile(), machine, more)
    }

    fn of(profile: &Profile, machine: Architecture, more: &[Capability]) -> Self {
        let capabilities: CapabilitySet = [Capability::Chown, Capability::SysChroot]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let target = Target { architecture: machine, capabilities, kernel: (6, 12) };
        let rules = resolve(profile, &target).expect("no contradiction");
        Self(compile(&rules).expect("short enough"))
    }

    fn action(&self, call: &Call) -> Action {
        Action::from_return_value(interpret(&self.0, call).expect("the kernel takes it"))
    }

    fn named(&self, architecture: Architecture, name: &str, argument: u64) -> Action {
        let number = syscalls::number(architecture, name).expect("a call of the architecture");
        self.action(&Call::new(architecture, number).with([argument, 0, 0, 0, 0, 0]))
    }
}

fn native_only() -> Profile {
    Profile { architectures: ArchitectureList::Native, ..default_profile() }
}

/// Allows everything it names; a rule to change.
fn any_rule() -> ProfileRule {
    default_profile().rules.swap_remove(0)
}
