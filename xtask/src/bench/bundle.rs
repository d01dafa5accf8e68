//! The container of the benchmarks as a bundle: what Docker gives a container by default, on a
//! read-only root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::profile;

/// Writes the bundle into `directory`.
pub(super) fn write(directory: &Path, payload: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let rootfs = directory.join("rootfs");
    for name in ["proc", "dev", "sys", "tmp"] {
        fs::create_dir_all(rootfs.join(name)).map_err(told)?;
    }
    fs::copy(payload, rootfs.join("exit")).map_err(told)?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(rootfs.join("exit"), executable).map_err(told)?;
    fs::create_dir(directory.join("state")).map_err(told)?;
    let text = serde_json::to_string_pretty(&config()).map_err(|error| error.to_string())?;
    fs::write(directory.join("config.json"), text).map_err(told)
}

fn config() -> Value {
    let capabilities: Vec<String> =
        profile::CAPABILITIES.iter().map(|it| format!("CAP_{}", it.name())).collect();
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    let namespaces =
        ["mount", "pid", "network", "ipc", "uts", "cgroup"].map(|it| json!({ "type": it }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["/exit"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "/dev/pts",
                "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount(
                "/dev/shm",
                "tmpfs",
                &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
            ),
        ],
        "linux": {
            "cgroupsPath": format!("/{PARENT}/container"),
            "namespaces": namespaces,
            "resources": {
                "devices": [{ "allow": false, "access": "rwm" }],
                "pids": { "limit": 512 },
                "memory": { "limit": 256 << 20 },
            },
            "seccomp": profile::oci(),
            "maskedPaths": [
                "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                "/sys/devices/virtual/powercap",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}

/// Where the cgroups are.
pub(super) enum Cgroups {
    /// The unified hierarchy alone.
    Unified(PathBuf),
    /// Hierarchies of version 1, and perhaps the unified one beside them.
    V1(PathBuf),
}

impl Cgroups {
    pub(super) fn find() -> Result<Self, String> {
        let top = PathBuf::from("/sys/fs/cgroup");
        if top.join("cgroup.controllers").exists() {
            Ok(Self::Unified(top))
        } else if top.join("pids").exists() {
            Ok(Self::V1(top))
        } else {
            Err("no cgroup hierarchies in /sys/fs/cgroup".to_owned())
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Unified(_) => "cgroup v2",
            Self::V1(_) => "cgroup v1",
        }
    }

    fn unified_beside(&self) -> Option<PathBuf> {
        let Self::V1(top) = self else { return None };
        let unified = top.join("unified");
        unified.join("cgroup.controllers").exists().then_some(unified)
    }

    /// The hierarchies and the variable that the floor knows each by.
    fn tops(&self) -> Vec<(&'static str, PathBuf)> {
        match self {
            Self::Unified(top) => vec![("UNIFIED", top.clone())],
            Self::V1(top) => [
                ("PIDS", top.join("pids")),
                ("MEMORY", top.join("memory")),
                ("DEVICES", top.join("devices")),
            ]
            .into_iter()
            .chain(self.unified_beside().map(|it| ("UNIFIED", it)))
            .collect(),
        }
    }

    /// A command that runs the rest of its line without the unified hierarchy, for runtimes that do
    /// not get on with both generations.
    pub(super) fn without_unified(&self) -> Vec<String> {
        let Some(unified) = self.unified_beside() else { return Vec::new() };
        let script = format!("umount -l {} && exec \"$@\"", unified.display());
        let words = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        words.map(ToOwned::to_owned).to_vec()
    }

    /// What the floor is told.
    pub(super) fn environment(&self, work: &Path) -> Vec<(String, String)> {
        let cgroups =
            self.tops().into_iter().map(|(name, top)| (name, top.join(PARENT).join("container")));
        let files = [("ROOTFS", work.join("rootfs")), ("STATE", work.join("state"))];
        cgroups
            .chain(files)
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
            .collect()
    }

    /// Makes what nobody's time should be spent on.
    pub(super) fn make_parents(&self) -> Result<(), String> {
        // What a failed run has left.
        self.remove_parents();
        for (_, top) in self.tops() {
            let parent = top.join(PARENT);
            fs::create_dir_all(&parent)
                .map_err(|error| format!("{}: {error}", parent.display()))?;
            if let Self::Unified(_) = self {
                for directory in [&top, &parent] {
                    fs::write(directory.join("cgroup.subtree_control"), "+pids +memory")
                        .map_err(|error| format!("{}: {error}", directory.display()))?;
                }
            }
        }
        Ok(())
    }

    /// Removes it, in every hierarchy, as others make it everywhere.
    pub(super) fn remove_parents(&self) {
        let (Self::Unified(top) | Self::V1(top)) = self;
        let below = fs::read_dir(top).into_iter().flatten().flatten().map(|it| it.path());
        for hierarchy in below.chain([top.clone()]) {
            // It is somebody else's, or not there.
            fs::remove_dir(hierarchy.join(PARENT).join("container")).ok();
            fs::remove_dir(hierarchy.join(PARENT)).ok();
        }
    }
}

const PARENT: &str = "stockade-bench";
