use super::*;
use crate::testing::{ALL, refusals, resolved, secured, world};
use crate::world::{Node, World};

fn bounding(own: &str) -> String {
    let resolved = resolved(&secured("", own), &world());
    let sets = resolved.containers[0].confinement.capabilities.value;
    assert_eq!((sets.permitted, sets.effective), (sets.bounding, sets.bounding), "{own}");
    assert!(sets.inheritable.is_empty() && sets.ambient.is_empty(), "{own}");
    render(&sets)
}

#[test]
fn what_a_container_may_do() {
    for (own, expected) in [
        ("", "default set"),
        ("capabilities: {}", "default set"),
        ("capabilities: {add: [], drop: []}", "default set"),
        ("capabilities: {add: [NET_ADMIN]}", "default set + NET_ADMIN"),
        ("capabilities: {add: [CAP_NET_ADMIN]}", "default set + NET_ADMIN"),
        ("capabilities: {add: [net_admin]}", "default set + NET_ADMIN"),
        ("capabilities: {drop: [CHOWN]}", "default set - CHOWN"),
        ("capabilities: {drop: [SYS_TIME]}", "default set"),
        ("capabilities: {add: [CHOWN], drop: [CHOWN]}", "default set - CHOWN"),
        ("capabilities: {drop: [ALL]}", "none"),
        ("capabilities: {drop: [all]}", "none"),
        ("capabilities: {drop: [All], add: [KILL]}", "KILL"),
        ("capabilities: {drop: [ALL, KILL], add: [KILL]}", "none"),
        ("capabilities: {add: [ALL]}", "all"),
        ("capabilities: {add: [ALL], drop: [ALL]}", "none"),
        ("capabilities: {add: [ALL], drop: [SYS_ADMIN]}", "all - SYS_ADMIN"),
        ("privileged: true", "all"),
        ("privileged: true, capabilities: {drop: [ALL]}", "all"),
        ("privileged: false, capabilities: {drop: [ALL]}", "none"),
    ] {
        assert_eq!(bounding(own), expected, "{own}");
    }
}

#[test]
fn names_that_are_none_are_refused() {
    let lists = "spec.containers[0].securityContext.capabilities";
    for (own, expected) in [
        (
            "capabilities: {drop: [NET_RAW, NETADMIN]}",
            format!(
                "{lists}.drop[1]: CreateContainerConfigError: `NETADMIN` is not a capability of Linux"
            ),
        ),
        (
            "capabilities: {add: [CAP_CAP_KILL]}",
            format!(
                "{lists}.add[0]: CreateContainerConfigError: `CAP_CAP_KILL` is not a capability of Linux"
            ),
        ),
        (
            "capabilities: {add: [\"\"]}",
            format!("{lists}.add[0]: CreateContainerConfigError: `` is not a capability of Linux"),
        ),
        (
            "capabilities: {add: [CAP_ALL]}",
            format!(
                "{lists}.add[0]: CreateContainerConfigError: `CAP_ALL` is not a capability of Linux"
            ),
        ),
    ] {
        assert_eq!(refusals(&secured("", own), &world()), [expected], "{own}");
    }
}

#[test]
fn what_the_node_lacks_can_be_dropped_and_not_added() {
    let node = Node { capabilities: ALL.without(Capability::SysTime), ..world().node };
    let world = World { node, ..world() };
    for (own, refused) in [
        ("capabilities: {add: [SYS_TIME]}", true),
        ("capabilities: {drop: [SYS_TIME]}", false),
        ("capabilities: {add: [ALL]}", false),
        ("privileged: true", false),
    ] {
        assert_eq!(!refusals(&secured("", own), &world).is_empty(), refused, "{own}");
    }
    let all = crate::testing::resolved(&secured("", "capabilities: {add: [ALL]}"), &world);
    assert!(
        !all.containers[0].confinement.capabilities.value.bounding.contains(Capability::SysTime)
    );
}

#[test]
fn what_execve_makes_of_the_sets() {
    let set = |text: &str| -> CapabilitySet {
        text.split_whitespace().map(|it| it.parse::<Capability>().unwrap()).collect()
    };
    for (uid, bounding, inheritable, ambient, expected) in [
        (0, "KILL CHOWN", "", "", "CHOWN KILL"),
        (0, "", "", "", "none"),
        (0, "KILL", "SYS_TIME", "", "KILL SYS_TIME"),
        (1000, "KILL CHOWN", "", "", "none"),
        (1000, "KILL CHOWN", "KILL", "", "none"),
        (1000, "KILL CHOWN", "KILL", "KILL", "KILL"),
    ] {
        let sets = CapabilitySets {
            bounding: set(bounding),
            effective: set(bounding),
            permitted: set(bounding),
            inheritable: set(inheritable),
            ambient: set(ambient),
        };
        let identity = Identity { uid, gid: 0, groups: Vec::new(), umask: None };
        let seen = expect(&Sourced::default(sets, ""), &Sourced::default(identity, ""));
        let seen = *seen.known().unwrap();
        assert_eq!(seen.permitted.to_string(), expected, "{uid} {bounding} {ambient}");
        assert_eq!((seen.effective, seen.bounding), (seen.permitted, sets.bounding));
    }
}

#[test]
fn a_set_with_more_in_it_is_weaker() {
    let kill = CapabilitySet::EMPTY.with(Capability::Kill);
    let more = kill.with(Capability::SysAdmin);
    let none = CapabilitySet::EMPTY;
    let meant = CapabilitySets { effective: none, permitted: none, ..root_sets(kill) };
    for (shows, seen, may_gain, verdict) in [
        ("the same", meant, true, "ok"),
        ("more bounding", CapabilitySets { bounding: more, ..meant }, true, "WEAKER"),
        ("inheritable", CapabilitySets { inheritable: kill, ..meant }, true, "WEAKER"),
        ("ambient", CapabilitySets { ambient: kill, ..meant }, true, "WEAKER"),
        (
            "file capabilities",
            CapabilitySets { effective: kill, permitted: kill, ..meant },
            true,
            "different",
        ),
        (
            "gained without a way",
            CapabilitySets { effective: kill, permitted: kill, ..meant },
            false,
            "WEAKER",
        ),
        ("beyond the bounding set", CapabilitySets { permitted: more, ..meant }, true, "WEAKER"),
        ("fewer", CapabilitySets { bounding: none, ..meant }, true, "tighter"),
    ] {
        assert_eq!(judge(&meant, &seen, may_gain).to_string(), verdict, "{shows}");
    }
    // A bit that has no name yet is a capability all the same.
    let tomorrow = CapabilitySets { bounding: CapabilitySet(kill.0 | 1 << 50), ..meant };
    assert_eq!(judge(&meant, &tomorrow, false).to_string(), "WEAKER");
}
