//! From a parser's events to a tree.
//!
//! The parser reads YAML 1.2 syntax; what a scalar *says* is decided here
//! (YAML 1.1, see `scalar`), as is what aliases and merge keys stand for. There is
//! no recursion, so depth costs no stack before it is refused.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::limits::{Budget, MOST_DEPTH, check_depth, null_character, too_much};
use super::unique::{ComesFrom, Found, unique};
use super::{Entry, Flaw, Node, Value, scalar};
use crate::manifest_error::ManifestErrorKind;
use crate::source::{Bytes, Source};

mod offsets;

use offsets::Offsets;

/// Reads the document at `range` of the file. `None` if there is none.
///
/// # Errors
///
/// The flaw that ended reading; lesser ones are added to `flaws`.
pub(super) fn read(
    source: &Source,
    range: std::ops::Range<usize>,
    budget: &mut Budget,
    flaws: &mut Vec<Flaw>,
) -> Result<Option<Node>, Flaw> {
    let text = &source.text[range.clone()];
    let offsets = Offsets::new(text, range.start);
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder {
        source,
        offsets,
        budget,
        flaws,
        frames: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    builder.run(&mut parser)?;
    Ok(builder.root)
}

struct Builder<'a> {
    source: &'a Source,
    offsets: Offsets,
    budget: &'a mut Budget,
    flaws: &'a mut Vec<Flaw>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
}

/// What an anchor names, with its size, so that an alias can be refused before
/// it is copied.
struct Anchored {
    node: Node,
    size: usize,
}

/// A list or mapping whose end has not come yet.
struct Frame {
    start: u32,
    anchor: usize,
    size: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { found: Vec<Found>, pending: Option<Key> },
}

enum Key {
    Field { name: String, bytes: Bytes },
    Merge { bytes: Bytes },
}

impl Builder<'_> {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<(), Flaw> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let at = self.offsets.byte(error.marker().index());
                Flaw { bytes: Bytes::at(at), kind: said(error.info()) }
            })?;
            self.event(event, span)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Flaw> {
        let bytes = self.offsets.bytes(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_none() => Ok(()),
            Event::DocumentStart(_) => Err(syntax(
                bytes,
                "content after the end of the document; begin a new one with `---`",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                let bytes = self.trimmed(bytes, style);
                let value = scalar_value(&text, style, tag.as_deref(), bytes)?;
                let is_merge = is_merge_key(&text, style) && tag.is_none();
                self.add(Node { bytes, value }, 1, anchor, is_merge)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq", bytes)?;
                self.open(bytes, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map", bytes)?;
                let content = Content::Mapping { found: Vec::new(), pending: None };
                self.open(bytes, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(bytes),
            Event::Alias(anchor) => {
                let Some(anchored) = self.anchors.get(&anchor) else {
                    return Err(syntax(bytes, "an alias to the value that contains it"));
                };
                let size = anchored.size;
                self.budget.take_aliased(size).map_err(|kind| Flaw { bytes, kind })?;
                self.add(anchored.node.clone(), size, 0, false)
            }
        }
    }

    fn open(&mut self, bytes: Bytes, anchor: usize, content: Content) -> Result<(), Flaw> {
        check_depth(self.frames.len()).map_err(|kind| Flaw { bytes, kind })?;
        self.frames.push(Frame { start: bytes.start, anchor, size: 1, content });
        Ok(())
    }

    fn close(&mut self, bytes: Bytes) -> Result<(), Flaw> {
        let Some(Frame { start, anchor, size, content }) = self.frames.pop() else {
            return Err(syntax(bytes, "an end without a beginning"));
        };
        // A block has no closing mark: it ends where its last value does.
        let is_flow = bytes.start < bytes.end;
        let ends_at = |last: Option<u32>| if is_flow { bytes.end } else { last.unwrap_or(start) };
        let node = match content {
            Content::Sequence(items) => Node {
                bytes: Bytes { start, end: ends_at(items.last().map(|item| item.bytes.end)) },
                value: Value::Sequence(items),
            },
            Content::Mapping { found, .. } => {
                let last = found.iter().rfind(|it| it.comes_from == ComesFrom::Text);
                let end = last.map(|it| it.entry.value.bytes.end.max(it.entry.key_bytes.end));
                let line_of = |byte| self.source.line(byte);
                Node {
                    bytes: Bytes { start, end: ends_at(end) },
                    value: Value::Mapping(unique(found, line_of, self.flaws)),
                }
            }
        };
        self.add(node, size, anchor, false)
    }

    /// Adds a finished value to what surrounds it.
    fn add(&mut self, node: Node, size: usize, anchor: usize, is_merge: bool) -> Result<(), Flaw> {
        let bytes = node.bytes;
        self.budget.take_node().map_err(|kind| Flaw { bytes, kind })?;
        if anchor != 0 {
            // Anchors inside anchors are copied once per level.
            self.budget.take_aliased(size).map_err(|kind| Flaw { bytes, kind })?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.size += size;
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { found, pending } => match pending.take() {
                None if is_merge => *pending = Some(Key::Merge { bytes }),
                None => *pending = Some(field(&node)?),
                Some(Key::Merge { bytes }) => merge(found, bytes, node)?,
                Some(Key::Field { name, bytes }) => {
                    let entry = Entry { key: name, key_bytes: bytes, value: node };
                    found.push(Found { entry, comes_from: ComesFrom::Text });
                }
            },
        }
        Ok(())
    }

    /// Takes blanks and line breaks off the end of a scalar without quotes.
    fn trimmed(&self, bytes: Bytes, style: ScalarStyle) -> Bytes {
        match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => bytes,
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => {
                let start = bytes.start as usize;
                Bytes::new(start..start + self.source.written(bytes).trim_end().len())
            }
        }
    }
}

fn field(node: &Node) -> Result<Key, Flaw> {
    match scalar::key(&node.value) {
        Some(name) => Ok(Key::Field { name, bytes: node.bytes }),
        None => Err(Flaw {
            bytes: node.bytes,
            kind: ManifestErrorKind::NotJson(
                "a key must be a string, a number or a boolean".to_owned(),
            ),
        }),
    }
}

/// Adds what `<<` brings in: a mapping, or a list of mappings of which earlier
/// ones count more.
fn merge(found: &mut Vec<Found>, bytes: Bytes, node: Node) -> Result<(), Flaw> {
    let sources = match node.value {
        Value::Sequence(items) => items,
        Value::Mapping(_) => vec![node],
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::String(_) => Vec::new(),
    };
    let is_mapping = |node: &Node| matches!(node.value, Value::Mapping(_));
    if sources.is_empty() || !sources.iter().all(is_mapping) {
        return Err(syntax(bytes, "`<<` takes a mapping or a list of mappings"));
    }
    for source in sources {
        if let Value::Mapping(entries) = source.value {
            let merged = |entry| Found { entry, comes_from: ComesFrom::Merge };
            found.extend(entries.into_iter().map(merged));
        }
    }
    Ok(())
}

fn is_merge_key(text: &str, style: ScalarStyle) -> bool {
    text == "<<" && style == ScalarStyle::Plain
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    bytes: Bytes,
) -> Result<Value, Flaw> {
    if text.contains('\0') {
        return Err(Flaw { bytes, kind: null_character() });
    }
    let not_json = |message: String| Flaw { bytes, kind: ManifestErrorKind::NotJson(message) };
    let as_plain = || {
        scalar::plain(text).map_err(|scalar::NotFinite| {
            not_json(format!("`{text}` is no number that a manifest can contain"))
        })
    };
    let string = || Ok(Value::String(text.to_owned()));
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { as_plain() } else { string() };
    };
    // The tag `!` says: what it looks like, but a string.
    if tag.handle.is_empty() && tag.suffix == "!" {
        return string();
    }
    let is_core = tag.is_yaml_core_schema();
    let value = match tag.suffix.as_str() {
        "str" | "timestamp" if is_core => return string(),
        "int" | "float" | "bool" | "null" if is_core => as_plain()?,
        _ => return Err(not_json(format!("tag `{tag}` has no meaning in a manifest"))),
    };
    let fits = matches!(
        (tag.suffix.as_str(), &value),
        ("int", Value::Int(_) | Value::UInt(_))
            | ("float", Value::Int(_) | Value::UInt(_) | Value::Float(_))
            | ("bool", Value::Bool(_))
            | ("null", Value::Null)
    );
    if fits { Ok(value) } else { Err(not_json(format!("`{text}` is not what its tag says"))) }
}

fn check_tag(tag: Option<&Tag>, expected: &str, bytes: Bytes) -> Result<(), Flaw> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == expected => Ok(()),
        Some(tag) => Err(Flaw {
            bytes,
            kind: ManifestErrorKind::NotJson(format!("tag `{tag}` has no meaning in a manifest")),
        }),
    }
}

/// What the parser says. It looks ahead, so it may refuse depth before we do.
fn said(message: &str) -> ManifestErrorKind {
    match message {
        "recursion limit exceeded" => too_much("levels", MOST_DEPTH),
        other => ManifestErrorKind::Syntax(other.to_owned()),
    }
}

fn syntax(bytes: Bytes, message: &str) -> Flaw {
    Flaw { bytes, kind: ManifestErrorKind::Syntax(message.to_owned()) }
}
