//! One eBPF instruction and the numbers of its parts.

/// An instruction, taken apart. The kernel's form is eight bytes, which is one `u64` here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Instruction {
    /// Class, source and operation.
    pub(super) code: u8,
    /// The register that is changed or compared.
    pub(super) dst: u8,
    /// The register that is read.
    pub(super) src: u8,
    /// Where a jump goes or a load reads.
    pub(super) off: i16,
    /// A constant.
    pub(super) imm: i32,
}

impl Instruction {
    pub(super) const fn encode(self) -> u64 {
        self.code as u64
            | (self.dst as u64) << 8
            | (self.src as u64) << 12
            | (self.off.cast_unsigned() as u64) << 16
            | (self.imm.cast_unsigned() as u64) << 32
    }

    pub(super) const fn decode(raw: u64) -> Self {
        Self {
            code: raw as u8,
            dst: (raw >> 8) as u8 & 0xf,
            src: (raw >> 12) as u8 & 0xf,
            off: ((raw >> 16) as u16).cast_signed(),
            imm: ((raw >> 32) as u32).cast_signed(),
        }
    }
}

// `struct bpf_insn` has bit fields, which lie the other way round on big-endian machines.
const _: () = assert!(cfg!(target_endian = "little"));

/// The low three bits.
pub(super) const CLASS: u8 = 0x07;
pub(super) const ALU32: u8 = 0x04;
pub(super) const JMP: u8 = 0x05;
pub(super) const JMP32: u8 = 0x06;
pub(super) const ALU64: u8 = 0x07;

/// Bit 3 of jumps and arithmetic: the operand is a register, not a constant.
pub(super) const X: u8 = 0x08;

/// The high four bits of arithmetic.
pub(super) const ADD: u8 = 0x00;
pub(super) const SUB: u8 = 0x10;
pub(super) const OR: u8 = 0x40;
pub(super) const AND: u8 = 0x50;
pub(super) const LSH: u8 = 0x60;
pub(super) const RSH: u8 = 0x70;
pub(super) const NEG: u8 = 0x80;
pub(super) const XOR: u8 = 0xa0;
pub(super) const MOV: u8 = 0xb0;
pub(super) const ARSH: u8 = 0xc0;

/// The high four bits of jumps.
pub(super) const JA: u8 = 0x00;
pub(super) const JEQ: u8 = 0x10;
pub(super) const JGT: u8 = 0x20;
pub(super) const JGE: u8 = 0x30;
pub(super) const JSET: u8 = 0x40;
pub(super) const JNE: u8 = 0x50;
pub(super) const JSGT: u8 = 0x60;
pub(super) const JSGE: u8 = 0x70;
pub(super) const CALL: u8 = 0x80;
pub(super) const EXIT: u8 = 0x90;
pub(super) const JLT: u8 = 0xa0;
pub(super) const JLE: u8 = 0xb0;
pub(super) const JSLT: u8 = 0xc0;
pub(super) const JSLE: u8 = 0xd0;

/// Loads from memory by size: 4, 2, 1 bytes.
pub(super) const LDX_W: u8 = 0x61;
pub(super) const LDX_H: u8 = 0x69;
pub(super) const LDX_B: u8 = 0x71;
/// A 64-bit constant in two instructions.
pub(super) const LD_IMM64: u8 = 0x18;

/// `struct bpf_cgroup_dev_ctx`: access in the high half of the first word, kind in the low one;
/// major; minor.
pub(super) const CTX_ACCESS_TYPE: i16 = 0;
pub(super) const CTX_MAJOR: i16 = 4;
pub(super) const CTX_MINOR: i16 = 8;
/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
pub(super) const KIND_BLOCK: i32 = 1;
pub(super) const KIND_CHARACTER: i32 = 2;
