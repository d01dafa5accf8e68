//! Printing YAML: block style, strings quoted where they would be read as something else.
//!
//! Every JSON text is YAML, so a scalar that is not plainly safe is written as JSON.

use serde_json::Value;

/// The document as text, with a line end.
pub(crate) fn print(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0, Position::Line);
    text
}

/// Where a value begins.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Position {
    /// At the beginning of a line.
    Line,
    /// Behind `- `.
    Dash,
    /// Behind `key:`.
    Key,
}

fn block(text: &mut String, value: &Value, depth: usize, position: Position) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            if position == Position::Key {
                text.push('\n');
            }
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 || position != Position::Dash {
                    indent(text, depth);
                }
                text.push_str(&scalar(key));
                text.push(':');
                block(text, value, depth + 1, Position::Key);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            // As kubectl prints them: dashes stand under the key.
            let depth = if position == Position::Key { depth - 1 } else { depth };
            if position == Position::Key {
                text.push('\n');
            }
            for (index, item) in items.iter().enumerate() {
                if index > 0 || position != Position::Dash {
                    indent(text, depth);
                }
                text.push_str("- ");
                block(text, item, depth + 1, Position::Dash);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            if position == Position::Key {
                text.push(' ');
            }
            match value.as_str() {
                Some(string) => text.push_str(&scalar(string)),
                None => text.push_str(&value.to_string()),
            }
            text.push('\n');
        }
    }
}

fn indent(text: &mut String, depth: usize) {
    text.push_str(&"  ".repeat(depth));
}

/// Plain if nothing in it could be read as anything but the same string.
fn scalar(string: &str) -> String {
    let plain = string.starts_with(|it: char| it.is_ascii_alphabetic() || it == '/')
        && string.chars().all(|it| it.is_ascii_alphanumeric() || "-_./".contains(it))
        && !WORDS.contains(&string.to_ascii_lowercase().as_str());
    if plain { string.to_owned() } else { Value::from(string).to_string() }
}

/// Words that YAML 1.1 reads as something else than strings.
const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_printed_is_read_as_it_was() {
        let value = json!({
            "a": {"list": [1, "two", {"x": "yes", "y": []}, [true, null]], "empty": {}},
            "s": "1e3", "t": "a: b # c", "u": "line\nbreak",
        });
        let text = print(&value);
        assert_eq!(
            text,
            "a:\n  empty: {}\n  list:\n  - 1\n  - two\n  - x: \"yes\"\n    \"y\": []\n  - - true\n    \
             - null\ns: \"1e3\"\nt: \"a: b # c\"\nu: \"line\\nbreak\"\n"
        );
    }
}
