use proptest::prelude::*;
use stockade_abi::facts::{DeviceRule, DeviceVerdict};

use super::*;
use crate::bpf::DeviceProgram;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_program_means_what_its_rules_mean(
        rules in prop::collection::vec(any_rule(), 0..12),
        device in any_device(),
        asked in any_access(),
    ) {
        let program = DeviceProgram::assemble(&rules);
        let allowed = asked.is_subset(DeviceRule::evaluate(&rules, device));
        let meant = if allowed { DeviceVerdict::Allow } else { DeviceVerdict::Deny };
        prop_assert_eq!(evaluate(program.instructions(), device, asked), Ok(meant));
    }

    #[test]
    fn instructions_survive_taking_apart(raw in any::<u64>()) {
        prop_assert_eq!(Instruction::decode(raw).encode(), raw);
    }

    #[test]
    fn nothing_makes_it_panic(
        program in prop::collection::vec(any::<u64>(), 0..20),
        device in any_device(),
    ) {
        // Random programs hardly ever exit with 0 or 1; what counts is that they are left.
        prop_assert!(evaluate(&program, device, DeviceAccess::READ) != Err(IMPOSSIBLE));
    }
}

#[test]
fn what_is_not_understood_is_not_judged() {
    let exit = u64::from(JMP | EXIT);
    let call = 0x85;
    let move_to_0 = |imm: u64| u64::from(ALU64 | MOV) | imm << 32;
    let back = u64::from(JMP | JA) | 0xffff << 16;
    let load_from_stack = u64::from(LDX_W) | 10 << 12;
    let load_beyond = u64::from(LDX_W) | 1 << 12 | 12 << 16;
    let add_to_address = u64::from(ALU64 | ADD) | 1 << 8 | 1 << 32;
    let store = 0x63;
    let map_address = u64::from(LD_IMM64) | 1 << 12;
    for (shows, program, at, obstacle) in [
        ("nothing", vec![], 0, Obstacle::Missing),
        ("no exit", vec![move_to_0(1)], 1, Obstacle::Missing),
        ("register 0 never set", vec![exit], 0, Obstacle::NoNumber),
        ("a helper call", vec![call, exit], 0, Obstacle::Unknown),
        ("an endless loop", vec![back], 0, Obstacle::Loops),
        ("the stack", vec![load_from_stack], 0, Obstacle::OutsideRequest),
        ("beyond the request", vec![load_beyond], 0, Obstacle::OutsideRequest),
        ("arithmetic with addresses", vec![add_to_address], 0, Obstacle::NoNumber),
        ("a store", vec![store], 0, Obstacle::Unknown),
        ("a map", vec![map_address, 0], 0, Obstacle::Unknown),
        ("neither yes nor no", vec![move_to_0(2), exit], 1, Obstacle::NeitherYesNorNo),
    ] {
        let expected = Err(CannotJudge { at, obstacle });
        assert_eq!(evaluate(&program, NULL, DeviceAccess::READ), expected, "{shows}");
    }
}

/// The form that other runtimes write: 64-bit jumps, the request copied to another register, one
/// exit per rule.
#[test]
fn programs_of_other_runtimes_are_judged() {
    let wide = |code: u8, dst: u8, src: u8, off: i16, imm: i32| {
        Instruction { code, dst, src, off, imm }.encode()
    };
    let program = [
        wide(ALU64 | X | MOV, 6, 1, 0, 0),
        wide(LDX_H, 2, 6, 0, 0),
        wide(LDX_W, 3, 6, 0, 0),
        wide(ALU64 | RSH, 3, 0, 0, 16),
        wide(LDX_W, 4, 6, 4, 0),
        wide(LDX_W, 5, 6, 8, 0),
        wide(JMP | JNE, 2, 0, 7, 2),
        wide(ALU64 | X | MOV, 1, 3, 0, 0),
        wide(ALU64 | AND, 1, 0, 0, 6),
        wide(JMP | X | JNE, 1, 3, 4, 0),
        wide(JMP | JNE, 4, 0, 3, 1),
        wide(JMP | JNE, 5, 0, 2, 3),
        wide(ALU64 | MOV, 0, 0, 0, 1),
        wide(JMP | EXIT, 0, 0, 0, 0),
        wide(ALU64 | MOV, 0, 0, 0, 0),
        wide(JMP | EXIT, 0, 0, 0, 0),
    ];
    let zero = Device { minor: 5, ..NULL };
    for (device, asked, expected) in [
        (NULL, "rw", DeviceVerdict::Allow),
        (NULL, "m", DeviceVerdict::Deny),
        (NULL, "rwm", DeviceVerdict::Deny),
        (zero, "r", DeviceVerdict::Deny),
        (Device { kind: DeviceKind::Block, ..NULL }, "r", DeviceVerdict::Deny),
    ] {
        let asked = DeviceAccess::parse(asked).unwrap();
        assert_eq!(evaluate(&program, device, asked), Ok(expected), "{device} {asked}");
    }
}

/// Few numbers, so that rules and devices meet; and the ones where a sign could be lost.
fn number() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0, 1, 3, 0x7fff_ffff, 0x8000_0000, u32::MAX])
}

fn kind() -> impl Strategy<Value = DeviceKind> {
    prop::sample::select(vec![DeviceKind::Block, DeviceKind::Character])
}

fn any_device() -> impl Strategy<Value = Device> {
    (kind(), number(), number()).prop_map(|(kind, major, minor)| Device { kind, major, minor })
}

fn any_access() -> impl Strategy<Value = DeviceAccess> {
    let accesses = ["", "r", "w", "m", "rw", "rm", "wm", "rwm"];
    prop::sample::select(accesses.to_vec()).prop_map(|it| DeviceAccess::parse(it).unwrap())
}

fn any_rule() -> impl Strategy<Value = DeviceRule> {
    let verdict = prop::sample::select(vec![DeviceVerdict::Allow, DeviceVerdict::Deny]);
    let maybe = || prop::option::of(number());
    (verdict, prop::option::of(kind()), maybe(), maybe(), any_access()).prop_map(
        |(verdict, kind, major, minor, access)| DeviceRule { verdict, kind, major, minor, access },
    )
}

/// No program has as many instructions as that.
const IMPOSSIBLE: CannotJudge = CannotJudge { at: usize::MAX, obstacle: Obstacle::Unknown };

const NULL: Device = Device { kind: DeviceKind::Character, major: 1, minor: 3 };
