//! Versions of Kubernetes as the cases name them.

/// The minor versions to ask at: `v1.20` is one, of `v1.19-v1.24` and `v1.27+` the first and the last.
pub(crate) fn of(text: &str) -> Option<Vec<u16>> {
    let minor = |text: &str| text.strip_prefix("v1.")?.parse::<u16>().ok();
    if let Some(first) = text.strip_suffix('+') {
        return Some(vec![minor(first)?, stockade_spec::ApiVersion::LATEST.0]);
    }
    match text.split_once('-') {
        Some((first, last)) => Some(vec![minor(first)?, minor(last)?]),
        None => Some(vec![minor(text)?]),
    }
}
