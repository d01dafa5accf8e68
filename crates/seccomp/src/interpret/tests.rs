use super::*;
use crate::Action;
use stockade_abi::Architecture;

const fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[track_caller]
fn program(code: &[Instruction]) -> Program {
    Program::new(code.to_vec()).unwrap()
}

fn call() -> Call {
    Call::new(Architecture::X86_64, 7).with([0x1111_2222_3333_4444, 2, 3, 4, 5, 6])
}

#[test]
fn operations_compute_as_the_kernel_does() {
    let answer = op(RET_A, 0);
    for (shows, code, expected) in [
        ("the number", vec![op(LD_ABS, 0), answer], 7),
        ("the architecture", vec![op(LD_ABS, 4), answer], 0xC000_003E),
        ("a low half", vec![op(LD_ABS, 16), answer], 0x3333_4444),
        ("a high half", vec![op(LD_ABS, 20), answer], 0x1111_2222),
        ("the length", vec![op(LD_LEN, 0), answer], 64),
        ("registers begin as 0", vec![op(ADD_X, 0), answer], 0),
        ("addition wraps", vec![op(LD_IMM, u32::MAX), op(ADD_K, 2), answer], 1),
        ("subtraction wraps", vec![op(LD_IMM, 1), op(SUB_K, 2), answer], u32::MAX),
        ("multiplication wraps", vec![op(LD_IMM, 1 << 31), op(MUL_K, 2), answer], 0),
        ("division", vec![op(LD_IMM, 7), op(LDX_IMM, 2), op(DIV_X, 0), answer], 3),
        ("division by zero ends", vec![op(LD_IMM, 7), op(DIV_X, 0), op(RET_K, 9)], 0),
        (
            "and, or, exclusive or",
            vec![op(LD_IMM, 6), op(AND_K, 3), op(OR_K, 8), op(XOR_K, 1), answer],
            11,
        ),
        ("shifts", vec![op(LD_IMM, 1), op(LSH_K, 31), op(RSH_K, 30), answer], 2),
        (
            "a shift by a register counts modulo 32",
            vec![op(LD_IMM, 1), op(LDX_IMM, 33), op(LSH_X, 0), answer],
            2,
        ),
        ("negation", vec![op(LD_IMM, 1), op(NEG, 0), answer], u32::MAX),
        ("registers move", vec![op(LD_IMM, 5), op(TAX, 0), op(LD_IMM, 0), op(TXA, 0), answer], 5),
        (
            "scratch words",
            vec![op(LD_IMM, 5), op(ST, 15), op(LD_IMM, 0), op(LD_MEM, 15), answer],
            5,
        ),
        (
            "scratch through the index",
            vec![op(LDX_IMM, 5), op(STX, 0), op(LDX_MEM, 0), op(TXA, 0), answer],
            5,
        ),
        ("a jump", vec![op(JA, 1), op(RET_K, 1), op(RET_K, 2)], 2),
        (
            "greater is unsigned",
            vec![op(LD_IMM, 1 << 31), jump(JGT_K, 1, 1, 0), op(RET_K, 1), op(RET_K, 2)],
            2,
        ),
        (
            "greater or equal",
            vec![op(LD_IMM, 1), jump(JGE_K, 1, 1, 0), op(RET_K, 1), op(RET_K, 2)],
            2,
        ),
        ("bits set", vec![op(LD_IMM, 6), jump(JSET_K, 9, 1, 0), op(RET_K, 1), op(RET_K, 2)], 1),
        (
            "equal to the index",
            vec![op(LDX_IMM, 0), jump(JEQ_X, 9, 1, 0), op(RET_K, 1), op(RET_K, 2)],
            2,
        ),
    ] {
        assert_eq!(interpret(&program(&code), &call()), Ok(expected), "{shows}");
    }
}

#[test]
fn what_the_kernel_refuses_is_refused() {
    let end = op(RET_K, 0);
    for (shows, code, expected) in [
        ("no return", vec![op(LD_IMM, 0)], Err(BadProgram::NoReturn)),
        (
            "an unaligned load",
            vec![op(LD_ABS, 2), end],
            Err(BadProgram::BadLoad { at: 0, offset: 2 }),
        ),
        (
            "a load past the end",
            vec![op(LD_ABS, 64), end],
            Err(BadProgram::BadLoad { at: 0, offset: 64 }),
        ),
        ("the last load", vec![op(LD_ABS, 60), end], Ok(())),
        ("a byte load", vec![op(0x30, 0), end], Err(BadProgram::UnknownCode { at: 0, code: 0x30 })),
        ("modulo", vec![op(0x94, 3), end], Err(BadProgram::UnknownCode { at: 0, code: 0x94 })),
        (
            "a return of the index",
            vec![op(0x0E, 0)],
            Err(BadProgram::UnknownCode { at: 0, code: 0x0E }),
        ),
        ("a jump to the end", vec![op(JA, 1), end], Err(BadProgram::JumpsOut { at: 0 })),
        ("a jump that wraps", vec![op(JA, u32::MAX), end], Err(BadProgram::JumpsOut { at: 0 })),
        (
            "a branch to the end",
            vec![jump(JEQ_K, 0, 0, 1), end],
            Err(BadProgram::JumpsOut { at: 0 }),
        ),
        ("division by zero", vec![op(DIV_K, 0), end], Err(BadProgram::DividesByZero { at: 0 })),
        ("a shift by 32", vec![op(RSH_K, 32), end], Err(BadProgram::BadShift { at: 0, by: 32 })),
        (
            "a scratch word too many",
            vec![op(ST, 16), end],
            Err(BadProgram::BadScratch { at: 0, word: 16 }),
        ),
        (
            "an unwritten word",
            vec![op(LD_MEM, 0), end],
            Err(BadProgram::BadScratch { at: 0, word: 0 }),
        ),
        (
            "a word written on one path",
            vec![jump(JEQ_K, 0, 0, 1), op(ST, 3), op(LD_MEM, 3), end],
            Err(BadProgram::BadScratch { at: 2, word: 3 }),
        ),
        (
            "a word written on both paths",
            vec![jump(JEQ_K, 0, 0, 2), op(ST, 3), op(JA, 1), op(STX, 3), op(LD_MEM, 3), end],
            Ok(()),
        ),
    ] {
        assert_eq!(check(&program(&code)), expected, "{shows}");
        assert_eq!(interpret(&program(&code), &call()).is_ok(), expected.is_ok(), "{shows}");
    }
}

#[test]
fn steps_are_counted() {
    let code =
        program(&[op(LD_ABS, 0), jump(JEQ_K, 7, 1, 0), op(RET_K, 0), op(RET_K, 0x7FFF_0000)]);
    let (value, executed) = steps(&code, &call()).unwrap();
    assert_eq!((Action::from_return_value(value), executed), (Action::Allow, 3));
}
