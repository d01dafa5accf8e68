use stockade_abi::facts::FileIdentity;

use super::*;
use crate::testing::{host, model, pod, world};
use crate::{RestartDefault, plan_pod, resolve as resolve_pod};

/// What a container's mounts of `v` (and of `m`, in memory) come to, or why they are refused.
fn mounts(fields: &str) -> String {
    let pod = pod(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{volumes: [{{name: v, \
         hostPath: {{path: /a}}}}, {{name: m, emptyDir: {{medium: Memory}}}}, {{name: d, \
         downwardAPI: {{}}}}], containers: [{{name: c, image: i, command: [x], env: [{{name: A, \
         value: b}}], volumeMounts: [{fields}]}}]}}}}"
    ));
    match resolve_pod(&pod, &world(), RestartDefault::Never) {
        Err(refusals) => {
            let one = |it: &crate::Refusal| {
                let path = it.place.path.as_str();
                let path = path.trim_start_matches("spec.containers[0].volumeMounts");
                format!("{path}: {}: {}", it.reason, it.why)
            };
            refusals.iter().map(one).collect::<Vec<_>>().join("; ")
        }
        Ok(resolved) => {
            let confinement = &resolved.containers[0].confinement;
            let one = |it: &Sourced<VolumeMount>| {
                let propagation = match it.value.propagation {
                    None => String::new(),
                    Some(it) => format!(" {it:?}"),
                };
                format!("{} {}{propagation}", it.value.target, render(&it.value))
            };
            confinement.volumes.iter().map(one).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn a_mount_is_what_it_says() {
    for (fields, expected) in [
        ("{name: v, mountPath: /x}", "/x hostPath v, writable"),
        ("{name: v, mountPath: x//./y/}", "/x/y hostPath v, writable"),
        ("{name: v, mountPath: /x, readOnly: true}", "/x hostPath v, read-only"),
        (
            "{name: v, mountPath: /x, readOnly: true, recursiveReadOnly: IfPossible}",
            "/x hostPath v, read-only with all below",
        ),
        (
            "{name: v, mountPath: /x, readOnly: true, recursiveReadOnly: Disabled}",
            "/x hostPath v, read-only",
        ),
        ("{name: d, mountPath: /x}", "/x downwardAPI d, read-only with all below"),
        ("{name: v, mountPath: /x, mountPropagation: None}", "/x hostPath v, writable"),
        (
            "{name: v, mountPath: /x, mountPropagation: HostToContainer}",
            "/x hostPath v, writable Slave",
        ),
        ("{name: v, mountPath: /x, subPath: a/b}", "/x hostPath v/a/b, writable"),
        ("{name: v, mountPath: /x, subPathExpr: $(A)-1}", "/x hostPath v/b-1, writable"),
        // From the shallow to the deep, else as they are written.
        (
            "{name: v, mountPath: /x/y}, {name: m, mountPath: /x}, {name: d, mountPath: /w}",
            "/x emptyDir in memory m, writable; /w downwardAPI d, read-only with all below; /x/y hostPath v, writable",
        ),
    ] {
        assert_eq!(mounts(fields), expected, "{fields}");
    }
}

#[test]
fn what_leads_out_or_is_not_done_is_refused() {
    let config = "CreateContainerConfigError";
    for (fields, path, expected) in [
        (
            "{name: v, mountPath: /}",
            "mountPath",
            format!("{config}: nothing can be mounted over the root"),
        ),
        (
            "{name: v, mountPath: /x/..}",
            "mountPath",
            format!("{config}: nothing can be mounted over"),
        ),
        ("{name: v, mountPath: /dev/.}", "mountPath", "NotEnforced: ".to_owned()),
        ("{name: v, mountPath: '/a:b'}", "mountPath", format!("{config}: must not contain ':'")),
        (
            "{name: v, mountPath: /x, subPath: ../y}",
            "subPath",
            format!("{config}: \"../y\" must not contain"),
        ),
        (
            "{name: v, mountPath: /x, subPath: /y}",
            "subPath",
            format!("{config}: \"/y\" must be a relative"),
        ),
        (
            "{name: v, mountPath: /x, subPathExpr: '../$(A)'}",
            "subPathExpr",
            format!("{config}: \"../b\" must not contain"),
        ),
        (
            "{name: v, mountPath: /x, subPathExpr: $(NONE)}",
            "subPathExpr",
            format!("{config}: missing value for \"NONE\""),
        ),
        ("{name: v, mountPath: /x, subPath: a, subPathExpr: b}", "subPathExpr", config.to_owned()),
        (
            "{name: v, mountPath: /x, recursiveReadOnly: Enabled}",
            "recursiveReadOnly",
            config.to_owned(),
        ),
        (
            "{name: v, mountPath: /x, readOnly: true, mountPropagation: HostToContainer, recursiveReadOnly: Enabled}",
            "recursiveReadOnly",
            config.to_owned(),
        ),
        (
            "{name: v, mountPath: /x, mountPropagation: Bidirectional}",
            "mountPropagation",
            "NotEnforced".to_owned(),
        ),
        ("{name: v, mountPath: /x, mountPropagation: Both}", "mountPropagation", config.to_owned()),
        (
            "{name: v, mountPath: /x, bindMountOptions: [noexec]}",
            "bindMountOptions",
            "NotEnforced".to_owned(),
        ),
    ] {
        let found = mounts(fields);
        assert!(found.starts_with(&format!("[0].{path}: {expected}")), "{fields}: {found}");
    }
}

#[test]
fn a_volume_takes_the_place_of_what_every_container_has() {
    let of = |path: &str| {
        let pod = pod(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{volumes: [{{name: v}}], \
             containers: [{{name: c, image: i, command: [x], volumeMounts: [{{name: v, mountPath: \
             {path}}}]}}]}}}}"
        ));
        let resolved = resolve_pod(&pod, &world(), RestartDefault::Never).unwrap();
        let mounts = &resolved.containers[0].workload.mounts;
        mounts.iter().filter(|it| it.0.target == "/dev/shm").count()
    };
    assert_eq!((of("/dev/shm/"), of("/dev/shm/x"), of("/x")), (0, 1, 1));
}

#[test]
fn what_is_planned_is_what_is_expected() {
    let pod = pod(
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {volumes: [{name: v}, {name: \
                   m, emptyDir: {medium: Memory}}, {name: d, downwardAPI: {}}], containers: [{name: c, \
                   image: i, command: [x], volumeMounts: [{name: v, mountPath: /x/y/z}, {name: d, \
                   mountPath: /x}, {name: m, mountPath: /w, readOnly: true}]}]}}",
    );
    let resolved = resolve_pod(&pod, &world(), RestartDefault::Never).unwrap();
    let (container, pod) = (&resolved.containers[0], &resolved.pod);
    let made = plan_pod(pod, &host()).unwrap();
    let plan = crate::plan(container, pod, &host()).unwrap();
    let expected = crate::expect(container, pod, &host());
    assert_eq!(crate::questions(&expected).mounts, ["/w", "/x", "/x/y/z"]);
    let seen = model::facts(made.as_ref(), &plan, &host(), &expected).unwrap();
    let told: Vec<String> = (crate::diff(&expected, &seen).iter())
        .filter(|it| matches!(it.mechanism, Mechanism::Volume(_)))
        .map(|it| format!("{}: {} ({})", it.mechanism, it.verdict, it.seen))
        .collect();
    assert_eq!(
        told,
        [
            "volume /w: ok (tmpfs, read-only)",
            "volume /x: ok (tmpfs, read-only)",
            "volume /x/y/z: ok (unknown, writable)"
        ]
    );
}

#[test]
fn what_is_seen_must_be_as_closed_as_what_was_meant() {
    use MountAccess::{ReadOnly, ReadWrite};
    let any = || Reading::unreadable("any");
    let mount = |access, file_system: Option<&str>, below: Option<&[&str]>| SeenMount {
        access,
        file: Reading::Known(FileIdentity { major: 0, minor: 1, inode: 2 }),
        file_system: file_system.map_or_else(any, |it| Reading::Known(it.to_owned())),
        writable_below: below.map_or_else(
            || Reading::unreadable("any"),
            |it| Reading::Known(it.iter().map(ToString::to_string).collect()),
        ),
    };
    let tmpfs = |access, below: &[&str]| Some(mount(access, Some("tmpfs"), Some(below)));
    let free = mount(ReadWrite, None, None);
    let closed = mount(ReadOnly, Some("tmpfs"), Some(&["/x/y"]));
    let unread = |it| SeenMount { file: Reading::unreadable("EACCES"), ..it };
    let unpinned = unread(closed.clone());
    let other = |it| {
        let file = Reading::Known(FileIdentity { major: 0, minor: 1, inode: 3 });
        SeenMount { file, ..it }
    };
    for (meant, seen, verdict) in [
        (&free, tmpfs(ReadWrite, &["/x/z"]), "ok"),
        (&free, tmpfs(ReadOnly, &[]), "tighter"),
        (&free, None, "WEAKER"),
        (&closed, tmpfs(ReadOnly, &[]), "ok"),
        (&closed, tmpfs(ReadOnly, &["/x/y", "/x/y/z"]), "ok"),
        (&closed, tmpfs(ReadOnly, &["/x/yz"]), "WEAKER"),
        (&closed, tmpfs(ReadOnly, &[]).map(other), "WEAKER"),
        (&unpinned, tmpfs(ReadOnly, &[]).map(other), "ok"),
        (&closed, tmpfs(ReadOnly, &[]).map(unread), "could not tell"),
        (&closed, tmpfs(ReadWrite, &[]), "WEAKER"),
        (&closed, Some(mount(ReadOnly, Some("ext4"), Some(&[]))), "WEAKER"),
        (&closed, Some(mount(ReadOnly, None, Some(&[]))), "could not tell"),
        (&closed, Some(mount(ReadOnly, Some("tmpfs"), None)), "could not tell"),
    ] {
        let at = |it: Option<SeenMount>| BTreeMap::from([("/x".to_owned(), Reading::Known(it))]);
        let found = compare(&at(Some(meant.clone())), &at(seen.clone()));
        assert_eq!(found[0].verdict.to_string(), verdict, "{meant:?} {seen:?}");
    }
    let expected = BTreeMap::from([("/x".to_owned(), Reading::Known(Some(free)))]);
    let found = compare(&expected, &BTreeMap::new());
    assert_eq!(found[0].verdict.to_string(), "could not tell");
}
