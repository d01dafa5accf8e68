use stockade_abi::CapabilitySet;

use super::*;
use crate::{Profile, Target, compile, resolve};

#[track_caller]
fn listed(text: &str, architecture: Architecture) -> String {
    let profile = Profile::parse("p.json", text).unwrap().profile;
    let target = Target { architecture, capabilities: CapabilitySet::EMPTY, kernel: (6, 12) };
    listing(&compile(&resolve(&profile, &target).unwrap()).unwrap()).unwrap()
}

const SMALL: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "syscalls": [
        {"names": ["read", "exit_group", "openat2"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["ioctl"], "action": "SCMP_ACT_LOG", "args": [
            {"index": 1, "op": "SCMP_CMP_EQ", "value": 21523},
            {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 3, "valueTwo": 1}]}
    ]}"#;

#[test]
fn a_program_reads_as_what_it_does() {
    assert_eq!(listed(SMALL, Architecture::X86_64), PICTURE);
}

#[test]
fn halves_are_named_by_the_byte_order_of_the_caller() {
    let text = SMALL.replace(r#""SCMP_ARCH_X86", "SCMP_ARCH_X32""#, "");
    let lines = |architecture, wanted: &str| {
        let listed = listed(&text, architecture);
        listed.lines().filter(|it| it.contains(wanted)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(lines(Architecture::X86_64, "ld [28]")[0].ends_with("; arg1, high half"));
    assert!(lines(Architecture::S390x, "ld [28]")[0].ends_with("; arg1, low half"));
    assert!(lines(Architecture::Aarch64, "aarch64").len() == 1);
}

#[test]
fn programs_of_others_are_read_too() {
    let program = |code: &[(u16, u8, u8, u32)]| {
        let instruction = |&(code, jt, jf, k): &(u16, u8, u8, u32)| Instruction { code, jt, jf, k };
        Program::new(code.iter().map(instruction).collect()).unwrap()
    };
    let odd = program(&[
        (LD_ABS, 0, 0, 0),
        (TAX, 0, 0, 0),
        (JSET_X, 1, 0, 0),
        (JA, 0, 0, 1),
        (JEQ_K, 0, 0, 1),
        (RET_A, 0, 0, 0),
        (LSH_K, 0, 0, 3),
        (RET_K, 0, 0, 0x0005_0001),
    ]);
    let expected = "\
        0  ld [0]                   ; number\n\
        1  tax\n\
        2  jset x, 4, 3\n\
        3  ja 5\n\
        4  jeq #1, 5, 5\n\
        5  ret a\n\
        6  lsh #0x3                 ; never reached\n\
        7  ret #0x00050001          ; never reached\n";
    assert_eq!(listing(&odd).unwrap(), expected);
    assert!(listing(&program(&[(JA, 0, 0, 0)])).is_err());
}

const PICTURE: &str = " 0  ld [4]                   ; architecture
 1  jeq #0xc000003e, 4, 2    ; x86_64
 2  jeq #0x40000003, 25, 3   ; i386
 3  ret #0x80000000          ; kill process
 4  ld [0]                   ; number
 5  jge #0x40000001, 12, 6   ; from write of x32 on
 6  jge #1, 7, 33            ; from write on
 7  jge #437, 10, 8          ; from openat2 on
 8  jeq #16, 18, 9           ; ioctl
 9  jeq #231, 33, 39         ; exit_group
10  jeq #437, 33, 11         ; openat2
11  jeq #0x40000000, 33, 30  ; read of x32
12  jge #0x400001b6, 15, 13  ; from pidfd_getfd of x32 on
13  jeq #0x400000e7, 33, 14  ; exit_group of x32
14  jeq #0x400001b5, 33, 39  ; openat2 of x32
15  jge #0x40000200, 16, 30  ; from rt_sigaction of x32 on
16  jeq #0x40000202, 34, 17  ; ioctl of x32
17  jeq #0xffffffff, 30, 39
18  ld [16]                  ; arg0, low half
19  and #0x3
20  jeq #0x1, 21, 39         ; masked arg0, low half
21  ld [28]                  ; arg1, high half
22  jeq #0x0, 23, 39         ; arg1, high half
23  ld [24]                  ; arg1, low half
24  jeq #0x5413, 40, 39      ; arg1, low half
25  ld [0]                   ; number
26  jge #252, 29, 27         ; from exit_group on
27  jeq #3, 33, 28           ; read
28  jeq #54, 34, 39          ; ioctl
29  jge #438, 30, 31         ; from pidfd_getfd on
30  ret #0x00050026          ; errno ENOSYS
31  jeq #252, 33, 32         ; exit_group
32  jeq #437, 33, 39         ; openat2
33  ret #0x7fff0000          ; allow
34  ld [16]                  ; arg0, low half
35  and #0x3
36  jeq #0x1, 37, 39         ; masked arg0, low half
37  ld [24]                  ; arg1, low half
38  jeq #0x5413, 40, 39      ; arg1, low half
39  ret #0x00050001          ; errno EPERM
40  ret #0x7ffc0000          ; log
";
