use std::io::Cursor;

use super::*;
use crate::archive::{Item, archive, dir, file, hardlink, pax, symlink, unfinished};

#[test]
fn entries_come_with_their_content() {
    let long = "d/".repeat(90) + "file";
    let bytes = archive(&[
        dir("a/"),
        file("a/b", b"content").mode(0o4755).owner(1000, 1001),
        file(&long, vec![7; 1000]),
        symlink("l", "t".repeat(150)),
        hardlink("h", "a/b"),
        file("empty", b""),
        file("last", b"x").owner(3_000_000_000, 0o7777777),
    ]);
    let (entries, contents) = read(&bytes).unwrap();

    let names: Vec<_> = entries.iter().map(|it| String::from_utf8_lossy(&it.path)).collect();
    assert_eq!(names, ["a/", "a/b", &long, "l", "h", "empty", "last"]);
    assert_eq!(contents[1], b"content");
    assert_eq!(contents[2], vec![7; 1000]);
    assert_eq!((entries[1].mode, entries[1].uid, entries[1].gid), (0o4755, 1000, 1001));
    assert_eq!(entries[1].mtime, Time { seconds: 1_000_000_000, nanoseconds: 0 });
    assert_eq!(entries[3].link, b"t".repeat(150));
    assert_eq!((entries[4].kind, entries[4].link.as_slice()), (EntryKind::HardLink, &b"a/b"[..]));
    assert_eq!((entries[6].uid, entries[6].gid), (3_000_000_000, 0o7777777));
}

#[test]
fn pax_records_win_over_the_header() {
    let long = "p/".repeat(200) + "file";
    let bytes = archive(&[
        pax(&[
            ("path", long.as_bytes()),
            ("uid", b"3000000000"),
            ("gid", b"7"),
            ("mtime", b"12.5"),
            ("size", b"3"),
            ("SCHILY.xattr.user.a", b"b\0\n=c"),
            ("comment", b"ignored"),
        ]),
        Item { size: Some(0), ..file("short", b"abc") },
        file("next", b"d"),
    ]);
    let (entries, contents) = read(&bytes).unwrap();
    assert_eq!(entries[0].path, long.as_bytes());
    assert_eq!((entries[0].uid, entries[0].gid, entries[0].size), (3_000_000_000, 7, 3));
    assert_eq!(entries[0].mtime, Time { seconds: 12, nanoseconds: 500_000_000 });
    assert_eq!(entries[0].xattrs, [(b"user.a".to_vec(), b"b\0\n=c".to_vec())]);
    assert_eq!(contents[0], b"abc");
    // It counts for one entry only.
    assert_eq!((entries[1].path.as_slice(), entries[1].uid), (&b"next"[..], 0));
}

#[test]
fn prefixes_belong_to_ustar_only() {
    let prefixed = |magic: &[u8]| file("name", b"").patch(257, magic).patch(345, b"prefix");
    for (magic, expected) in [
        (&b"ustar\x0000"[..], "prefix/name"),
        (b"ustar  \0", "name"),
        (b"\0\0\0\0\0\0\0\0", "name"),
    ] {
        let (entries, _) = read(&archive(&[prefixed(magic)])).unwrap();
        assert_eq!(entries[0].path, expected.as_bytes(), "{}", magic.escape_ascii());
    }
}

#[test]
fn all_kinds_of_sparse_files_are_read() {
    let expected = vec![Extent { offset: 10, length: 3 }, Extent { offset: 1000, length: 2 }];
    let pair = |offset: u64, length: u64| format!("{offset:011o}\0{length:011o}\0").into_bytes();
    let old = file("f", b"abcde")
        .patch(156, b"S")
        .patch(386, &pair(10, 3))
        .patch(410, &pair(1000, 2))
        .patch(483, format!("{:011o}\0", 2000).as_bytes());

    let mut continuation = [pair(10, 3), pair(1000, 2)].concat();
    continuation.resize(512, 0);
    let mut continued = unfinished(&[file("f", b"")
        .patch(156, b"S")
        .patch(482, &[1])
        .patch(483, b"00000003720\0")
        .patch(124, b"00000000005\0")]);
    continued.extend(continuation);
    continued.extend(b"abcde");
    continued.resize(continued.len().next_multiple_of(512), 0);

    let mut with_map = b"2\n10\n3\n1000\n2\n".to_vec();
    with_map.resize(512, 0);
    with_map.extend(b"abcde");
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("old GNU", archive(&[old, file("next", b"n")])),
        ("old GNU, continued", [continued, archive(&[file("next", b"n")])].concat()),
        (
            "pax 0.0",
            archive(&[
                pax(&[
                    ("GNU.sparse.size", b"2000"),
                    ("GNU.sparse.numblocks", b"2"),
                    ("GNU.sparse.offset", b"10"),
                    ("GNU.sparse.numbytes", b"3"),
                    ("GNU.sparse.offset", b"1000"),
                    ("GNU.sparse.numbytes", b"2"),
                ]),
                file("f", b"abcde"),
                file("next", b"n"),
            ]),
        ),
        (
            "pax 0.1",
            archive(&[
                pax(&[
                    ("GNU.sparse.size", b"2000"),
                    ("GNU.sparse.name", b"f"),
                    ("GNU.sparse.map", b"10,3,1000,2"),
                ]),
                file("GNUSparseFile.1/f", b"abcde"),
                file("next", b"n"),
            ]),
        ),
        (
            "pax 1.0",
            archive(&[
                pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.name", b"f"),
                    ("GNU.sparse.realsize", b"2000"),
                ]),
                file("GNUSparseFile.1/f", &with_map),
                file("next", b"n"),
            ]),
        ),
    ];
    for (shows, bytes) in rows {
        let (entries, contents) = read(&bytes).unwrap_or_else(|it| panic!("{shows}: {it}"));
        assert_eq!(entries[0].path, b"f", "{shows}");
        assert_eq!(entries[0].sparse.as_ref(), Some(&expected), "{shows}");
        assert_eq!((entries[0].size, entries[0].stored), (2000, 5), "{shows}");
        assert_eq!(contents[0], b"abcde", "{shows}");
        assert_eq!(entries[1].path, b"next", "{shows}");
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    let long = "n".repeat(150);
    let map = |map: &[u8]| pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", map)]);
    let huge = |size: u64| Item { size: Some(size), ..file("f", b"") };
    let mut bad_checksum = archive(&[file("f", b"")]);
    bad_checksum[0] ^= 1;
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("a bad checksum", bad_checksum),
        ("an unknown type", archive(&[Item::new(b'V', "f")])),
        ("a multi-volume part", archive(&[Item::new(b'M', "f")])),
        (
            "two pax headers",
            archive(&[pax(&[("path", b"a")]), pax(&[("path", b"b")]), file("f", b"")]),
        ),
        ("a GNU and a pax name", archive(&[pax(&[("path", b"a")]), file(&long, b"")])),
        (
            "a global header that names",
            archive(&[Item { type_flag: b'g', ..pax(&[("path", b"a")]) }, file("f", b"")]),
        ),
        ("a pax header at the end", archive(&[pax(&[("path", b"a")])])),
        ("a NUL in a name", archive(&[pax(&[("path", b"a\0b")]), file("f", b"")])),
        ("a NUL in a link", archive(&[pax(&[("linkpath", b"a\0b")]), symlink("f", "x")])),
        ("a negative size", archive(&[pax(&[("size", b"-1")]), file("f", b"")])),
        (
            "a size past the end of numbers",
            archive(&[pax(&[("size", b"9223372036854775808")]), file("f", b"")]),
        ),
        ("a size that overflows", archive(&[huge(i64::MAX.cast_unsigned()), file("f", b"")])),
        ("content that is not there", unfinished(&[huge(1 << 40)])),
        ("half a header", archive(&[file("f", b"")])[..300].to_vec()),
        ("content cut short", unfinished(&[file("f", vec![1; 600])])[..1000].to_vec()),
        ("an extension of a gigabyte", unfinished(&[Item { size: Some(1 << 30), ..pax(&[]) }])),
        (
            "a long name of a gigabyte",
            unfinished(&[Item { size: Some(1 << 30), ..Item::new(b'L', "x") }]),
        ),
        ("sparse pieces that overlap", archive(&[map(b"0,3,2,2"), file("f", b"abcde")])),
        ("sparse pieces out of order", archive(&[map(b"50,3,10,2"), file("f", b"abcde")])),
        ("sparse pieces past the end", archive(&[map(b"0,3,99,2"), file("f", b"abcde")])),
        ("sparse pieces of another length", archive(&[map(b"0,3,50,3"), file("f", b"abcde")])),
        (
            "sparse pieces that overflow",
            archive(&[map(b"0,3,18446744073709551615,2"), file("f", b"abcde")]),
        ),
        ("half a sparse piece", archive(&[map(b"0,3,50"), file("f", b"abcde")])),
        ("a sparse directory", archive(&[map(b"0,5"), dir("f")])),
        ("sparse in two ways", archive(&[map(b"0,5"), file("f", b"abcde").patch(156, b"S")])),
        (
            "sparse of an unknown version",
            archive(&[
                pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.size", b"5")]),
                file("f", b"abcde"),
            ]),
        ),
        ("no digits", archive(&[file("f", b"").patch(124, b"12x45678901\0")])),
    ];
    for (shows, bytes) in rows {
        let found = read(&bytes);
        assert!(found.is_err(), "{shows}: {found:?}");
    }
}

#[test]
fn an_archive_may_end_without_zeros_and_go_on_after_them() {
    let (entries, _) = read(&unfinished(&[file("f", b"x")])).unwrap();
    assert_eq!(entries.len(), 1);
    let two = [archive(&[file("f", b"x")]), archive(&[file("g", b"x")])].concat();
    let (entries, _) = read(&two).unwrap();
    assert_eq!(entries.len(), 1, "what comes after the end is not read");
}

#[test]
fn stepping_over_content_finds_the_same_entries() {
    let bytes = archive(&[file("a", vec![1; 5000]), file("b", b"x"), dir("c")]);
    let mut archive = TarReader::seeking(Cursor::new(&bytes));
    let mut found = Vec::new();
    while let Some(entry) = archive.next_entry().unwrap() {
        let at = usize::try_from(archive.position()).unwrap();
        found.push((entry.path, bytes.get(at..at + 1).map(<[u8]>::to_vec)));
    }
    assert_eq!(found[0], (b"a".to_vec(), Some(vec![1])));
    assert_eq!(found[1], (b"b".to_vec(), Some(b"x".to_vec())));
    assert_eq!(found[2].0, b"c");
}

#[test]
fn what_another_writer_writes_is_read() {
    let mut builder = tar::Builder::new(Vec::new());
    let name = "long/".repeat(60) + "name";
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o640);
    header.set_uid(70_000);
    builder.append_pax_extensions([("SCHILY.xattr.user.k", &b"v"[..])]).unwrap();
    builder.append_data(&mut header, &name, &b"data"[..]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    builder.append_link(&mut header, "link", "target").unwrap();

    let (entries, contents) = read(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(entries[0].path, name.as_bytes());
    assert_eq!((entries[0].mode, entries[0].uid), (0o640, 70_000));
    assert_eq!(entries[0].xattrs, [(b"user.k".to_vec(), b"v".to_vec())]);
    assert_eq!(contents[0], b"data");
    assert_eq!((entries[1].kind, entries[1].link.as_slice()), (EntryKind::Symlink, &b"target"[..]));
}

#[test]
fn no_bytes_make_the_reader_panic_or_run_away() {
    let whole = unfinished(&[
        pax(&[("path", b"abc"), ("GNU.sparse.size", b"9"), ("GNU.sparse.map", b"0,5")]),
        file("f", b"abcde"),
        file("f".repeat(150), b"abcde"),
    ]);
    // Every byte of the headers, with the checksum made right again where it is in a header.
    for at in 0..whole.len() {
        for value in [0, b'7', b'9', b'=', b'S', 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let start = at / 512 * 512;
            bytes[start + 148..start + 156].fill(b' ');
            let sum: u32 = bytes[start..start + 512].iter().map(|&it| u32::from(it)).sum();
            bytes[start + 148..start + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            if let Ok((_, contents)) = read(&bytes) {
                let total: usize = contents.iter().map(Vec::len).sum();
                assert!(total <= bytes.len(), "byte {at} as {value}");
            }
        }
    }
}

fn read(bytes: &[u8]) -> Result<(Vec<Entry>, Vec<Vec<u8>>), TarError> {
    let mut archive = TarReader::new(bytes);
    let mut entries = Vec::new();
    let mut contents = Vec::new();
    while let Some(entry) = archive.next_entry()? {
        let mut content = Vec::new();
        archive
            .read_to_end(&mut content)
            .map_err(|error| TarError { at: archive.position(), why: error.into() })?;
        entries.push(entry);
        contents.push(content);
    }
    Ok((entries, contents))
}
