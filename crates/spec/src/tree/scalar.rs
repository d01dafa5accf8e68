//! What a plain (unquoted) scalar says, as kubectl reads it: YAML 1.1.
//!
//! | text | is |
//! |---|---|
//! | empty, `~`, `null`, `Null`, `NULL` | null |
//! | `true`, `yes`, `on`, `y` and their opposites, each in three casings | boolean |
//! | `12`, `0644`, `0o644`, `0x1f`, `0b11`, `1_000`, with a sign | whole number |
//! | `1.5`, `1e3`, `.5`, `089` (8 is no octal digit) | number |
//! | `.inf`, `.nan` | refused: JSON has no such numbers |
//! | anything else, dates too | string |
//!
//! Source: <https://yaml.org/type/>; number syntax as Go's `strconv` with base
//! 0, which kubectl's YAML library uses.

use super::Value;

/// A number that JSON does not have.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct NotFinite;

/// Reads a plain scalar.
pub(super) fn plain(text: &str) -> Result<Value, NotFinite> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Ok(Value::Bool(true));
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" => return Err(NotFinite),
        _ => {}
    }
    if matches!(text.strip_prefix(['+', '-']).unwrap_or(text), ".inf" | ".Inf" | ".INF") {
        return Err(NotFinite);
    }
    match number(text) {
        None => Ok(Value::String(text.to_owned())),
        Some(Value::Float(number)) if !number.is_finite() => Err(NotFinite),
        Some(number) => Ok(number),
    }
}

/// Reads a number, whole if it can be.
pub(super) fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    // Underscores are only taken out where a digit may come first.
    let plain = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    whole(&plain).or_else(|| fraction(&plain).map(Value::Float))
}

/// Names a key as kubectl does when it turns a YAML key into a JSON one.
/// `None` for what cannot be a key.
pub(super) fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn whole(text: &str) -> Option<Value> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // The standard library would take a second sign.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (is_negative, i64::try_from(magnitude)) {
        (false, Ok(number)) => Some(Value::Int(number)),
        (false, Err(_)) => Some(Value::UInt(magnitude)),
        (true, Ok(number)) => Some(Value::Int(-number)),
        (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => Some(Value::Int(i64::MIN)),
        (true, Err(_)) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn fraction(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, None),
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa =
        is_digits(before) && is_digits(after) && !(before.is_empty() && after.is_empty());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    if is_mantissa && is_exponent { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_kubectl_reads_them() {
        for (text, expected) in [
            ("", "Null"),
            ("~", "Null"),
            ("NULL", "Null"),
            ("nULL", "String(\"nULL\")"),
            ("y", "Bool(true)"),
            ("Yes", "Bool(true)"),
            ("yEs", "String(\"yEs\")"),
            ("OFF", "Bool(false)"),
            ("n", "Bool(false)"),
            ("12", "Int(12)"),
            ("-12", "Int(-12)"),
            ("+12", "Int(12)"),
            ("+-12", "String(\"+-12\")"),
            ("0", "Int(0)"),
            ("0644", "Int(420)"),
            ("-0644", "Int(-420)"),
            ("0o644", "Int(420)"),
            ("0x1F", "Int(31)"),
            ("0b101", "Int(5)"),
            ("0x", "String(\"0x\")"),
            ("1_000", "Int(1000)"),
            ("_1", "String(\"_1\")"),
            ("089", "Float(89.0)"),
            ("9223372036854775807", "Int(9223372036854775807)"),
            ("9223372036854775808", "UInt(9223372036854775808)"),
            ("-9223372036854775808", "Int(-9223372036854775808)"),
            ("18446744073709551616", "Float(1.8446744073709552e19)"),
            ("1e3", "Float(1000.0)"),
            ("1000.0", "Float(1000.0)"),
            (".5", "Float(0.5)"),
            ("-.5e1", "Float(-5.0)"),
            (".", "String(\".\")"),
            ("1.2.3", "String(\"1.2.3\")"),
            ("1e", "String(\"1e\")"),
            ("500m", "String(\"500m\")"),
            ("2024-01-02", "String(\"2024-01-02\")"),
            ("1:20", "String(\"1:20\")"),
            ("-", "String(\"-\")"),
            ("inf", "String(\"inf\")"),
        ] {
            assert_eq!(format!("{:?}", plain(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn json_has_no_infinity() {
        for text in [".inf", "-.Inf", "+.INF", ".nan", "1e999"] {
            assert_eq!(plain(text).unwrap_err(), NotFinite, "{text}");
        }
    }
}
