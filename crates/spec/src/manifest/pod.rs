//! A pod and where each of its fields is written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as api;

use super::container::{Container, containers};
use crate::place::{FieldPath, Place};
use crate::source::{Bytes, Source};
use crate::tree::{Found, Node, Value, Whole};

/// A pod as it is said: nothing is filled in.
#[derive(Clone)]
pub struct Pod {
    /// What is said. May be changed (a policy's defaults do that); places of
    /// fields that are not in the file are those of what surrounds them.
    pub object: api::Pod,
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    Text {
        source: Arc<Source>,
        document: Arc<Node>,
        /// The pod's path in its document (`items[3]` in a list).
        at: FieldPath,
    },
    Object {
        called: Arc<str>,
    },
}

impl Pod {
    /// Takes a pod that was not read from a file. `called` stands in for the
    /// file's name in its places, which have no spans.
    pub fn from_object(object: api::Pod, called: &str) -> Self {
        Self { object, origin: Origin::Object { called: called.into() } }
    }

    pub(super) fn from_text(
        object: api::Pod,
        source: Arc<Source>,
        document: Arc<Node>,
        at: FieldPath,
    ) -> Self {
        Self { object, origin: Origin::Text { source, document, at } }
    }

    /// `metadata.name`. Not empty in a valid pod.
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// `metadata.namespace`, or `default`.
    pub fn namespace(&self) -> &str {
        let namespace = self.object.metadata.namespace.as_deref().unwrap_or_default();
        if namespace.is_empty() { "default" } else { namespace }
    }

    /// `metadata.annotations`, by key.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.object.metadata.annotations.as_ref().unwrap_or(&NONE)
    }

    /// `spec`. There is one in a valid pod.
    pub fn spec(&self) -> Option<&api::PodSpec> {
        self.object.spec.as_ref()
    }

    /// `spec.securityContext`.
    pub fn security_context(&self) -> Option<&api::PodSecurityContext> {
        self.spec()?.security_context.as_ref()
    }

    /// All containers: init containers, containers, ephemeral containers.
    pub fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        self.spec().into_iter().flat_map(containers)
    }

    /// The container called `name`.
    pub fn container(&self, name: &str) -> Option<Container<'_>> {
        self.containers().find(|container| container.name == name)
    }

    /// Where the *value* at `path` is written.
    ///
    /// If the field is not in the file, the span is that of the nearest value
    /// around it that is; the path is always the one that was asked for. The
    /// value of a block (`securityContext:`) begins in the line below its key:
    /// see [`Pod::key_place`].
    pub fn place(&self, path: &FieldPath) -> Place {
        self.place_by(path, |found| found.node.bytes)
    }

    /// Where the *key* at `path` is written, or the beginning of the value if
    /// it has no key (list elements).
    ///
    /// If the field is not in the file, the span is that of the nearest key
    /// around it that is.
    pub fn key_place(&self, path: &FieldPath) -> Place {
        self.place_by(path, key_or_start)
    }

    /// The shortest stretch at which a finger would be pointed for a mistake
    /// at `path`: the value if it is one word, else the key.
    pub fn point_at(&self, path: &FieldPath) -> Place {
        self.place_by(path, |found| {
            let is_word = match found.node.value {
                Value::Null | Value::Sequence(_) | Value::Mapping(_) => false,
                Value::Bool(_)
                | Value::Int(_)
                | Value::UInt(_)
                | Value::Float(_)
                | Value::String(_) => true,
            };
            if is_word && found.whole == Whole::Exact {
                found.node.bytes
            } else {
                key_or_start(found)
            }
        })
    }

    fn place_by(&self, path: &FieldPath, bytes: impl Fn(Found<'_>) -> Bytes) -> Place {
        match &self.origin {
            Origin::Object { called } => {
                Place { path: path.clone(), file: called.clone(), span: None }
            }
            Origin::Text { source, document, at } => {
                let root = document.find(at.as_str());
                let found = root.node.find(path.as_str());
                let found = Found { key_bytes: found.key_bytes.or(root.key_bytes), ..found };
                source.place(path.clone(), bytes(found))
            }
        }
    }
}

fn key_or_start(found: Found<'_>) -> Bytes {
    found.key_bytes.unwrap_or_else(|| Bytes::at(found.node.bytes.start as usize))
}

/// The tree would fill screens.
impl fmt::Debug for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pod")
            .field("object", &self.object)
            .field("place", &self.place(&FieldPath::root()))
            .finish()
    }
}
