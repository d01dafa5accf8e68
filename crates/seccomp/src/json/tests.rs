use super::*;

fn read(text: &str) -> Result<()> {
    let mut reader = Reader::new(text)?;
    reader.skip()?;
    reader.end()
}

#[test]
fn what_is_not_json_is_named_with_its_place() {
    for (text, expected) in [
        ("{}", None),
        (r#" {"a": [1, -2.5e+3, true, null, "\u00e9\ud83d\ude00\n"], "b": {}} "#, None),
        ("", Some("1:1 the text ends where a value is expected")),
        ("{\n  \"a\": 1,\n}", Some("3:1 nothing follows the comma")),
        ("{\n  \"é\": ?}", Some("2:8 expected a value")),
        ("[1 2]", Some("1:4 expected `,` or `]`")),
        ("{\"a\" 1}", Some("1:6 expected `:`")),
        ("{a: 1}", Some("1:2 expected a key in double quotes")),
        ("[01]", Some("1:3 expected `,` or `]`")),
        ("[1.]", Some("1:4 expected a digit")),
        ("\"a\nb\"", Some("1:3 control character in a string")),
        ("\"\\x\"", Some("1:3 unknown escape")),
        ("\"\\ud800\"", Some("1:8 half a surrogate pair")),
        ("\"\\u12é4\"", Some("1:3 expected four hexadecimal digits")),
        ("{\"a\": 1", Some("1:8 the text ends here")),
        ("\"abc", Some("1:5 the text ends within a string")),
        ("{} {}", Some("1:4 nothing may follow the value")),
    ] {
        let found = read(text).err().map(|error| format!("{} {}", error.place, error.what));
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(read(&deep).unwrap_err().what, "nested too deeply");
    let large = format!("\"{}\"", "x".repeat(MAX_BYTES));
    assert_eq!(read(&large).unwrap_err().what, "larger than 1 MiB");
    assert_eq!(read(&format!("{}1{}", "[".repeat(32), "]".repeat(32))), Ok(()));
}
