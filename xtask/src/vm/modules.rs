//! Which module files a guest needs, and in which order they can be loaded.
//!
//! Source: `modules.dep` and `modules.builtin`, as depmod(8) writes them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::GuestError;

/// The files to load for `names`, each after those that it depends on. What is
/// built into the kernel needs no file.
///
/// # Errors
///
/// If the kernel has no module of such a name, or no list of its modules.
pub(super) fn load_order(dir: &Path, names: &[String]) -> Result<Vec<PathBuf>, GuestError> {
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path).map_err(GuestError::io("read", &path))
    };
    if names.is_empty() {
        return Ok(Vec::new());
    }
    match order(&read("modules.dep")?, &read("modules.builtin")?, names) {
        Ok(files) => Ok(files.into_iter().map(|file| dir.join(file)).collect()),
        Err(name) => Err(GuestError::NoModule { name, dir: dir.to_owned() }),
    }
}

/// The pure part of [`load_order`]; the error is the name that nobody knows.
fn order(dependencies: &str, builtin: &str, names: &[String]) -> Result<Vec<String>, String> {
    let needs: HashMap<&str, Vec<&str>> = dependencies
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needed)| (file, needed.split_whitespace().collect()))
        .collect();

    let mut ordered = Vec::new();
    for name in names {
        let wanted = name.replace('-', "_");
        match needs.keys().find(|file| module_name(file) == wanted) {
            Some(file) => visit(file, &needs, &mut ordered),
            None if builtin.lines().any(|file| module_name(file) == wanted) => {}
            None => return Err(name.clone()),
        }
    }
    Ok(ordered)
}

fn visit(file: &str, needs: &HashMap<&str, Vec<&str>>, ordered: &mut Vec<String>) {
    if ordered.iter().any(|it| it == file) {
        return;
    }
    for needed in needs.get(file).into_iter().flatten() {
        visit(needed, needs, ordered);
    }
    ordered.push(file.to_owned());
}

/// `overlay` of `kernel/fs/overlayfs/overlay.ko.xz`. To the kernel `-` and `_` are the same.
fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split(".ko").next().unwrap_or(name).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let dependencies = "kernel/fs/overlayfs/overlay.ko:\n\
                            net/ip_tables.ko.xz: net/x_tables.ko.xz\n\
                            net/ip-nat.ko.xz: net/nf_nat.ko.xz net/x_tables.ko.xz\n\
                            net/nf_nat.ko.xz: net/x_tables.ko.xz\n\
                            net/x_tables.ko.xz:\n";
        let builtin = "kernel/fs/tmpfs.ko\n";
        for (names, expected) in [
            (&[][..], Ok(vec![])),
            (&["overlay"], Ok(vec!["kernel/fs/overlayfs/overlay.ko"])),
            (&["tmpfs"], Ok(vec![])),
            (
                &["ip_nat", "ip-tables"],
                Ok(vec![
                    "net/x_tables.ko.xz",
                    "net/nf_nat.ko.xz",
                    "net/ip-nat.ko.xz",
                    "net/ip_tables.ko.xz",
                ]),
            ),
            (&["over"], Err("over")),
        ] {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let found = order(dependencies, builtin, &names);
            let expected = expected
                .map(|files| files.iter().map(ToString::to_string).collect())
                .map_err(str::to_owned);
            assert_eq!(found, expected, "{names:?}");
        }
    }
}
