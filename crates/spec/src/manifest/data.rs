//! ConfigMaps and Secrets: what a pod's variables and volumes take their values from.
//!
//! `stringData` of a Secret is laid over its `data`, as an API server does. Who may read what is
//! not known here.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1 as api;

use crate::place::Place;

/// A ConfigMap or a Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataObject {
    /// Which of the two.
    pub kind: DataKind,
    /// `metadata.namespace`, if it is said.
    pub namespace: Option<String>,
    /// `metadata.name`, empty if there is none.
    pub name: String,
    /// What it holds, by key.
    pub entries: BTreeMap<String, Content>,
    /// Where the object begins.
    pub place: Place,
}

/// What holds keys and values.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum DataKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// What stands under a key. Shown by its length only: it may be a secret.
#[derive(Clone, Eq, PartialEq)]
pub enum Content {
    /// Text: what a variable can hold.
    Text(String),
    /// `binaryData`, or a secret that is no text.
    Bytes(Vec<u8>),
}

impl DataKind {
    /// The kind, as the API spells it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// What it is called in messages: `configmap "x" not found`.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

impl Content {
    /// The bytes, as a file would hold them.
    pub const fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes.as_slice(),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

impl DataObject {
    pub(super) fn of_config_map(object: api::ConfigMap, place: Place) -> Self {
        let text = object.data.into_iter().flatten().map(|(key, it)| (key, Content::Text(it)));
        let binary = object.binary_data.into_iter().flatten();
        let binary = binary.map(|(key, it)| (key, Content::Bytes(it.0)));
        Self {
            kind: DataKind::ConfigMap,
            namespace: object.metadata.namespace,
            name: object.metadata.name.unwrap_or_default(),
            entries: binary.chain(text).collect(),
            place,
        }
    }

    pub(super) fn of_secret(object: api::Secret, place: Place) -> Self {
        let content = |bytes| match String::from_utf8(bytes) {
            Ok(text) => Content::Text(text),
            Err(error) => Content::Bytes(error.into_bytes()),
        };
        let data = object.data.into_iter().flatten().map(|(key, it)| (key, content(it.0)));
        let strings = object.string_data.into_iter().flatten();
        let strings = strings.map(|(key, it)| (key, Content::Text(it)));
        Self {
            kind: DataKind::Secret,
            namespace: object.metadata.namespace,
            name: object.metadata.name.unwrap_or_default(),
            entries: data.chain(strings).collect(),
            place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn text_bytes_and_what_lies_over_them() {
        for (text, expected) in [
            (
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v, e: ''}, \
                 binaryData: {b: '/w=='}, immutable: true}",
                "ConfigMap a: b=[255] e= k=v",
            ),
            (
                "{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: s}, \
                 data: {k: b2xk, o: eA==, m: '/w=='}, stringData: {k: new}}",
                "Secret s: k=new m=[255] o=x",
            ),
            ("{apiVersion: v1, kind: Secret, metadata: {name: s}}", "Secret s:"),
        ] {
            let parsed = parse("x.yaml", text);
            assert_eq!(parsed.findings, [], "{text}");
            let shown = |(key, content): (&String, &Content)| match content {
                Content::Text(text) => format!(" {key}={text}"),
                Content::Bytes(bytes) => format!(" {key}={bytes:?}"),
            };
            let all: Vec<String> = (parsed.data())
                .map(|it| {
                    let entries: String = it.entries.iter().map(shown).collect();
                    format!("{} {}:{entries}", it.kind.kind(), it.name)
                })
                .collect();
            assert_eq!(all, [expected], "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_told_and_no_secret_is_shown() {
        let text = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {k: '%hunter2'}}";
        let parsed = parse("x.yaml", text);
        assert_eq!((parsed.is_usable(), parsed.data().count()), (false, 0));
        let content = Content::Text("hunter2".to_owned());
        assert_eq!(format!("{content:?}"), "7 bytes");
    }
}
