//! OCI bundles: whatever the text, an answer with places inside it.

use stockade_spec::bundle;

use crate::manifest::check_places;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(mistakes) = bundle::parse("config.json", text) {
        assert!(!mistakes.is_empty(), "refused for no reason");
        check_places(&mistakes, text);
    }
    if let Err(mistakes) = bundle::parse_process("process.json", text) {
        assert!(!mistakes.is_empty(), "refused for no reason");
        check_places(&mistakes, text);
    }
}
