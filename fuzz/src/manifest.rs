//! Manifests: whatever the text, an answer with places inside it; and the rules of the API server
//! for whatever pod is in it.

use stockade_spec::{Manifest, ManifestError, Rules, parse, validate};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = parse("pod.yaml", text);
    check_places(&parsed.findings, text);
    for manifest in &parsed.manifests {
        match manifest {
            Manifest::Pod(pod) => check_places(&validate(pod, Rules::HERE), text),
            Manifest::Data(_) | Manifest::Other(_) => {}
        }
    }
}

/// What is marked can be cut out of the text and printed.
pub(crate) fn check_places(mistakes: &[ManifestError], text: &str) {
    for mistake in mistakes {
        assert!(!mistake.to_string().is_empty());
        if let Some(span) = &mistake.place.span {
            assert!(text.get(span.bytes()).is_some(), "{mistake}: {span:?}");
        }
    }
}
