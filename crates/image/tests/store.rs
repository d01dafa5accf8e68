//! Images come into the store, are found, and go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use common::archive::{archive, dir, file, hardlink, symlink};
use common::{INDEX, Layout, MANIFEST, Parts, Place, architecture, reference, with};
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;
use stockade_image::{Digest, Error, Limits, Progress, Reference, Silent, Store};

#[test]
fn a_docker_archive_becomes_an_image() {
    let place = Place::new();
    let parts = Parts::with_config(
        &[&[dir("bin"), file("bin/sh", b"lower")], &[file("etc/passwd", b"root")]],
        &json!({
            "User": "app", "Env": ["PATH=/bin"], "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "x"],
            "WorkingDir": "/w", "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGINT", "Volumes": {"/data": {}},
        }),
    );
    let path = place.write("image.tar", &parts.docker(&["busybox:1.36", "q.io/team/other:2"]));
    let store = Store::open(&place.root()).unwrap();
    let names = store.import(&path, None, &mut Silent).unwrap();
    assert_eq!(names, [reference("busybox:1.36"), reference("q.io/team/other:2")]);

    let image = store.find(&names[0]).unwrap().unwrap();
    assert_eq!(image.reference, names[0]);
    assert_eq!(image.config_digest, Digest::of(&parts.config));
    assert_eq!(image.layers.len(), 2);
    assert_eq!(fs::read_to_string(image.layers[0].join("bin/sh")).unwrap(), "lower");
    assert_eq!(fs::read_to_string(image.layers[1].join("etc/passwd")).unwrap(), "root");
    let config = &image.config;
    assert_eq!(config.user.as_deref(), Some("app"));
    assert_eq!(config.env, ["PATH=/bin"]);
    assert_eq!(
        (config.entrypoint.as_slice(), config.cmd.as_slice()),
        (&["/bin/sh".to_owned()][..], &["-c".to_owned(), "x".to_owned()][..])
    );
    assert_eq!(config.working_dir.as_deref(), Some("/w"));
    assert_eq!(config.exposed_ports, ["80/tcp"]);
    assert_eq!(config.volumes, ["/data"]);
    assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(config.architecture, architecture());

    assert!(store.find(&reference("busybox")).unwrap().is_none());
    let id = Digest::of(&parts.config).to_string();
    assert!(store.find_id(&id).unwrap().is_some());
    assert!(store.find(&reference(&id[7..19])).unwrap().is_some());
    assert_eq!(place.stored("tmp"), [""; 0]);
    assert_eq!(store.list().unwrap().len(), 2);
}

#[test]
fn every_form_of_packing_gives_the_same_image() {
    let place = Place::new();
    let parts = Parts::new(&[&[file("a", b"aaaa".repeat(1000))], &[file("b", b"b")]]);
    let docker = parts.docker(&["app:1"]);
    let layout = |kind: &'static str, pack: fn(&[u8]) -> Vec<u8>| {
        let packed: Vec<_> = parts.layers.iter().map(|it| (kind, pack(it))).collect();
        let mut layout = Layout::default();
        let entry = layout.image(&parts, &packed);
        let names = json!({"org.opencontainers.image.ref.name": "docker.io/library/app:1"});
        layout.index(&[with(entry, "annotations", names)]);
        layout
    };
    let gzipped = layout("tar+gzip", gzip);
    gzipped.write(&place.path("layout"));
    place.write("docker.tar", &docker);
    place.write("docker.tar.gz", &gzip(&docker));
    place.write("docker.tar.zst", &zstd(&docker));
    place.write("layout.tar", &gzipped.tar());
    place.write("plain.tar", &layout("tar", |it| it.to_vec()).tar());
    place.write("zstd.tar", &layout("tar+zstd", zstd).tar());
    // What a media type says about the compression is often wrong.
    place.write("wrong.tar", &layout("tar+gzip", zstd).tar());

    for name in [
        "docker.tar",
        "docker.tar.gz",
        "docker.tar.zst",
        "layout",
        "layout.tar",
        "plain.tar",
        "zstd.tar",
        "wrong.tar",
    ] {
        let root = place.path(&format!("root of {name}"));
        let store = Store::open(&root).unwrap();
        let names = store
            .import(&place.path(name), None, &mut Silent)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(names, [reference("app:1")], "{name}");
        let image = store.get(&names[0]).unwrap();
        assert_eq!(image.config_digest, Digest::of(&parts.config), "{name}");
        assert_eq!(fs::read(image.layers[1].join("b")).unwrap(), b"b", "{name}");
    }
}

#[test]
fn a_pipe_is_an_archive_too() {
    let place = Place::new();
    let path = place.path("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let bytes = Parts::new(&[&[file("a", b"a")]]).docker(&["app"]);
    let to = path.clone();
    let writer = std::thread::spawn(move || fs::File::create(to).unwrap().write_all(&bytes));
    let names = Store::open(&place.root()).unwrap().import(&path, None, &mut Silent).unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(names, [reference("app")]);
}

#[test]
fn an_archive_may_share_layers_by_links() {
    let place = Place::new();
    let parts = Parts::new(&[&[file("a", b"a")], &[file("a", b"a")], &[file("b", b"b")]]);
    let mut members = parts.docker_members(&["app"]);
    let (from, to) = ("1/layer.tar", "../0/layer.tar");
    let at = members.iter().position(|it| it.name == from.as_bytes()).unwrap();
    members[at] = symlink(from, to);
    members.push(hardlink("unused", "0/layer.tar"));
    let path = place.write("image.tar", &archive(&members));
    let store = Store::open(&place.root()).unwrap();
    store.import(&path, None, &mut Silent).unwrap();
    let image = store.get(&reference("app")).unwrap();
    assert_eq!(image.layers.len(), 2, "overlayfs takes no directory twice");
    assert!(image.layers[0].join("a").exists() && image.layers[1].join("b").exists());
}

#[test]
fn the_image_for_this_machine_is_chosen() {
    let place = Place::new();
    let mut layout = Layout::default();
    let mut platforms = Vec::new();
    for (platform, content) in [("other", "wrong"), (architecture(), "right")] {
        let parts = Parts::new(&[&[file("which", content)]]);
        let entry = layout.image(&parts, &parts.plain());
        let platform = json!({"os": "linux", "architecture": platform});
        platforms.push(with(entry, "platform", platform));
    }
    let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}).to_string();
    let inner = layout.blob(INDEX, inner.as_bytes());
    let outer = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}).to_string();
    let outer = layout.blob(INDEX, outer.as_bytes());
    let names = json!({"io.containerd.image.name": "docker.io/library/app:1"});
    layout.index(&[with(outer.clone(), "annotations", names)]);
    layout.write(&place.path("layout"));

    let store = Store::open(&place.root()).unwrap();
    store.import(&place.path("layout"), None, &mut Silent).unwrap();
    let image = store.get(&reference("app:1")).unwrap();
    assert_eq!(fs::read_to_string(image.layers[0].join("which")).unwrap(), "right");
    // By the digest of either index, and by that of the manifest.
    for digest in [&outer["digest"], &inner["digest"], &platforms[1]["digest"]] {
        let pinned = reference(&format!("app@{}", digest.as_str().unwrap()));
        assert!(store.find(&pinned).unwrap().is_some(), "{pinned}");
    }
    assert!(
        store
            .find(&reference(&format!("app@{}", platforms[0]["digest"].as_str().unwrap())))
            .unwrap()
            .is_none()
    );

    // The index of the layout itself may be the choice.
    let mut flat = Layout { files: layout.files[..layout.files.len() - 2].to_vec() };
    flat.index(&platforms);
    let path = place.write("flat.tar", &flat.tar());
    let names = store.import(&path, Some(&reference("flat")), &mut Silent).unwrap();
    let image = store.get(&names[0]).unwrap();
    assert_eq!(fs::read_to_string(image.layers[0].join("which")).unwrap(), "right");
}

#[test]
fn a_name_is_said_once() {
    let place = Place::new();
    let one = Parts::new(&[&[file("a", b"1")]]);
    let two = Parts::new(&[&[file("a", b"2")]]);
    let mut layout = Layout::default();
    let bare = json!({"org.opencontainers.image.ref.name": "latest"});
    let tagged = with(layout.image(&one, &one.plain()), "annotations", bare);
    layout.index(&[tagged]);
    let mut several = Layout::default();
    let entries: Vec<_> = [(&one, "q.io/one:1"), (&two, "q.io/two:1")]
        .map(|(parts, name)| {
            let entry = several.image(parts, &parts.plain());
            with(entry, "annotations", json!({"org.opencontainers.image.ref.name": name}))
        })
        .into();
    several.index(&entries);
    let unnamed = place.write("unnamed.tar", &one.docker(&[]));
    let named = place.write("named.tar", &one.docker(&["app"]));
    let bad = place.write("bad.tar", &one.docker(&["../App"]));
    let tagged = place.write("tagged.tar", &layout.tar());
    let several = place.write("several.tar", &several.tar());

    let store = Store::open(&place.root()).unwrap();
    let mine = reference("mine:1");
    let import = |path, name| store.import(path, name, &mut Silent);
    assert!(matches!(import(&unnamed, None), Err(Error::Unnamed { .. })));
    assert!(matches!(import(&tagged, None), Err(Error::Unnamed { .. })));
    assert!(matches!(import(&bad, None), Err(Error::Reference(_))));
    assert!(matches!(import(&several, Some(&mine)), Err(Error::Ambiguous { count: 2, .. })));
    assert_eq!(import(&unnamed, Some(&mine)).unwrap(), std::slice::from_ref(&mine));
    assert_eq!(import(&tagged, Some(&mine)).unwrap(), std::slice::from_ref(&mine));
    assert_eq!(import(&named, Some(&mine)).unwrap(), std::slice::from_ref(&mine));
    assert_eq!(import(&several, None).unwrap(), [reference("q.io/one:1"), reference("q.io/two:1")]);
    assert!(store.find(&reference("app")).unwrap().is_none());
}

/// Whatever is wrong with an image, the store has nothing of it afterwards.
#[test]
fn damaged_and_forged_images_are_refused() {
    let parts = Parts::new(&[&[file("a", b"a")]]);
    let other = archive(&[file("a", b"forged")]);
    let forged_layer = Parts { config: parts.config.clone(), layers: vec![other.clone()] };
    let forged_config = {
        let mut members = parts.docker_members(&["app"]);
        members[0].content =
            Parts::with_config(&[&[file("a", b"a")]], &json!({"User": "0"})).config;
        archive(&members)
    };
    let missing_layer = {
        let mut members = parts.docker_members(&["app"]);
        members.remove(2);
        archive(&members)
    };
    let replaced = |at: usize, bytes: &[u8]| {
        let mut layout = Layout::default();
        let names = json!({"org.opencontainers.image.ref.name": "q.io/app:1"});
        let entry = layout.image(&parts, &parts.plain());
        layout.files[at].1 = bytes.to_vec();
        layout.index(&[with(entry, "annotations", names)]);
        layout.tar()
    };
    let entry = |change: fn(&mut serde_json::Value)| {
        let mut layout = Layout::default();
        let names = json!({"org.opencontainers.image.ref.name": "q.io/app:1"});
        let mut manifest = parts.manifest(&parts.plain());
        change(&mut manifest);
        layout.image(&parts, &parts.plain());
        let entry = layout.blob(MANIFEST, manifest.to_string().as_bytes());
        layout.index(&[with(entry, "annotations", names)]);
        layout.tar()
    };
    let foreign = Parts {
        config: String::from_utf8(parts.config.clone())
            .unwrap()
            .replace(architecture(), "other")
            .into_bytes(),
        layers: parts.layers.clone(),
    };
    let escape = Parts::new(&[&[file("../escape", b"x")]]);
    let mut bomb = Layout::default();
    let names = json!({"org.opencontainers.image.ref.name": "q.io/app:1"});
    let zeros = Parts::new(&[&[file("zeros", vec![0; 20 << 20])]]);
    let packed = vec![("tar+gzip", gzip(&zeros.layers[0]))];
    let bomb_entry = bomb.image(&zeros, &packed);
    bomb.index(&[with(bomb_entry, "annotations", names)]);

    type Row = (&'static str, Vec<u8>, fn(&Error) -> bool);
    let rows: Vec<Row> = vec![
        ("nothing", Vec::new(), |it| matches!(it, Error::NotAnImage { .. })),
        ("no archive", b"x".repeat(2000), |it| matches!(it, Error::Malformed { .. })),
        ("another archive", archive(&[file("a", b"x")]), |it| {
            matches!(it, Error::NotAnImage { .. })
        }),
        ("no images", archive(&[file("manifest.json", b"[]")]), |it| {
            matches!(it, Error::NotAnImage { .. })
        }),
        ("no JSON", archive(&[file("manifest.json", b"[{]")]), |it| {
            matches!(it, Error::Malformed { .. })
        }),
        ("a layer of other content", forged_layer.docker(&["app"]), |it| {
            matches!(it, Error::WrongDigest { .. })
        }),
        ("a configuration of other content", forged_config, |it| {
            matches!(it, Error::WrongDigest { .. })
        }),
        ("a layer that is missing", missing_layer, |it| matches!(it, Error::Malformed { .. })),
        ("a blob of another configuration", replaced(0, b"{}"), |it| {
            matches!(it, Error::WrongDigest { .. })
        }),
        ("a blob of another layer", replaced(1, &other), |it| {
            matches!(it, Error::WrongDigest { .. })
        }),
        ("a blob of another manifest", replaced(2, b"{}"), |it| {
            matches!(it, Error::WrongDigest { .. })
        }),
        ("fewer layers than diff ids", entry(|it| it["layers"] = json!([])), |it| {
            matches!(it, Error::Malformed { .. })
        }),
        (
            "more layers than diff ids",
            entry(|it| {
                let layer = it["layers"][0].clone();
                it["layers"] = json!([layer, layer]);
            }),
            |it| matches!(it, Error::Malformed { .. }),
        ),
        (
            "an encrypted layer",
            entry(|it| {
                it["layers"][0]["mediaType"] =
                    json!("application/vnd.oci.image.layer.v1.tar+encrypted");
            }),
            |it| matches!(it, Error::Malformed { .. }),
        ),
        ("a configuration of another size", entry(|it| it["config"]["size"] = json!(3)), |it| {
            matches!(it, Error::Malformed { .. })
        }),
        ("another machine's image", foreign.docker(&["app"]), |it| {
            matches!(it, Error::Platform { .. })
        }),
        ("a layer that leaves", escape.docker(&["app"]), |it| matches!(it, Error::Unpack { .. })),
        ("a layer larger than may be", bomb.tar(), |it| {
            matches!(it, Error::Unpack { .. } | Error::Io { .. })
        }),
    ];
    for (shows, bytes, expected) in rows {
        let place = Place::new();
        let path = place.write("image.tar", &bytes);
        let store = Store::open(&place.root())
            .unwrap()
            .with_limits(Limits { entries: 1000, bytes: 10 << 20 });
        let error = store.import(&path, None, &mut Silent).unwrap_err();
        assert!(expected(&error), "{shows}: {error:?}");
        assert!(store.list().unwrap().is_empty(), "{shows}");
        assert_eq!(place.stored("tmp"), [""; 0], "{shows}");
        assert_eq!(place.stored("layers"), ["none"], "{shows}");
        assert!(!place.path("escape").exists());
    }
}

#[test]
fn a_layout_may_not_link_to_the_outside() {
    let place = Place::new();
    let parts = Parts::new(&[&[file("a", b"a")]]);
    let mut layout = Layout::default();
    let entry = layout.image(&parts, &parts.plain());
    layout.index(&[entry]);
    layout.write(&place.path("layout"));
    let blob = place.path("layout").join(&layout.files[1].0);
    fs::rename(&blob, place.path("outside")).unwrap();
    std::os::unix::fs::symlink("../../../outside", &blob).unwrap();
    let store = Store::open(&place.root()).unwrap();
    let name = reference("app");
    assert!(matches!(
        store.import(&place.path("layout"), Some(&name), &mut Silent),
        Err(Error::Io { .. })
    ));
}

#[test]
fn layers_go_with_the_last_image_that_needs_them() {
    let place = Place::new();
    let shared = &[file("shared", b"s")][..];
    let one = Parts::new(&[shared, &[file("one", b"1")]]);
    let two = Parts::new(&[shared, &[file("two", b"2")]]);
    let store = Store::open(&place.root()).unwrap();
    for (name, parts) in [("one", &one), ("two", &two)] {
        let path = place.write(name, &parts.docker(&[name]));
        store.import(&path, None, &mut Silent).unwrap();
    }
    let layers = || place.stored("layers").iter().filter(|it| !it.contains('.')).count() - 1;
    assert_eq!(layers(), 3);
    store.remove(&reference("one")).unwrap();
    assert_eq!(layers(), 2);
    assert!(store.find(&reference("one")).unwrap().is_none());
    assert!(store.get(&reference("two")).unwrap().layers.iter().all(|it| it.is_dir()));

    // A lease keeps what a container runs on.
    let image = store.get(&reference("two")).unwrap();
    let lease = image.hold().unwrap();
    store.remove(&reference("two")).unwrap();
    assert!(image.layers.iter().all(|it| it.is_dir()));
    assert!(matches!(store.get(&reference("two")), Err(Error::Missing { .. })));
    // What is kept can be used again.
    store.import(&place.path("two"), None, &mut Silent).unwrap();
    store.remove(&reference("two")).unwrap();
    drop(lease);
    assert!(matches!(store.remove(&reference("two")), Err(Error::Missing { .. })));
    store.import(&place.path("one"), None, &mut Silent).unwrap();
    store.remove(&reference("one")).unwrap();
    assert_eq!(layers(), 0);
    assert_eq!(place.stored("layers"), ["none"]);
    assert_eq!(place.stored("blobs/sha256"), [""; 0]);
    assert!(matches!(image.hold(), Err(Error::Missing { .. })));
}

#[test]
fn an_index_that_is_not_ours_is_left_alone() {
    let place = Place::new();
    let path = place.write("one", &Parts::new(&[&[file("a", b"a")]]).docker(&["one"]));
    let store = Store::open(&place.root()).unwrap();
    store.import(&path, None, &mut Silent).unwrap();
    let index = place.root().join("images/index.json");
    let layers = place.stored("layers");
    for text in ["", "{", r#"{"version":7,"images":{}}"#, r#"{"schemaVersion":2,"manifests":[]}"#] {
        fs::write(&index, text).unwrap();
        let one = reference("one");
        for error in [
            store.find(&one).unwrap_err(),
            store.list().unwrap_err(),
            store.remove(&one).unwrap_err(),
            store.import(&path, None, &mut Silent).unwrap_err(),
        ] {
            assert!(matches!(error, Error::CorruptIndex { .. }), "{error}");
        }
        assert_eq!(fs::read_to_string(&index).unwrap(), text);
        assert_eq!(place.stored("layers"), layers, "nothing is collected on its word");
    }
}

#[test]
fn what_was_changed_in_the_store_is_seen() {
    let place = Place::new();
    let parts = Parts::new(&[&[file("a", b"a")]]);
    let path = place.write("one", &parts.docker(&["one"]));
    let store = Store::open(&place.root()).unwrap();
    let one = reference("one");
    let blob = place.root().join("images/blobs/sha256").join(Digest::of(&parts.config).hex());
    let again = || {
        store.remove(&one).ok();
        store.import(&path, None, &mut Silent).unwrap();
        store.get(&one).unwrap().layers[0].clone()
    };
    let harms: [&dyn Fn(); 4] = [
        &|| fs::write(&blob, b"{}").unwrap(),
        &|| fs::remove_file(&blob).unwrap(),
        &|| fs::remove_dir_all(again()).unwrap(),
        &|| fs::write(again().with_extension("json"), b"{}").unwrap(),
    ];
    for harm in harms {
        again();
        harm();
        let error = store.find(&one).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
    again();
}

#[test]
fn an_opaque_root_ends_the_stack() {
    let place = Place::new();
    let parts = Parts::new(&[
        &[file("below", b"x")],
        &[file(".wh..wh..opq", b""), file("middle", b"x")],
        &[file("top", b"x")],
    ]);
    let path = place.write("one", &parts.docker(&["one"]));
    let store = Store::open(&place.root()).unwrap();
    store.import(&path, None, &mut Silent).unwrap();
    let image = store.get(&reference("one")).unwrap();
    assert_eq!(image.layers.len(), 2);
    assert!(image.layers[0].join("middle").exists());
}

#[test]
fn an_image_without_layers_has_an_empty_one() {
    let place = Place::new();
    let path = place.write("one", &Parts::new(&[]).docker(&["one"]));
    let store = Store::open(&place.root()).unwrap();
    store.import(&path, None, &mut Silent).unwrap();
    let image = store.get(&reference("one")).unwrap();
    assert_eq!(image.layers.len(), 1);
    assert_eq!(fs::read_dir(&image.layers[0]).unwrap().count(), 0);
}

#[test]
fn importing_at_once_is_as_importing_in_turn() {
    let place = Place::new();
    let shared = &[file("shared", b"s".repeat(100_000))][..];
    let paths: Vec<_> = (0..8)
        .map(|number| {
            let own = file("own", number.to_string());
            let parts = Parts::new(&[shared, std::slice::from_ref(&own)]);
            place.write(&format!("{number}.tar"), &parts.docker(&[&format!("app:{number}")]))
        })
        .collect();
    std::thread::scope(|scope| {
        for path in &paths {
            scope.spawn(|| {
                let store = Store::open(&place.root()).unwrap();
                for _ in 0..3 {
                    let names = store.import(path, None, &mut Silent).unwrap();
                    let image = store.get(&names[0]).unwrap();
                    assert!(image.layers.iter().all(|it| it.is_dir()));
                }
            });
        }
    });
    let store = Store::open(&place.root()).unwrap();
    assert_eq!(store.list().unwrap().len(), 8);
    assert_eq!(place.stored("layers").iter().filter(|it| !it.contains('.')).count(), 10);
}

#[test]
fn the_directories_are_for_nobody_else() {
    let place = Place::new();
    drop(Store::open(&place.root()).unwrap());
    let images = place.root().join("images");
    let mode = || fs::metadata(&images).unwrap().mode() & 0o7777;
    assert_eq!(mode(), 0o700);
    fs::set_permissions(&images, fs::Permissions::from_mode(0o755)).unwrap();
    drop(Store::open(&place.root()).unwrap());
    assert_eq!(mode(), 0o700);

    fs::rename(&images, place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), &images).unwrap();
    assert!(Store::open(&place.root()).is_err(), "a link could lead to anybody's");
}

#[test]
fn progress_is_told() {
    struct Told(Vec<(String, u64, Option<u64>)>);
    impl Progress for Told {
        fn step(&mut self, what: &str, done: u64, total: Option<u64>) {
            self.0.push((what.to_owned(), done, total));
        }
    }
    let place = Place::new();
    let parts = Parts::new(&[&[file("a", vec![1; 3 << 20])]]);
    let path = place.write("one", &parts.docker(&["one"]));
    let mut told = Told(Vec::new());
    Store::open(&place.root()).unwrap().import(&path, None, &mut told).unwrap();
    let total = Some(parts.layers[0].len() as u64);
    assert_eq!(told.0.first(), Some(&("unpack one:latest: layer 1/1".to_owned(), 0, total)));
    assert_eq!(told.0.last().map(|it| it.1), total);
    assert!(told.0.len() > 3);
}

#[test]
fn a_missing_image_says_what_to_do() {
    let place = Place::new();
    let store = Store::open(&place.root()).unwrap();
    let missing: Reference = reference("busybox");
    let error = store.get(&missing).unwrap_err().to_string();
    assert!(error.contains("busybox:latest") && error.contains("image import"), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}
