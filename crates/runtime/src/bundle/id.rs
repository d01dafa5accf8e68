//! Names of containers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of a container, which is also that of its directory.
///
/// Invariant: 1 to 128 letters, digits and `-_.+:`, beginning with a letter or digit. It can be
/// printed, and it is one component of a path.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

/// Not a name for a container.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "{0:?} is not a name for a container: 1 to 128 letters, digits and `-_.+:`, \
     beginning with a letter or digit"
)]
pub struct NotAnId(pub String);

impl ContainerId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let fits = (1..=128).contains(&text.len())
            && text.starts_with(|it: char| it.is_ascii_alphanumeric())
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.+:".contains(&it));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnId(text.chars().take(200).collect()))
        }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_harmless_component() {
        let long = "a".repeat(129);
        for (text, valid) in [
            ("app", true),
            ("0a-b_c.d+e:f", true),
            (&long[1..], true),
            (&long[..], false),
            ("", false),
            (".", false),
            ("..", false),
            (".new", false),
            ("-rf", false),
            ("a/b", false),
            ("/a", false),
            ("a b", false),
            ("a\n", false),
            ("a\0", false),
            ("ä", false),
            ("１", false),
        ] {
            assert_eq!(text.parse::<ContainerId>().is_ok(), valid, "{text:?}");
        }
    }
}
