//! A volume that is not where, what or as closed as it was declared.

use stockade_confine::Mechanism;
use stockade_confine::plan::Action;
use stockade_confine::workload::{Mount, MountSource, Recursion};

use crate::Test;
use crate::stand::{Plans, Stand, not_ok};
use crate::weakened::{Red, check};

pub(crate) const ALL: &[Test] =
    &[("volumes_that_nobody_touched_hold", volumes_that_nobody_touched_hold), ("volumes", volumes)];

fn volumes_that_nobody_touched_hold() {
    let stand = Stand::new(VOLUMES);
    let findings = stand.start(stand.plans()).findings();
    assert_eq!(not_ok(&findings), []);
    let lines: Vec<String> = (findings.iter())
        .filter(|it| matches!(it.mechanism, Mechanism::Volume(_)))
        .map(|it| it.mechanism.to_string())
        .collect();
    assert_eq!(lines, ["volume /all", "volume /data", "volume /memory", "volume /one"]);
}

fn volumes() {
    let absent = |target: &'static str| move |plans: Plans| plans.without(|it| is_at(it, target));
    let loosened = |target: &'static str, access: Option<Recursion>| {
        move |plans: Plans| {
            plans.with(|it| match it {
                Action::Mount(mount) if mount.target == target => {
                    mount.flags.read_only = access;
                    true
                }
                _ => false,
            })
        }
    };
    let another = |plans: Plans| {
        plans.with(|it| match it {
            Action::Mount(Mount { target, source, .. }) if target == "/memory" => {
                let (kind, name) = ("ramfs".to_owned(), String::new());
                *source = MountSource::New { kind, name, options: Vec::new() };
                true
            }
            _ => false,
        })
    };
    let swapped = |plans: Plans| {
        plans.with(|it| match it {
            Action::Mount(Mount { target, source: MountSource::Volume { name, .. }, .. })
                if target == "/data" =>
            {
                "all".clone_into(name);
                true
            }
            _ => false,
        })
    };
    let moved = |plans: Plans| {
        plans.with(|it| match it {
            Action::Mount(mount) if mount.target == "/one" => {
                "/two".clone_into(&mut mount.target);
                true
            }
            _ => false,
        })
    };
    let red = |target: &str, detail: &'static str| -> [Red; 1] {
        [(Mechanism::Volume(target.to_owned()), "WEAKER", detail)]
    };
    let tighter = (Mechanism::Volume("/data".to_owned()), "tighter", "it is read-only");
    check(
        VOLUMES,
        &[
            ("no mount", &absent("/data"), &red("/data", "nothing is mounted at /data")),
            ("elsewhere", &moved, &red("/one", "nothing is mounted at /one")),
            ("writable", &loosened("/one", None), &red("/one", "it can be written")),
            ("not recursive", &loosened("/all", Some(Recursion::One)), &red("/all", "below it")),
            ("another file system", &another, &red("/memory", "it is ramfs and not tmpfs")),
            ("another volume", &swapped, &red("/data", "something else than the volume")),
            ("closed", &loosened("/data", Some(Recursion::All)), &[tighter]),
        ],
    );
}

fn is_at(action: &Action, target: &str) -> bool {
    matches!(action, Action::Mount(mount) if mount.target == target)
}

/// The host's `/dev` has mounts below it.
const VOLUMES: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: proof}
spec:
  volumes:
  - {name: data, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: all, hostPath: {path: /dev}}
  containers:
  - name: c
    image: box
    command: ["/bin/busybox", "true"]
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: data, mountPath: /one, subPath: a/b, readOnly: true}
    - {name: memory, mountPath: /memory}
    - {name: all, mountPath: /all, readOnly: true, recursiveReadOnly: Enabled}
"#;
