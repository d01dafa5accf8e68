//! The image that the program makes of itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use common::{Place, reference};
use stockade_image::{BuiltinFile, BuiltinKind, Error, ImageConfig, Store};

#[test]
fn a_built_in_image_is_made_of_this_machines_files() {
    let place = Place::new();
    let program = place.write("program", b"binary");
    let store = Store::open(&place.root()).unwrap();
    let image = store.ensure_builtin(&reference(NAME), &files(&program), &config()).unwrap();

    assert_eq!(image.reference, reference(NAME));
    assert_eq!(image.config.entrypoint, ["/bin/toolbox"]);
    assert_eq!(image.config.os, "linux");
    let layer = &image.layers[0];
    assert_eq!(fs::read(layer.join("bin/toolbox")).unwrap(), b"binary");
    assert_eq!(fs::read_link(layer.join("bin/cat")).unwrap(), Path::new("toolbox"));
    assert_eq!(fs::read_to_string(layer.join("etc/passwd")).unwrap(), "root:x:0:0::/:\n");
    let mode = |name: &str| fs::metadata(layer.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("bin/toolbox"), mode("bin"), mode("tmp")), (0o755, 0o755, 0o1777));

    let (ours, theirs) =
        (fs::metadata(&program).unwrap(), fs::metadata(layer.join("bin/toolbox")).unwrap());
    assert_ne!(ours.ino(), theirs.ino(), "never the host's own file");
    assert_eq!(theirs.nlink(), 1);
    assert_eq!(store.find(&reference(NAME)).unwrap().unwrap().config_digest, image.config_digest);
}

#[test]
fn it_is_made_once() {
    let place = Place::new();
    let program = place.write("program", b"binary");
    let store = Store::open(&place.root()).unwrap();
    let ensure = || store.ensure_builtin(&reference(NAME), &files(&program), &config()).unwrap();
    let first = ensure();
    let mark = fs::metadata(first.layers[0].join("bin/toolbox")).unwrap();
    let index = fs::metadata(place.root().join("images/index.json")).unwrap();

    let again = ensure();
    assert_eq!(again.layers, first.layers);
    let found = fs::metadata(again.layers[0].join("bin/toolbox")).unwrap();
    assert_eq!((found.ino(), found.ctime_nsec()), (mark.ino(), mark.ctime_nsec()));
    let found = fs::metadata(place.root().join("images/index.json")).unwrap();
    assert_eq!(found.ino(), index.ino(), "nothing was written");

    // A damaged one is made anew.
    fs::remove_file(place.root().join("images/blobs/sha256").join(first.config_digest.hex()))
        .unwrap();
    assert_eq!(ensure().config_digest, first.config_digest);
}

#[test]
fn what_it_is_made_of_decides_which_one_it_is() {
    let place = Place::new();
    let program = place.write("program", b"binary");
    let store = Store::open(&place.root()).unwrap();
    let ensure = |files: &[BuiltinFile], config: &ImageConfig| {
        store.ensure_builtin(&reference(NAME), files, config).unwrap()
    };
    let first = ensure(&files(&program), &config());

    // As an upgrade does it: another file under the name.
    fs::write(place.path("new"), b"other binary").unwrap();
    fs::rename(place.path("new"), &program).unwrap();
    let upgraded = ensure(&files(&program), &config());
    assert_ne!(upgraded.layers, first.layers);
    assert_eq!(fs::read(upgraded.layers[0].join("bin/toolbox")).unwrap(), b"other binary");

    // As a rebuild does it: the same content in another file.
    fs::write(place.path("new"), b"other binary").unwrap();
    fs::rename(place.path("new"), &program).unwrap();
    assert_eq!(ensure(&files(&program), &config()).layers, upgraded.layers);

    let mut more = files(&program);
    more.push(BuiltinFile {
        path: "/bin/ls".into(),
        kind: BuiltinKind::Symlink { target: "toolbox".into() },
    });
    let more = ensure(&more, &config());
    assert_ne!(more.layers, upgraded.layers);
    let other = ImageConfig { env: vec!["A=b".into()], ..config() };
    let configured = ensure(&files(&program), &other);
    assert_eq!(configured.config.env, ["A=b"]);
    assert_ne!(configured.config_digest, upgraded.config_digest);
    assert_eq!(store.list().unwrap().len(), 1);
    assert!(!first.layers[0].exists(), "what nobody needs is collected");
}

#[test]
fn it_can_be_made_by_many_at_once() {
    let place = Place::new();
    let program = place.write("program", &b"binary".repeat(100_000));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = Store::open(&place.root()).unwrap();
                let image =
                    store.ensure_builtin(&reference(NAME), &files(&program), &config()).unwrap();
                assert!(image.layers[0].join("bin/cat").is_symlink());
            });
        }
    });
    assert_eq!(place.stored("layers").iter().filter(|it| !it.contains('.')).count(), 2);
}

#[test]
fn what_is_missing_or_leads_out_is_an_error() {
    let place = Place::new();
    let store = Store::open(&place.root()).unwrap();
    let missing = files(&place.path("missing"));
    let result = store.ensure_builtin(&reference(NAME), &missing, &config());
    assert!(matches!(result, Err(Error::Io { .. })));
    let outside = [BuiltinFile { path: "../x".into(), kind: BuiltinKind::Dir { mode: 0o755 } }];
    let result = store.ensure_builtin(&reference(NAME), &outside, &config());
    assert!(matches!(result, Err(Error::Unpack { .. })));
    assert!(store.list().unwrap().is_empty());
    assert_eq!(place.stored("tmp"), [""; 0]);
}

fn files(program: &Path) -> Vec<BuiltinFile> {
    let file = |path: &str, kind| BuiltinFile { path: path.to_owned(), kind };
    vec![
        file("/bin/toolbox", BuiltinKind::File { source: program.to_owned(), mode: 0o755 }),
        file("/bin/cat", BuiltinKind::Symlink { target: "toolbox".to_owned() }),
        file("/tmp", BuiltinKind::Dir { mode: 0o1777 }),
        file(
            "/etc/passwd",
            BuiltinKind::Text { content: b"root:x:0:0::/:\n".to_vec(), mode: 0o644 },
        ),
    ]
}

fn config() -> ImageConfig {
    ImageConfig { entrypoint: vec!["/bin/toolbox".to_owned()], ..ImageConfig::default() }
}

const NAME: &str = "stockade/toolbox";
