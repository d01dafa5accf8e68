use super::*;

#[track_caller]
fn shown(text: &str) -> String {
    match Pattern::parse(text, Change::Deny) {
        Ok(all) => {
            let one = |it: &Pattern| {
                let conditions: Vec<String> = it
                    .conditions
                    .iter()
                    .map(|(condition, width)| {
                        let low = if *width == Width::Bits32 { " (low)" } else { "" };
                        format!("{condition}{low}")
                    })
                    .collect();
                let action = it.action.map_or(String::new(), |it| format!(" -> {it}"));
                format!("{}[{}]{action}", it.syscall.name(), conditions.join(", "))
            };
            all.iter().map(one).collect::<Vec<_>>().join(" | ")
        }
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn patterns_are_read_as_people_write_them() {
    for (text, expected) in [
        ("mount", "mount[]"),
        ("mount()", "mount[]"),
        (" clone3 = ENOSYS ", "clone3[] -> errno ENOSYS"),
        ("clone3=38", "clone3[] -> errno ENOSYS"),
        ("bpf=kill", "bpf[] -> kill process"),
        ("socket(AF_ALG)", "socket[arg0 == 0x26 (low)]"),
        (
            "socket(AF_ALG, 5)=97",
            "socket[arg0 == 0x26 (low), arg1 == 0x5 (low)] -> errno EAFNOSUPPORT",
        ),
        ("ioctl(_, 0x5412)", "ioctl[arg1 == 0x5412 (low)]"),
        ("read(_, _, >=0x1000)", "read[arg2 >= 0x1000]"),
        ("read(arg2 >= 16, arg2<32)", "read[arg2 >= 0x10, arg2 < 0x20]"),
        ("mmap(_, _, & 4 == 4)=EACCES", "mmap[arg2 & 0x4 == 0x4] -> errno EACCES"),
        ("unshare(CLONE_NEWUSER)", "unshare[arg0 & 0x10000000 == 0x10000000]"),
        (
            "clone(CLONE_NEWUSER)",
            "clone[arg0 & 0x10000000 == 0x10000000 (low)] | clone[arg1 & 0x10000000 == 0x10000000 (low)]",
        ),
        ("clone(17)", "clone[arg0 == 0x11 (low)] | clone[arg0 == 0x11]"),
        ("clone(_, 0)", "clone[arg1 == 0x0] | clone[arg1 == 0x0 (low)]"),
        ("socket(AF_LAG)", "! `AF_LAG` is no number, comparison or known constant"),
        ("socket(_, AF_ALG)", "! AF_ALG means nothing as argument 1 of socket"),
        ("clone(CLONE_NEWTIME)", "! CLONE_NEWTIME means nothing as argument 0 of clone"),
        (
            "clone3(CLONE_NEWUSER)",
            "! the flags of clone3 lie in memory, where a filter cannot look",
        ),
        ("sokcet", "! unknown system call `sokcet`"),
        ("read(1,2,3,4,5,6,7)", "! a system call has six arguments"),
        ("read(arg6 == 1)", "! `arg6 == 1` is no number, comparison or known constant"),
        ("read(& 4 == 6)", "! `& 4 == 6` is no number, comparison or known constant"),
        ("read(+5)", "! `+5` is no number, comparison or known constant"),
        ("mount=allow", "! `allow` is no action to deny a call"),
        ("mount=0", "! `0` is no action to deny a call"),
        ("mount=EBOGUS", "! `EBOGUS` is no action to deny a call"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    for text in ["", "()", "a b", "read(1", "read)1(", "read(1)x"] {
        assert!(shown(text).starts_with("! "), "{text}: {}", shown(text));
    }
}
