use proptest::prelude::*;

use crate::testing::{pod, refusals, resolved, secured, warnings, world};
use crate::{AppArmor, Origin, Seccomp};

/// One of the values that a field may have, or none.
fn maybe(values: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(values))
}

fn said(name: &str, value: Option<&str>) -> String {
    value.map(|it| format!("{name}: {it}, ")).unwrap_or_default()
}

fn origin_path(origin: &Origin) -> String {
    origin.place().map(|it| it.path.to_string()).unwrap_or_default()
}

proptest! {
    #[test]
    fn the_containers_value_beats_the_pods(
        users in (maybe(&["0", "7", "8"]), maybe(&["0", "7", "8"])),
        groups in (maybe(&["0", "7", "8"]), maybe(&["0", "7", "8"])),
        profiles in (maybe(SECCOMP), maybe(SECCOMP)),
        labels in (maybe(APPARMOR), maybe(APPARMOR)),
    ) {
        let context = |which: fn(&Pair) -> Option<&'static str>| {
            said("runAsUser", which(&users)) + &said("runAsGroup", which(&groups))
                + &said("seccompProfile", which(&profiles)) + &said("appArmorProfile", which(&labels))
        };
        let pod = secured(&context(|it| it.0), &context(|it| it.1));
        let resolved = resolved(&pod, &world());
        let meant = &resolved.containers[0].confinement;

        let number = |pair: Pair| pair.1.or(pair.0).unwrap_or("0").parse::<u32>().unwrap();
        prop_assert_eq!(meant.identity.value.uid, number(users));
        prop_assert_eq!(meant.identity.value.gid, number(groups));
        let seccomp = match &meant.seccomp.value {
            Seccomp::Unconfined => "{type: Unconfined}",
            Seccomp::Filter(filter) if filter.profile == "RuntimeDefault" => "{type: RuntimeDefault}",
            Seccomp::Filter(_) => "{type: Localhost, localhostProfile: chmod}",
        };
        prop_assert_eq!(seccomp, profiles.1.or(profiles.0).unwrap_or("{type: Unconfined}"));
        let apparmor = match &meant.apparmor.value {
            AppArmor::Unset => None,
            AppArmor::Unconfined => Some("{type: Unconfined}"),
            AppArmor::RuntimeDefault => Some("{type: RuntimeDefault}"),
            AppArmor::Localhost(_) => Some("{type: Localhost, localhostProfile: x}"),
        };
        prop_assert_eq!(apparmor, labels.1.or(labels.0));

        for (pair, name, origin) in [
            (users, "runAsUser", &meant.identity.origin),
            (profiles, "seccompProfile", &meant.seccomp.origin),
            (labels, "appArmorProfile", &meant.apparmor.origin),
        ] {
            let expected = match pair {
                (_, Some(_)) => format!("spec.containers[0].securityContext.{name}"),
                (Some(_), None) => format!("spec.securityContext.{name}"),
                (None, None) => String::new(),
            };
            prop_assert_eq!(origin_path(origin), expected);
        }
    }
}

type Pair = (Option<&'static str>, Option<&'static str>);

const SECCOMP: &[&str] =
    &["{type: Unconfined}", "{type: RuntimeDefault}", "{type: Localhost, localhostProfile: chmod}"];
const APPARMOR: &[&str] =
    &["{type: Unconfined}", "{type: RuntimeDefault}", "{type: Localhost, localhostProfile: x}"];

#[test]
fn what_is_not_done_is_refused_or_warned_about_by_name() {
    for (spec, own, expected) in [
        ("", "", ""),
        ("hostUsers: true", "", ""),
        ("hostUsers: false", "", "spec.hostUsers: NotEnforced"),
        ("shareProcessNamespace: false", "", ""),
        ("shareProcessNamespace: true", "", "spec.shareProcessNamespace: NotEnforced"),
        ("volumes: []", "", ""),
        ("volumes: [{name: v, emptyDir: {}}]", "", ""),
        (
            "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]",
            "",
            "spec.volumes[0].persistentVolumeClaim: NotEnforced",
        ),
        ("initContainers: [{name: x, image: i, command: [x]}]", "", ""),
        (
            "initContainers: [{name: x, image: i, command: [x], workingDir: tmp}]",
            "",
            "spec.initContainers[0].workingDir: CreateContainerConfigError",
        ),
        (
            "initContainers: [{name: x, image: other, command: [x]}]",
            "",
            "spec.initContainers[0].image: ErrImageNeverPull",
        ),
        (
            "initContainers: [{name: x, image: i, command: [x], livenessProbe: {exec: {command: [x]}}}]",
            "",
            "spec.initContainers[0].livenessProbe: CreateContainerConfigError",
        ),
        ("ephemeralContainers: [{name: x, image: i}]", "", "spec.ephemeralContainers: NotEnforced"),
        ("runtimeClassName: gvisor", "", "spec.runtimeClassName: NotEnforced"),
        ("os: {name: linux}", "", ""),
        ("os: {name: windows}", "", "spec.os: NotEnforced"),
        ("activeDeadlineSeconds: 5", "", "spec.activeDeadlineSeconds: NotEnforced"),
        (
            "",
            "volumeDevices: [{name: v, devicePath: /x}]",
            "spec.containers[0].volumeDevices: NotEnforced",
        ),
        (
            "",
            "envFrom: [{configMapRef: {name: x}}]",
            "spec.containers[0].envFrom[0].configMapRef.name: CreateContainerConfigError",
        ),
        (
            "",
            "env: [{name: A, valueFrom: {fileKeyRef: {key: k, path: p, volumeName: v}}}]",
            "spec.containers[0].env[0].valueFrom.fileKeyRef: NotEnforced",
        ),
        (
            "",
            "securityContext: {procMount: Unmasked}",
            "spec.containers[0].securityContext.procMount: NotEnforced",
        ),
        ("", "securityContext: {procMount: Default}", ""),
        (
            "",
            "securityContext: {seLinuxOptions: {level: s0}}",
            "spec.containers[0].securityContext.seLinuxOptions: NotEnforced",
        ),
        (
            "securityContext: {seLinuxOptions: {level: s0}}",
            "",
            "spec.securityContext.seLinuxOptions: NotEnforced",
        ),
        (
            "",
            "resources: {limits: {nvidia.com/gpu: 1}}",
            "spec.containers[0].resources.limits[nvidia.com/gpu]: NotEnforced",
        ),
        ("", "workingDir: tmp", "spec.containers[0].workingDir: CreateContainerConfigError"),
        ("", "image: other", "spec.containers[0].image: ErrImageNeverPull"),
    ] {
        let pod = manifest(spec, own);
        let told = refusals(&pod, &world());
        let named: Vec<String> = told
            .iter()
            .map(|it| it.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": "))
            .collect();
        assert_eq!(named.join("; "), expected, "{spec} {own}: {told:?}");
    }
    for (spec, own, expected) in [
        ("", "ports: [{containerPort: 1, hostPort: 80}]", "spec.containers[0].ports[0].hostPort: "),
        ("dnsConfig: {nameservers: [1.1.1.1]}", "", "spec.dnsConfig: "),
    ] {
        let told = warnings(&manifest(spec, own), &world());
        assert!(told.len() == 1 && told[0].starts_with(expected), "{spec} {own}: {told:?}");
    }
}

fn manifest(spec: &str, own: &str) -> stockade_spec::Pod {
    // A key that stands twice would be a mistake of its own.
    let image = if own.contains("image:") { "" } else { "image: i, " };
    pod(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec}{} containers: \
         [{{name: c, {image}command: [x]{} {own}}}]}}}}",
        if spec.is_empty() { "" } else { "," },
        if own.is_empty() { "" } else { "," },
    ))
}
