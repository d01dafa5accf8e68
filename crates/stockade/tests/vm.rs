//! The built binary in virtual machines: a kernel with AppArmor, cgroups of version 2 alone, and
//! every capability.
//!
//! A machine without QEMU, a kernel or the programs of AppArmor skips these tests, each by name with
//! what is missing; with `STOCKADE_NO_SKIP` that is a failure.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use xtask::vm::{
    Command, CommandResult, Exit, Guest, GuestReport, Kernel, Lsm, Step, become_init, missing,
};

fn main() -> std::process::ExitCode {
    become_init();
    let trials = vec![
        trial("the_apparmor_example", Lsm::AppArmor, the_apparmor_example),
        trial("apparmor_prerequisites_are_named", Lsm::AppArmor, prerequisites_are_named),
        trial("cgroup_v2_and_privileged_pods", Lsm::None, cgroup_v2_and_privileged_pods),
    ];
    // An emulated machine wants a processor for itself.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &'static str, lsm: Lsm, test: fn()) -> Trial {
    Trial::ignorable_test(name, move || {
        let missing = missing(lsm);
        if missing.is_empty() {
            test();
            return Ok(Completion::Completed);
        }
        let what = format!("missing: {}", missing.join(", "));
        match std::env::var_os("STOCKADE_NO_SKIP") {
            Some(_) => Err(Failed::from(what)),
            None => Ok(Completion::ignored_with(what)),
        }
    })
}

fn the_apparmor_example() {
    let stockade = |arguments: &[&str]| stockade(arguments);
    let manifest = std::fs::read(example("apparmor.yaml")).expect("the example");
    let report = run(guest(Lsm::AppArmor)
        .apparmor_parser()
        .file(example("k8s-apparmor-example-deny-write"), "/tmp/profile")
        .step(Step::Run(Command::new(["apparmor_parser", "--add", "/tmp/profile"])))
        .step(Step::Run(stockade(&["create", "-f", "/dev/stdin"]).stdin(manifest.clone())))
        .step(Step::Run(stockade(&["exec", "hello-apparmor", "cat", "/proc/1/attr/current"])))
        .step(Step::Run(stockade(&["exec", "hello-apparmor", "touch", "/tmp/test"])))
        .step(Step::Run(stockade(&["describe", "pod", "hello-apparmor"])))
        .step(Step::Run(stockade(&["logs", "hello-apparmor"])))
        .step(Step::Run(stockade(&["delete", "pod", "hello-apparmor"])))
        // The control: unconfined, the same write succeeds.
        .step(Step::Run(stockade(&["create", "-f", "-"]).stdin(UNCONFINED)))
        .step(Step::Run(stockade(&["exec", "free", "touch", "/tmp/test"])))
        .step(Step::Run(Command::new(["apparmor_parser", "--remove", "/tmp/profile"])))
        .step(Step::Run(stockade(&["create", "-f", "-"]).stdin(manifest))));

    let [load, create, label, touch, describe, logs, delete, free, control, unload, gone] =
        results(&report)
    else {
        panic!("{report:#?}");
    };
    assert_eq!(report.uname_r, kernel().release);
    assert_eq!(load.exit, Exit::Code(0), "{load:?}");
    assert_eq!(out(create), "pod/hello-apparmor created\n", "{create:?}");
    assert_eq!(out(label), "k8s-apparmor-example-deny-write (enforce)\n", "{label:?}");
    assert_eq!(touch.exit, Exit::Code(1), "{touch:?}");
    assert_eq!(err(touch), "touch: /tmp/test: Permission denied\n");
    assert!(out(describe).contains("k8s-apparmor-example-deny-write (enforce)"), "{describe:?}");
    assert_eq!(out(logs), "Hello AppArmor!\n", "{logs:?}");
    assert_eq!(out(delete), "pod \"hello-apparmor\" deleted\n", "{delete:?}");
    assert_eq!(out(free), "pod/free created\n", "{free:?}");
    assert_eq!(control.exit, Exit::Code(0), "unconfined, the same write succeeds: {control:?}");
    assert_eq!(unload.exit, Exit::Code(0), "{unload:?}");
    assert_eq!(gone.exit, Exit::Code(1), "{gone:?}");
    let why = "Cannot enforce AppArmor: profile \"k8s-apparmor-example-deny-write\" is not loaded";
    assert!(err(gone).contains(why), "{gone:?}");
}

const UNCONFINED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: free}
spec:
  containers:
  - name: hello
    image: busybox
    command: ["sleep", "1000"]
    securityContext: {appArmorProfile: {type: Unconfined}}
"#;

fn prerequisites_are_named() {
    let report = run(guest(Lsm::AppArmor)
        .step(Step::Run(stockade(&["run", "-"]).stdin(UNSET)))
        .step(Step::Run(stockade(&["run", "-"]).stdin(UNSET.replace("{}", RUNTIME_DEFAULT)))));
    let [unset, default] = results(&report) else { panic!("{report:#?}") };
    for result in [unset, default] {
        assert_eq!(result.exit, Exit::Code(125), "{result:?}");
        assert!(err(result).contains("Cannot enforce AppArmor"), "{result:?}");
    }
    assert!(err(unset).contains("Unconfined"), "what to do is said: {unset:?}");
}

const RUNTIME_DEFAULT: &str = "{appArmorProfile: {type: RuntimeDefault}}";
const UNSET: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: unset}
spec:
  containers:
  - name: a
    image: busybox
    command: ["true"]
    securityContext: {}
"#;

fn cgroup_v2_and_privileged_pods() {
    let report = run(guest(Lsm::None)
        .step(Step::Run(stockade(&["run", "-o", "json", "-"]).stdin(LIMITED)))
        .step(Step::Run(stockade(&["run", "-"]).stdin(PRIVILEGED)))
        .step(Step::Run(Command::sh(
            "find /sys/fs/cgroup/stockade -mindepth 1 -type d; ls /run/stockade/pods /var/lib/stockade/containers",
        ))));
    let [limited, privileged, left] = results(&report) else { panic!("{report:#?}") };
    assert_eq!(limited.exit, Exit::Code(0), "{limited:?}");
    assert_eq!(out(limited), "67108864\n50000 100000\ndenied\n", "{limited:?}");
    assert!(!err(limited).contains("weaker"), "{limited:?}");
    assert_eq!(privileged.exit, Exit::Code(0), "{privileged:?}");
    let lines: Vec<&str> = out(privileged).lines().collect();
    assert_eq!(
        lines,
        ["CapEff:\t000001ffffffffff", "Seccomp:\t0", "writable", "read"],
        "{privileged:?}"
    );
    let empty = "/run/stockade/pods:\n\n/var/lib/stockade/containers:\n";
    assert_eq!(out(left), empty, "nothing is left: {left:?}");
}

/// Reads its limits, and tries a device that is not allowed.
const LIMITED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: limited}
spec:
  containers:
  - name: a
    image: busybox
    command:
    - sh
    - -c
    - |
      cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
      mknod /dev/port c 1 4 && cat /dev/port >/dev/null 2>&1 || echo denied
    resources: {limits: {memory: 64Mi, cpu: 500m}}
"#;

/// Every capability, no filter, `/sys` writable, host devices.
const PRIVILEGED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: privileged}
spec:
  containers:
  - name: a
    image: busybox
    command:
    - sh
    - -c
    - |
      grep -E 'CapEff|Seccomp:' /proc/self/status
      echo 0 > /proc/sys/kernel/panic && echo writable
      dd if=/dev/mem of=/dev/null bs=1 count=1 2>/dev/null && echo read
    securityContext: {privileged: true}
"#;

/// A guest with the binary and the busybox image imported.
fn guest(lsm: Lsm) -> Guest {
    let archive = std::env::temp_dir().join(format!("busybox-{}.tar", std::process::id()));
    if !archive.exists() {
        support::busybox_archive(&archive);
    }
    Guest::new(kernel())
        .lsm(lsm)
        .busybox()
        .file(stripped(), "/bin/stockade")
        .file(archive, "/images/busybox.tar")
        .step(Step::Run(stockade(&["image", "import", "/images/busybox.tar"])))
}

/// The binary without what only a debugger reads: half of what the guest has to load.
fn stripped() -> PathBuf {
    let path = std::env::temp_dir().join(format!("stockade-{}", std::process::id()));
    let mut strip = std::process::Command::new("strip");
    let stripped = strip.arg("-o").arg(&path).arg(support::STOCKADE).status();
    if stripped.is_ok_and(|it| it.success()) { path } else { PathBuf::from(support::STOCKADE) }
}

fn stockade(arguments: &[&str]) -> Command {
    let all = std::iter::once("stockade").chain(arguments.iter().copied());
    Command::new(all).env("NO_COLOR", "1").timeout(Duration::from_secs(60))
}

fn run(mut guest: Guest) -> GuestReport {
    guest.memory_mib = 1024;
    let report = guest.run().expect("the guest runs");
    let import = &report.results[0];
    assert_eq!(import.exit, Exit::Code(0), "{import:?}");
    eprintln!("booted in {} ms, all done in {} ms", report.boot_ms, report.total_ms);
    report
}

/// The results after the import.
fn results(report: &GuestReport) -> &[CommandResult] {
    &report.results[1..]
}

fn kernel() -> Kernel {
    Kernel::newest().expect("a kernel")
}

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn out(result: &CommandResult) -> &str {
    std::str::from_utf8(&result.stdout).expect("text")
}

fn err(result: &CommandResult) -> &str {
    std::str::from_utf8(&result.stderr).expect("text")
}
