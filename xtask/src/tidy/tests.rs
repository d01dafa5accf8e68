use super::*;

#[test]
fn the_project_keeps_its_rules() {
    let tree = Tree::read().unwrap();
    assert!(tree.files.len() > 100, "this is not the project: {} files", tree.files.len());
    let broken: Vec<String> = RULES
        .iter()
        .flat_map(|(name, rule)| rule(&tree).into_iter().map(move |it| format!("{name}: {it}")))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Each change breaks one rule of the real project, once.
#[test]
fn every_rule_bites() {
    let tree = Tree::read().unwrap();
    /// The rule, what is done to the project, and what is found.
    type Row = (&'static str, fn(&mut Tree), &'static str);
    let rows: &[Row] = &[
        ("the dependency table", |it| depend(it, "stockade-abi", "stockade-sys"), "stockade-abi"),
        ("the dependency table", |it| drop(it.crates.remove(0)), "cargo says None"),
        ("every dependency", |it| depend(it, "stockade-abi", "left-pad"), "left-pad: no line"),
        ("every dependency", |it| append(it, DEPENDENCIES, "\n| `left-pad` | x |"), "used nowhere"),
        (
            "every crate",
            |it| replace(it, UNSAFE_CRATE, "missing_docs = \"warn\"", ""),
            "missing_docs",
        ),
        (
            "every crate",
            |it| replace(it, "crates/abi/Cargo.toml", "workspace = true\n", "workspace = false\n"),
            "crates/abi",
        ),
        (
            "pure crates",
            |it| drop(it.files.remove(Path::new("crates/abi/clippy.toml"))),
            "repeat it",
        ),
        (
            "pure crates",
            |it| replace(it, "crates/spec/clippy.toml", "\"std::fs::read\"", "\"std::fs::raed\""),
            "does not ban std::fs::read",
        ),
        ("files are short", |it| insert(it, "crates/abi/src/x.rs", &"\n".repeat(501)), "501 lines"),
        ("the project speaks", |it| insert(it, "docs/x.md", &FORBIDDEN[0].concat()), "docs/x.md:1"),
        (
            "the project speaks",
            |it| insert(it, "crates/x.rs", &FORBIDDEN[4].concat()),
            "crates/x.rs",
        ),
        (
            "relative links",
            |it| insert(it, "docs/x.md", "[x](../no-such-page.md#x)"),
            "no-such-page",
        ),
    ];
    for (name, change, finding) in rows {
        let mut broken = tree.clone();
        change(&mut broken);
        let (_, rule) = RULES.iter().find(|(it, _)| it.starts_with(name)).unwrap();
        let (before, after) = (rule(&tree), rule(&broken));
        let new: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
        assert!(new.iter().any(|it| it.contains(finding)), "{name}, {finding}: {new:#?}");
    }
}

#[test]
fn what_may_be_is_not_found() {
    let mut tree = Tree::default();
    insert(&mut tree, "crates/x/tests/long.rs", &"\n".repeat(501));
    insert(&mut tree, "crates/x/src/long/tests.rs", &"\n".repeat(501));
    insert(
        &mut tree,
        "src/a.rs",
        &format!("{}#[cfg(test)]\n{}", "\n".repeat(499), "\n".repeat(99)),
    );
    insert(&mut tree, "src/b.rs", &format!("//! {GENERATED} tables`.\n{}", "\n".repeat(999)));
    insert(&mut tree, "crates/admit/tests/conformance/main.rs", &FORBIDDEN[4].concat());
    insert(&mut tree, "docs/x.md", "[a](../src/a.rs) [b](#b) [c](https://example.org) [d](../src)");
    assert_eq!(length(&tree), [""; 0]);
    assert_eq!(words(&tree), [""; 0]);
    assert_eq!(links(&tree), [""; 0]);
}

fn depend(tree: &mut Tree, name: &str, on: &str) {
    let it = tree.crates.iter_mut().find(|it| it.name == name).unwrap();
    it.dependencies.push(Dependency { name: on.to_owned(), kind: None });
}

fn insert(tree: &mut Tree, path: &str, text: &str) {
    tree.files.insert(path.into(), text.to_owned());
}

fn append(tree: &mut Tree, path: &str, text: &str) {
    tree.files.get_mut(Path::new(path)).unwrap().push_str(text);
}

fn replace(tree: &mut Tree, path: &str, from: &str, to: &str) {
    let text = tree.files.get_mut(Path::new(path)).unwrap();
    assert!(text.contains(from), "{path} has no `{from}`");
    *text = text.replace(from, to);
}
