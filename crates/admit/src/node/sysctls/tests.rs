use super::*;

fn kernel(major: u32, minor: u32) -> Kernel {
    Kernel { major, minor, release: format!("{major}.{minor}.0") }
}

fn build(patterns: &[&str], minor: u32) -> Result<Allowlist, String> {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    Allowlist::build(&patterns, minor, &kernel(6, 1)).map_err(|it| it.to_string())
}

#[test]
fn patterns_that_a_kubelet_takes() {
    for (pattern, minor, valid) in [
        ("kernel.msg*", 36, true),
        ("kernel.shm*", 36, true),
        ("kernel.sem*", 36, true),
        ("net.*", 36, true),
        ("net.ipv4.route.min_pmtu", 36, true),
        ("net/ipv4/route/min_pmtu", 36, true),
        ("net/ipv4/route/min_pmtu", 22, false),
        ("fs.mqueue.*", 36, true),
        ("kernel.shmfoo", 28, true),
        ("kernel.shmfoo", 29, false),
        ("kernel.ms*", 36, false),
        ("kernel.*", 36, false),
        ("net*", 36, false),
        ("fs.*", 36, false),
        ("*", 36, false),
        ("vm.swappiness", 36, false),
        ("kernel.msg*x", 36, false),
        ("kernel..msg", 36, false),
        ("", 36, false),
    ] {
        assert_eq!(build(&[pattern], minor).is_ok(), valid, "{pattern} at 1.{minor}");
    }
}

#[test]
fn messages_are_upstreams() {
    let not_namespaced = |patterns, minor| build(patterns, minor).unwrap_err();
    assert_eq!(not_namespaced(&["*"], 36), "the sysctls \"\" are not known to be namespaced");
    assert_eq!(not_namespaced(&["net*"], 36), "the sysctls \"net\" are not known to be namespaced");
    assert_eq!(
        not_namespaced(&["net*"], 20),
        "the sysctls \"net*\" are not known to be namespaced"
    );
    assert_eq!(
        not_namespaced(&["x/y z"], 36),
        "sysctl \"x/y z\" must have at most 253 characters and match regex \
         ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"
    );
    assert_eq!(
        not_namespaced(&["x/y"], 22),
        "sysctl \"x/y\" must have at most 253 characters and match regex \
         ([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"
    );
    assert_eq!(not_namespaced(&["vm.x"], 20), "the sysctl \"vm.x\" are not known to be namespaced");
}

#[test]
fn names_that_a_pod_may_set() {
    let own = |_| false;
    let host = |_| true;
    let list = build(&["kernel.msg*", "net.ipv4.route.min_pmtu"], 36).unwrap();
    for (name, expected) in [
        ("kernel.msgmax", None),
        ("net.ipv4.route.min_pmtu", None),
        ("net.ipv4.tcp_syncookies", None),
        ("net.ipv4.route.min_adv_mss", Some("\"net.ipv4.route.min_adv_mss\" not allowlisted")),
        ("vm.swappiness", Some("\"vm.swappiness\" not allowlisted")),
    ] {
        assert_eq!(list.refuses(name, &own).as_deref(), expected, "{name}");
    }
    let refused = |list: &Allowlist, name| list.refuses(name, &host).unwrap();
    assert_eq!(
        refused(&list, "net.ipv4.tcp_syncookies"),
        "\"net.ipv4.tcp_syncookies\" not allowed with host Net enabled"
    );
    let old = build(&[], 20).unwrap();
    assert_eq!(
        refused(&old, "kernel.shm_rmid_forced"),
        "\"kernel.shm_rmid_forced\" not allowed with host ipc enabled"
    );
    assert_eq!(refused(&old, "kernel.sem"), "\"kernel.sem\" not whitelisted");
}

#[test]
fn a_pattern_has_at_most_253_characters() {
    let of = |length: usize| format!("net.{}", "a".repeat(length - 4));
    assert!(build(&[&of(253)], 36).is_ok());
    assert!(build(&[&of(254)], 36).unwrap_err().contains("at most 253 characters"));
}

#[test]
fn an_exact_entry_and_a_prefix_may_overlap() {
    let list = build(&["net.ipv4.*", "net.ipv4.tcp_*", "net.ipv4.tcp_x"], 36).unwrap();
    for (name, expected) in [
        ("net.ipv4.tcp_x", Some(NamespaceKind::Net)),
        ("net.ipv4.tcp_", Some(NamespaceKind::Net)),
        ("net.ipv4.x", Some(NamespaceKind::Net)),
        ("net.ipv4", None),
        ("net.ipv6.x", None),
    ] {
        assert_eq!(list.namespace_of(name), expected, "{name}");
    }
}

#[test]
fn each_safe_sysctl_is_safe_from_its_version_on() {
    use NamespaceKind::{Ipc, Net};
    for (name, since, namespace, least) in [
        ("kernel.shm_rmid_forced", 4, Ipc, None),
        ("net.ipv4.ip_local_port_range", 4, Net, None),
        ("net.ipv4.tcp_syncookies", 4, Net, None),
        ("net.ipv4.ping_group_range", 18, Net, None),
        ("net.ipv4.ip_unprivileged_port_start", 22, Net, None),
        ("net.ipv4.ip_local_reserved_ports", 27, Net, Some((3, 16))),
        ("net.ipv4.tcp_keepalive_time", 29, Net, Some((4, 5))),
        ("net.ipv4.tcp_fin_timeout", 29, Net, Some((4, 6))),
        ("net.ipv4.tcp_keepalive_intvl", 29, Net, Some((4, 5))),
        ("net.ipv4.tcp_keepalive_probes", 29, Net, Some((4, 5))),
        ("net.ipv4.tcp_rmem", 32, Net, Some((4, 15))),
        ("net.ipv4.tcp_wmem", 32, Net, Some((4, 15))),
        ("net.ipv4.tcp_slow_start_after_idle", 37, Net, None),
        ("net.ipv4.tcp_notsent_lowat", 37, Net, None),
    ] {
        let at = |minor: u32, (major, lesser): (u32, u32)| {
            Allowlist::build(&[], minor, &kernel(major, lesser)).unwrap().namespace_of(name)
        };
        let (major, lesser) = least.unwrap_or((3, 0));
        assert_eq!(at(since, (major, lesser)), Some(namespace), "{name}");
        assert_eq!(at(37, (6, 18)), Some(namespace), "{name}");
        assert_eq!(at(since - 1, (6, 18)), None, "{name}");
        if least.is_some() {
            assert_eq!(at(37, (major, lesser - 1)), None, "{name}");
        }
    }
}

#[test]
fn safety_depends_on_version_and_kernel() {
    let allows = |minor, major_kernel, minor_kernel, name: &str| {
        let list = Allowlist::build(&[], minor, &kernel(major_kernel, minor_kernel)).unwrap();
        list.namespace_of(name).is_some()
    };
    assert!(!allows(31, 6, 1, "net.ipv4.tcp_rmem"), "one version too early");
    assert!(allows(32, 6, 1, "net.ipv4.tcp_rmem"));
    assert!(!allows(32, 4, 14, "net.ipv4.tcp_rmem"), "kernel too old");
    assert!(allows(4, 3, 10, "net.ipv4.tcp_syncookies"));
}
