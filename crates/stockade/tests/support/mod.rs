//! What tests of the built binary have in common.

#![allow(dead_code, reason = "each test target uses a part")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) mod agent;

/// The binary under test.
pub(crate) const STOCKADE: &str = env!("CARGO_BIN_EXE_stockade");

/// A root directory of its own for each test, with the busybox image under the names that the
/// examples use. Whatever is left when it is dropped is removed.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Imports busybox as `name`.
    pub(crate) fn import(&self, name: &str) {
        let archive = self.path("busybox.tar");
        if !archive.exists() {
            busybox_archive(&archive);
        }
        let archive = archive.display().to_string();
        let answer = self.stockade(&["image", "import", &archive, "--name", name]);
        assert_eq!(answer.code, 0, "{answer:?}");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(STOCKADE);
        command.args(arguments);
        command.env("STOCKADE_ROOT", self.path("root")).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn stockade(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments).output().expect("the binary runs"))
    }

    pub(crate) fn stockade_reading(&self, arguments: &[&str], input: &str) -> Answer {
        feed(self.command(arguments), input)
    }

    /// What pods have left: their directories, layers, cgroups and mounts.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut all = Vec::new();
        for part in ["root/run/pods", "root/containers"] {
            all.extend(entries(&self.path(part)));
        }
        all.extend(cgroups());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let root = self.directory.path().display().to_string();
        all.extend(mounts.lines().filter(|it| it.contains(&root)).map(ToOwned::to_owned));
        all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stockade(&["delete", "--all", "--force"]);
    }
}

/// Runs a command that reads `input`.
pub(crate) fn feed(mut command: Command, input: &str) -> Answer {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    answer(child.wait_with_output().expect("it ends"))
}

pub(crate) fn answer(output: Output) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

pub(crate) fn entries(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.map(|it| it.expect("an entry").path().display().to_string()).collect()
}

/// Cgroups of pods, in any hierarchy.
fn cgroups() -> Vec<String> {
    let Ok(hierarchies) = std::fs::read_dir("/sys/fs/cgroup") else { return Vec::new() };
    let below = hierarchies.filter_map(Result::ok).map(|it| it.path().join("stockade"));
    below.flat_map(|it| directories(&it)).collect()
}

fn directories(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let all = entries.filter_map(Result::ok).map(|it| it.path());
    all.filter(|it| it.is_dir()).map(|it| it.display().to_string()).collect()
}

/// An image made of Debian's static busybox, as `docker save` writes them.
pub(crate) fn busybox_archive(path: &Path) {
    let program = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut layer = tar::Builder::new(Vec::new());
    for directory in ["bin/", "etc/", "tmp/", "root/"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if directory == "tmp/" { 0o1777 } else { 0o755 });
        header.set_size(0);
        layer.append_data(&mut header, directory, std::io::empty()).expect("a directory");
    }
    file(&mut layer, "bin/busybox", 0o755, &program);
    file(&mut layer, "etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:\n");
    file(&mut layer, "etc/group", 0o644, b"root:x:0:\nweb:x:34:\nlog:x:45:web\n");
    for applet in APPLETS {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("a link");
    }
    let layer = layer.into_inner().expect("a layer");

    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["sh"],"Env":["PATH=/bin"]}},
        "rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        sha256(&layer)
    );
    let manifest =
        r#"[{"Config":"config.json","RepoTags":["busybox:latest"],"Layers":["layer.tar"]}]"#;
    let mut image = tar::Builder::new(std::fs::File::create(path).expect("an archive"));
    file(&mut image, "config.json", 0o644, config.as_bytes());
    file(&mut image, "layer.tar", 0o644, &layer);
    file(&mut image, "manifest.json", 0o644, manifest.as_bytes());
    image.finish().expect("an archive");
}

fn file<W: std::io::Write>(archive: &mut tar::Builder<W>, name: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content).expect("a file");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

const APPLETS: &[&str] = &[
    "sh", "cat", "touch", "chmod", "id", "ls", "sleep", "echo", "true", "false", "mount", "mkdir",
    "rm", "grep", "stat", "hostname", "ps", "kill", "mknod", "dd", "readlink", "tty", "unshare",
];
