//! What only root can do: owners, capabilities of files, and layers under a real overlayfs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use common::archive::{Item, device, dir, file, hardlink, pax, symlink};
use common::trial::{Test, run};
use common::{Parts, Place, reference};
use rustix::fs::Mode;
use stockade_image::{Error, Image, Ownership, Silent, Store};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, root, path] = arguments.as_slice()
        && verb == "import"
    {
        let store = Store::open(Path::new(root)).unwrap();
        let names = store.import(Path::new(path), None, &mut Silent).unwrap();
        println!("{:?}", store.get(&names[0]).unwrap().ownership);
        return ExitCode::SUCCESS;
    }
    // What is made must not depend on what the caller's umask happens to be.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let lacks = (!rustix::process::geteuid().is_root()).then_some("this needs root");
    run(
        &[
            Test { name: "owners_modes_and_times_are_kept", run: kept },
            Test { name: "file_capabilities_are_kept_and_other_orders_are_not", run: capabilities },
            Test { name: "device_nodes_are_not_made", run: devices },
            Test { name: "the_kernel_sees_what_the_layers_mean", run: overlay },
            Test { name: "the_kernel_sees_what_a_users_layers_mean", run: overlay_of_user },
            Test { name: "without_root_all_files_are_ones_own", run: unprivileged },
            Test { name: "nobody_else_reaches_the_layers", run: closed },
            Test { name: "a_store_of_somebody_else_is_refused", run: foreign },
        ],
        lacks,
    )
}

fn kept() {
    let place = Place::new();
    let image = import(
        &place,
        &[&[
            dir("home").owner(1000, 1001).mode(0o2750),
            file("home/tool", b"x").owner(1000, 1001).mode(0o6755),
            symlink("home/link", "/etc/shadow").owner(1000, 1001),
            hardlink("home/other", "home/tool"),
            Item::new(b'6', "home/fifo").owner(5, 6).mode(0o622),
            file("large-ids", b"").owner(4_294_967_294, 3_000_000_000),
            file("implied/deep/file", b"").owner(1, 2),
        ]],
    );
    assert_eq!(image.ownership, Ownership::Kept);
    for (name, uid, gid, mode) in [
        ("home", 1000, 1001, 0o2750),
        ("home/tool", 1000, 1001, 0o6755),
        ("home/link", 1000, 1001, 0o777),
        ("home/fifo", 5, 6, 0o622),
        ("large-ids", 4_294_967_294, 3_000_000_000, 0o644),
        ("implied", 0, 0, 0o755),
        ("implied/deep", 0, 0, 0o755),
        ("implied/deep/file", 1, 2, 0o644),
    ] {
        let found = fs::symlink_metadata(image.layers[0].join(name)).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (uid, gid, mode), "{name}");
        if !name.starts_with("implied") {
            assert_eq!(found.mtime(), 1_000_000_000, "{name}");
        }
    }
}

fn capabilities() {
    let place = Place::new();
    // cap_net_raw, effective: version 2 of the kernel's format.
    let value = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let image = import(
        &place,
        &[&[
            pax(&[
                ("SCHILY.xattr.security.capability", value),
                ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
                ("SCHILY.xattr.trusted.overlay.metacopy", b""),
                ("SCHILY.xattr.user.overlay.whiteout", b"y"),
            ]),
            file("ping", b"x").owner(7, 7).mode(0o755),
        ]],
    );
    let path = image.layers[0].join("ping");
    let mut buffer = [0; 64];
    let count = rustix::fs::lgetxattr(&path, "security.capability", &mut buffer).unwrap();
    assert_eq!(&buffer[..count], value);
    let mut names = vec![0; 4096];
    let count = rustix::fs::llistxattr(&path, &mut names).unwrap();
    let names = String::from_utf8_lossy(&names[..count]);
    assert!(!names.contains("overlay"), "{names:?}");
    assert_eq!(image.skipped.len(), 3);
}

fn devices() {
    let place = Place::new();
    let image = import(
        &place,
        &[&[
            device(b'3', "null", 1, 3).mode(0o666),
            device(b'4', "disk", 8, 0).mode(0o666),
            device(b'3', "hidden", 0, 0),
        ]],
    );
    assert_eq!(fs::read_dir(&image.layers[0]).unwrap().count(), 0);
    assert_eq!(image.skipped.len(), 3);
}

fn layers_with_whiteouts() -> [Vec<Item>; 3] {
    [
        vec![
            file("gone", b"x"),
            file("kept", b"x"),
            file("opaque/below", b"x"),
            file("merged/below", b"x"),
            file("replaced/below", b"x"),
            file("implied/below", b"x"),
        ],
        vec![
            file(".wh.gone", b""),
            file("opaque/.wh..wh..opq", b""),
            file("opaque/own", b"x"),
            file("merged/own", b"x"),
            file(".wh.replaced", b""),
            dir("replaced"),
            file("replaced/own", b"x"),
            file(".wh.implied", b""),
            file("implied/own", b"x"),
        ],
        vec![
            file("top", b"x"),
            pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/opaque")]),
            dir("innocent"),
        ],
    ]
}

const MERGED: &str = "./implied/own ./kept ./merged/below ./merged/own ./opaque/own \
                      ./replaced/own ./top ";

fn overlay() {
    let place = Place::new();
    let layers = layers_with_whiteouts();
    let image = import(&place, &[&layers[0], &layers[1], &layers[2]]);
    assert_eq!(mounted(&place, &image, "ro"), MERGED);
}

fn overlay_of_user() {
    let place = Place::new();
    let layers = layers_with_whiteouts();
    let parts = Parts::new(&[&layers[0], &layers[1], &layers[2]]);
    let image = import_as_user(&place, &parts);
    assert_eq!(mounted(&place, &image, "ro,userxattr"), MERGED);
}

fn unprivileged() {
    let place = Place::new();
    let parts = Parts::new(&[&[
        dir("home").owner(1000, 1001).mode(0o555),
        file("home/tool", b"x").owner(1000, 1001).mode(0o4755),
        dir("closed").mode(0),
        file("closed/file", b"x").mode(0),
        file(".wh.gone", b""),
    ]]);
    let image = import_as_user(&place, &parts);
    assert_eq!(image.ownership, Ownership::Own);
    for (name, mode) in [("home", 0o555), ("home/tool", 0o4755), ("closed", 0), ("closed/file", 0)]
    {
        let found = fs::symlink_metadata(image.layers[0].join(name)).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o7777), (NOBODY, mode), "{name}");
    }
    let gone = fs::symlink_metadata(image.layers[0].join("gone")).unwrap();
    assert!(gone.file_type().is_char_device());
    // Whoever could make it can remove it, closed directories and all: the second import takes the
    // name away, the third finds that nobody needs the layer.
    for content in ["second", "third"] {
        import_as_user(&place, &Parts::new(&[&[file("other", content)]]));
    }
    assert!(!image.layers[0].exists());
}

fn closed() {
    let place = Place::new();
    open_up(&place);
    let image = import(&place, &[&[file("tool", b"secret").mode(0o4755)]]);
    let path = image.layers[0].join("tool");
    let output = as_user(Command::new("cat").arg(&path)).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"));
    assert!(Command::new("cat").arg(&path).output().unwrap().status.success(), "the control");
}

fn foreign() {
    let place = Place::new();
    drop(Store::open(&place.root()).unwrap());
    let images = place.root().join("images");
    std::os::unix::fs::chown(&images, Some(NOBODY), Some(NOBODY)).unwrap();
    assert!(matches!(Store::open(&place.root()), Err(Error::Io { .. })));
}

fn import(place: &Place, layers: &[&[Item]]) -> Image {
    let path = place.write("image.tar", &Parts::new(layers).docker(&["app"]));
    let store = Store::open(&place.root()).unwrap();
    store.import(&path, None, &mut Silent).unwrap();
    store.get(&reference("app")).unwrap()
}

/// Imports as a user without privileges; root then looks at what came of it.
fn import_as_user(place: &Place, parts: &Parts) -> Image {
    open_up(place);
    let path = place.write("image.tar", &parts.docker(&["app"]));
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    // The test program is in a directory that only its owner may be able to enter.
    let program = place.path("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(place.root()).unwrap();
    std::os::unix::fs::chown(place.root(), Some(NOBODY), Some(NOBODY)).unwrap();

    let root = place.root();
    let arguments = ["import".as_ref(), root.as_path(), path.as_path()];
    let output = as_user(Command::new(&program).args(arguments)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Own\n");

    // To root the store is somebody else's; to look at it, it becomes root's.
    let images = place.root().join("images");
    std::os::unix::fs::chown(&images, Some(0), Some(0)).unwrap();
    let image = Store::open(&place.root()).unwrap().get(&reference("app")).unwrap();
    std::os::unix::fs::chown(&images, Some(NOBODY), Some(NOBODY)).unwrap();
    image
}

fn as_user(command: &mut Command) -> &mut Command {
    command.uid(NOBODY).gid(NOBODY).current_dir("/")
}

/// Lets others into the directory of the test, so that only the store itself keeps them out.
fn open_up(place: &Place) {
    let directory = place.root().parent().unwrap().to_owned();
    fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// Mounts the layers as a container gets them, in a mount namespace of its own, and lists all files.
fn mounted(place: &Place, image: &Image, options: &str) -> String {
    let target = place.path("mounted");
    fs::create_dir_all(&target).unwrap();
    let lower: Vec<_> = image.layers.iter().rev().map(|it| it.to_str().unwrap()).collect();
    let script = format!(
        "mount -t overlay overlay -o {options},lowerdir={} {target} && cd {target} && \
         find . -type f | LC_ALL=C sort | tr '\\n' ' '",
        lower.join(":"),
        target = target.display(),
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const NOBODY: u32 = 65534;
