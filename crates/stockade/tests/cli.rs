//! The real binary, as far as it goes without privileges: what it says and with which code it ends.
//!
//! Nothing here starts a container.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory for one test, with a state of its own.
struct Place(PathBuf);

/// What a command came to.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stockade-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, "", &[])
    }

    fn run_with(&self, arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Outcome {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stockade"))
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .env("STOCKADE_ROOT", self.0.join("state"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command may end without reading.
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Pods that there are.
    fn pods(&self) -> Vec<PathBuf> {
        let below = |path: &Path| {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries.map(|it| it.unwrap().path()).filter(|it| it.is_dir()).collect::<Vec<_>>()
        };
        let pods = self.0.join("state/run/pods");
        below(&pods).iter().flat_map(|namespace| below(namespace)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[track_caller]
fn assert_says(outcome: &Outcome, code: i32, parts: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{outcome:#?}");
    for part in parts {
        let found = outcome.out.contains(part) || outcome.err.contains(part);
        assert!(found, "{part:?} is missing in {outcome:#?}");
    }
}

#[test]
fn help_and_version_are_answers_and_typos_are_wrong_questions() {
    let place = Place::new("usage");
    for (arguments, code, parts) in [
        (&["--help"][..], 0, &["run", "image", "--root"][..]),
        (&["--version"], 0, &["stockade 0."]),
        (
            &["run", "--help"],
            0,
            &["--allowed-unsafe-sysctls", "--seccomp-profile-root", "--strict"],
        ),
        (&["image", "ls"], 0, &["REPOSITORY"]),
        (&[], 2, &["Usage"]),
        (&["rnu"], 2, &["rnu"]),
        (&["create", "-f", "x.yaml", "--pull=sometimes"], 2, &["always", "missing", "never"]),
    ] {
        assert_says(&place.run(arguments), code, parts);
    }
}

#[test]
fn under_a_command_s_name_it_is_that_command() {
    let place = Place::new("toolbox");
    let echo = place.0.join("echo");
    symlink(env!("CARGO_BIN_EXE_stockade"), &echo).unwrap();
    let output = Command::new(&echo).args(["run", "--help me"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "run --help me\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn images_come_in_are_listed_shown_and_go() {
    let place = Place::new("image");
    // A docker-archive as a directory; its layer is an empty tar archive.
    place.write(
        "archive/manifest.json",
        r#"[{"Config": "config.json", "RepoTags": ["tiny:1"], "Layers": ["layer.tar"]}]"#,
    );
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let diff_id = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    let config = format!(
        r#"{{"architecture": "{architecture}", "os": "linux",
            "config": {{"Cmd": ["/x\u001b[2J"], "User": "7"}},
            "rootfs": {{"type": "layers", "diff_ids": ["sha256:{diff_id}"]}}}}"#
    );
    place.write("archive/config.json", &config);
    fs::write(place.0.join("archive/layer.tar"), [0; 1024]).unwrap();

    let import = place.run(&["image", "import", "archive"]);
    assert_says(&import, 0, &["image/tiny:1 imported\n"]);
    let import = place.run(&["image", "import", "archive", "--name", "quay.io/other:2"]);
    assert_says(&import, 0, &["image/quay.io/other:2 imported\n"]);

    let list = place.run(&["image", "ls"]);
    assert_says(&list, 0, &["quay.io/other   2 ", "tiny            1 "]);
    let id = list.out.split_whitespace().nth(7).unwrap().to_owned();
    assert_eq!(id.len(), 12, "{list:?}");

    let shown = place.run(&["image", "inspect", "tiny:1"]);
    assert_says(&shown, 0, &["tiny:1", "/x\\u{1b}[2J"]);
    assert!(!shown.out.contains('\x1b'), "{shown:?}");
    let json = place.run(&["image", "inspect", &id, "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["kind"], "Image");
    assert_eq!(json["user"], "7");
    assert_eq!(json["cmd"], serde_json::json!(["/x\u{1b}[2J"]));

    assert_says(&place.run(&["image", "rm", "tiny:1"]), 0, &["image/tiny:1 removed\n"]);
    assert_says(&place.run(&["image", "rm", "tiny:1"]), 3, &["tiny:1 is not in the store"]);
    assert_says(&place.run(&["image", "inspect", "A B"]), 2, &["is not an image reference"]);
    assert_says(&place.run(&["image", "import", "nowhere"]), 3, &["nowhere"]);
}

#[test]
fn every_mistake_is_told_with_its_place_and_nothing_is_left_behind() {
    let place = Place::new("mistakes");
    let manifest = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: one
    image: stockade/toolbox
    securityContext:
      runAsNonroot: true
  - name: one
    image: stockade/toolbox
    securityContext: {runAsUser: \"0\"}
";
    place.write("pod.yaml", manifest);
    let parts = [
        "--> pod.yaml:10:7",
        "help: did you mean `runAsNonRoot`?",
        "pod.yaml:13:34",
        "spec.containers[1].name: Duplicate value: \"one\"",
    ];
    assert_says(&place.run(&["create", "-f", "pod.yaml"]), 2, &parts);
    assert_says(&place.run(&["run", "pod.yaml"]), 125, &parts);
    let parts = ["--> <stdin>:10:7"];
    assert_says(&place.run_with(&["create", "-f", "-"], manifest, &[]), 2, &parts);
    let parts = ["--> <stdin>:10:7"];
    assert_says(&place.run_with(&["create", "-f", "/dev/stdin"], manifest, &[]), 2, &parts);
    assert_eq!(place.pods(), Vec::<PathBuf>::new());
}

#[test]
fn an_unsafe_sysctl_is_refused_in_the_kubelet_s_words() {
    let place = Place::new("sysctl");
    place.write(
        "pod.yaml",
        "\
apiVersion: v1
kind: Pod
metadata:
  name: sysctl-example
  annotations:
    security.alpha.kubernetes.io/sysctls: kernel.shm_rmid_forced=1
    security.alpha.kubernetes.io/unsafe-sysctls: net.ipv4.route.min_pmtu=1000,kernel.msgmax=1 2 3
spec:
  containers:
  - {name: main, image: stockade/toolbox, command: [sleep, \"1\"]}
",
    );
    let refused = place.run(&["create", "-f", "pod.yaml"]);
    let parts = [
        "error: SysctlForbidden: forbidden sysctl: \"net.ipv4.route.min_pmtu\" not allowlisted",
        "--> pod.yaml:7:50",
        "--allowed-unsafe-sysctls 'net.ipv4.route.min_pmtu'",
    ];
    assert_says(&refused, 1, &parts);
    assert_says(&place.run(&["run", "pod.yaml"]), 125, &parts);

    let list = "kernel.msg*";
    let refused = place.run(&["create", "-f", "pod.yaml", "--allowed-unsafe-sysctls", list]);
    assert_says(&refused, 1, &["\"net.ipv4.route.min_pmtu\" not allowlisted"]);
    let variables = [("STOCKADE_ALLOWED_UNSAFE_SYSCTLS", "vm.swappiness")];
    let wrong = place.run_with(&["create", "-f", "pod.yaml"], "", &variables);
    assert_says(&wrong, 2, &["the sysctls \"vm.swappiness\" are not known to be namespaced"]);
    assert_eq!(place.pods(), Vec::<PathBuf>::new());
}

#[test]
fn an_absent_image_or_profile_is_told_where_it_is_asked_for() {
    let place = Place::new("absent");
    place.write(
        "pod.yaml",
        "\
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  containers:
  - name: main
    image: sotrustworthy:latest
    imagePullPolicy: Never
    securityContext:
      runAsNonRoot: true
      seccompProfile: {type: Localhost, localhostProfile: chmod}
",
    );
    let root = place.0.join("profiles");
    fs::create_dir(&root).unwrap();
    let root = root.to_str().unwrap();
    let refused = place.run(&["create", "-f", "pod.yaml", "--seccomp-profile-root", root]);
    let missing = format!("there is neither {root}/chmod nor {root}/chmod.json");
    let parts = [
        "ErrImageNeverPull: Container image \"sotrustworthy:latest\" is not present",
        "--> pod.yaml:7:12",
        "stockade image import",
        "CreateContainerConfigError: seccomp profile `chmod`",
        &missing,
    ];
    assert_says(&refused, 1, &parts);
    // What an absent image would have said is not held against the pod.
    assert_eq!(refused.err.matches("ErrImageNeverPull").count(), 1, "{refused:#?}");
    assert!(!refused.err.contains("no command is declared"), "{refused:#?}");
    assert!(!refused.err.contains("will run as root"), "{refused:#?}");
}

#[test]
fn what_is_no_pod_is_left_aside_by_name() {
    let place = Place::new("kinds");
    place.write("all/a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
    place.write("all/README.md", "kind: Pod");
    let parts = ["Deployment `web` is no pod and is left aside", "there is no pod"];
    assert_says(&place.run(&["create", "-f", "all"]), 2, &parts);
    let parts = ["cannot read nowhere.yaml"];
    assert_says(&place.run(&["create", "-f", "nowhere.yaml"]), 2, &parts);
    let parts = ["does not match the namespace \"b\""];
    place.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: a}\nspec:\n  containers: \
         [{name: m, image: stockade/toolbox}]\n",
    );
    assert_says(&place.run(&["create", "-n", "b", "-f", "pod.yaml"]), 2, &parts);
}

#[test]
fn colours_are_for_whoever_wants_them_and_never_from_a_manifest() {
    let place = Place::new("colour");
    place.write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: \"\\e[2Jx\"}\nspec: {}\n");
    for (arguments, variables, expected) in [
        (&["--color=always"][..], &[][..], true),
        (&["--color=never"], &[], false),
        (&[], &[], false),
        (&[], &[("NO_COLOR", "1")], false),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
    ] {
        let all = [arguments, &["create", "-f", "pod.yaml"]].concat();
        let outcome = place.run_with(&all, "", variables);
        assert_eq!(outcome.code, Some(2), "{outcome:#?}");
        assert_eq!(outcome.err.contains('\x1b'), expected, "{outcome:#?}");
        assert!(!outcome.err.contains("\x1b[2J"), "{outcome:#?}");
    }
}
