//! Why a value is what it is.

use std::fmt;

use stockade_spec::{FieldPath, Place};

/// A value and the reason why it is what it is.
///
/// The reason travels with the value into the plan and from there into a kernel error, so that
/// `EPERM` can be answered with a line of YAML.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sourced<T> {
    /// The effective value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its origin.
    pub const fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// A value that nobody asked for.
    pub const fn default(value: T, why: &'static str) -> Self {
        Self { value, origin: Origin::Default(why) }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A field of the manifest or bundle.
    Declared(Place),
    /// An annotation of the manifest.
    Annotation(Place),
    /// The image's configuration; names the image.
    Image(String),
    /// A setting of the node; names it.
    Node(String),
    /// Nobody said anything; says what follows.
    Default(&'static str),
}

impl Origin {
    /// The place in the file, if the value comes from one.
    pub const fn place(&self) -> Option<&Place> {
        match self {
            Self::Declared(place) | Self::Annotation(place) => Some(place),
            Self::Image(_) | Self::Node(_) | Self::Default(_) => None,
        }
    }
}

impl Origin {
    /// The place in the file, or, for a value that comes from none, where it does come from.
    pub fn place_or_self(&self) -> Place {
        self.place().cloned().unwrap_or_else(|| Place {
            path: FieldPath::root(),
            file: self.to_string().into(),
            span: None,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(place) => place.fmt(f),
            Self::Annotation(place) => write!(f, "{place} (annotation)"),
            Self::Image(name) => write!(f, "image {name}"),
            Self::Node(setting) => write!(f, "node setting {setting}"),
            Self::Default(why) => write!(f, "default: {why}"),
        }
    }
}
