//! A document as a tree in which every key and every value knows its bytes.
//!
//! The tree is what Kubernetes makes of a text: YAML is read as YAML 1.1, as
//! kubectl reads it (`yes` is a boolean, `0644` is 420), anchors and merge keys
//! are expanded, and of two equal keys the last one counts (and is reported).
//! JSON comes out as the same tree. Unknown fields, types and all diagnostics
//! come from here; nobody outside this crate sees it.
//!
//! It does not know what the fields mean.
//!
//! Source: <https://yaml.org/type/>, RFC 8259, and the conversion to JSON that
//! kubectl applies to every manifest.

mod json;
mod limits;
mod read;
mod scalar;
mod split;
mod unique;
mod yaml;

pub(crate) use read::{read_documents, read_json};

use crate::manifest_error::ManifestErrorKind;
use crate::place::FieldPath;
use crate::source::{Bytes, Source};

/// A value and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) bytes: Bytes,
    pub(crate) value: Value,
}

/// What JSON can say, with whole numbers kept apart.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    UInt(u64),
    /// Finite.
    Float(f64),
    String(String),
    Sequence(Vec<Node>),
    /// Keys are unique.
    Mapping(Vec<Entry>),
}

/// A key, its value, and where the key is written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_bytes: Bytes,
    pub(crate) value: Node,
}

/// Something wrong with the text, before anybody asks what it means.
#[derive(Clone, Debug)]
pub(crate) struct Flaw {
    pub(crate) bytes: Bytes,
    pub(crate) kind: ManifestErrorKind,
}

/// The outcome of reading one document.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None` if it could not be read to its end.
    pub(crate) root: Option<Node>,
    pub(crate) flaws: Vec<Flaw>,
}

/// Where a path leads in a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) node: &'a Node,
    /// The key under which the node is, if it is in a mapping.
    pub(crate) key_bytes: Option<Bytes>,
    pub(crate) whole: Whole,
}

/// Whether all of a path exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Whole {
    /// The node is what the path names.
    Exact,
    /// The node is the nearest ancestor that exists.
    Ancestor,
}

impl Node {
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().rfind(|entry| entry.key == name)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Mapping(entries) = &self.value { entries } else { &[] }
    }

    /// The path of `target`, which is a node of this tree.
    pub(crate) fn path_of(&self, target: &Node) -> Option<FieldPath> {
        path_of(self, target, FieldPath::root())
    }

    /// The path of the key or value that is written at `byte`, or of the
    /// nearest thing around it.
    pub(crate) fn path_at(&self, byte: u32) -> FieldPath {
        let mut path = FieldPath::root();
        let mut node = self;
        loop {
            let holds = |bytes: Bytes| bytes.start <= byte && byte <= bytes.end;
            let next = match &node.value {
                Value::Mapping(entries) => entries
                    .iter()
                    .find(|it| holds(it.key_bytes) || holds(it.value.bytes))
                    .map(|it| (inside(&path, &it.key), &it.value)),
                Value::Sequence(items) => items
                    .iter()
                    .enumerate()
                    .find(|(_, item)| holds(item.bytes))
                    .map(|(index, item)| (path.index(index), item)),
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::UInt(_)
                | Value::Float(_)
                | Value::String(_) => None,
            };
            match next {
                None => return path,
                Some((inner, child)) => (path, node) = (inner, child),
            }
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// Follows `path` as far as it goes.
    ///
    /// The tree leads, not the text of the path: keys may contain dots and
    /// brackets, and of the keys that fit the longest is taken.
    pub(crate) fn find<'a>(&'a self, path: &str) -> Found<'a> {
        let mut found = Found { node: self, key_bytes: None, whole: Whole::Exact };
        let mut rest = path;
        while !rest.is_empty() {
            let Some((next, key_bytes, after)) = found.node.step(rest) else {
                return Found { whole: Whole::Ancestor, ..found };
            };
            found = Found { node: next, key_bytes, whole: Whole::Exact };
            rest = after;
        }
        found
    }

    fn step<'a, 'p>(&'a self, rest: &'p str) -> Option<Step<'a, 'p>> {
        match &self.value {
            Value::Mapping(entries) => entries
                .iter()
                .filter_map(|entry| {
                    let after = after_key(rest, &entry.key)?;
                    Some((&entry.value, Some(entry.key_bytes), after))
                })
                .min_by_key(|(_, _, after)| after.len()),
            Value::Sequence(items) => {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, None, after))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::String(_) => None,
        }
    }

    /// What is written here, in a few words: `the string "abc"`, `a list`.
    pub(crate) fn describe(&self, source: &Source) -> String {
        let written = || {
            let line = source.written(self.bytes).lines().next().unwrap_or_default().trim();
            if line.chars().count() > MOST_SHOWN || line.is_empty() { None } else { Some(line) }
        };
        let plain = |what: &str| match written() {
            Some(text) => format!("{what} `{text}`"),
            None => what.to_owned(),
        };
        match &self.value {
            Value::Null => "nothing (null)".to_owned(),
            Value::Bool(_) => plain("the boolean"),
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => plain("the number"),
            Value::String(text) if text.chars().count() > MOST_SHOWN => {
                let start: String = text.chars().take(MOST_SHOWN).collect();
                format!("the string {:?}", start + "…")
            }
            Value::String(text) => format!("the string {text:?}"),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "an object".to_owned(),
        }
    }
}

fn path_of(node: &Node, target: &Node, path: FieldPath) -> Option<FieldPath> {
    if std::ptr::eq(node, target) {
        return Some(path);
    }
    match &node.value {
        Value::Mapping(entries) => {
            entries.iter().find_map(|it| path_of(&it.value, target, inside(&path, &it.key)))
        }
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| path_of(item, target, path.index(index))),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::String(_) => None,
    }
}

/// The path of `key` in the object at `path`, as Kubernetes would write it:
/// keys that a user makes up are in brackets.
pub(crate) fn inside(path: &FieldPath, key: &str) -> FieldPath {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_map = MAPS.iter().any(|map| path.as_str().ends_with(map));
    if is_map || !key.bytes().all(is_name) || key.is_empty() {
        path.key(key)
    } else {
        path.child(key)
    }
}

/// Fields whose keys are made up by users.
const MAPS: &[&str] = &["metadata.annotations", "metadata.labels", ".nodeSelector"];

/// A child, where its key is, and the path from there on.
type Step<'a, 'p> = (&'a Node, Option<Bytes>, &'p str);

fn after_key<'p>(rest: &'p str, key: &str) -> Option<&'p str> {
    let bracketed = || rest.strip_prefix('[')?.strip_prefix(key)?.strip_prefix(']');
    let dotted = || rest.strip_prefix('.').unwrap_or(rest).strip_prefix(key);
    let ends_here = |after: &&str| after.is_empty() || after.starts_with(['.', '[']);
    bracketed().filter(ends_here).or_else(|| dotted().filter(ends_here))
}

/// Characters of a value that a message repeats.
const MOST_SHOWN: usize = 40;

#[cfg(test)]
mod tests;
