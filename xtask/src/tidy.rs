//! Rules of the house that neither the compiler nor clippy knows.
//!
//! Each rule is a function from the [`Tree`] to what is wrong with it, one line
//! a finding; the tests run all of them over this very project. To add a rule,
//! add a function here and its line to [`RULES`].
//!
//! What this module does *not* know: how to mend anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use serde::Deserialize;

/// The project as the rules see it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Every text file by its path from the root.
    pub files: BTreeMap<PathBuf, String>,
    /// What cargo says about each crate of the workspace.
    pub crates: Vec<Crate>,
}

/// A crate of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Crate {
    /// Its name in its manifest.
    pub name: String,
    /// What it depends on, for whatever purpose.
    pub dependencies: Vec<Dependency>,
}

/// One dependency of a crate.
#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    /// The other crate.
    pub name: String,
    /// `dev`, `build`, or none for the product itself.
    pub kind: Option<String>,
}

impl Tree {
    /// Reads the project of which this program is a part.
    ///
    /// # Errors
    ///
    /// What could not be read, for a person.
    pub fn read() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = BTreeMap::new();
        read_files(&root, Path::new(""), &mut files).map_err(|error| error.to_string())?;
        Ok(Self { files, crates: read_crates(&root)? })
    }

    fn text(&self, path: impl AsRef<Path>) -> &str {
        self.files.get(path.as_ref()).map_or("", String::as_str)
    }

    fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&Path, &str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_path(), text.as_str()));
        files.filter(move |(path, _)| path.extension().is_some_and(|it| it == extension))
    }
}

/// A rule: its name, and what is wrong with a tree.
pub type Rule = (&'static str, fn(&Tree) -> Vec<String>);

/// Every rule.
pub const RULES: &[Rule] = &[
    ("the dependency table of ARCHITECTURE.md is true", dependency_table),
    ("every dependency has a reason", reasons),
    ("tests that docs/escapes.md names exist", escapes),
    ("every crate has the workspace's lints", lints),
    ("pure crates ban what is not pure", purity),
    ("files are short", length),
    ("the project speaks of itself alone and owes nothing", words),
    ("relative links lead somewhere", links),
];

/// Who may depend on whom is written down, and nobody depends on more or less.
fn dependency_table(tree: &Tree) -> Vec<String> {
    let rows = tree.text("ARCHITECTURE.md").lines().skip_while(|it| *it != TABLE).skip(1);
    let rows = rows.take_while(|it| !it.starts_with('#')).filter(|it| it.starts_with("| `"));
    let written: BTreeMap<String, BTreeSet<String>> = rows
        .filter_map(|row| {
            let mut cells = row.split('|').skip(1).map(|cell| ticked(cell).collect());
            let name: BTreeSet<_> = cells.next()?;
            Some((name.into_iter().next()?, cells.next()?))
        })
        .collect();
    let real: BTreeMap<String, BTreeSet<String>> =
        tree.crates.iter().map(|it| (it.name.clone(), neighbours(it, &tree.crates))).collect();

    let names: BTreeSet<&String> = written.keys().chain(real.keys()).collect();
    let differing = names.into_iter().filter(|&name| written.get(name) != real.get(name));
    differing
        .map(|name| {
            format!("{name}: written {:?}, cargo says {:?}", written.get(name), real.get(name))
        })
        .collect()
}

/// The workspace's crates that the product part of `it` uses.
fn neighbours(it: &Crate, all: &[Crate]) -> BTreeSet<String> {
    let used = it.dependencies.iter().filter(|it| it.kind.is_none()).map(|it| &it.name);
    used.filter(|name| all.iter().any(|other| other.name == **name)).cloned().collect()
}

/// The words between backticks.
fn ticked(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// `docs/decisions/dependencies.md` says of each crate of others what it saves, and
/// speaks of no other. A name that ends in `*` stands for a family.
fn reasons(tree: &Tree) -> Vec<String> {
    let is_ours = |name: &str| tree.crates.iter().any(|it| it.name == name);
    let all = tree.crates.iter().flat_map(|it| &it.dependencies).map(|it| it.name.as_str());
    let used: BTreeSet<&str> = all.filter(|name| !is_ours(name)).collect();
    let rows = tree.text(DEPENDENCIES).lines().filter(|it| it.starts_with("| `"));
    let written: Vec<String> = rows.filter_map(|row| ticked(row).next()).collect();

    let covers = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == pattern,
    };
    let unexplained = used.iter().filter(|it| !written.iter().any(|pattern| covers(pattern, it)));
    let unused = written.iter().filter(|pattern| !used.iter().any(|name| covers(pattern, name)));
    unexplained
        .map(|name| format!("{name}: no line in {DEPENDENCIES}"))
        .chain(unused.map(|name| format!("{name}: in {DEPENDENCIES}, used nowhere")))
        .collect()
}

/// A claim that something is tested names a test: words like this in the last
/// column are names of functions or of cases.
fn escapes(tree: &Tree) -> Vec<String> {
    let rows = tree.text(ESCAPES).lines().filter_map(|it| it.trim_end().strip_suffix('|'));
    let cells = rows.filter_map(|it| it.rsplit_once('|')).map(|(_, last)| last);
    let named: BTreeSet<String> =
        cells.flat_map(ticked).filter(|it| it.contains('_') && !it.contains('/')).collect();
    let sources: Vec<&str> = tree.with_extension("rs").map(|(_, text)| text).collect();
    let is_there = |name: &String| {
        let forms = [format!("fn {name}("), format!("\"{name}\"")];
        sources.iter().any(|text| forms.iter().any(|it| text.contains(it)))
    };
    named.iter().filter(|it| !is_there(it)).map(|it| format!("{ESCAPES}: no test {it}")).collect()
}

/// A crate inherits the lints. `sys`, which may use `unsafe`, cannot override a
/// `forbid` and repeats them instead; it may have more, about `unsafe`.
fn lints(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let manifests = tree.files.iter().filter(|(path, text)| {
        path.file_name().is_some_and(|it| it == "Cargo.toml") && text.contains("[package]")
    });
    for (path, text) in manifests {
        if path == Path::new(UNSAFE_CRATE) {
            for (ours, theirs) in LINT_TABLES {
                let repeated = section(text, theirs);
                let all = section(tree.text("Cargo.toml"), ours);
                let all = all.into_iter().filter(|it| !it.starts_with("unsafe_code "));
                let lacking = all.filter(|line| !repeated.contains(line));
                found.extend(lacking.map(|it| format!("{UNSAFE_CRATE}: {theirs} lacks `{it}`")));
            }
        } else if !section(text, "[lints]").contains("workspace = true") {
            found.push(format!("{}: does not inherit the workspace's lints", path.display()));
        }
    }
    found
}

/// The lines of one table of a TOML file.
fn section<'a>(text: &'a str, header: &str) -> BTreeSet<&'a str> {
    let lines = text.lines().skip_while(|it| *it != header).skip(1);
    lines.take_while(|it| !it.starts_with('[')).filter(|it| it.contains('=')).collect()
}

/// Each pure crate has its own `clippy.toml` with the whole list of bans, each
/// with its reason.
fn purity(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for name in PURE {
        let path = format!("crates/{name}/clippy.toml");
        let text = tree.text(&path);
        if !text.lines().any(|it| it == "allow-unwrap-in-tests = true") {
            found.push(format!("{path}: replaces the one at the root and must repeat it"));
        }
        let banned: BTreeSet<&str> = text
            .lines()
            .filter_map(|it| it.trim().strip_prefix("{ path = \"")?.split_once("\", reason = \""))
            .map(|(banned, _)| banned)
            .collect();
        let lacking = BANNED.iter().filter(|it| !banned.contains(*it));
        found.extend(lacking.map(|it| format!("{path}: does not ban {it}")));
    }
    found
}

/// No source file is longer than a reader can hold, tests and generated tables
/// aside.
fn length(tree: &Tree) -> Vec<String> {
    let sources = tree.with_extension("rs").filter(|(path, text)| {
        let generated =
            text.lines().take_while(|it| it.starts_with("//!")).any(|it| it.contains(GENERATED));
        !is_test(path) && !generated
    });
    let code = |text: &str| text.lines().take_while(|it| *it != "#[cfg(test)]").count();
    let lengths = sources.map(|(path, text)| (path, code(text)));
    lengths
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect()
}

fn is_test(path: &Path) -> bool {
    let names = || path.components().map(Component::as_os_str);
    names().any(|it| it == "tests" || it == "tests.rs" || it == "testing")
}

/// Debts and paths of one machine are not committed.
fn words(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in &tree.files {
        let forbidden = FORBIDDEN.iter().map(|parts| parts.concat());
        for word in forbidden.filter(|_| !path.starts_with("LICENSE")) {
            let shared = word.starts_with("..") && path.starts_with(CONFORMANCE);
            let lines = text.lines().enumerate().filter(|(_, line)| line.contains(&word));
            found.extend(
                lines
                    .filter(|_| !shared)
                    .map(|(index, _)| format!("{}:{}: {word}", path.display(), index + 1)),
            );
        }
    }
    found
}

/// A relative link of a page names a file or directory of the project.
fn links(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.with_extension("md") {
        let here = path.parent().unwrap_or(Path::new(""));
        let targets = text.split("](").skip(1).filter_map(|it| it.split_once(')')).map(|it| it.0);
        for target in targets.filter(|it| !it.contains("://") && !it.starts_with("mailto:")) {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !exists(tree, &normal(&here.join(file))) {
                found.push(format!("{}: {target}", path.display()));
            }
        }
    }
    found
}

fn exists(tree: &Tree, path: &Path) -> bool {
    tree.files.keys().any(|it| it.starts_with(path))
}

/// Resolves `..` by its text; a link that leaves the project names nothing.
fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if result.pop() => {}
            Component::CurDir => {}
            Component::ParentDir
            | Component::Normal(_)
            | Component::RootDir
            | Component::Prefix(_) => {
                result.push(part);
            }
        }
    }
    result
}

fn read_files(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if SKIPPED.iter().any(|it| path == Path::new(it)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read_files(root, &path, files)?;
        } else if let Ok(text) = String::from_utf8(fs::read(root.join(&path))?) {
            files.insert(path, text);
        }
    }
    Ok(())
}

fn read_crates(root: &Path) -> Result<Vec<Crate>, String> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Crate>,
    }
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata.packages)
}

/// The heading under which the table is.
const TABLE: &str = "## Who depends on whom";

const DEPENDENCIES: &str = "docs/decisions/dependencies.md";

const ESCAPES: &str = "docs/escapes.md";

const UNSAFE_CRATE: &str = "crates/sys/Cargo.toml";

const LINT_TABLES: &[(&str, &str)] =
    &[("[workspace.lints.rust]", "[lints.rust]"), ("[workspace.lints.clippy]", "[lints.clippy]")];

/// Crates in which every function is one of its arguments.
const PURE: &[&str] = &["abi", "spec", "seccomp", "confine", "admit"];

/// What a crate of pure functions may not use. Clippy bans by full name, so the
/// ways into each module are listed.
const BANNED: &[&str] = &[
    "std::fs::canonicalize",
    "std::fs::copy",
    "std::fs::create_dir",
    "std::fs::create_dir_all",
    "std::fs::exists",
    "std::fs::hard_link",
    "std::fs::metadata",
    "std::fs::read",
    "std::fs::read_dir",
    "std::fs::read_link",
    "std::fs::read_to_string",
    "std::fs::remove_dir",
    "std::fs::remove_dir_all",
    "std::fs::remove_file",
    "std::fs::rename",
    "std::fs::set_permissions",
    "std::fs::symlink_metadata",
    "std::fs::write",
    "std::path::Path::canonicalize",
    "std::path::Path::exists",
    "std::path::Path::is_dir",
    "std::path::Path::is_file",
    "std::path::Path::is_symlink",
    "std::path::Path::metadata",
    "std::path::Path::read_dir",
    "std::path::Path::read_link",
    "std::path::Path::symlink_metadata",
    "std::path::Path::try_exists",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::env::args",
    "std::env::args_os",
    "std::env::current_dir",
    "std::env::current_exe",
    "std::env::home_dir",
    "std::env::remove_var",
    "std::env::set_current_dir",
    "std::env::set_var",
    "std::env::temp_dir",
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::env::vars_os",
    "std::process::abort",
    "std::process::exit",
    "std::process::id",
    "std::thread::sleep",
    "std::thread::spawn",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::fs::DirBuilder",
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::process::Child",
    "std::process::Command",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix::net::UnixDatagram",
    "std::os::unix::net::UnixListener",
    "std::os::unix::net::UnixStream",
    "std::time::Instant",
    "std::time::SystemTime",
];

const LONGEST: usize = 500;

const GENERATED: &str = "Generated by `cargo xtask";

/// In parts, so that this file does not contain them.
const FORBIDDEN: &[[&str; 2]] =
    &[["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["/wor", "k/"], ["../sha", "red"]];

/// The one test that reads what lies beside the project.
const CONFORMANCE: &str = "crates/admit/tests/conformance";

/// What is not the project's text.
const SKIPPED: &[&str] = &[".git", "target"];

#[cfg(test)]
mod tests;
