//! A guest as a value: which kernel, which files, which steps.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cpio::{Archive, Node};
use super::error::GuestError;
use super::init::{INIT, MODULES, STEPS};
use super::kernel::Kernel;
use super::protocol::write_record;
use super::step::{CommandResult, Step};
use super::{modules, program, qemu};

/// The major security module that the guest's kernel uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lsm {
    /// AppArmor; no profile is loaded.
    AppArmor,
    /// SELinux; no policy is loaded.
    SeLinux,
    /// Neither of them.
    None,
}

/// A virtual machine and what it is asked to do.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What it boots.
    pub kernel: Kernel,
    /// Its major security module.
    pub lsm: Lsm,
    /// More kernel parameters.
    pub cmdline_extra: Vec<String>,
    /// The kernel modules it loads, with those that they depend on.
    pub modules: Vec<String>,
    /// Files and directories of the host, and where they lie in the guest.
    pub files: Vec<(PathBuf, String)>,
    /// What it does, in this order.
    pub steps: Vec<Step>,
    /// Its memory. Half of it can hold files.
    pub memory_mib: u32,
    /// The time for all of it, boot included.
    pub deadline: Duration,
    /// The static program that is its init; its `main` calls [`super::become_init`].
    pub init: Option<PathBuf>,
    programs: Vec<PathBuf>,
    made: Archive,
}

/// What a guest did.
#[derive(Clone, Debug)]
pub struct GuestReport {
    /// The release of its kernel, in its own words.
    pub uname_r: String,
    /// One result for each step.
    pub results: Vec<CommandResult>,
    /// What is not as it should be in the guest, such as a file system that
    /// its kernel does not know.
    pub notes: Vec<String>,
    /// What the kernel printed.
    pub console: String,
    /// From the start of QEMU until the guest could run the first step, in milliseconds.
    pub boot_ms: u128,
    /// From the start of QEMU until its end, in milliseconds.
    pub total_ms: u128,
}

impl Guest {
    /// A guest with the module `overlay`, no LSM, no files but init, nothing to
    /// do, 512 MiB and a minute to do it.
    pub fn new(kernel: Kernel) -> Self {
        let mut made = Archive::default();
        for (path, contents) in ACCOUNTS {
            made.insert(path, Node::File(0o644, contents.as_bytes().to_vec()));
        }
        made.insert("/dev/console", Node::CharDevice(0o600, 5, 1));
        made.insert("/root", Node::Directory(0o700));
        Self {
            kernel,
            lsm: Lsm::None,
            cmdline_extra: Vec::new(),
            modules: vec!["overlay".to_owned()],
            files: Vec::new(),
            steps: Vec::new(),
            memory_mib: 512,
            deadline: Duration::from_secs(60),
            init: None,
            programs: Vec::new(),
            made,
        }
    }

    /// The same guest with another security module.
    pub fn lsm(mut self, lsm: Lsm) -> Self {
        self.lsm = lsm;
        self
    }

    /// The same guest with a file or a directory of the host at `path`.
    pub fn file(mut self, host: impl Into<PathBuf>, path: &str) -> Self {
        self.files.push((host.into(), path.to_owned()));
        self
    }

    /// The same guest with a program of the host and its shared libraries, in
    /// the same places as on the host.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.programs.push(program.into());
        self
    }

    /// The same guest with a file of this text at `path`.
    pub fn text(mut self, path: &str, contents: &str) -> Self {
        self.made.insert(path, Node::File(0o644, contents.as_bytes().to_vec()));
        self
    }

    /// The same guest with a symbolic link at `path`.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.made.insert(path, Node::Link(target.to_owned()));
        self
    }

    /// The same guest with busybox, also called `sh`. In that shell all its
    /// commands are at hand; elsewhere they are `busybox COMMAND`.
    pub fn busybox(self) -> Self {
        self.program("/bin/busybox").link("/bin/sh", "busybox")
    }

    /// The same guest with the program that loads AppArmor profiles, and what
    /// Debian's profiles include.
    pub fn apparmor_parser(self) -> Self {
        ["abi", "abstractions", "tunables"]
            .map(|name| format!("/etc/apparmor.d/{name}"))
            .iter()
            .fold(self.program("/usr/sbin/apparmor_parser"), |guest, dir| guest.file(dir, dir))
    }

    /// The same guest with one more thing to do.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Boots the guest, has it do its steps, and returns what came of them.
    ///
    /// # Errors
    ///
    /// If a file is missing, QEMU cannot be started, the guest ends early or
    /// does not finish in time. That a step fails is a result, not an error.
    pub fn run(&self) -> Result<GuestReport, GuestError> {
        let dir = Path::new("a temporary directory");
        let dir = tempfile::tempdir().map_err(GuestError::io("make", dir))?;
        let initramfs = dir.path().join("initramfs");
        let mut bytes = Vec::new();
        self.archive()?.write(&mut bytes).map_err(GuestError::io("make", &initramfs))?;
        fs::write(&initramfs, bytes).map_err(GuestError::io("write", &initramfs))?;

        let start = Instant::now();
        let mut report = qemu::run(self, &initramfs, start)?;
        report.total_ms = start.elapsed().as_millis();
        Ok(report)
    }

    /// The parameters of the guest's kernel.
    pub(super) fn cmdline(&self) -> String {
        let lsm = match self.lsm {
            Lsm::AppArmor => "apparmor=1 security=apparmor",
            Lsm::SeLinux => "selinux=1 security=selinux",
            Lsm::None => "apparmor=0 selinux=0 security=none",
        };
        [CMDLINE, lsm, &self.cmdline_extra.join(" ")].join(" ")
    }

    fn archive(&self) -> Result<Archive, GuestError> {
        let mut archive = self.made.clone();
        for (host, path) in &self.files {
            copy(&mut archive, host, path)?;
        }
        for program in &self.programs {
            for file in [vec![program.clone()], program::libraries(program)?].concat() {
                copy(&mut archive, &file, &file.to_string_lossy())?;
            }
        }
        for (number, file) in
            modules::load_order(&self.kernel.modules, &self.modules)?.iter().enumerate()
        {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            copy(&mut archive, file, &format!("{MODULES}/{number:03}-{name}"))?;
        }

        let this = Path::new("/proc/self/exe");
        let init = self.init.as_deref().unwrap_or(this);
        if !program::is_static(init)? {
            return Err(GuestError::NotStatic(init.to_owned()));
        }
        copy(&mut archive, init, INIT)?;

        let mut steps = Vec::new();
        for step in &self.steps {
            let written = write_record(&mut steps, &step.to_record());
            written.map_err(GuestError::io("write", Path::new(STEPS)))?;
        }
        archive.insert(STEPS, Node::File(0o400, steps));
        Ok(archive)
    }
}

/// What this machine lacks to run such a guest, as words for a person; empty
/// if it lacks nothing.
pub fn missing(lsm: Lsm) -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(error) = Kernel::newest() {
        missing.push(error.to_string());
    }
    let mut needed = vec![(qemu::PROGRAM, "qemu-system-x86"), ("busybox", "busybox-static")];
    match lsm {
        Lsm::AppArmor => needed.push(("apparmor_parser", "apparmor")),
        Lsm::SeLinux | Lsm::None => {}
    }
    for (program, package) in needed {
        if !SEARCHED.iter().any(|dir| Path::new(dir).join(program).exists()) {
            missing.push(format!("no program {program}; install {package}"));
        }
    }
    missing
}

/// Copies a file, or a directory with all it holds. A link given by name is
/// followed, links below a directory stay links.
fn copy(archive: &mut Archive, host: &Path, path: &str) -> Result<(), GuestError> {
    let metadata = fs::metadata(host).map_err(GuestError::io("read", host))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() {
        let contents = fs::read(host).map_err(GuestError::io("read", host))?;
        archive.insert(path, Node::File(mode, contents));
        return Ok(());
    }
    if !metadata.is_dir() {
        return Err(GuestError::NotAFile(host.to_owned()));
    }
    archive.insert(path, Node::Directory(mode));
    let entries: io::Result<Vec<_>> = fs::read_dir(host).and_then(Iterator::collect);
    for entry in entries.map_err(GuestError::io("list", host))? {
        let (from, to) = (entry.path(), format!("{path}/{}", entry.file_name().to_string_lossy()));
        match fs::read_link(&from) {
            Ok(target) => archive.insert(&to, Node::Link(target.to_string_lossy().into_owned())),
            Err(_) => copy(archive, &from, &to)?,
        }
    }
    Ok(())
}

/// `panic=-1` and QEMU's `-no-reboot` make an end of every crash. A guest has
/// version 2 of cgroups alone, as new distributions have. The mitigations only
/// cost time: nothing in an emulated guest is secret.
const CMDLINE: &str =
    "console=ttyS0 quiet panic=-1 cgroup_no_v1=all random.trust_cpu=on mitigations=off";

/// Who `root` and `nobody` are. Programs look.
const ACCOUNTS: [(&str, &str); 3] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

const SEARCHED: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lsm_is_chosen_by_the_kernel_parameters() {
        let kernel = Kernel { image: "/k".into(), release: "6.1".into(), modules: "/m".into() };
        for (lsm, expected) in [
            (Lsm::AppArmor, " apparmor=1 security=apparmor extra"),
            (Lsm::SeLinux, " selinux=1 security=selinux extra"),
            (Lsm::None, " apparmor=0 selinux=0 security=none extra"),
        ] {
            let mut guest = Guest::new(kernel.clone()).lsm(lsm);
            guest.cmdline_extra.push("extra".into());
            assert!(guest.cmdline().ends_with(expected), "{}", guest.cmdline());
        }
    }
}
