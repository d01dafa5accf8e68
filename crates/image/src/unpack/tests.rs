//! Layers that attack, and layers that are only odd. None of these needs privileges: what only root
//! may do is in `tests/as_root.rs`.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::*;
use crate::archive::{Item, archive, device, dir, file, hardlink, pax, symlink};

/// A layer's directory, with something beside it that no layer may touch.
struct Place {
    _directory: tempfile::TempDir,
    layer: PathBuf,
    canary: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layer = directory.path().join("layer");
        let canary = directory.path().join("canary");
        fs::create_dir(&layer).unwrap();
        fs::create_dir(&canary).unwrap();
        fs::write(canary.join("file"), "unharmed").unwrap();
        fs::set_permissions(canary.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
        Self { _directory: directory, layer, canary }
    }

    fn unpack(&self, items: &[Item]) -> Result<Report, String> {
        self.unpack_within(items, Limits::default())
    }

    fn unpack_within(&self, items: &[Item], limits: Limits) -> Result<Report, String> {
        let into = fs::File::open(&self.layer).unwrap().into();
        let before = self.beside();
        let result = unpack(&archive(items)[..], into, Ownership::Own, limits);
        assert_eq!(self.beside(), before, "a layer reached what is beside it");
        result.map_err(|error| error.to_string())
    }

    /// Everything beside the layer: names, kinds, modes, owners, times, contents.
    fn beside(&self) -> Vec<String> {
        let parent = self.layer.parent().unwrap();
        let mut found = Vec::new();
        for directory in [parent, &self.canary] {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                let time =
                    if path == self.layer { 0 } else { meta.mtime_nsec() + meta.ctime_nsec() };
                found.push(format!(
                    "{} {:o} {}:{} {} {} {content:?}",
                    path.display(),
                    meta.mode() & if path == self.layer { 0o170000 } else { !0 },
                    meta.uid(),
                    meta.gid(),
                    if path == self.layer { 0 } else { meta.nlink() },
                    time,
                ));
            }
        }
        found.sort();
        found
    }

    fn path(&self, name: &str) -> PathBuf {
        self.layer.join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

#[test]
fn a_layer_becomes_a_directory() {
    let place = Place::new();
    let report = place
        .unpack(&[
            dir("./").mode(0o751),
            dir("./bin/").mode(0o555),
            file("./bin/tool", b"tool").mode(0o4755),
            symlink("./bin/again", "tool"),
            hardlink("./bin/linked", "./bin/tool"),
            file("deep/er/file", b"x").mode(0o600),
            Item::new(b'6', "fifo").mode(0o622),
            symlink("dangling", "/nowhere/at/all"),
            file("last", b"y").mode(0o7777),
            dir("sticky").mode(0o1777),
        ])
        .unwrap();
    assert_eq!((report.entries, report.skipped_count), (10, 0));

    let mode = |name: &str| fs::symlink_metadata(place.path(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode(""), 0o751);
    assert_eq!(mode("bin"), 0o555);
    assert_eq!(mode("bin/tool"), 0o4755);
    assert_eq!(mode("deep"), 0o755, "no entry describes it");
    assert_eq!(mode("deep/er"), 0o755);
    assert_eq!(mode("deep/er/file"), 0o600);
    assert_eq!(mode("fifo"), 0o622);
    assert_eq!(mode("last"), 0o7777);
    assert_eq!(mode("sticky"), 0o1777);
    assert_eq!(place.read("bin/tool"), "tool");
    assert_eq!(fs::read_link(place.path("bin/again")).unwrap(), Path::new("tool"));
    assert_eq!(fs::read_link(place.path("dangling")).unwrap(), Path::new("/nowhere/at/all"));
    assert!(fs::symlink_metadata(place.path("fifo")).unwrap().file_type().is_fifo());
    let inode = |name: &str| fs::metadata(place.path(name)).unwrap().ino();
    assert_eq!(inode("bin/linked"), inode("bin/tool"));
    for name in ["", "bin", "bin/tool", "bin/again", "fifo", "sticky"] {
        let found = fs::symlink_metadata(place.path(name)).unwrap().mtime();
        assert_eq!(found, 1_000_000_000, "the time of `{name}`");
    }
}

/// Each of these layers tries to get out. Whatever the answer is, `Place::unpack` has checked that
/// nothing outside has changed.
#[test]
fn no_layer_gets_out() {
    let canary = |place: &Place| place.canary.to_str().unwrap().to_owned();
    let escape = |place: &Place| {
        let up = "../".repeat(place.layer.components().count() + 3);
        format!("{up}{}", canary(place).trim_start_matches('/'))
    };
    type Attack = (&'static str, Option<&'static str>, fn(&str, &str) -> Vec<Item>);
    let rows: &[Attack] = &[
        ("`..` in a file", Some("`..`"), |_, _| vec![file("../canary/new", b"x")]),
        ("`..` behind a name", Some("`..`"), |_, _| vec![file("a/../../canary/new", b"x")]),
        ("`..` in a directory", Some("`..`"), |_, _| vec![dir("../canary").mode(0o777)]),
        ("only `..`", Some("`..`"), |_, _| vec![dir("..").mode(0o777)]),
        ("`..` behind a slash", Some("`..`"), |_, up| vec![file(format!("/{up}/file"), b"x")]),
        ("`..` in a pax path", Some("`..`"), |_, _| {
            vec![pax(&[("path", b"../canary/file")]), file("harmless", b"x")]
        }),
        ("an absolute path stays in", None, |at, _| vec![file(format!("{at}/file"), b"x")]),
        ("a file through a link", Some("symbolic link"), |at, _| {
            vec![symlink("l", at), file("l/new", b"x")]
        }),
        ("a file through a relative link", Some("symbolic link"), |_, _| {
            vec![symlink("l", "../canary"), file("l/new", b"x")]
        }),
        ("a file through a link to the root", Some("symbolic link"), |at, _| {
            vec![symlink("l", "/"), file(format!("l{at}/new"), b"x")]
        }),
        ("a file through two links", Some("symbolic link"), |_, _| {
            vec![symlink("a", "b/.."), symlink("b", "../canary"), file("a/canary/new", b"x")]
        }),
        ("a file through a deep link", Some("symbolic link"), |at, _| {
            vec![dir("d"), symlink("d/l", at), file("d/l/new", b"x")]
        }),
        ("a directory through a link", Some("symbolic link"), |at, _| {
            vec![symlink("l", at), dir("l/new")]
        }),
        ("a link through a link", Some("symbolic link"), |at, _| {
            vec![symlink("l", at), symlink("l/new", "x")]
        }),
        ("a FIFO through a link", Some("symbolic link"), |at, _| {
            vec![symlink("l", at), Item::new(b'6', "l/new")]
        }),
        ("a device through a link", None, |at, _| {
            vec![symlink("l", at), device(b'3', "l/new", 1, 3)]
        }),
        ("a whiteout through a link", Some("symbolic link"), |at, _| {
            vec![symlink("l", at), file("l/.wh.file", b"")]
        }),
        ("an opaque marker through a link", Some("symbolic link"), |at, _| {
            vec![symlink("l", at), file("l/.wh..wh..opq", b"")]
        }),
        ("a link that is its own parent", Some("symbolic link"), |_, _| {
            vec![symlink("l", "l"), file("l/x", b"x")]
        }),
        ("a chain of 41 links", Some("symbolic link"), |at, _| {
            let mut items = vec![symlink("l0", at)];
            items.extend((1..41).map(|it| symlink(format!("l{it}"), format!("l{}", it - 1))));
            items.push(file("l40/new", b"x"));
            items
        }),
        ("a file over a link replaces the link", None, |at, _| {
            vec![symlink("l", format!("{at}/file")), file("l", b"x").mode(0o777)]
        }),
        ("a directory over a link replaces the link", None, |at, _| {
            vec![symlink("l", at), dir("l").mode(0o777), file("l/new", b"x")]
        }),
        ("a FIFO over a link replaces the link", None, |at, _| {
            vec![symlink("l", format!("{at}/file")), Item::new(b'6', "l").mode(0o777)]
        }),
        ("a hard link over a link replaces the link", None, |at, _| {
            vec![
                file("f", b"x").mode(0o777),
                symlink("l", format!("{at}/file")),
                hardlink("l", "f"),
            ]
        }),
        ("the root as a link", Some("root"), |at, _| vec![symlink("./", at), file("new", b"x")]),
        ("the root as a file", Some("root"), |_, _| vec![file("/.", b"x")]),
        ("a hard link to the outside", Some("target"), |at, _| {
            vec![hardlink("l", format!("{at}/file")), file("l", b"x")]
        }),
        ("a hard link to `..`", Some("target"), |_, _| {
            vec![hardlink("l", "../canary/file"), file("l", b"x")]
        }),
        ("a hard link through a link", Some("target"), |at, _| {
            vec![symlink("d", at), hardlink("l", "d/file"), file("l", b"x")]
        }),
        ("a hard link to a link is that link", None, |at, _| {
            vec![symlink("s", format!("{at}/file")), hardlink("l", "s")]
        }),
        ("what is written to a hard link of a link", None, |at, _| {
            vec![
                symlink("s", format!("{at}/file")),
                hardlink("l", "s"),
                file("l", b"overwritten").mode(0o777),
            ]
        }),
        ("a hard link to a directory", Some("directory"), |_, _| {
            vec![dir("d"), hardlink("l", "d")]
        }),
        ("a hard link to the root", Some("directory"), |_, _| vec![hardlink("l", ".")]),
        ("a hard link to nothing", Some("not in this layer"), |_, _| vec![hardlink("l", "x/y")]),
        ("a hard link to a whiteout", Some("whiteout"), |_, _| {
            vec![file(".wh.f", b""), hardlink("l", "f")]
        }),
        ("a whiteout of `..`", Some("whiteout"), |_, _| vec![file(".wh...", b"")]),
        ("a whiteout of `.`", Some("whiteout"), |_, _| vec![file("a/.wh..", b"")]),
        ("a whiteout of nothing", Some("whiteout"), |_, _| vec![file("a/.wh.", b"")]),
        ("a directory that looks like a whiteout", Some("whiteout"), |_, _| {
            vec![file(".wh.d/x", b"")]
        }),
        ("a file below a file", Some("not a directory"), |_, _| {
            vec![file("f", b"x"), file("f/g", b"x")]
        }),
        ("a file below a hard link of a file", Some("not a directory"), |_, _| {
            vec![file("f", b"x"), hardlink("h", "f"), file("h/g", b"x")]
        }),
        ("a link without a target", Some("target"), |_, _| vec![symlink("l", "")]),
        ("a link with a target too long", Some("target"), |_, _| {
            vec![symlink("l", "x".repeat(5000))]
        }),
        ("no name", Some("empty"), |_, _| vec![file("", b"x")]),
        ("a name too long", Some("255"), |_, _| vec![file("n".repeat(256), b"x")]),
        ("a path too long", Some("4095"), |_, _| {
            vec![file(vec!["n".repeat(200); 30].join("/"), b"x")]
        }),
        ("a path too deep", Some("128"), |_, _| vec![file("d/".repeat(2000), b"x")]),
        ("the last user id, which means none", Some("user id"), |_, _| {
            vec![file("f", b"x").owner(0xffff_ffff, 0)]
        }),
        ("a group id of more than 32 bits", Some("group id"), |_, _| {
            vec![file("f", b"x").owner(0, 0x1_0000_0000)]
        }),
        ("a negative user id", Some("user id"), |_, _| {
            vec![pax(&[("uid", b"-1")]), file("f", b"x")]
        }),
    ];
    for (shows, expected, attack) in rows {
        let place = Place::new();
        let result = place.unpack(&attack(&canary(&place), &escape(&place)));
        match (expected, &result) {
            (None, Ok(_)) => {}
            (Some(why), Err(error)) if error.contains(why) => {}
            _ => panic!("{shows}: {result:?}"),
        }
    }
}

/// The control of the test above: what it looks at would change if a layer got out.
#[test]
fn the_canary_sees_an_escape() {
    for harm in [
        |place: &Place| fs::write(place.canary.join("new"), "x").unwrap(),
        |place: &Place| fs::write(place.canary.join("file"), "overwritten").unwrap(),
        |place: &Place| fs::hard_link(place.canary.join("file"), place.path("l")).unwrap(),
        |place: &Place| fs::remove_file(place.canary.join("file")).unwrap(),
        |place: &Place| {
            let mode = fs::Permissions::from_mode(0o777);
            fs::set_permissions(place.canary.join("file"), mode).unwrap();
        },
    ] {
        let place = Place::new();
        let before = place.beside();
        harm(&place);
        assert_ne!(place.beside(), before);
    }
}

#[test]
fn later_entries_replace_earlier_ones() {
    let place = Place::new();
    place
        .unpack(&[
            file("a", b"old"),
            file("a", b"new"),
            file("b", b"x"),
            dir("b").mode(0o700),
            file("b/c", b"in b"),
            dir("d").mode(0o700),
            file("d/e/f", b"x"),
            file("d", b"file"),
            dir("g").mode(0o700),
            file("g/h", b"kept"),
            dir("g").mode(0o711),
            dir("i").mode(0o700),
            symlink("i", "b"),
            dir("j").mode(0o700),
            symlink("j", "b"),
            dir("j"),
            file("j/k", b"x"),
            file("l", b"l"),
            hardlink("l", "l"),
        ])
        .unwrap();
    assert_eq!(place.read("a"), "new");
    assert_eq!(place.read("b/c"), "in b");
    assert_eq!(place.read("d"), "file");
    assert_eq!(place.read("g/h"), "kept");
    assert_eq!(place.read("l"), "l", "a link to itself is nothing new");
    let mode = |name: &str| fs::symlink_metadata(place.path(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode("g"), 0o711);
    assert_eq!(mode("d"), 0o644, "the directory that was there gave it nothing");
    assert!(place.path("i").is_symlink());
    assert_eq!(mode("j"), 0o755);
    assert_eq!(mode("b"), 0o700, "what a replaced directory was to have did not go through a link");
}

#[test]
fn whiteouts_hide_what_lies_below_and_nothing_of_their_own_layer() {
    let place = Place::new();
    let report = place
        .unpack(&[
            file(".wh.gone", b""),
            file("new/deep/.wh.gone", b""),
            // Things of this layer, before and after their whiteouts.
            file("kept", b"kept"),
            file(".wh.kept", b""),
            file(".wh.late", b""),
            file("late", b"late"),
            dir("replaced"),
            file(".wh.replaced", b""),
            file(".wh.again", b""),
            dir("again"),
            file(".wh.implied", b""),
            file("implied/file", b"x"),
            dir("opaque"),
            file("opaque/file", b"x"),
            file("opaque/.wh..wh..opq", b""),
            file("plain/file", b"x"),
            file(".wh..wh.plnk", b"bookkeeping"),
        ])
        .unwrap();
    assert!(!report.hides_all_below);
    for name in ["gone", "new/deep/gone"] {
        let found = fs::symlink_metadata(place.path(name)).unwrap();
        assert!(found.file_type().is_char_device() && found.rdev() == 0, "{name}");
    }
    assert_eq!(place.read("kept"), "kept");
    assert_eq!(place.read("late"), "late");
    for (name, expected) in [
        ("replaced", true),
        ("again", true),
        ("implied", true),
        ("opaque", true),
        ("plain", false),
        ("new", false),
    ] {
        assert_eq!(is_opaque(&place.path(name)), expected, "{name}");
    }
    assert!(!place.path(".wh..wh.plnk").exists());
}

#[test]
fn a_layer_whose_root_is_opaque_says_so() {
    let place = Place::new();
    assert!(place.unpack(&[file(".wh..wh..opq", b"")]).unwrap().hides_all_below);
}

#[test]
fn devices_are_left_out_and_reported() {
    let place = Place::new();
    let report = place
        .unpack(&[
            device(b'3', "dev/null", 1, 3),
            device(b'4', "dev/sda", 8, 0),
            // To overlayfs this would be a whiteout.
            device(b'3', "etc/shadow", 0, 0),
            file("dev/file", b"x"),
        ])
        .unwrap();
    let expected = ["dev/null", "dev/sda", "etc/shadow"];
    let devices = expected.map(|path| Skipped::Device { path: path.to_owned() });
    assert_eq!(report.skipped, devices);
    for name in expected {
        assert!(!place.path(name).exists(), "{name}");
    }
}

#[test]
fn overlayfs_takes_no_orders_from_a_layer() {
    let place = Place::new();
    let attributes: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.user.note", b"kept"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("SCHILY.xattr.security.selinux", b"x"),
    ];
    let report =
        place.unpack(&[pax(attributes), dir("d"), pax(attributes), file("f", b"x")]).unwrap();
    assert_eq!(report.skipped_count, 10);
    for name in ["d", "f"] {
        let names = attribute_names(&place.path(name));
        assert_eq!(names, ["user.note"], "{name}");
    }
}

#[test]
fn files_with_holes_have_them() {
    let place = Place::new();
    let size = 1 << 30;
    place
        .unpack(&[
            pax(&[
                ("GNU.sparse.size", size.to_string().as_bytes()),
                ("GNU.sparse.map", b"0,2,1073741820,3"),
            ]),
            file("f", b"abcde"),
        ])
        .unwrap();
    let found = fs::metadata(place.path("f")).unwrap();
    assert_eq!(found.len(), size);
    assert!(found.blocks() * 512 < 1 << 20, "{} blocks", found.blocks());
}

#[test]
fn limits_hold() {
    let limits = Limits { entries: 3, bytes: 1000 };
    let rows: &[(&str, Vec<Item>, bool)] = &[
        ("as many entries as there may be", vec![dir("a"), dir("b"), dir("c")], true),
        ("one more", vec![dir("a"), dir("b"), dir("c"), dir("d")], false),
        ("one again and again", vec![dir("a"); 4], false),
        (
            "a hole as large as may be",
            vec![pax(&[("GNU.sparse.size", b"1000"), ("GNU.sparse.map", b"0,1")]), file("f", b"x")],
            true,
        ),
        (
            "a hole larger than that",
            vec![pax(&[("GNU.sparse.size", b"1001"), ("GNU.sparse.map", b"0,1")]), file("f", b"x")],
            false,
        ),
    ];
    for (shows, items, expected) in rows {
        let result = Place::new().unpack_within(items, limits);
        assert_eq!(result.is_ok(), *expected, "{shows}: {result:?}");
    }
}

#[test]
fn names_are_bytes() {
    let place = Place::new();
    place.unpack(&[file(b"\xff\xfe \n\x1b", b"x"), file("ü", b"y")]).unwrap();
    assert_eq!(fs::read_dir(&place.layer).unwrap().count(), 2);
}

#[test]
fn an_error_shows_no_raw_control_characters() {
    let error = Place::new().unpack(&[file("a\x1b[2J/../b", b"x")]).unwrap_err();
    assert!(!error.contains('\x1b'), "{error:?}");
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    let name = Ownership::Own.opaque();
    rustix::fs::lgetxattr(path, name, &mut value).is_ok_and(|_| value[0] == b'y')
}

fn attribute_names(path: &Path) -> Vec<String> {
    let mut names = vec![0; 4096];
    let count = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..count].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    // What the machine's own policy puts on every file is not the layer's.
    names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .filter(|name| !name.starts_with("security."))
        .collect()
}
