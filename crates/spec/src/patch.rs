//! What has become of an object, as operations of RFC 6902.
//!
//! Operations are in the order of the paths. A field that was not there is added with all that is in it.
//! Lists of objects of one length are compared element by element (containers stay where they are); any
//! other list is replaced as a whole, so that no operation depends on the one before it.
//!
//! Does not know what was changed by whom, nor why.

use serde::Serialize;
use serde_json::{Map, Value};

/// One operation.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// A field that was not there.
    Add {
        /// A JSON pointer.
        path: String,
        /// What is there now.
        value: Value,
    },
    /// A field that is gone.
    Remove {
        /// A JSON pointer.
        path: String,
    },
    /// A field with another value.
    Replace {
        /// A JSON pointer.
        path: String,
        /// What is there now.
        value: Value,
    },
}

/// The operations that make `after` of `before`.
///
/// # Errors
///
/// One of them has no form in JSON. Objects of the Kubernetes API always have one.
pub fn difference<T: Serialize>(
    before: &T,
    after: &T,
) -> Result<Vec<Operation>, serde_json::Error> {
    let mut operations = Vec::new();
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    compare(&before, &after, "", &mut operations);
    Ok(operations)
}

fn compare(before: &Value, after: &Value, at: &str, operations: &mut Vec<Operation>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => fields(before, after, at, operations),
        (Value::Array(before), Value::Array(after))
            if before.len() == after.len() && before.iter().chain(after).all(Value::is_object) =>
        {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(before, after, &format!("{at}/{index}"), operations);
            }
        }
        (_, after) => {
            operations.push(Operation::Replace { path: at.to_owned(), value: after.clone() });
        }
    }
}

fn fields(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    at: &str,
    operations: &mut Vec<Operation>,
) {
    let added = after.keys().filter(|key| !before.contains_key(*key));
    let mut keys: Vec<&String> = before.keys().chain(added).collect();
    keys.sort();
    for key in keys {
        let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => compare(before, after, &path, operations),
            (None, Some(value)) => operations.push(Operation::Add { path, value: value.clone() }),
            (Some(_), None) => operations.push(Operation::Remove { path }),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_name_the_least_that_changed() {
        for (before, after, expected) in [
            (json!({"a": 1}), json!({"a": 1}), json!([])),
            (
                json!({}),
                json!({"b": {"c": 1}, "a": 2}),
                json!([
                    {"op": "add", "path": "/a", "value": 2},
                    {"op": "add", "path": "/b", "value": {"c": 1}},
                ]),
            ),
            (
                json!({"a": {"b": 1}}),
                json!({"a": {"b": 2, "x/y~z": 3}}),
                json!([
                    {"op": "replace", "path": "/a/b", "value": 2},
                    {"op": "add", "path": "/a/x~1y~0z", "value": 3},
                ]),
            ),
            (json!({"a": 1, "b": 2}), json!({"b": 2}), json!([{"op": "remove", "path": "/a"}])),
            (
                json!({"l": [{"n": 1}, {"n": 2}]}),
                json!({"l": [{"n": 1}, {"n": 3}]}),
                json!([{"op": "replace", "path": "/l/1/n", "value": 3}]),
            ),
            (
                json!({"l": [{"n": 1}]}),
                json!({"l": [{"n": 1}, {"n": 2}]}),
                json!([{"op": "replace", "path": "/l", "value": [{"n": 1}, {"n": 2}]}]),
            ),
            (
                json!({"l": ["A", "B"]}),
                json!({"l": ["A", "C"]}),
                json!([{"op": "replace", "path": "/l", "value": ["A", "C"]}]),
            ),
            (
                json!({"a": {}}),
                json!({"a": []}),
                json!([{"op": "replace", "path": "/a", "value": []}]),
            ),
        ] {
            let operations = difference(&before, &after).unwrap();
            assert_eq!(json!(operations), expected, "{before} {after}");
        }
    }
}
