//! File systems, seen from inside.

use std::fs;
use std::path::Path;

use stockade_abi::facts::{Device, DeviceKind};
use stockade_confine::plan::{
    Action, DeviceNode, NodeMaking, OverlayAttributes, RootSource, Stage,
};
use stockade_confine::workload::{Mount, MountFlags, MountSource, PodFile, Recursion};
use stockade_runtime::PodFiles;

use crate::Test;
use crate::rig::{Draft, Rig, bind, read_only};

pub(crate) const ALL: &[Test] = &[
    ("an_overlay_keeps_what_is_written_out_of_its_layers", overlay_keeps_its_layers),
    ("an_overlay_takes_long_paths_and_many_layers", overlay_takes_many_layers),
    ("binds_have_their_flags_all_the_way_down", binds_have_their_flags),
    ("pod_files_are_bound", pod_files_are_bound),
    ("a_missing_working_directory_is_made_even_below_a_read_only_root", missing_directory),
    ("devices_can_be_bound_from_the_host", devices_can_be_bound),
];

fn overlay_keeps_its_layers() {
    let rig = Rig::new();
    let upper_layer = rig.directory.path().join("layer2");
    fs::create_dir_all(upper_layer.join("etc")).unwrap();
    fs::write(upper_layer.join("etc/layer"), "second\n").unwrap();
    fs::write(rig.rootfs().join("etc/layer"), "first\n").unwrap();
    let root = overlay(&[&rig.rootfs(), &upper_layer]);
    let script = "cat /etc/layer; echo changed >/etc/layer; cat /etc/layer; touch /etc/new";
    let output = rig.run(&Draft::container(root, &["sh", "-c", script]));
    assert_eq!(output.text, "second\nchanged\n");
    assert_eq!(fs::read_to_string(upper_layer.join("etc/layer")).unwrap(), "second\n");
    assert!(!rig.rootfs().join("etc/new").exists());
}

fn overlay_takes_many_layers() {
    let rig = Rig::new();
    let deep = rig.directory.path().join("x".repeat(200));
    let layers: Vec<_> = (0..60).map(|it| deep.join(format!("layer-{it}"))).collect();
    for (number, layer) in layers.iter().enumerate() {
        fs::create_dir_all(layer.join("etc")).unwrap();
        fs::write(layer.join("etc/layer"), number.to_string()).unwrap();
    }
    let rootfs = rig.rootfs();
    let all: Vec<&Path> =
        [rootfs.as_path()].into_iter().chain(layers.iter().map(|it| it.as_path())).collect();
    let output = rig.run(&Draft::container(overlay(&all), &["cat", "/etc/layer"]));
    assert_eq!(output.text, "59");
}

fn binds_have_their_flags() {
    let rig = Rig::new();
    let volume = rig.canary();
    fs::create_dir(volume.join("below")).unwrap();
    fs::write(volume.join("file"), "content\n").unwrap();
    let flags =
        |it| MountFlags { no_exec: Some(it), no_suid: Some(it), no_dev: Some(it), ..read_only() };
    let script = "cat /a/file /b; touch /a/x /b /c/x 2>&1; touch /d/below/ok; grep -E ' /[abcd] ' /proc/self/mountinfo";
    let draft = rig
        .script(script)
        .with(Stage::Mounts, bind(&volume, "/a", flags(Recursion::All)))
        .with(Stage::Mounts, bind(&volume.join("file"), "/b", read_only()))
        .with(
            Stage::Mounts,
            bind(
                &volume,
                "/c",
                MountFlags { read_only: Some(Recursion::One), ..MountFlags::default() },
            ),
        )
        .with(
            Stage::Mounts,
            bind(
                &volume,
                "/d",
                MountFlags { no_atime: Some(Recursion::One), ..MountFlags::default() },
            ),
        );
    let text = rig.run(&draft).text;
    assert!(text.starts_with("content\ncontent\n"), "{text}");
    assert_eq!(text.matches("Read-only file system").count(), 3, "{text}");
    assert!(text.contains("/a ro,nosuid,nodev,noexec"), "{text}");
    assert!(text.contains("/d rw,noatime"), "{text}");
    assert!(volume.join("below/ok").exists());
}

fn pod_files_are_bound() {
    let rig = Rig::new();
    let file = |name: &str| {
        let path = rig.directory.path().join(name);
        fs::write(&path, format!("{name}\n")).unwrap();
        path
    };
    let shared_memory = rig.directory.path().join("shm");
    fs::create_dir(&shared_memory).unwrap();
    let mut site = rig.site();
    site.pod_files = Some(PodFiles {
        hosts: file("hosts"),
        hostname: file("hostname"),
        resolv_conf: file("resolv.conf"),
        shared_memory: shared_memory.clone(),
        volumes: Default::default(),
    });
    let pod_file = |target: &str, file| {
        Action::Mount(Mount {
            target: target.to_owned(),
            source: MountSource::PodFile(file),
            flags: MountFlags::default(),
            propagation: None,
        })
    };
    let draft = rig
        .script("cat /etc/hosts /etc/hostname /etc/resolv.conf; touch /dev/shm/here")
        .with(Stage::Mounts, pod_file("/etc/hosts", PodFile::Hosts))
        .with(Stage::Mounts, pod_file("/etc/hostname", PodFile::Hostname))
        .with(Stage::Mounts, pod_file("/etc/resolv.conf", PodFile::ResolvConf))
        .with(Stage::Mounts, pod_file("/dev/shm", PodFile::SharedMemory));
    let output = rig.run_at(&draft, site).unwrap();
    assert_eq!(output.text, "hosts\nhostname\nresolv.conf\n");
    assert!(shared_memory.join("here").exists());
}

fn missing_directory() {
    let rig = Rig::new();
    let draft = rig
        .script("pwd; touch x 2>&1")
        .with(Stage::RootAccess, Action::RootReadOnly)
        .instead(Stage::Chdir, Action::Chdir("/srv/app".into()));
    assert_eq!(rig.run(&draft).text, "/srv/app\ntouch: x: Read-only file system\n");
}

fn devices_can_be_bound() {
    let rig = Rig::new();
    let null = DeviceNode {
        path: "/dev/null".into(),
        device: Some(Device { kind: DeviceKind::Character, major: 1, minor: 3 }),
        mode: 0o666,
        uid: 0,
        gid: 0,
        made_by: NodeMaking::Bind,
    };
    let draft = rig
        .script("stat -c '%F %t:%T' /dev/null; echo x >/dev/null && echo works")
        .instead(Stage::Devices, Action::MakeDevices(vec![null.clone()]));
    assert_eq!(rig.run(&draft).text, "character special file 1:3\nworks\n");

    let other = Some(Device { kind: DeviceKind::Character, major: 1, minor: 5 });
    let wrong = vec![DeviceNode { device: other, ..null }];
    let failed = rig.fails(&draft.instead(Stage::Devices, Action::MakeDevices(wrong)));
    assert_eq!(failed.cause.to_string(), "/dev/null is not the device c 1:5");
}

pub(crate) fn overlay(layers: &[&Path]) -> RootSource {
    RootSource::Overlay {
        layers: layers.iter().map(|it| it.to_str().unwrap().to_owned()).collect(),
        attributes: OverlayAttributes::Trusted,
    }
}
