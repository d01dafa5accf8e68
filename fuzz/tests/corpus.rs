//! The inputs that were worth keeping: what must hold, holds for each of them.

use std::path::Path;
use std::{fs, panic};

use stockade_fuzz::TARGETS;

#[test]
fn every_target_holds_on_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let directory = corpus.join(target.name);
        let entries = fs::read_dir(&directory).unwrap_or_else(|it| panic!("{directory:?}: {it}"));
        let mut count = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            let result = panic::catch_unwind(|| (target.run)(&input));
            assert!(result.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 0, "{}: nothing to try", target.name);
    }
}

#[test]
fn every_directory_of_the_corpus_has_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut found: Vec<String> = fs::read_dir(corpus)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let names: Vec<&str> = TARGETS.iter().map(|it| it.name).collect();
    assert_eq!(found, names);
}
