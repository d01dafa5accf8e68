//! The built binary on this machine's kernel, as root: what pods are given to read and to write.
//!
//! Needs root, namespaces, cgroups and Debian's busybox-static; what is missing is named, and the
//! tests are skipped, unless `STOCKADE_NO_SKIP` is set.

mod support;

use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use support::{Answer, Place};

fn main() -> std::process::ExitCode {
    let missing = missing();
    let forced = std::env::var_os("STOCKADE_NO_SKIP").is_some();
    let trials = TESTS.iter().map(|(name, test)| {
        let trial = match (&missing, forced) {
            (Some(why), true) => {
                let why = why.clone();
                Trial::test(*name, move || Err(Failed::from(why)))
            }
            _ => Trial::test(*name, || {
                test();
                Ok(())
            }),
        };
        trial.with_ignored_flag(missing.is_some() && !forced)
    });
    if let (Some(why), false) = (&missing, forced) {
        eprintln!("skipped: {why}");
    }
    // Each looks for what it left on the whole machine, so there is one at a time.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("these tests need root".to_owned());
    }
    if !Path::new("/bin/busybox").exists() {
        return Some("these tests need /bin/busybox (busybox-static)".to_owned());
    }
    None
}

const TESTS: &[(&str, fn())] = &[
    ("variables_come_from_what_is_given_beside_the_pod", variables_come_from_beside),
    ("what_a_variable_names_and_nobody_gave_is_refused_with_its_line", absent_objects),
    ("a_secret_is_kept_for_root_alone", a_secret_is_kept_for_root_alone),
];

const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, 1st: skipped}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
data: {user: YWRtaW4=}
stringData: {password: hunter2}
";

fn variables_come_from_beside() {
    let place = Place::new();
    place.import("busybox");
    let manifest = place.write("pods/pod.yaml", "\
apiVersion: v1
kind: Pod
metadata: {name: vars, labels: {tier: front}}
spec:
  containers:
  - name: app
    image: busybox
    command: [sh, -c, 'echo $colour $USER $PASS $TIER $NODE-$NS $MEM; test -z \"${NOT+x}\"']
    resources: {limits: {memory: 64Mi}}
    envFrom:
    - configMapRef: {name: settings}
    env:
    - {name: USER, valueFrom: {secretKeyRef: {name: login, key: user}}}
    - {name: PASS, valueFrom: {secretKeyRef: {name: login, key: password}}}
    - {name: TIER, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['tier']\"}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: NOT, valueFrom: {configMapKeyRef: {name: gone, key: k, optional: true}}}
");
    let directory = manifest.parent().expect("a directory").display().to_string();
    place.write("pods/objects.yaml", OBJECTS);
    let answer = place.stockade(&["run", &directory]);
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(answer.out, format!("green admin hunter2 front {node}-default 64\n"), "{answer:?}");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.err.contains("Keys [1st] from the EnvFrom configmap default/settings"),
        "{answer:?}"
    );
    assert!(!answer.err.contains("left aside"), "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn absent_objects() {
    let place = Place::new();
    place.import("busybox");
    for (source, told) in [
        (
            "configMapKeyRef: {name: settings, key: size}",
            "couldn't find key size in ConfigMap team/settings",
        ),
        ("configMapKeyRef: {name: login, key: user}", "configmap \"login\" not found"),
        ("secretKeyRef: {name: other, key: user}", "secret \"other\" not found"),
        ("fieldRef: {fieldPath: status.podIP}", "`status.podIP` is not known here"),
    ] {
        let more = format!("env: [{{name: X, valueFrom: {{{source}}}}}]");
        let text = format!("{}---\n{OBJECTS}", pod("a", &more));
        let answer = place.stockade_reading(&["run", "-n", "team", "-"], &text);
        assert_eq!(answer.code, 125, "{source}: {answer:?}");
        assert!(answer.err.contains(told), "{source}: {}", answer.err);
        assert!(answer.err.contains("CreateContainerConfigError"), "{source}: {}", answer.err);
        assert!(answer.err.contains("<stdin>:9:"), "{source}: {}", answer.err);
        assert_eq!(answer.out, "");
    }
    let twice = format!("{}---\n{OBJECTS}---\n{OBJECTS}", pod("a", "args: []"));
    let answer = place.stockade_reading(&["run", "-"], &twice);
    assert!(answer.err.contains("ConfigMap `settings` is in"), "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_secret_is_kept_for_root_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.import("busybox");
    let more = "command: [sleep, '100']\n    env: [{name: X, valueFrom: {secretKeyRef: {name: login, key: password}}}]";
    let text = format!("{}---\n{OBJECTS}", pod("a", more));
    let answer = place.stockade_reading(&["create", "-f", "-"], &text);
    assert_eq!(answer.code, 0, "{answer:?}");
    let record = place.path("root/run/pods/default/a/record.json");
    for path in [record.as_path(), record.parent().expect("a parent")] {
        let mode = std::fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path:?}: {mode:o}");
    }
    // The next supervisor finds it there.
    let record = std::fs::read_to_string(record).expect("a record");
    assert!(record.contains("\"secrets\":{\"login\""), "{record}");
    let answer = place.stockade(&["exec", "a", "--", "sh", "-c", "echo $X"]);
    assert_eq!(answer.out, "hunter2\n", "{answer:?}");
    let answer: Answer = place.stockade(&["delete", "a", "--force"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// A pod of one container; `more` is its ninth line.
fn pod(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: app\n    image: busybox\n    {more}\n"
    )
}
