use stockade_abi::{Architecture, Capability, CapabilitySet, syscalls};

use super::*;
use crate::{Change, default_profile, evaluate, resolve};

const FEW_CALLS: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
    {"names": ["read", "write", "socket", "bind", "socketcall", "clone"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}, "comment": "b"},
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}"#;

/// What podman's default says about `socket`, where a later argument comes first.
const PODMAN_SOCKET: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86"], "syscalls": [
    {"names": ["socketcall"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "excludes": {"caps": ["CAP_AUDIT_WRITE"]},
     "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_AUDIT_WRITE"]},
     "args": [{"index": 2, "value": 9, "op": "SCMP_CMP_NE"}]},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_AUDIT_WRITE"]},
     "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_NE"}]},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_AUDIT_WRITE"]}}]}"#;

fn profile(text: &str) -> Profile {
    Profile::parse("p", text).unwrap().profile
}

fn patterns(deny: &[&str], allow: &[&str]) -> Vec<Pattern> {
    let read = |all: &[&str], change| {
        all.iter().flat_map(|it| Pattern::parse(it, change).unwrap()).collect::<Vec<_>>()
    };
    [read(allow, Change::Allow), read(deny, Change::Deny)].concat()
}

fn said(
    profile: &Profile,
    capabilities: &[Capability],
    architecture: Architecture,
    name: &str,
    arguments: [u64; 2],
) -> String {
    let is_on_x86 = matches!(architecture, Architecture::X86 | Architecture::X32);
    let target = Target {
        architecture: if is_on_x86 { Architecture::X86_64 } else { architecture },
        capabilities: capabilities.iter().copied().collect::<CapabilitySet>(),
        kernel: (6, 12),
    };
    let [a, b] = arguments;
    let number = syscalls::number(architecture, name).unwrap();
    let call = Call::new(architecture, number).with([a, b, 0, 0, 0, 0]);
    evaluate(&resolve(profile, &target).unwrap(), &call).to_string()
}

#[test]
fn denied_calls_are_denied_and_their_neighbours_are_not() {
    use Architecture::{S390x, X86, X86_64};
    use Capability::{AuditWrite, Bpf, SysAdmin};
    const NEWUSER: u64 = 0x1000_0000;
    for (base, deny, capabilities, architecture, name, arguments, expected) in [
        ("few", "socket(AF_ALG)", &[][..], X86_64, "socket", [38, 0], "errno EACCES"),
        ("few", "socket(AF_ALG)", &[], X86_64, "socket", [37, 0], "allow"),
        // An `int` of the kernel, whatever lies above it.
        ("few", "socket(AF_ALG)", &[], X86_64, "socket", [1 << 32 | 38, 0], "errno EACCES"),
        ("few", "socket(AF_ALG)", &[], X86_64, "socket", [1 << 32 | 2, 0], "allow"),
        ("few", "socket(AF_ALG)", &[], X86, "socket", [38, 0], "errno EACCES"),
        ("few", "socket(AF_ALG)=EPERM", &[], X86, "socket", [38, 0], "errno EPERM"),
        ("few", "socket(AF_ALG)=EPERM", &[], X86_64, "socket", [1 << 40 | 38, 0], "errno EPERM"),
        ("few", "socket=EPERM", &[], X86_64, "socket", [2, 0], "errno EPERM"),
        // Denied as a whole, it is also denied where it can be reached otherwise.
        ("few", "socket", &[], X86, "socketcall", [1, 0], "errno EACCES"),
        ("few", "socket", &[], X86, "socketcall", [2, 0], "allow"),
        ("few", "bpf", &[Bpf], X86_64, "bpf", [0, 0], "errno EPERM"),
        ("few", "bpf(5)", &[Bpf], X86_64, "bpf", [5, 0], "errno EACCES"),
        ("few", "bpf(5)", &[Bpf], X86_64, "bpf", [4, 0], "allow"),
        ("few", "bpf(5)", &[], X86_64, "bpf", [4, 0], "errno EPERM"),
        ("few", "clone3=ENOSYS", &[SysAdmin], X86_64, "clone3", [0, 0], "errno ENOSYS"),
        ("few", "clone(CLONE_NEWUSER)", &[], X86_64, "clone", [NEWUSER | 17, 0], "errno EPERM"),
        ("few", "clone(CLONE_NEWUSER)", &[], X86_64, "clone", [17, NEWUSER], "allow"),
        ("few", "clone(CLONE_NEWUSER)", &[], S390x, "clone", [17, NEWUSER], "errno EPERM"),
        ("few", "clone(CLONE_NEWUSER)", &[], S390x, "clone", [NEWUSER, 17], "allow"),
        ("few", "read(_, >=16)", &[], X86_64, "read", [0, 16], "errno EPERM"),
        ("few", "read(_, >=16)", &[], X86_64, "read", [0, 15], "allow"),
        ("few", "read=kill", &[], X86_64, "read", [0, 0], "kill process"),
        ("default", "socket(AF_PACKET)", &[], X86_64, "socket", [17, 0], "errno EACCES"),
        ("default", "socket(AF_PACKET)", &[], X86_64, "socket", [1 << 32 | 17, 0], "errno EACCES"),
        ("default", "socket(AF_PACKET)", &[], X86_64, "socket", [16, 0], "allow"),
        ("default", "socket(AF_PACKET)", &[], X86_64, "socket", [40, 0], "errno EPERM"),
        (
            "default",
            "clone(CLONE_NEWUSER)",
            &[SysAdmin],
            X86_64,
            "clone",
            [NEWUSER, 0],
            "errno EPERM",
        ),
        (
            "default",
            "clone(CLONE_NEWUSER)",
            &[SysAdmin],
            S390x,
            "clone",
            [0, NEWUSER],
            "errno EPERM",
        ),
        ("default", "clone(CLONE_NEWUSER)", &[SysAdmin], X86_64, "clone", [1 << 29, 0], "allow"),
        (
            "default",
            "unshare(CLONE_NEWUSER)",
            &[SysAdmin],
            X86_64,
            "unshare",
            [NEWUSER, 0],
            "errno EPERM",
        ),
        ("podman", "socket(AF_ALG)", &[], X86_64, "socket", [38, 0], "errno EPERM"),
        ("podman", "socket(AF_ALG)", &[], X86_64, "socket", [1 << 32 | 38, 0], "errno EPERM"),
        ("podman", "socket(AF_ALG)", &[], X86_64, "socket", [16, 0], "allow"),
        ("podman", "socket(AF_ALG)", &[AuditWrite], X86, "socket", [38, 0], "errno EPERM"),
        ("podman", "socket(AF_ALG)", &[AuditWrite], X86_64, "socket", [37, 0], "allow"),
        ("default", "mount", &[SysAdmin], X86_64, "mount", [0, 0], "errno EPERM"),
        ("default", "mount", &[SysAdmin], X86_64, "umount2", [0, 0], "allow"),
    ] {
        let base = match base {
            "few" => profile(FEW_CALLS),
            "podman" => profile(PODMAN_SOCKET),
            _ => default_profile(),
        };
        let changed = overlay(&base, &patterns(&[deny], &[])).map_err(|it| it.to_string());
        let changed = changed.unwrap_or_else(|why| panic!("{deny}: {why}"));
        let found = said(&changed.profile, capabilities, architecture, name, arguments);
        assert_eq!(found, expected, "{deny}: {name}{arguments:x?} on {architecture}");
    }
}

#[test]
fn what_is_not_touched_stays_as_it_was_written() {
    let base = profile(FEW_CALLS);
    let changed = overlay(&base, &patterns(&["socket(AF_ALG)"], &[])).unwrap().profile;
    assert_eq!(changed.rules[1..3], base.rules[1..3]);
    let names: Vec<&str> = changed.rules[0].names.iter().map(crate::Name::as_str).collect();
    assert_eq!(names, ["read", "write", "bind", "socketcall", "clone"]);
    assert_eq!(changed.rules.len(), 6, "{}", changed.to_json());
    let nothing = overlay(&base, &patterns(&["mount"], &["read"])).unwrap().profile;
    assert_eq!(nothing, base, "what is so already");
}

#[test]
fn what_stays_open_is_said() {
    let open = |deny: &[&str]| {
        let remarks = overlay(&default_profile(), &patterns(deny, &[])).unwrap().remarks;
        remarks
            .into_iter()
            .map(|it| match it {
                Remark::Open { through, architecture, .. } => {
                    format!("{through} on {architecture}")
                }
                Remark::Error { syscall, architecture } => format!("{syscall} on {architecture}"),
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let everywhere = "socketcall(1, …) on i386, socketcall(1, …) on ppc64le, \
                      socketcall(1, …) on s390x, socketcall(1, …) on s390";
    assert_eq!(open(&["socket(AF_PACKET)"]), everywhere);
    assert_eq!(open(&["socket(AF_PACKET)", "socketcall=ENOSYS"]), "");
    assert_eq!(open(&["socket"]), "");
    assert_eq!(open(&["mount"]), "");
    assert!(open(&["clone(CLONE_NEWUSER)"]).starts_with("clone3 on x86_64, "));
    assert_eq!(open(&["clone(CLONE_NEWUSER)", "clone3=ENOSYS"]), "");
}

#[test]
fn a_newer_call_does_not_change_what_old_ones_get() {
    let base = profile(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "rseq"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let changed = overlay(&base, &patterns(&[], &["openat2"])).unwrap();
    let said = |name| said(&changed.profile, &[], Architecture::X86_64, name, [0, 0]);
    assert_eq!(said("openat2"), "allow");
    // Libraries fall back on ENOSYS and break on EPERM.
    assert_eq!(said("clone3"), "errno ENOSYS");
    assert_eq!(said("mount"), "errno EPERM");
    assert_eq!(said("faccessat2"), "errno ENOSYS");
}

/// A proof that nothing can fail proves nothing.
#[test]
fn a_rule_more_or_less_is_found() {
    let base = default_profile();
    let same = Operation::Both { first: &base, second: &base, join: Join::Stricter };
    assert_eq!(prove::prove(&same, &base).unwrap(), []);
    for index in 0..base.rules.len() {
        let mut less = base.clone();
        less.rules.remove(index);
        assert!(prove::prove(&same, &less).is_err(), "without rule {index}");
        let mut other = base.clone();
        other.rules[index].excludes.capabilities =
            other.rules[index].excludes.capabilities.with(Capability::Syslog);
        assert!(prove::prove(&same, &other).is_err(), "rule {index} for fewer");
    }
    let mut on_old_kernels = base.clone();
    on_old_kernels.rules[1].includes.min_kernel = Some((4, 7));
    assert!(prove::prove(&same, &on_old_kernels).is_err());
    let mut fewer = base.clone();
    fewer.architectures = crate::ArchitectureList::Native;
    assert!(prove::prove(&same, &fewer).is_err());
}

#[test]
fn two_profiles_become_one() {
    let narrow = profile(
        r#"{"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{"names": ["read", "socket"], "action": "SCMP_ACT_ALLOW"},
                {"names": ["clone"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 17, "op": "SCMP_CMP_EQ"}]}]}"#,
    );
    let both = intersect(&profile(FEW_CALLS), &narrow).unwrap().profile;
    use Architecture::{X32, X86, X86_64};
    for (architecture, name, arguments, expected) in [
        (X86_64, "read", [0, 0], "allow"),
        (X86_64, "write", [0, 0], "kill process"),
        (X86_64, "clone", [17, 0], "log"),
        (X86_64, "clone", [18, 0], "kill process"),
        (X86, "read", [0, 0], "allow"),
        (X32, "read", [0, 0], "kill process"),
    ] {
        assert_eq!(said(&both, &[], architecture, name, arguments), expected, "{name}");
    }
    let itself = default_profile();
    for operation in [intersect, union] {
        assert_eq!(operation(&itself, &itself).unwrap().profile, itself);
    }
}

#[test]
fn what_no_profile_says_is_refused_with_a_call_that_shows_it() {
    let x32 = FEW_CALLS.replace("SCMP_ARCH_X86\"", "SCMP_ARCH_X32\"");
    let more = x32.replace("\"bind\"", "\"bind\", \"mount\"");
    // For x86_64 `mount` is to be allowed, for i386, of which only one profile speaks, it is not.
    let error = union(&profile(FEW_CALLS), &profile(&more)).unwrap_err().to_string();
    assert!(error.starts_with("no profile says exactly this: mount("), "{error}");
    let flags =
        FEW_CALLS.replace("\"syscalls\"", "\"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"], \"syscalls\"");
    let error = union(&profile(FEW_CALLS), &profile(&flags)).unwrap_err().to_string();
    assert_eq!(error, "the profiles differ in `flags`");
    let twice = FEW_CALLS.replace(
        "{\"names\": [\"bpf\"]",
        r#"{"names": ["dup"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
           {"names": ["dup"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
           {"names": ["bpf"]"#,
    );
    let error = intersect(&profile(FEW_CALLS), &profile(&twice)).unwrap_err();
    assert!(matches!(error, AlgebraError::Contradiction { .. }), "{error}");
}
