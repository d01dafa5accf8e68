//! From a file to the objects it contains.
//!
//! YAML or JSON, one document or many, lists flattened. One broken document
//! does not hide the others, and a pod with a mistake that makes it unusable
//! is not handed out: it is kept aside, so that [`Parsed::mistakes`] can still
//! say everything that is wrong with it.
//!
//! It does not know what fields amount to, and which kinds somebody wants.

mod container;
mod data;
mod pod;

use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use container::{Container, ContainerList};
pub use data::{Content, DataKind, DataObject};
pub use pod::Pod;

use crate::decode::{Strictness, decode};
use crate::manifest_error::{ManifestError, ManifestErrorKind, Meant, Severity};
use crate::place::{FieldPath, Place};
use crate::source::{Bytes, Source};
use crate::tree::{Document, Node, Value, read_documents};
use crate::validate::{Rules, validate};

/// What a file says.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The objects that can be used, in the order of the file.
    pub manifests: Vec<Manifest>,
    /// What is wrong with the text and the types, in the order of the file.
    pub findings: Vec<ManifestError>,
    /// Pods with errors, as far as they could be understood.
    drafts: Vec<Draft>,
}

/// A pod that cannot be used, and the fields that were taken out of it.
#[derive(Clone, Debug)]
struct Draft {
    pod: Pod,
    faulty: Vec<FieldPath>,
}

/// An object in a file.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few, and most are pods")]
pub enum Manifest {
    /// A pod.
    Pod(Pod),
    /// A ConfigMap or a Secret.
    Data(DataObject),
    /// An object of a kind that is not read further.
    Other(Other),
}

/// An object of a kind that is not read further.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Other {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// `metadata.name`, empty if there is none.
    pub name: String,
    /// Where the object begins.
    pub place: Place,
}

impl Parsed {
    /// The pods that can be used.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.manifests.iter().filter_map(|manifest| match manifest {
            Manifest::Pod(pod) => Some(pod),
            Manifest::Data(_) | Manifest::Other(_) => None,
        })
    }

    /// The ConfigMaps and Secrets that can be used.
    pub fn data(&self) -> impl Iterator<Item = &DataObject> {
        self.manifests.iter().filter_map(|manifest| match manifest {
            Manifest::Data(data) => Some(data),
            Manifest::Pod(_) | Manifest::Other(_) => None,
        })
    }

    /// Says whether nothing is wrong but, at most, what a warning says.
    pub fn is_usable(&self) -> bool {
        !self.findings.iter().any(ManifestError::is_error)
    }

    /// Everything that is wrong: the findings, and what `rules` say about each
    /// pod, unusable ones too. In the order of the file.
    pub fn mistakes(&self, rules: impl Into<Rules>) -> Vec<ManifestError> {
        let rules = rules.into();
        let mut mistakes = self.findings.clone();
        for pod in self.pods() {
            mistakes.extend(validate(pod, rules));
        }
        for Draft { pod, faulty } in &self.drafts {
            // What was taken out would be told a second time, as missing.
            let is_new = |error: &ManifestError| {
                let path = &error.place.path;
                !faulty.iter().any(|it| it.is_within(path) || path.is_within(it))
            };
            mistakes.extend(validate(pod, rules).into_iter().filter(is_new));
        }
        mistakes.sort_by(|a, b| a.place.cmp(&b.place));
        mistakes
    }
}

/// Reads the objects in `text`, which the user knows as `file`.
pub fn parse(file: &str, text: &str) -> Parsed {
    let source = Arc::new(Source::new(file, text));
    let documents = read_documents(&source);
    let mut parsed = Parsed::default();
    if documents.is_empty() {
        let place = source.place(FieldPath::root(), Bytes::at(0));
        parsed.findings.push(ManifestError::error(place, ManifestErrorKind::Empty));
    }
    for Document { root, flaws } in documents {
        let structural: Vec<ManifestError> = flaws
            .into_iter()
            .map(|flaw| {
                let path = root.as_ref().map(|root| root.path_at(flaw.bytes.start));
                let place = source.place(path.unwrap_or_else(FieldPath::root), flaw.bytes);
                ManifestError::error(place, flaw.kind)
            })
            .collect();
        if let Some(root) = root {
            let reader = Reader { source: &source, document: Arc::new(root), parsed: &mut parsed };
            reader.read(structural);
        } else {
            parsed.findings.extend(structural);
        }
    }
    parsed.findings.sort_by(|a, b| a.place.cmp(&b.place));
    parsed
}

/// Reads one document.
struct Reader<'a> {
    source: &'a Arc<Source>,
    document: Arc<Node>,
    parsed: &'a mut Parsed,
}

/// What a type says about itself.
struct TypeMeta<'a> {
    api_version: &'a str,
    kind: &'a str,
}

impl Reader<'_> {
    fn read(mut self, structural: Vec<ManifestError>) {
        let document = self.document.clone();
        self.object(&document, FieldPath::root(), None, &structural);
        self.parsed.findings.extend(structural);
    }

    /// Reads the object at `node`, whose path in the document is `at`.
    fn object(
        &mut self,
        node: &Node,
        at: FieldPath,
        inherited: Option<TypeMeta<'_>>,
        structural: &[ManifestError],
    ) {
        if !matches!(node.value, Value::Mapping(_)) {
            let expected = "an object with `apiVersion` and `kind`".to_owned();
            let found = node.describe(self.source);
            self.fault(node, &at, ManifestErrorKind::WrongType { expected, found });
            return;
        }
        let api_version = self.type_field(node, &at, "apiVersion", inherited.as_ref());
        let kind = self.type_field(node, &at, "kind", inherited.as_ref());
        let (Some(api_version), Some(kind)) = (api_version, kind) else { return };
        match (api_version, kind, node.get("items").map(|items| &items.value)) {
            ("v1", "List" | "PodList", Some(Value::Sequence(items))) => {
                for (index, item) in items.iter().enumerate() {
                    let of_list = TypeMeta { api_version: "v1", kind: "Pod" };
                    let inherited = (kind == "PodList").then_some(of_list);
                    self.object(item, at.child("items").index(index), inherited, structural);
                }
            }
            ("v1", "List" | "PodList", items) => {
                if !matches!(items, None | Some(Value::Null)) {
                    let items = node.get("items").unwrap_or(node);
                    let found = items.describe(self.source);
                    let expected = "a list".to_owned();
                    let path = at.child("items");
                    self.fault(items, &path, ManifestErrorKind::WrongType { expected, found });
                }
            }
            ("v1", "Pod", _) => self.pod(node, at, structural),
            ("v1", "ConfigMap", _) => self.data(node, at, structural, DataObject::of_config_map),
            ("v1", "Secret", _) => self.data(node, at, structural, DataObject::of_secret),
            (_, "Pod", _) => {
                let version = node.get("apiVersion").unwrap_or(node);
                let message = format!("there is no kind `Pod` in {api_version:?}, only in \"v1\"");
                self.fault(version, &at.child("apiVersion"), ManifestErrorKind::BadValue(message));
            }
            (_, _, _) => {
                let name = node.get("metadata").and_then(|it| it.get("name")?.as_str());
                let other = Other {
                    api_version: api_version.to_owned(),
                    kind: kind.to_owned(),
                    name: name.unwrap_or_default().to_owned(),
                    place: self.source.place(at, Bytes::at(node.bytes.start as usize)),
                };
                self.parsed.manifests.push(Manifest::Other(other));
            }
        }
    }

    fn type_field<'n>(
        &mut self,
        node: &'n Node,
        at: &FieldPath,
        name: &str,
        inherited: Option<&TypeMeta<'n>>,
    ) -> Option<&'n str> {
        if let Some(field) = node.get(name) {
            let text = field.as_str().filter(|text| !text.is_empty());
            if text.is_none() {
                let expected = "a non-empty string".to_owned();
                let found = field.describe(self.source);
                let kind = ManifestErrorKind::WrongType { expected, found };
                self.fault(field, &at.child(name), kind);
            }
            return text;
        }
        let same = |key: &str| key.eq_ignore_ascii_case(name);
        if let Some(entry) = node.entries().iter().find(|entry| same(&entry.key)) {
            let place = self.source.place(at.child(&entry.key), entry.key_bytes);
            let meant = Some(Meant::Field(name.to_owned()));
            let kind = ManifestErrorKind::UnknownField { name: entry.key.clone(), meant };
            self.parsed.findings.push(ManifestError::error(place, kind));
            return None;
        }
        let inherited = inherited.map(|it| if name == "kind" { it.kind } else { it.api_version });
        if inherited.is_none() {
            self.fault(node, at, ManifestErrorKind::MissingField { name: name.to_owned() });
        }
        inherited
    }

    fn pod(&mut self, node: &Node, at: FieldPath, structural: &[ManifestError]) {
        let decoded = decode(node, self.source, Strictness::Security);
        let errors = decoded.findings.iter().filter(|it| it.severity == Severity::Error);
        let faulty: Vec<FieldPath> = errors.map(|it| it.place.path.clone()).collect();
        let has_flaws = structural.iter().any(|it| it.place.path.is_within(&at));
        self.parsed.findings.extend(decoded.findings);
        let Some(object) = decoded.value else { return };
        let pod = Pod::from_text(object, self.source.clone(), self.document.clone(), at);
        if faulty.is_empty() && !has_flaws {
            self.parsed.manifests.push(Manifest::Pod(pod));
        } else {
            self.parsed.drafts.push(Draft { pod, faulty });
        }
    }

    fn data<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        at: FieldPath,
        structural: &[ManifestError],
        make: impl FnOnce(T, Place) -> DataObject,
    ) {
        let decoded = decode(node, self.source, Strictness::Security);
        let is_sound = decoded.findings.iter().all(|it| it.severity != Severity::Error)
            && !structural.iter().any(|it| it.place.path.is_within(&at));
        self.parsed.findings.extend(decoded.findings);
        if let (Some(object), true) = (decoded.value, is_sound) {
            let place = self.source.place(at, Bytes::at(node.bytes.start as usize));
            self.parsed.manifests.push(Manifest::Data(make(object, place)));
        }
    }

    fn fault(&mut self, node: &Node, path: &FieldPath, kind: ManifestErrorKind) {
        let bytes = match node.value {
            Value::Mapping(_) | Value::Sequence(_) => Bytes::at(node.bytes.start as usize),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::String(_) => node.bytes,
        };
        let place = self.source.place(path.clone(), bytes);
        self.parsed.findings.push(ManifestError::error(place, kind));
    }
}

#[cfg(test)]
mod tests;
