use proptest::prelude::*;
use stockade_abi::Capability;
use stockade_abi::facts::NoNewPrivs;

use crate::plan::{Action, Plan, Stage, Step};
use crate::testing::{self, amiss, model, pod, proven, resolved, users_host, users_node, world};
use crate::{Mechanism, Resolved, Verdict, World, diff, expect, plan, plan_exec, plan_pod};

/// A pod that says something about every mechanism that a manifest can speak of.
const EVERYTHING: &str = r#"{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {
    securityContext: {
        runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, supplementalGroups: [4000],
        appArmorProfile: {type: Localhost, localhostProfile: enforcing},
        sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]},
    containers: [{name: c, image: i, command: [x],
        resources: {limits: {cpu: 500m, memory: 64Mi}},
        securityContext: {
            allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,
            capabilities: {drop: [ALL], add: [CHOWN]},
            seccompProfile: {type: RuntimeDefault}}}]}}"#;

#[test]
fn every_step_that_confines_is_seen_to_be_missing() {
    let host = testing::host();
    let resolved = resolved(&pod(EVERYTHING), &world());
    let (container, around) = (&resolved.containers[0], &resolved.pod);
    let made = plan_pod(around, &host).unwrap().unwrap();
    let whole = plan(container, around, &host).unwrap();
    let expected = expect(container, around, &host);
    let seen = model::facts(Some(&made), &whole, &host, &expected).unwrap();
    assert_eq!(amiss(&diff(&expected, &seen)), [""; 0]);

    let mut missed = std::collections::BTreeSet::new();
    for (is_of_pod, list) in [(true, &made), (false, &whole)] {
        for index in 0..list.steps().len() {
            let Some(mechanism) = realized(&list.steps()[index]) else { continue };
            let without = without(list, index);
            let (made, steps) = match is_of_pod {
                true => (Plan::in_stage_order(without), whole.steps().to_vec()),
                false => (made.clone(), without),
            };
            let step = &list.steps()[index];
            // What the kernel itself refuses without the step needs no reader.
            if let Ok(seen) = model::facts_of(Some(&made), &steps, &host, &expected) {
                let found = diff(&expected, &seen);
                let verdict =
                    found.iter().find(|it| it.mechanism == mechanism).map(|it| &it.verdict);
                let is_weaker = matches!(verdict, Some(Verdict::Weaker(_) | Verdict::Different(_)));
                assert!(is_weaker, "without {step:?}: {verdict:?}");
            }
            missed.insert(mechanism.to_string());
        }
    }
    let all = [
        "AppArmor",
        "capabilities",
        "devices",
        "guarded paths",
        "hostname",
        "identity",
        "limits",
        "namespaces",
        "privilege escalation",
        "root filesystem",
        "seccomp",
        "sysctl net.ipv4.tcp_syncookies",
    ];
    assert!(missed.iter().map(String::as_str).eq(all), "{missed:?}");
}

/// Which mechanism a step is for; `None` if it confines nothing by itself.
fn realized(step: &Step) -> Option<Mechanism> {
    Some(match &step.action {
        Action::MakeCgroup { .. } => Mechanism::Limits,
        Action::EnterCgroup => Mechanism::Devices,
        Action::Birth { .. }
        | Action::WriteIdMaps { .. }
        | Action::UnshareCgroupNamespace
        | Action::JoinNamespaces { .. } => Mechanism::Namespaces,
        Action::SetHostname(_) => Mechanism::Hostname,
        Action::WriteSysctl { name, .. } => Mechanism::Sysctl(name.clone()),
        Action::OpenLabelHandle(_) | Action::SetExecLabel { .. } => Mechanism::AppArmor,
        Action::RootReadOnly => Mechanism::Root,
        Action::Mask(_) | Action::MakeReadOnly(_) => Mechanism::Paths,
        Action::SetNoNewPrivs => Mechanism::NoNewPrivs,
        Action::LimitBounding(_) | Action::SetCapabilities(_) => Mechanism::Capabilities,
        Action::SetIdentity { .. } => Mechanism::Identity,
        Action::LoadSeccomp(_) => Mechanism::Seccomp,
        Action::BecomeRoot
        | Action::LoopbackUp
        | Action::SetDomainname(_)
        | Action::SetPropagation(_)
        | Action::MountRoot(_)
        | Action::Mount(_)
        | Action::MakeDevices(_)
        | Action::PivotRoot
        | Action::SetRlimit(_)
        | Action::SetOomScoreAdj(_)
        | Action::NewSessionKeyring
        | Action::NewSession(_)
        | Action::Chdir(_)
        | Action::CloseDescriptors { .. }
        | Action::AwaitStart
        | Action::Exec { .. }
        | Action::Prove => return None,
    })
}

fn without(plan: &Plan, index: usize) -> Vec<Step> {
    let kept = plan.steps().iter().enumerate().filter(|it| it.0 != index);
    kept.map(|it| it.1.clone()).collect()
}

#[test]
fn what_the_host_cannot_do_is_refused_with_its_field() {
    use stockade_abi::host::{Host, LsmState, Privilege};
    use stockade_abi::{CapabilitySet, NamespaceKind, Reading};

    let host = testing::host;
    let own = "spec.containers[0].securityContext";
    for (shows, context, host, expected) in [
        ("nothing", "", host(), String::new()),
        (
            "no namespaces of a kind",
            "",
            Host { namespaces: host().namespaces.without(NamespaceKind::Pid), ..host() },
            "Unsupported: this kernel has no pid namespaces".to_owned(),
        ),
        (
            "no seccomp",
            "seccompProfile: {type: RuntimeDefault}",
            Host { seccomp_actions: Vec::new(), ..host() },
            format!("{own}.seccompProfile: Unsupported: this kernel has no seccomp filters"),
        ),
        (
            "no AppArmor",
            "appArmorProfile: {type: Localhost, localhostProfile: enforcing}",
            {
                let mut host = host();
                host.apparmor.state = LsmState::Inactive;
                host
            },
            format!(
                "{own}.appArmorProfile: AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"
            ),
        ),
        (
            "a profile that is not loaded",
            "appArmorProfile: {type: Localhost, localhostProfile: enforcin}",
            host(),
            format!(
                "{own}.appArmorProfile: AppArmor: Cannot enforce AppArmor: profile \"enforcin\" is not loaded"
            ),
        ),
        (
            "profiles that cannot be listed",
            "appArmorProfile: {type: Localhost, localhostProfile: x}",
            {
                let mut host = host();
                host.apparmor.profiles = Reading::unreadable("no securityfs");
                host
            },
            String::new(),
        ),
        (
            "no default profile",
            "appArmorProfile: {type: RuntimeDefault}",
            host(),
            format!(
                "{own}.appArmorProfile: AppArmor: Cannot enforce AppArmor: this build has no runtime default profile"
            ),
        ),
        (
            "capabilities that we lack",
            "capabilities: {drop: [ALL], add: [KILL, SYS_TIME]}",
            {
                let ours = CapabilitySet::up_to(40).without(Capability::SysTime);
                Host { privilege: Privilege::Root { capabilities: ours }, ..host() }
            },
            format!(
                "{own}.capabilities: Unsupported: SYS_TIME cannot be given: Stockade's own process lacks it here"
            ),
        ),
    ] {
        let resolved = resolved(&testing::secured("", context), &world());
        let (container, around) = (&resolved.containers[0], &resolved.pod);
        let told: Vec<String> = plan(container, around, &host)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|it| format!("{}: {}: {}", it.place.path, it.reason, it.why))
            .collect();
        let told = told.join("; ");
        assert_eq!(told.trim_start_matches(": "), expected, "{shows}");
    }
}

#[test]
fn a_profile_that_blocks_the_start_is_refused() {
    let capset = "does not allow `capset`, without which no container can start";
    let execve = "does not allow `execve`, without which no container can start";
    let sendmsg = "does not allow `sendmsg`, without which no container can start";
    for (profile, more, expected) in [
        ("no-capset", "", Some(capset)),
        ("no-capset", "allowPrivilegeEscalation: false", None),
        ("no-capset", "capabilities: {add: [SYS_ADMIN]}", None),
        ("no-exec", "", Some(execve)),
        ("no-exec", "allowPrivilegeEscalation: false", Some(execve)),
        ("no-prctl", "", None),
        ("asks-mkdir", "", None),
        ("asks-capset", "", Some(capset)),
        ("asks-capset", "allowPrivilegeEscalation: false", None),
        ("asks-execve", "allowPrivilegeEscalation: false", Some(execve)),
        ("asks-sendmsg", "allowPrivilegeEscalation: false", Some(sendmsg)),
        ("chmod", "", None),
    ] {
        let context =
            format!("seccompProfile: {{type: Localhost, localhostProfile: {profile}}}, {more}");
        let resolved = resolved(&testing::secured("", &context), &world());
        let found = proven(&resolved, &testing::host());
        match expected {
            Some(why) => assert!(found.unwrap_err().contains(why), "{profile} {more}"),
            None => assert_eq!(amiss(&found.unwrap()), [""; 0], "{profile} {more}"),
        }
    }
}

#[test]
fn an_ordinary_user_gets_what_he_can_have() {
    let world = World { node: users_node(), ..world() };
    for context in ["", "allowPrivilegeEscalation: false, readOnlyRootFilesystem: true"] {
        let resolved = resolved(&testing::secured("", context), &world);
        let found = proven(&resolved, &users_host()).unwrap();
        assert_eq!(amiss(&found), [""; 0], "{context}");
    }
    let limited = pod(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i, \
        command: [x], resources: {limits: {memory: 1Mi}}}]}}",
    );
    let told = proven(&self::resolved(&limited, &world), &users_host()).unwrap_err();
    assert!(told.contains("a limit of memory needs a cgroup, which needs root"), "{told}");
}

#[test]
fn a_later_process_is_confined_as_the_first() {
    let host = testing::host();
    let resolved = resolved(&pod(EVERYTHING), &world());
    let (container, around) = (&resolved.containers[0], &resolved.pod);
    let first = plan(container, around, &host).unwrap();
    let later = plan_exec(container, around, &host).unwrap();
    let lasting = |plan: &Plan| -> Vec<Step> {
        let of_process = |it: &&Step| {
            (it.stage == Stage::LabelHandles || it.stage > Stage::MaskedPaths)
                && it.stage != Stage::Birth
        };
        plan.steps().iter().filter(of_process).cloned().collect()
    };
    assert_eq!(lasting(&first), lasting(&later));
    assert!(matches!(later.steps()[1].action, Action::EnterCgroup));
}

/// What a pod and its container may say, in all combinations.
fn contexts() -> impl Strategy<Value = (String, String)> {
    let pick = |all: &'static [&'static str]| prop::sample::select(all);
    let shared = (
        pick(&["", "runAsUser: 0", "runAsUser: 1000"]),
        pick(&["", "runAsGroup: 0", "runAsGroup: 2000"]),
        pick(&["", "fsGroup: 3000", "supplementalGroups: [5, 4, 5]"]),
        pick(&["", "seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}"]),
        pick(&["", "sysctls: [{name: kernel.shm_rmid_forced, value: \"1\"}]"]),
    );
    let own = (
        pick(&["", "runAsUser: 0", "runAsUser: 33"]),
        pick(&[
            "",
            "privileged: true",
            "allowPrivilegeEscalation: true",
            "allowPrivilegeEscalation: false",
        ]),
        pick(&[
            "",
            "capabilities: {}",
            "capabilities: {drop: [ALL]}",
            "capabilities: {add: [all], drop: [NET_RAW, SYS_ADMIN]}",
            "capabilities: {add: [SYS_ADMIN]}",
            "capabilities: {add: [NET_ADMIN], drop: [all]}",
        ]),
        pick(&[
            "",
            "seccompProfile: {type: Localhost, localhostProfile: chmod}",
            "seccompProfile: {type: Localhost, localhostProfile: no-prctl}",
            "seccompProfile: {type: Unconfined}",
        ]),
        pick(&["", "readOnlyRootFilesystem: true"]),
        pick(&[
            "",
            "appArmorProfile: {type: Unconfined}",
            "appArmorProfile: {type: Localhost, localhostProfile: enforcing}",
        ]),
    );
    (shared, own).prop_map(|((a, b, c, d, e), (f, g, h, i, j, k))| {
        let join = |all: &[&str]| {
            let said: Vec<&str> = all.iter().copied().filter(|it| !it.is_empty()).collect();
            said.join(", ")
        };
        (join(&[a, b, c, d, e]), join(&[f, g, h, i, j, k]))
    })
}

fn planned((shared, own): &(String, String)) -> (Resolved, Plan) {
    let resolved = resolved(&testing::secured(shared, own), &world());
    let plan = plan(&resolved.containers[0], &resolved.pod, &testing::host()).unwrap();
    (resolved, plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_planned_is_what_is_expected(contexts in contexts()) {
        let (resolved, _) = planned(&contexts);
        let found = proven(&resolved, &testing::host());
        prop_assert_eq!(found.as_deref().map(amiss), Ok(Vec::new()), "{:?}", contexts);
    }

    #[test]
    fn a_plan_is_in_the_order_of_its_stages(contexts in contexts()) {
        let (_, plan) = planned(&contexts);
        prop_assert!(plan.steps().is_sorted_by_key(|it| it.stage));
    }

    #[test]
    fn nothing_needs_a_capability_after_they_go(contexts in contexts()) {
        let (_, plan) = planned(&contexts);
        let sets = |it: &&Step| matches!(it.action, Action::SetCapabilities(_));
        let last = plan.steps().iter().rfind(sets).unwrap();
        for step in plan.steps().iter().filter(|it| it.stage > last.stage) {
            let is_free = matches!(
                step.action,
                Action::CloseDescriptors { .. } | Action::AwaitStart | Action::Exec { .. } | Action::Prove
            );
            let loads = matches!(step.action, Action::LoadSeccomp(_));
            let is_free = is_free || loads && step.stage == Stage::SeccompLast;
            prop_assert!(is_free, "{:?} after {:?}", step, last.stage);
        }
        for step in plan.steps().iter().filter(|it| it.stage > Stage::Capabilities) {
            prop_assert!(matches!(step.stage, Stage::SeccompLast | Stage::Exec | Stage::Proof));
        }
    }

    #[test]
    fn a_filter_is_loaded_while_the_kernel_lets_us(contexts in contexts()) {
        let (resolved, plan) = planned(&contexts);
        let mut bit = NoNewPrivs::Unset;
        let mut held = true;
        let mut loaded = 0;
        for step in plan.steps() {
            if let Action::SetCapabilities(sets) = &step.action {
                held = sets.effective.contains(Capability::SysAdmin);
            } else if step.action == Action::SetNoNewPrivs {
                bit = NoNewPrivs::Set;
            } else if matches!(step.action, Action::LoadSeccomp(_)) {
                loaded += 1;
                prop_assert!(held || bit == NoNewPrivs::Set);
            }
        }
        let wanted = matches!(resolved.containers[0].confinement.seccomp.value, crate::Seccomp::Filter(_));
        prop_assert_eq!(loaded, usize::from(wanted));
        prop_assert_eq!(bit, resolved.containers[0].confinement.no_new_privs.value);
    }

    #[test]
    fn a_missing_step_is_never_taken_for_agreement(contexts in contexts(), which in any::<prop::sample::Index>()) {
        let (resolved, plan) = planned(&contexts);
        let host = testing::host();
        let made = plan_pod(&resolved.pod, &host).unwrap();
        let expected = expect(&resolved.containers[0], &resolved.pod, &host);
        let whole = model::facts(made.as_ref(), &plan, &host, &expected).unwrap();
        let steps = without(&plan, which.index(plan.steps().len()));
        if let Ok(seen) = model::facts_of(made.as_ref(), &steps, &host, &expected) {
            prop_assert_eq!(seen == whole, amiss(&diff(&expected, &seen)).is_empty());
        }
    }
}
