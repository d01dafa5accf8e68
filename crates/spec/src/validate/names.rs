//! The names that Kubernetes accepts.
//!
//! Source: RFC 1123; apimachinery `util/validation`.

/// Says what is wrong with a DNS label (container names, namespaces).
pub(super) fn label_faults(name: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if name.len() > 63 {
        faults.push("must be no more than 63 characters");
    }
    if !is_label(name) {
        faults.push(LABEL);
    }
    faults
}

/// Says what is wrong with a DNS subdomain (pod names).
pub(super) fn subdomain_faults(name: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if name.len() > 253 {
        faults.push("must be no more than 253 characters");
    }
    if !name.split('.').all(is_label) {
        faults.push(SUBDOMAIN);
    }
    faults
}

/// Says whether `name` is a key of an annotation: a name of at most 63
/// characters after an optional DNS subdomain and one slash.
pub(super) fn is_qualified_name(name: &str) -> bool {
    let (prefix, name) = match name.split_once('/') {
        None => (None, name),
        Some((prefix, name)) => (Some(prefix), name),
    };
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let is_name = name.len() <= 63
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && name.bytes().all(is_inner);
    is_name && prefix.is_none_or(|prefix| subdomain_faults(prefix).is_empty())
}

fn is_label(name: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| is_alphanumeric(*byte));
    is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|byte| is_alphanumeric(*byte) || *byte == b'-')
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
    or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_subdomains_are_lower_case() {
        for (name, is_a_label, is_a_subdomain) in [
            ("web", true, true),
            ("web-1", true, true),
            ("1", true, true),
            ("a.b", false, true),
            ("a..b", false, false),
            ("a-.b", false, false),
            ("Web", false, false),
            ("-web", false, false),
            ("web_1", false, false),
            ("", false, false),
            ("é", false, false),
        ] {
            assert_eq!(label_faults(name).is_empty(), is_a_label, "{name}");
            assert_eq!(subdomain_faults(name).is_empty(), is_a_subdomain, "{name}");
        }
        assert!(label_faults(&"a".repeat(63)).is_empty());
        assert_eq!(label_faults(&"a".repeat(64)).len(), 1);
        assert!(subdomain_faults(&"a".repeat(253)).is_empty());
        assert_eq!(subdomain_faults(&"a".repeat(254)).len(), 1);
    }

    #[test]
    fn an_annotation_key_has_at_most_one_slash() {
        for (key, expected) in [
            ("key", true),
            ("Key_1.x", true),
            ("example.com/key", true),
            ("a.b/c/d", false),
            ("/key", false),
            ("example.com/", false),
            ("exa mple/key", false),
            ("key-", false),
            ("", false),
        ] {
            assert_eq!(is_qualified_name(key), expected, "{key}");
        }
    }
}
