//! The path of an entry, cleaned, and what its last name means.

use super::EntryError;

/// A path that stays where it is taken from, without a final slash; empty for the root.
///
/// Invariant: names of 1 to 255 bytes joined by single slashes, none of them `.` or `..`, none with
/// a NUL; at most [`MAX_DEPTH`] of them and [`MAX_LENGTH`] bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LayerPath(Vec<u8>);

/// What the last name of a path says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Name<'a> {
    Plain(&'a [u8]),
    /// `.wh.` and the name of something in a lower layer.
    Whiteout(&'a [u8]),
    /// `.wh..wh..opq`: everything in the directory that comes from lower layers.
    Opaque,
    Aufs,
}

impl LayerPath {
    /// Cleans `path`. A leading slash counts as nothing, for the layer is its own root.
    pub(crate) fn new(path: &[u8]) -> Result<Self, EntryError> {
        if path.is_empty() {
            return Err(EntryError::Path("is empty"));
        }
        if path.contains(&0) {
            return Err(EntryError::Path("has a NUL in it"));
        }
        let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        let mut clean = Vec::with_capacity(path.len());
        for (depth, name) in names.enumerate() {
            if name == b".." {
                return Err(EntryError::Path("has a `..` in it"));
            }
            if name.len() > MAX_NAME {
                return Err(EntryError::Path("has a name longer than 255 bytes"));
            }
            if depth == MAX_DEPTH {
                return Err(EntryError::Path("has more than 128 names"));
            }
            if depth > 0 {
                clean.push(b'/');
            }
            clean.extend(name);
        }
        if clean.len() > MAX_LENGTH {
            return Err(EntryError::Path("is longer than 4095 bytes"));
        }
        let path = Self(clean);
        // A layer must not be able to make what only a whiteout may: a lower name that begins with
        // the prefix could be made visible or hidden by one program and not by another.
        if path.parent().names().any(|name| name.starts_with(WHITEOUT)) {
            return Err(EntryError::Path("goes through a whiteout"));
        }
        Ok(path)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The path without its last name: the root for a single name, and for the root itself.
    pub(super) fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Self(self.0[..end].to_vec())
    }

    /// The last name; the root has none.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.names().last()
    }

    pub(super) fn name(&self) -> Option<Name<'_>> {
        let name = self.last()?;
        Some(match name.strip_prefix(WHITEOUT) {
            None => Name::Plain(name),
            Some(b".wh..opq") => Name::Opaque,
            Some(rest) if rest.starts_with(WHITEOUT) => Name::Aufs,
            Some(hidden) => Name::Whiteout(hidden),
        })
    }

    /// The path with another last name.
    pub(super) fn sibling(&self, name: &[u8]) -> Result<Self, EntryError> {
        // `.wh.`, `.wh..` and `.wh...` would hide the directory itself or the one above it.
        if matches!(name, b"" | b"." | b"..") {
            return Err(EntryError::Path("is a whiteout of no name"));
        }
        let mut path = self.parent().0;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name);
        Ok(Self(path))
    }
}

const WHITEOUT: &[u8] = b".wh.";
const MAX_NAME: usize = 255;
const MAX_DEPTH: usize = 128;
const MAX_LENGTH: usize = 4095;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        let long = "n".repeat(255);
        let too_long = "n".repeat(256);
        let deep = vec!["d"; 128].join("/");
        let too_deep = vec!["d"; 129].join("/");
        let longest = [[vec![long.as_str(); 15].join("/"), "n".repeat(255)].join("/")];
        let rows: &[(&str, Option<&str>)] = &[
            ("a", Some("a")),
            ("a/", Some("a")),
            ("./a/./b//c/", Some("a/b/c")),
            ("/a/b", Some("a/b")),
            ("///a", Some("a")),
            (".", Some("")),
            ("./", Some("")),
            ("/", Some("")),
            ("a b/ü\n", Some("a b/ü\n")),
            ("...", Some("...")),
            ("..a/b..", Some("..a/b..")),
            ("", None),
            ("..", None),
            ("a/..", None),
            ("../a", None),
            ("/../a", None),
            ("a/../../b", None),
            ("a\0", None),
            (&long, Some(&long)),
            (&too_long, None),
            (&deep, Some(&deep)),
            (&too_deep, None),
            (&longest[0], Some(&longest[0])),
            (&format!("a/{}", longest[0]), None),
            (".wh.a/b", None),
            ("a/.wh..wh..opq/b", None),
        ];
        for (text, expected) in rows {
            let found = LayerPath::new(text.as_bytes()).ok();
            assert_eq!(found.as_ref().map(LayerPath::bytes), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn names_tell_what_is_hidden() {
        for (text, expected) in [
            ("a", Some(Name::Plain(b"a"))),
            ("a/.wh", Some(Name::Plain(b".wh"))),
            ("a/x.wh.b", Some(Name::Plain(b"x.wh.b"))),
            ("a/.wh.b", Some(Name::Whiteout(b"b"))),
            (".wh..", Some(Name::Whiteout(b"."))),
            (".wh...", Some(Name::Whiteout(b".."))),
            (".wh.", Some(Name::Whiteout(b""))),
            ("a/.wh..wh..opq", Some(Name::Opaque)),
            (".wh..wh.plnk", Some(Name::Aufs)),
            (".wh..wh.aufs", Some(Name::Aufs)),
            ("/", None),
        ] {
            assert_eq!(LayerPath::new(text.as_bytes()).unwrap().name(), expected, "{text}");
        }
        let path = LayerPath::new(b"a/.wh.b").unwrap();
        assert_eq!(path.sibling(b"b").unwrap().bytes(), b"a/b");
        for name in ["", ".", ".."] {
            assert!(path.sibling(name.as_bytes()).is_err(), "{name:?}");
        }
    }
}
