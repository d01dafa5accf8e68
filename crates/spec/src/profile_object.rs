//! `SeccompProfile` of the security-profiles-operator: a seccomp profile as an object of a cluster.
//!
//! ```text
//! YAML or JSON ── read_profile_object ─▶ ProfileObject ─ json ─▶ the parser of seccomp profiles
//!                                             ▲                            │
//!                                             └───────── position ─────────┘
//! ```
//!
//! What the object says beside the profile is here; the profile itself is handed on as the JSON that it
//! stands for, because its strict reader is elsewhere. Every value of that JSON leads back to its
//! place in the file. Knows nothing of system calls.
//!
//! Source: `api/seccompprofile` of kubernetes-sigs/security-profiles-operator, v1alpha1 to v1.

use std::sync::Arc;

use crate::manifest_error::{ManifestError, ManifestErrorKind};
use crate::place::{FieldPath, Position};
use crate::source::{Bytes, Source};
use crate::tree::{Document, Node, Value, read_documents};

/// A `SeccompProfile` that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProfileObject {
    /// `security-profiles-operator.x-k8s.io/v1beta1`, or another version.
    pub api_version: String,
    /// `metadata.name`, if there is one.
    pub name: Option<String>,
    /// `spec.baseProfileName`: another profile that is joined to this one.
    pub base_profile: Option<(String, Position)>,
    /// `spec.disabled`: the operator does not install it.
    pub disabled: Option<Position>,
    /// The profile as JSON.
    pub json: String,
    /// Line and column in `json`, and what stands there in the file; in order.
    places: Vec<((usize, usize), Position)>,
}

impl ProfileObject {
    /// Where in the file the thing is written that stands at a line and column of
    /// [`ProfileObject::json`], or what is around it.
    pub fn position(&self, line: usize, column: usize) -> Position {
        let after = self.places.partition_point(|(at, _)| *at <= (line, column));
        let found = self.places.get(after.saturating_sub(1));
        found.map_or(Position { line: 1, column: 1 }, |(_, position)| *position)
    }
}

/// Reads a `SeccompProfile`, which the user knows as `file`. `None` if the text is none.
///
/// # Errors
///
/// Every mistake in the text and in the fields around the profile.
pub fn read_profile_object(
    file: &str,
    text: &str,
) -> Option<Result<ProfileObject, Vec<ManifestError>>> {
    // Most profiles are plain; they are not read twice.
    if !text.contains(KIND) {
        return None;
    }
    let source = Arc::new(Source::new(file, text));
    let documents = read_documents(&source);
    let is_one = |it: &Document| it.root.as_ref().is_some_and(|it| word(it, "kind") == Some(KIND));
    let index = documents.iter().position(is_one)?;
    let mut mistakes = Vec::new();
    for (other, document) in documents.iter().enumerate() {
        for flaw in &document.flaws {
            let place = source.place(FieldPath::root(), flaw.bytes);
            mistakes.push(ManifestError::error(place, flaw.kind.clone()));
        }
        if let Some(root) = document.root.as_ref().filter(|_| other != index) {
            let kind = ManifestErrorKind::BadValue("one profile to a file".to_owned());
            let place = source.place(FieldPath::root(), root.bytes);
            mistakes.push(ManifestError::error(place, kind));
        }
    }
    let root = documents.into_iter().nth(index)?.root?;
    let object = object(&root, &source, &mut mistakes);
    Some(match object {
        Some(object) if mistakes.is_empty() => Ok(object),
        _ => Err(mistakes),
    })
}

fn object(
    root: &Node,
    source: &Source,
    mistakes: &mut Vec<ManifestError>,
) -> Option<ProfileObject> {
    let mut wrong = |path: &str, bytes: Bytes, kind| {
        mistakes.push(ManifestError::error(source.place(FieldPath::from(path), bytes), kind));
    };
    for entry in root.entries().iter().filter(|it| !FIELDS.contains(&it.key.as_str())) {
        let kind = ManifestErrorKind::UnknownField { name: entry.key.clone(), meant: None };
        wrong(&entry.key, entry.key_bytes, kind);
    }
    let api_version = word(root, "apiVersion").unwrap_or_default();
    if !api_version.strip_prefix(GROUP).is_some_and(|it| VERSIONS.contains(&it)) {
        let bytes = root.get("apiVersion").map_or(root.bytes, |it| it.bytes);
        let expected = format!("`{GROUP}` and one of {}", VERSIONS.join(", "));
        let kind = ManifestErrorKind::WrongType { expected, found: format!("`{api_version}`") };
        wrong("apiVersion", bytes, kind);
    }
    let Some(spec) = root.get("spec") else {
        let kind = ManifestErrorKind::MissingField { name: "spec".to_owned() };
        wrong("", root.bytes, kind);
        return None;
    };
    let at = |node: &Node| source.span(node.bytes).start;
    let base_profile = match spec.get("baseProfileName") {
        Some(node @ Node { value: Value::String(name), .. }) if !name.is_empty() => {
            Some((name.clone(), at(node)))
        }
        Some(Node { value: Value::String(_) | Value::Null, .. }) | None => None,
        Some(node) => {
            let found = node.describe(source);
            let expected = "a text".to_owned();
            let kind = ManifestErrorKind::WrongType { expected, found };
            wrong("spec.baseProfileName", node.bytes, kind);
            None
        }
    };
    let disabled = match spec.get("disabled") {
        Some(node @ Node { value: Value::Bool(true), .. }) => Some(at(node)),
        Some(Node { value: Value::Bool(false) | Value::Null, .. }) | None => None,
        Some(node) => {
            let found = node.describe(source);
            let expected = "`true` or `false`".to_owned();
            wrong("spec.disabled", node.bytes, ManifestErrorKind::WrongType { expected, found });
            None
        }
    };
    let mut writer = Writer { source, json: String::new(), line: 1, column: 1, places: Vec::new() };
    writer.node(spec, Where::Spec);
    Some(ProfileObject {
        api_version: api_version.to_owned(),
        name: root.get("metadata").and_then(|it| word(it, "name")).map(str::to_owned),
        base_profile,
        disabled,
        json: writer.json,
        places: writer.places,
    })
}

fn word<'a>(node: &'a Node, field: &str) -> Option<&'a str> {
    match &node.get(field)?.value {
        Value::String(text) => Some(text),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Sequence(_)
        | Value::Mapping(_) => None,
    }
}

/// Where in the profile the writer is, as far as values are not handed on as they are.
#[derive(Clone, Copy)]
enum Where {
    /// `baseProfileName` and `disabled` belong to the object.
    Spec,
    /// `SCMP_ARCH_NATIVE` says what holds anyway.
    Architectures,
    /// A text up to v1beta1.
    Errno,
    Elsewhere,
}

/// Writes a tree as JSON, a key or an element to a line, and notes what stands where.
struct Writer<'a> {
    source: &'a Source,
    json: String,
    line: usize,
    column: usize,
    places: Vec<((usize, usize), Position)>,
}

impl Writer<'_> {
    fn node(&mut self, node: &Node, at: Where) {
        self.note(node.bytes);
        match (&node.value, at) {
            (Value::Mapping(entries), _) => {
                self.put("{");
                let is_own = |key: &str| ["baseProfileName", "disabled"].contains(&key);
                let kept =
                    entries.iter().filter(|it| !matches!(at, Where::Spec) || !is_own(&it.key));
                for (index, entry) in kept.enumerate() {
                    self.put(if index == 0 { "" } else { "," });
                    self.break_line();
                    self.note(entry.key_bytes);
                    self.text(&entry.key);
                    self.put(": ");
                    let inside = match (at, entry.key.as_str()) {
                        (Where::Spec, "architectures") => Where::Architectures,
                        (_, "errnoRet") => Where::Errno,
                        _ => Where::Elsewhere,
                    };
                    self.node(&entry.value, inside);
                }
                self.put("}");
            }
            (Value::Sequence(items), _) => {
                self.put("[");
                let is_native = |it: &Node| matches!(&it.value, Value::String(it) if it == NATIVE);
                let kept =
                    items.iter().filter(|it| !matches!(at, Where::Architectures) || !is_native(it));
                for (index, item) in kept.enumerate() {
                    self.put(if index == 0 { "" } else { "," });
                    self.break_line();
                    self.node(item, Where::Elsewhere);
                }
                self.put("]");
            }
            (Value::String(text), Where::Errno) if text.parse::<u32>().is_ok() => self.put(text),
            (Value::String(text), _) => self.text(text),
            (Value::Null, _) => self.put("null"),
            (Value::Bool(value), _) => self.put(&value.to_string()),
            (Value::Int(value), _) => self.put(&value.to_string()),
            (Value::UInt(value), _) => self.put(&value.to_string()),
            (Value::Float(value), _) => self.put(&value.to_string()),
        }
    }

    fn note(&mut self, bytes: Bytes) {
        self.places.push(((self.line, self.column), self.source.span(bytes).start));
    }

    fn text(&mut self, text: &str) {
        self.put(&serde_json::Value::from(text).to_string());
    }

    fn put(&mut self, text: &str) {
        self.json.push_str(text);
        self.column += text.chars().count();
    }

    fn break_line(&mut self) {
        self.json.push('\n');
        (self.line, self.column) = (self.line + 1, 1);
    }
}

const KIND: &str = "SeccompProfile";
const GROUP: &str = "security-profiles-operator.x-k8s.io/";
const VERSIONS: &[&str] = &["v1alpha1", "v1beta1", "v1"];
const FIELDS: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
const NATIVE: &str = "SCMP_ARCH_NATIVE";

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "\
apiVersion: security-profiles-operator.x-k8s.io/v1beta1
kind: SeccompProfile
metadata: {name: a}
spec:
  baseProfileName: runc
  disabled: true
  defaultAction: SCMP_ACT_ERRNO
  architectures: [SCMP_ARCH_NATIVE, SCMP_ARCH_X86]
  syscalls:
  - action: SCMP_ACT_ERRNO
    names:
    - chmod
    errnoRet: '13'
";

    #[test]
    fn the_profile_is_handed_on_and_leads_back_to_its_lines() {
        let object = read_profile_object("a.yaml", YAML).unwrap().unwrap();
        assert_eq!(object.name.as_deref(), Some("a"));
        assert_eq!(object.disabled, Some(Position { line: 6, column: 13 }));
        let base = ("runc".to_owned(), Position { line: 5, column: 20 });
        assert_eq!(object.base_profile, Some(base));
        let expected = "{\n\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"architectures\": [\n\"SCMP_ARCH_X86\"],\n\
            \"syscalls\": [\n{\n\"action\": \"SCMP_ACT_ERRNO\",\n\"names\": [\n\"chmod\"],\n\"errnoRet\": 13}]}";
        assert_eq!(object.json, expected);
        for (line, column, expected) in [
            (2, 18, (7, 18)),
            (2, 1, (7, 3)),
            (4, 1, (8, 37)),
            (6, 1, (10, 5)),
            (9, 1, (12, 7)),
            (10, 13, (13, 15)),
            (99, 1, (13, 15)),
        ] {
            let (at_line, at_column) = expected;
            let expected = Position { line: at_line, column: at_column };
            assert_eq!(object.position(line, column), expected, "{line}:{column}");
        }
    }

    #[test]
    fn other_texts_are_left_alone_and_other_fields_are_not() {
        let changed = |from: &str, to: &str| YAML.replace(from, to);
        for (shows, text, expected) in [
            ("a profile in JSON", r#"{"defaultAction": "SCMP_ACT_LOG"}"#.to_owned(), None),
            ("another kind", changed("kind: SeccompProfile", "kind: Pod # SeccompProfile"), None),
            ("no YAML", "kind: SeccompProfile\n\t:".to_owned(), None),
            ("itself", YAML.to_owned(), Some("")),
            ("JSON", r#"{"apiVersion": "security-profiles-operator.x-k8s.io/v1", "kind": "SeccompProfile", "spec": {}}"#.to_owned(), Some("")),
            ("a version that is none", changed("v1beta1", "v2"), Some("apiVersion")),
            ("another group", changed("security-profiles", "x"), Some("apiVersion")),
            ("a field of its own", changed("metadata", "meta"), Some("unknown field `meta`")),
            ("no profile", changed("spec:", "status:"), Some("missing field `spec`")),
            ("two", format!("{YAML}---\nkind: X\n"), Some("one profile to a file")),
            ("a key twice", changed("disabled: true", "disabled: true\n  disabled: true"), Some("is set twice")),
            ("a word for a switch", changed("true", "maybe"), Some("spec.disabled: expected `true` or `false`")),
            ("a number for a name", changed("runc", "7"), Some("spec.baseProfileName: expected a text")),
        ] {
            let found = read_profile_object("a", &text).map(|it| match it {
                Ok(_) => String::new(),
                Err(mistakes) => mistakes[0].to_string(),
            });
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some("")) => assert_eq!(found, "", "{shows}"),
                (Some(found), Some(part)) => assert!(found.contains(part), "{shows}: {found}"),
                _ => panic!("{shows}: {found:?}"),
            }
        }
    }
}
