//! However a process ends that brings in an image, the store has the image or has not.
//!
//! This program kills itself: it runs again as the process that imports.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::archive::file;
use common::trial::{Test, run};
use common::{Parts, Place, reference};
use stockade_image::{Silent, Store};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, root, path] = arguments.as_slice()
        && verb == "import-and-go-on"
    {
        let store = Store::open(Path::new(root)).unwrap();
        loop {
            store.remove(&reference("app")).ok();
            store.import(Path::new(path), None, &mut Silent).unwrap();
        }
    }
    if let [_, verb, root, path] = arguments.as_slice()
        && verb == "import-and-wait"
    {
        let store = Store::open(Path::new(root)).unwrap();
        store.import(Path::new(path), None, &mut Silent).unwrap();
        loop {
            std::thread::park();
        }
    }
    run(
        &[
            Test { name: "a_killed_import_leaves_an_image_or_none", run: killed_anywhere },
            Test { name: "two_that_work_do_not_clean_up_after_each_other", run: two_at_once },
        ],
        None,
    )
}

fn killed_anywhere() {
    let place = Place::in_memory();
    let path = place.write("image.tar", &image().docker(&["app"]));
    let begin = Instant::now();
    let store = Store::open(&place.root()).unwrap();
    store.import(&path, None, &mut Silent).unwrap();
    store.remove(&reference("app")).unwrap();
    let once = begin.elapsed();

    let mut seen = [false; 2];
    let mut leftovers = 0;
    for round in 0..ROUNDS {
        let mut child = import(&place, &path, "import-and-wait");
        // Spread over what the child does, and a little longer.
        std::thread::sleep(once * 3 / 2 * round / ROUNDS);
        child.kill().unwrap();
        child.wait().unwrap();

        let found = store.find(&reference("app")).expect("whole or not there");
        seen[usize::from(found.is_some())] = true;
        if let Some(image) = found {
            assert_eq!(image.layers.len(), 3);
            for (number, layer) in image.layers.iter().enumerate() {
                let files = std::fs::read_dir(layer).unwrap();
                assert_eq!(files.count(), 200, "layer {number} in round {round}");
            }
        }
        leftovers += place.stored("tmp").len();
        // So that the next round has everything to do.
        store.remove(&reference("app")).ok();
    }
    assert!(leftovers > 0 && seen == [true; 2], "no round was cut in the middle: {seen:?}");

    // The next one cleans up.
    store.import(&path, None, &mut Silent).unwrap();
    assert_eq!(place.stored("tmp"), [""; 0]);
    store.remove(&reference("app")).unwrap();
    assert_eq!(place.stored("layers"), ["none"]);
}

fn two_at_once() {
    let place = Place::in_memory();
    let path = place.write("image.tar", &image().docker(&["app"]));
    let mut children = ["import-and-go-on"; 2].map(|verb| import(&place, &path, verb));
    let end = Instant::now() + Duration::from_secs(3);
    let store = Store::open(&place.root()).unwrap();
    while Instant::now() < end {
        store.find(&reference("app")).expect("whole or not there");
        for child in &mut children {
            assert!(child.try_wait().unwrap().is_none(), "an import failed");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn import(place: &Place, path: &Path, verb: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([verb.as_ref(), place.root().as_path(), path])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

fn image() -> Parts {
    let layers: Vec<Vec<_>> = (0..3)
        .map(|layer| (0..200).map(|it| file(format!("{it}"), vec![layer; 3000])).collect())
        .collect();
    let layers: Vec<&[_]> = layers.iter().map(Vec::as_slice).collect();
    Parts::new(&layers)
}

const ROUNDS: u32 = 50;
