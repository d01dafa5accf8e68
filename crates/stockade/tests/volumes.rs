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
    ("objects_may_be_in_files_of_their_own", objects_in_files_of_their_own),
    ("the_example_runs_as_it_is", the_example_runs_as_it_is),
    ("mounts_of_the_host_come_along_where_that_is_asked", mounts_of_the_host_come_along),
    ("a_secret_is_kept_for_root_alone", a_secret_is_kept_for_root_alone),
    ("two_containers_share_an_empty_directory", two_containers_share_an_empty_directory),
    ("a_volume_in_memory_has_its_size_and_no_more", a_volume_in_memory_has_its_size),
    ("written_files_have_their_paths_modes_and_group", written_files),
    ("a_secret_is_not_for_other_users", a_secret_is_not_for_other_users),
    ("the_group_of_a_volume_may_write_it", the_group_of_a_volume_may_write_it),
    ("a_path_of_the_host_must_be_what_is_asked_for", host_path_types),
    ("read_only_holds_for_what_it_says", read_only_holds_for_what_it_says),
    ("a_sub_path_stays_in_its_volume", a_sub_path_stays_in_its_volume),
    ("a_sub_path_that_is_swapped_never_leads_out", a_sub_path_that_is_swapped_never_leads_out),
    ("a_mount_point_that_is_swapped_never_leads_out", a_mount_point_that_is_swapped),
    ("a_volume_goes_where_it_hides_nothing_of_the_kernels", forbidden_targets),
    ("a_restarted_container_finds_its_volumes_again", a_restarted_container_finds_its_volumes),
    ("what_a_pod_leaves_is_removed_without_following_links", links_are_not_followed),
    ("a_killed_supervisor_leaves_no_volume", a_killed_supervisor_leaves_no_volume),
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
    let manifest = place.write(
        "pods/pod.yaml",
        "\
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
",
    );
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

fn objects_in_files_of_their_own() {
    let place = Place::new();
    place.import("busybox");
    let more = "args: [sh, -c, echo $colour]\n    envFrom: [{configMapRef: {name: settings}}]";
    let path = |name: &str, text: &str| place.write(name, text).display().to_string();
    let manifest = path("a.yaml", &pod("a", more));
    let objects = path("b.yaml", OBJECTS);
    let answer = place.stockade(&["run", &manifest, &objects]);
    assert_eq!((answer.code, &*answer.out), (0, "green\n"), "{answer:?}");
    let answer = place.stockade(&["create", "-f", &objects, "-f", &manifest]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let directory = Path::new(&objects).parent().expect("a directory").display().to_string();
    let answer = place.stockade(&["delete", "-f", &directory]);
    assert_eq!((answer.code, &*answer.out), (0, "pod \"a\" deleted\n"), "{answer:?}");
    for alone in [["run", &objects], ["run", &manifest]] {
        assert_ne!(place.stockade(&alone).code, 0, "{alone:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn the_example_runs_as_it_is() {
    let place = Place::new();
    let example = format!("{}/../../examples/config.yaml", env!("CARGO_MANIFEST_DIR"));
    let answer = place.stockade(&["run", &example]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.out.contains("be kind") && answer.out.contains("tier=\"front\""), "{answer:?}");
    assert!(!answer.out.contains("hunter2") && !answer.err.contains("hunter2"), "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// On the host what is below is mounted when the pod runs already.
fn mounts_of_the_host_come_along() {
    use rustix::mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
    };
    let place = Place::new();
    place.import("busybox");
    let host = place.path("h");
    let below = host.join("m");
    std::fs::create_dir_all(&below).expect("a directory");
    mount_bind(&host, &host).expect("a mount");
    mount_change(&host, MountPropagationFlags::SHARED).expect("it is shared");
    let text = volumes(
        &format!("{{name: v, hostPath: {{path: {}}}}}", host.display()),
        "{name: v, mountPath: /with, mountPropagation: HostToContainer}, {name: v, mountPath: /without}",
        "sleep 100",
    );
    let answer = place.stockade_reading(&["create", "-f", "-"], &text);
    assert_eq!(answer.code, 0, "{answer:?}");
    mount("late", &below, "tmpfs", MountFlags::empty(), c"").expect("a mount");
    std::fs::write(below.join("file"), "").expect("a file");
    let listed = place.stockade(&["exec", "vol", "--", "ls", "/with/m", "/without/m"]);
    let ended = place.stockade(&["delete", "vol", "--force"]);
    for path in [&below, &host] {
        unmount(path, UnmountFlags::DETACH).expect("it is unmounted");
    }
    assert_eq!(listed.out, "/with/m:\nfile\n\n/without/m:\n", "{listed:?}");
    assert_eq!(ended.code, 0, "{ended:?}");
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

fn two_containers_share_an_empty_directory() {
    let place = Place::new();
    place.import("busybox");
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  volumes: [{name: data, emptyDir: {}}]
  containers:
  - name: writes
    image: busybox
    command: [sh, -c, 'echo hello >/data/x; mkdir /data/d']
    volumeMounts: [{name: data, mountPath: /data}]
  - name: reads
    image: busybox
    securityContext: {runAsUser: 1234}
    command: [sh, -c, 'while ! test -d /in/d; do sleep 0.1; done; cat /in/x; touch /in/x; touch /in/y']
    volumeMounts: [{name: data, mountPath: /in, readOnly: true}]
";
    let answer = place.stockade_reading(&["run", "-"], text);
    assert!(answer.out.contains("hello"), "{answer:?}");
    assert!(answer.err.contains("/in/x: Read-only file system"), "{answer:?}");
    assert!(line(&answer, "volume /data").ends_with("ok"), "{}", answer.err);
    let seen = line(&answer, "volume /in");
    assert!(seen.contains("emptyDir data, read-only") && seen.ends_with("ok"), "{seen}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_volume_in_memory_has_its_size() {
    let place = Place::new();
    place.import("busybox");
    let text = volumes(
        "{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}",
        "{name: v, mountPath: /m}",
        "dd if=/dev/zero of=/m/a bs=65536 count=16 2>/dev/null; echo $?; dd if=/dev/zero of=/m/b bs=65536 count=1 2>/dev/null; echo $?; stat -c %s /m/a; stat -c %a /m",
    );
    let answer = place.stockade_reading(&["run", "-"], &text);
    assert_eq!(answer.out, "0\n1\n1048576\n777\n", "{answer:?}");
    assert!(line(&answer, "volume /m").contains("tmpfs, writable"), "{answer:?}");
    // On disk nothing would keep the limit.
    let text = volumes("{name: v, emptyDir: {sizeLimit: 1Mi}}", "{name: v, mountPath: /m}", "true");
    let answer = place.stockade_reading(&["run", "-"], &text);
    assert!(answer.code == 125 && answer.err.contains("NotEnforced"), "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn written_files() {
    let place = Place::new();
    place.import("busybox");
    let text = volumes(
        "{name: v, projected: {defaultMode: 0600, sources: [{configMap: {name: settings, items: [{key: colour, path: a/b/c, mode: 0644}]}}, {secret: {name: login, items: [{key: password, path: p}]}}, {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]}}",
        "{name: v, mountPath: /c}, {name: v, mountPath: /one, subPath: a/b/c}",
        "cat /c/a/b/c /c/p /c/name /one; echo; stat -c '%a %u:%g' /c/a/b/c /c/p /c/a /c /one; touch /c/x /c/p /one",
    );
    let text = format!("{text}---\n{OBJECTS}");
    let plain = place.stockade_reading(&["run", "-"], &text);
    let expected = "greenhunter2volgreen\n644 0:0\n600 0:0\n755 0:0\n755 0:0\n644 0:0\n";
    assert_eq!(plain.out, expected, "{plain:?}");
    assert_eq!(plain.err.matches("Read-only file system").count(), 3, "{plain:?}");
    assert!(line(&plain, "volume /c").contains("read-only with all below"), "{plain:?}");

    let grouped = text.replace("spec:\n", "spec:\n  securityContext: {fsGroup: 77}\n");
    let answer = place.stockade_reading(&["run", "-"], &grouped);
    let expected = "greenhunter2volgreen\n644 0:77\n640 0:77\n2755 0:77\n2755 0:77\n644 0:77\n";
    assert_eq!(answer.out, expected, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_secret_is_not_for_other_users() {
    let place = Place::new();
    place.import("busybox");
    for (context, mode, reads) in [
        ("runAsUser: 1000", "0400", false),
        ("runAsUser: 1000", "0444", true),
        ("runAsUser: 1000, fsGroup: 77", "0400", true),
        ("runAsUser: 0", "0400", true),
    ] {
        let text = volumes(
            &format!("{{name: v, secret: {{secretName: login, defaultMode: {mode}}}}}"),
            "{name: v, mountPath: /s}",
            "cat /s/password",
        );
        let text = text.replace("spec:\n", &format!("spec:\n  securityContext: {{{context}}}\n"));
        let answer = place.stockade_reading(&["run", "-"], &format!("{text}---\n{OBJECTS}"));
        assert_eq!(answer.out == "hunter2", reads, "{context} {mode}: {answer:?}");
    }
    assert_eq!(place.leftovers(), [""; 0]);
}

fn the_group_of_a_volume_may_write_it() {
    let place = Place::new();
    place.import("busybox");
    let host = place.path("host");
    std::fs::create_dir(&host).expect("a directory");
    let text = volumes(
        &format!(
            "{{name: v, emptyDir: {{}}}}, {{name: m, emptyDir: {{medium: Memory}}}}, {{name: h, hostPath: {{path: {}}}}}",
            host.display()
        ),
        "{name: v, mountPath: /v}, {name: m, mountPath: /m}, {name: h, mountPath: /h}, {name: v, mountPath: /sub, subPath: a/b}",
        "id -G; stat -c '%a %g' /v /m /h /sub; touch /v/x /m/x /sub/x; stat -c '%u %g' /v/x /m/x /sub/x",
    );
    let context = "securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 77, fsGroupChangePolicy: OnRootMismatch}";
    let text = text.replace("spec:\n", &format!("spec:\n  {context}\n"));
    let answer = place.stockade_reading(&["run", "-"], &text);
    assert_eq!(
        answer.out, "1000 77\n2777 77\n2777 77\n755 0\n2777 77\n1000 77\n1000 77\n1000 77\n",
        "{answer:?}"
    );
    assert_eq!(place.leftovers().len(), 0);
}

fn host_path_types() {
    let place = Place::new();
    place.import("busybox");
    let file = place.write("h/file", "content\n");
    let base = file.parent().expect("a directory").to_owned();
    std::os::unix::fs::symlink("file", base.join("link")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(base.join("socket")).expect("a socket");
    for (path, kind, fails) in [
        ("h/file", "File", None),
        ("h/file", "FileOrCreate", None),
        ("h/file", "", None),
        ("h/link", "File", None),
        ("h", "Directory", None),
        ("h/socket", "Socket", None),
        ("h/new", "DirectoryOrCreate", None),
        ("h/deep/new", "", None),
        ("h/newfile", "FileOrCreate", None),
        ("h/file", "Directory", Some("is not a directory")),
        ("h/file", "DirectoryOrCreate", Some("is not a directory")),
        ("h", "File", Some("is not a file")),
        ("h/none", "File", Some("is not a file")),
        ("h/none", "Directory", Some("is not a directory")),
        ("h/file", "Socket", Some("is not a socket file")),
        ("h/file", "CharDevice", Some("is not a character device")),
        ("h/none", "BlockDevice", Some("is not a block device")),
    ] {
        let shown = place.path(path).display().to_string();
        let text = volumes(
            &format!("{{name: v, hostPath: {{path: {shown}, type: '{kind}'}}}}"),
            "{name: v, mountPath: /x}",
            "test -e /x && echo there",
        );
        let answer = place.stockade_reading(&["run", "-"], &text);
        match fails {
            None => assert_eq!(answer.out, "there\n", "{path} {kind}: {answer:?}"),
            Some(why) => {
                let why = format!("hostPath type check failed: {shown} {why}");
                assert!(answer.err.contains(&why), "{path} {kind}: {answer:?}");
                assert!(answer.err.contains("<stdin>:"), "{path} {kind}: {answer:?}");
                assert_eq!(answer.out, "", "{path} {kind}");
            }
        }
    }
    let null = volumes(
        "{name: v, hostPath: {path: /dev/null, type: CharDevice}}",
        "{name: v, mountPath: /x}",
        "echo lost >/x && echo there",
    );
    assert_eq!(place.stockade_reading(&["run", "-"], &null).out, "there\n");
    assert!(!place.path("h/none").exists());
    assert_eq!(place.leftovers(), [""; 0]);
}

fn read_only_holds_for_what_it_says() {
    let place = Place::new();
    place.import("busybox");
    let base = place.path("h");
    std::fs::create_dir_all(base.join("in")).expect("directories");
    let inner = base.join("in");
    rustix::mount::mount("t", &inner, "tmpfs", rustix::mount::MountFlags::empty(), c"")
        .expect("a mount");
    for (more, outer, below) in [
        ("", true, true),
        ("readOnly: true", false, true),
        ("readOnly: true, recursiveReadOnly: Disabled", false, true),
        ("readOnly: true, recursiveReadOnly: IfPossible", false, false),
        ("readOnly: true, recursiveReadOnly: Enabled", false, false),
    ] {
        let text = volumes(
            &format!("{{name: v, hostPath: {{path: {}}}}}", base.display()),
            &format!("{{name: v, mountPath: /x, {more}}}"),
            "touch /x/a 2>/dev/null; echo $?; touch /x/in/a 2>/dev/null; echo $?",
        );
        let answer = place.stockade_reading(&["run", "-"], &text);
        let code = |it: bool| u8::from(!it);
        let expected = format!("{}\n{}\n", code(outer), code(below));
        assert_eq!(answer.out, expected, "{more}: {answer:?}");
        assert!(line(&answer, "volume /x").ends_with("ok"), "{more}: {answer:?}");
    }
    rustix::mount::unmount(&inner, rustix::mount::UnmountFlags::empty()).expect("it is unmounted");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_sub_path_stays_in_its_volume() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    place.import("busybox");
    let base = place.path("v");
    std::fs::create_dir_all(base.join("real")).expect("directories");
    std::fs::create_dir_all(place.path("canary")).expect("directories");
    place.write("v/real/file", "inside\n");
    symlink("/", base.join("root")).expect("a link");
    symlink("../canary", base.join("up")).expect("a link");
    symlink("real", base.join("inner")).expect("a link");
    for (field, told) in [
        ("subPath: real", None),
        ("subPath: inner", None),
        ("subPathExpr: $(WHERE)", None),
        ("subPath: root", Some("leads out of its volume")),
        ("subPath: root/etc", Some("leads out of its volume")),
        ("subPath: up", Some("leads out of its volume")),
        ("subPath: up/made", Some("leads out of its volume")),
        ("subPath: ../canary", Some("must not contain '..'")),
        ("subPathExpr: $(UP)", Some("must not contain '..'")),
        ("subPathExpr: $(NONE)", Some("missing value for")),
    ] {
        let text = volumes(
            &format!("{{name: v, hostPath: {{path: {}}}}}", base.display()),
            &format!("{{name: v, mountPath: /x, {field}}}"),
            "cat /x/file",
        );
        let text = text.replace(
            "    volumeMounts",
            "    env: [{name: WHERE, value: real}, {name: UP, value: ../canary}]\n    volumeMounts",
        );
        let answer = place.stockade_reading(&["run", "-"], &text);
        match told {
            None => assert_eq!(answer.out, "inside\n", "{field}: {answer:?}"),
            Some(told) => {
                assert!(answer.err.contains(told), "{field}: {answer:?}");
                assert!(answer.err.contains("<stdin>:"), "{field}: {answer:?}");
                assert_eq!(answer.out, "", "{field}");
            }
        }
    }
    assert_eq!(support::entries(&place.path("canary")), [""; 0]);
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_sub_path_that_is_swapped_never_leads_out() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let place = Place::new();
    place.import("busybox");
    let base = place.path("v");
    std::fs::create_dir_all(base.join("sub")).expect("directories");
    place.write("v/sub/name", "inside\n");
    place.write("canary/name", "outside\n");
    std::os::unix::fs::symlink(place.path("canary"), base.join("link")).expect("a link");
    let text = volumes(
        &format!("{{name: v, hostPath: {{path: {}}}}}", base.display()),
        "{name: v, mountPath: /x, subPath: sub}",
        "cat /x/name; echo written >/x/new",
    );
    let done = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let (sub, link, here) = (base.join("sub"), base.join("link"), rustix::fs::CWD);
            while !done.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(here, &sub, here, &link, flags).expect("a swap");
            }
        });
        for _ in 0..60 {
            let answer = place.stockade_reading(&["run", "-"], &text);
            match answer.out.as_str() {
                "inside\n" => inside += 1,
                "" => refused += 1,
                other => panic!("{other}: {answer:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(support::entries(&place.path("canary")).len(), 1, "{inside} inside, {refused} not");
    assert!(inside + refused == 60 && inside > 0, "{inside} inside, {refused} refused");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// One volume is mounted below another, in which the mount point comes and goes.
fn a_mount_point_that_is_swapped() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let place = Place::new();
    place.import("busybox");
    let base = place.path("v");
    std::fs::create_dir_all(base.join("point")).expect("directories");
    std::fs::create_dir_all(place.path("canary/sub")).expect("directories");
    std::os::unix::fs::symlink(place.path("canary"), base.join("link")).expect("a link");
    let text = volumes(
        &format!(
            "{{name: v, hostPath: {{path: {}}}}}, {{name: e, emptyDir: {{}}}}",
            base.display()
        ),
        "{name: v, mountPath: /v}, {name: e, mountPath: /v/point/sub}, {name: e, mountPath: /v/point/new}",
        "touch /v/point/sub/x /v/point/new/y; echo ran",
    );
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let before = mounts();
    let done = AtomicBool::new(false);
    let (mut ran, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let (point, link, here) = (base.join("point"), base.join("link"), rustix::fs::CWD);
            while !done.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(here, &point, here, &link, flags).expect("a swap");
            }
        });
        for _ in 0..60 {
            match place.stockade_reading(&["run", "-"], &text).out.as_str() {
                "ran\n" => ran += 1,
                _ => refused += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let canary = place.path("canary");
    let found = support::entries(&canary);
    assert_eq!(found, [canary.join("sub").display().to_string()], "{ran} ran, {refused} refused");
    assert_eq!(support::entries(&canary.join("sub")), [""; 0], "{ran} ran, {refused} refused");
    assert_eq!(mounts(), before);
    assert!(ran > 0, "{ran} ran, {refused} refused");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn forbidden_targets() {
    let place = Place::new();
    place.import("busybox");
    for (target, told) in [
        ("/proc", "only procfs can be mounted at /proc"),
        ("/proc/self/attr", "nothing can be mounted inside /proc"),
        ("/x/../proc/sys", "nothing can be mounted inside /proc"),
        ("/", "nothing can be mounted over the root"),
        ("/dev", "this build makes `/dev` itself"),
    ] {
        let mount = format!("{{name: v, mountPath: {target}}}");
        let answer = place.stockade_reading(
            &["run", "-"],
            &volumes("{name: v, emptyDir: {}}", &mount, "echo ran"),
        );
        assert!(answer.err.contains(told), "{target}: {answer:?}");
        assert!(answer.err.contains("<stdin>:"), "{target}: {answer:?}");
        assert_eq!(answer.out, "", "{target}");
    }
    // What every container has may be replaced.
    let text = volumes(
        "{name: v, emptyDir: {medium: Memory, sizeLimit: 4096}}",
        "{name: v, mountPath: /dev/shm}",
        "grep -c ' /dev/shm ' /proc/mounts",
    );
    let answer = place.stockade_reading(&["run", "-"], &text);
    assert_eq!(answer.out, "1\n", "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_restarted_container_finds_its_volumes() {
    let place = Place::new();
    place.import("busybox");
    let text = volumes(
        "{name: v, emptyDir: {}}, {name: m, emptyDir: {medium: Memory}}",
        "{name: v, mountPath: /v}, {name: m, mountPath: /m}",
        "if test -e /v/x && test -e /m/x; then echo again; exit 0; fi; touch /v/x /m/x; exit 3",
    );
    let text = text.replace("spec:\n", "spec:\n  restartPolicy: OnFailure\n");
    let answer = place.stockade_reading(&["run", "-"], &text);
    assert_eq!((answer.code, answer.out.as_str()), (0, "again\n"), "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn links_are_not_followed() {
    let place = Place::new();
    place.import("busybox");
    let canary = place.write("canary/file", "kept");
    let canary = canary.parent().expect("a directory").display().to_string();
    let script = format!(
        "mkdir -p /v/d; /bin/busybox ln -s {canary} /v/link; /bin/busybox ln -s {canary} /v/d/link; /bin/busybox ln -s {canary}/file /v/file; /bin/busybox mv /v/d /v/e; echo made"
    );
    let text = volumes("{name: v, emptyDir: {}}", "{name: v, mountPath: /v}", &script);
    let answer = place.stockade_reading(&["run", "-"], &text);
    assert_eq!(answer.out, "made\n", "{answer:?}");
    assert_eq!(std::fs::read_to_string(place.path("canary/file")).expect("it is there"), "kept");
    assert_eq!(place.leftovers(), [""; 0]);
}

fn a_killed_supervisor_leaves_no_volume() {
    let place = Place::new();
    place.import("busybox");
    let text = volumes(
        "{name: v, emptyDir: {}}, {name: m, emptyDir: {medium: Memory}}, {name: s, secret: {secretName: login}}",
        "{name: v, mountPath: /v}, {name: m, mountPath: /m}, {name: s, mountPath: /s}",
        "touch /v/x /m/x; sleep 100",
    );
    let text = format!("{text}---\n{OBJECTS}");
    let answer = place.stockade_reading(&["create", "-f", "-"], &text);
    assert_eq!(answer.code, 0, "{answer:?}");
    // On the host nothing is mounted, and no secret is a file.
    let root = place.path("root").display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!mounts.contains(&root), "{mounts}");
    let own = place.path("root/run/pods/default/vol/volumes");
    assert_eq!(support::entries(&own.join("s")), [""; 0]);

    let status = std::fs::read_to_string(place.path("root/run/pods/default/vol/status.json"));
    let status: serde_json::Value =
        serde_json::from_str(&status.expect("a status")).expect("it is JSON");
    let supervisor = status["supervisor"].as_i64().and_then(|it| i32::try_from(it).ok());
    let supervisor = rustix::process::Pid::from_raw(supervisor.expect("a number")).expect("a pid");
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).expect("it is killed");
    let answer = place.stockade(&["delete", "vol", "--force"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// The line of a report that begins with `mechanism`.
fn line(answer: &Answer, mechanism: &str) -> String {
    let is_it = |it: &&str| it.starts_with(mechanism);
    answer.err.lines().find(is_it).unwrap_or_else(|| panic!("{mechanism}: {answer:?}")).to_owned()
}

/// A pod `vol` of one container with these volumes and mounts.
fn volumes(volumes: &str, mounts: &str, script: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: vol}}\nspec:\n  volumes: [{volumes}]\n  containers:\n  - name: app\n    image: busybox\n    command:\n    - sh\n    - -c\n    - |\n      {script}\n    volumeMounts: [{mounts}]\n"
    )
}

/// A pod of one container; `more` is its ninth line.
fn pod(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: app\n    image: busybox\n    {more}\n"
    )
}
