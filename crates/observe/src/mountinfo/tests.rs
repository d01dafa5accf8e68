use super::*;

#[test]
fn lines_are_read_as_the_kernel_writes_them() {
    use MountAccess::{ReadOnly, ReadWrite};
    for (line, expected) in [
        ("1 0 8:1 / / rw - ext4 /dev/sda rw", Some(("/", "/", ReadWrite, "ext4"))),
        ("1 0 8:1 / / ro,noatime - ext4 /dev/sda rw", Some(("/", "/", ReadOnly, "ext4"))),
        ("1 0 8:1 / / rw - ext4 /dev/sda ro,x", Some(("/", "/", ReadOnly, "ext4"))),
        (
            "1 0 0:1 /null /proc/k rw shared:1 master:2 - tmpfs t rw",
            Some(("/null", "/proc/k", ReadWrite, "tmpfs")),
        ),
        // A source or option of the container's choice does not make anything read-only …
        ("1 0 0:1 / /a rw - fuse.ro ro rw,ro,user_id=0", Some(("/", "/a", ReadWrite, "fuse.ro"))),
        ("1 0 0:1 / /a rw - tmpfs  rw", Some(("/", "/a", ReadWrite, "tmpfs"))),
        // … nor does a mount point become another line or field.
        (
            "1 0 0:1 / /a\\0402\\012b\\134 rw - tmpfs t rw",
            Some(("/", "/a 2\nb\\", ReadWrite, "tmpfs")),
        ),
        (
            "1 0 0:1 / /a\\040-\\040ext4 ro - tmpfs t rw",
            Some(("/", "/a - ext4", ReadOnly, "tmpfs")),
        ),
        // An option that some file system did not escape.
        ("1 0 0:1 / /a rw - odd src rw,dir=a b", Some(("/", "/a", ReadWrite, "odd"))),
        ("1 0 0:1 / /a rw - tmpfs", None),
        ("1 0 0:1 / /a rw - tmpfs t", None),
        ("1 0 0:1 / /a rw tmpfs t rw", None),
        ("1 0 0:1 / /a relatime - tmpfs t rw", None),
        ("1 0 0:1 / /a rw - tmpfs t size=1", None),
        ("x 0 0:1 / /a rw - tmpfs t rw", None),
        ("1 0 0:1 / /a\\04 rw - tmpfs t rw", None),
        ("1 0 0:1 / /a\\999 rw - tmpfs t rw", None),
        ("1 0 0:1 / /a\\777 rw - tmpfs t rw", None),
        ("\0", None),
    ] {
        let found = MountTable::parse(line.as_bytes()).ok();
        let found = found.as_ref().map(|it| &it.0[0]);
        let text = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap();
        let found =
            found.map(|it| (text(&it.root), text(&it.point), it.access, text(&it.file_system)));
        let expected = expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c, d.to_owned()));
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn mount_points_may_be_any_bytes() {
    let table = MountTable::parse(b"1 0 0:1 / /\xff\xfe rw - tmpfs \xff rw\n").unwrap();
    assert_eq!(table.0[0].point, b"/\xff\xfe");
}

#[test]
fn one_bad_line_spoils_the_table() {
    let content = "1 0 8:1 / / rw - ext4 /dev/sda rw\nnonsense\n";
    let why = MountTable::parse(content.as_bytes()).unwrap_err();
    assert!(why.0.ends_with("malformed: nonsense"), "{why}");
}

#[test]
fn a_path_leads_to_the_mount_on_top() {
    // The line order is the reverse of the order of mounting: 9 lies over 5, though it was made
    // first, and 7 is hidden below 3.
    let table = table(&[
        (9, 5, "/proc/sys"),
        (5, 3, "/proc/sys"),
        (3, 2, "/proc"),
        (2, 1, "/"),
        (7, 1, "/proc"),
        (8, 7, "/proc/irq"),
        (6, 2, "/data"),
        (4, 6, "/data/sub"),
    ]);
    for (root, path, expected) in [
        (2, "/", 2),
        (2, "/etc/passwd", 2),
        (2, "/proc", 3),
        (2, "/proc/kcore", 3),
        (2, "/proc/irq", 3),
        (2, "/proc/sys", 9),
        (2, "/proc/sys/kernel", 9),
        (2, "/proc/sysrq-trigger", 3),
        (2, "/proc2", 2),
        (2, "/data/sub/x", 4),
        (2, "/data/submarine", 6),
        // Somebody whose root is the lower mount sees what is there.
        (1, "/proc/irq", 8),
    ] {
        let root = table.by_id(root).cloned().unwrap_or_else(|| mount_at(root, 0, "/"));
        assert_eq!(table.covering(&root, path.as_bytes()).id, expected, "{path} from {}", root.id);
    }
}

#[test]
fn the_top_of_the_root_is_found_in_any_order() {
    for (rows, expected) in [
        (vec![(2, 1, "/")], Some(2)),
        (vec![(2, 1, "/"), (3, 2, "/")], Some(3)),
        (vec![(3, 4, "/"), (4, 2, "/"), (2, 1, "/"), (5, 3, "/x")], Some(3)),
        (vec![(3, 2, "/x")], None),
        (vec![], None),
        // Rings do not exist; if one did, it would not be gone round forever.
        (vec![(2, 3, "/"), (3, 2, "/")], None),
        (vec![(2, 2, "/")], None),
    ] {
        assert_eq!(table(&rows).top_of_root().map(|it| it.id), expected, "{rows:?}");
    }
}

#[test]
fn our_own_table_holds_our_own_root() {
    let mounts = Mounts::read(rustix::fs::open("/proc/self", OFlags::PATH, Mode::empty()).unwrap());
    let mounts = mounts.unwrap();
    let top = mounts.table.top_of_root().unwrap();
    assert_eq!(mounts.table.covering(top, b"/proc/self").file_system, b"proc");
}

fn table(rows: &[(u64, u64, &str)]) -> MountTable {
    MountTable(rows.iter().map(|(id, parent, point)| mount_at(*id, *parent, point)).collect())
}

fn mount_at(id: u64, parent: u64, point: &str) -> Mount {
    Mount {
        id,
        parent,
        root: b"/".to_vec(),
        point: point.into(),
        access: MountAccess::ReadWrite,
        file_system: b"tmpfs".to_vec(),
        options: Vec::new(),
    }
}
