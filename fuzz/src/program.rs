//! Programs of any origin: what is taken is what the kernel takes, and what is taken runs to a
//! return and can be compared.

use stockade_abi::Architecture;
use stockade_abi::bpf::{Instruction, Program};
use stockade_seccomp::{Call, Comparison, check, compare, interpret, steps};

use crate::kernel;
use crate::supply::Supply;

pub(crate) fn run(data: &[u8]) {
    let mut supply = Supply::new(data);
    let is_compared = supply.byte() == 0xC0;
    let mut code = Vec::new();
    while !supply.is_empty() && code.len() < 4097 {
        code.push(instruction(&mut supply));
    }
    let is_taken = kernel::takes(&code);
    let Some(program) = Program::new(code) else { return assert!(!is_taken) };
    assert_eq!(check(&program).is_ok(), is_taken, "{:?}: {program:?}", check(&program));

    let length = program.instructions().len();
    for architecture in [Architecture::X86_64, Architecture::S390x] {
        for arguments in [[0; 6], [u64::MAX; 6], [1, 1 << 32, 38, 1 << 63, 0x7E02_0000, 5]] {
            let call = Call::new(architecture, 41).with(arguments);
            match steps(&program, &call) {
                Ok((value, executed)) => {
                    assert!(
                        is_taken && (1..=length).contains(&executed),
                        "{executed}: {program:?}"
                    );
                    assert_eq!(interpret(&program, &call), Ok(value));
                }
                Err(_) => assert!(!is_taken),
            }
        }
    }
    // Every word that is read multiplies the calls that are tried.
    let is_load = |it: &&Instruction| it.code == LOAD_WORD;
    let is_quick = program.instructions().iter().filter(is_load).count() <= 1;
    if is_compared && is_taken && is_quick {
        let same = compare(&program, &program);
        assert!(
            matches!(same, Ok(Comparison::Equal | Comparison::Undecided { .. })),
            "differs from itself: {same:?}, {program:?}"
        );
    }
}

/// Mostly one that seccomp knows, with a constant that is likely to be in bounds.
fn instruction(supply: &mut Supply<'_>) -> Instruction {
    let choice = supply.byte();
    let (first, second) = (supply.byte(), supply.byte());
    let code = match choice {
        0xFF => u16::from_le_bytes([first, second]),
        _ => kernel::CODES[usize::from(choice) % kernel::CODES.len()],
    };
    let k = match supply.byte() {
        small @ 0..192 => u32::from(small),
        192..224 => u32::from(supply.byte()) << 24,
        _ => supply.word(),
    };
    Instruction { code, jt: first & 31, jf: second & 31, k }
}

/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD_WORD: u16 = 0x20;
