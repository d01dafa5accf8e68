use proptest::prelude::*;

use super::*;
use crate::decode::{Strictness, decode};

/// What each document says, as JSON; `!` and the message where it says
/// nothing.
fn read(text: &str) -> Vec<String> {
    let source = Source::new("x.yaml", text);
    let json = |root: &Node| {
        let decoded = decode::<serde_json::Value>(root, &source, Strictness::Everything);
        decoded.value.map(|value| value.to_string()).unwrap_or_default()
    };
    read_documents(&source)
        .iter()
        .map(|document| match (&document.root, document.flaws.last()) {
            (Some(root), _) => json(root),
            (None, flaw) => format!("!{}", flaw.map(|it| it.kind.to_string()).unwrap_or_default()),
        })
        .collect()
}

fn flaws(text: &str) -> Vec<String> {
    let source = Source::new("x.yaml", text);
    let documents = read_documents(&source);
    let tell = |document: &Document, flaw: &Flaw| {
        let path = document.root.as_ref().map(|root| root.path_at(flaw.bytes.start));
        let place = source.place(path.unwrap_or_else(FieldPath::root), flaw.bytes);
        format!("{place}: {}", flaw.kind)
    };
    documents.iter().flat_map(|it| it.flaws.iter().map(|flaw| tell(it, flaw))).collect()
}

#[test]
fn yaml_is_read_as_kubectl_reads_it() {
    for (text, expected) in [
        ("a: yes\nb: 'yes'\nc: \"yes\"", r#"{"a":true,"b":"yes","c":"yes"}"#),
        ("mode: 0644\nother: 0o644", r#"{"mode":420,"other":420}"#),
        ("a: 1e3\nb: 1000.0\nc: 1.5", r#"{"a":1000,"b":1000,"c":1.5}"#),
        ("a:\nb: ~\nc: null\nd: ''", r#"{"a":null,"b":null,"c":null,"d":""}"#),
        ("a: 2024-01-02T03:04:05Z", r#"{"a":"2024-01-02T03:04:05Z"}"#),
        ("yes: 1\n0x10: 2\n1.5: 3", r#"{"1.5":3,"16":2,"true":1}"#),
        ("a: !!str 1\nb: !!int '2'\nc: ! 3", r#"{"a":"1","b":2,"c":"3"}"#),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y", r#"{"a":"x\ny\n","b":"x y"}"#),
        ("- a\n- {b: [1, 2]}", r#"["a",{"b":[1,2]}]"#),
        ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
        ("a: &x 1\nb: &x 2\nc: *x", r#"{"a":1,"b":2,"c":2}"#),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", r#"{"a":{"b":1,"c":2},"d":{"b":1,"c":3}}"#),
        ("a:\n  <<: [{b: 1}, {b: 2, c: 3}]", r#"{"a":{"b":1,"c":3}}"#),
        ("a:\n  '<<': {b: 1}", r#"{"a":{"<<":{"b":1}}}"#),
        ("a: 1\na: 2", r#"{"a":2}"#),
        ("a: 1\r\nb:\r\n- c\r\n", r#"{"a":1,"b":["c"]}"#),
        ("\u{feff}a: 1", r#"{"a":1}"#),
        ("{a: 0644, b: yes}", r#"{"a":420,"b":true}"#),
        ("{\"a\": 1,}", r#"{"a":1}"#),
        ("{\"a\": 010}", r#"{"a":8}"#),
    ] {
        assert_eq!(read(text), [expected], "{text}");
    }
}

#[test]
fn json_is_read_as_json() {
    for (text, expected) in [
        ("{\n\t\"a\":\t1\n}", r#"{"a":1}"#),
        (r#"{"a": "\ud83d\ude00\u00e9\/\n"}"#, r#"{"a":"😀é/\n"}"#),
        (
            r#"{"a": 1e3, "b": -0.5, "c": 18446744073709551615}"#,
            r#"{"a":1000,"b":-0.5,"c":18446744073709551615}"#,
        ),
        (r#"{"a": "yes", "b": [], "c": {}, "d": null}"#, r#"{"a":"yes","b":[],"c":{},"d":null}"#),
    ] {
        assert_eq!(read(text), [expected], "{text}");
    }
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    assert_eq!(read("a: 1\n---\nb: [\n---\n# nothing\n---\nc: 3\n").len(), 3);
    assert_eq!(read("a: 1\n---\n---\nnull\n---\nb: 2"), [r#"{"a":1}"#, r#"{"b":2}"#]);
    assert_eq!(read("{\"a\":1}{\"b\":2}\n{\"c\":3}"), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
    assert!(read("# only a comment\n").is_empty());
    let mixed = read("{\"a\": 1}\n--- {b: 1}\n---\nc: 3\n");
    assert_eq!((mixed[0].as_str(), mixed[2].as_str()), (r#"{"a":1}"#, r#"{"c":3}"#));
}

#[test]
fn what_is_wrong_has_its_place_in_the_whole_file() {
    for (text, expected) in [
        (
            "a:\n  b: 1\n  c: 2\n  b: 3",
            "a.b at x.yaml:4:3: `b` is set twice, first in line 2; the last one counts",
        ),
        (
            "é: 1\n---\nä: ü\nä: 2",
            "[ä] at x.yaml:4:1: `ä` is set twice, first in line 3; the last one counts",
        ),
        (
            "{\"a\": 1, \"a\": 2}",
            "a at x.yaml:1:10: `a` is set twice, first in line 1; the last one counts",
        ),
        (
            "a:\n  b: 1\n  <<: {b: 2}",
            "a.b at x.yaml:2:3: `<<` after `b` sets `b` too, and readers differ in which one counts",
        ),
        (
            "x: 1\n---\na:\n\tb: c",
            "x.yaml:4:2: tabs disallowed within this context (block indentation)",
        ),
        ("a: *b", "x.yaml:1:4: while parsing node, found unknown anchor"),
        ("a: &x [*x]", "x.yaml:1:8: an alias to the value that contains it"),
        ("a: .inf", "x.yaml:1:4: `.inf` is no number that a manifest can contain"),
        ("~: 1", "x.yaml:1:1: a key must be a string, a number or a boolean"),
        ("? [a]\n: 1", "x.yaml:1:3: a key must be a string, a number or a boolean"),
        ("a: !foo 1", "x.yaml:1:4: tag `!foo` has no meaning in a manifest"),
        ("a: !!int x", "x.yaml:1:4: `x` is not what its tag says"),
        ("a: !!set {b}", "x.yaml:1:4: tag `tag:yaml.org,2002:!set` has no meaning in a manifest"),
        ("<<: 1", "x.yaml:1:1: `<<` takes a mapping or a list of mappings"),
        ("a: \"x\\0y\"", "x.yaml:1:4: a null character in a text"),
        ("{\"a\": \"x\\u0000y\"}", "x.yaml:1:7: a null character in a text"),
        (
            "a: 1\n...\nb: 2",
            "x.yaml:3:1: content after the end of the document; begin a new one with `---`",
        ),
        ("{\"a\": 1 \"b\": 2}", "x.yaml:1:9: not JSON: expected `,` or `}`, found '\"'"),
    ] {
        assert_eq!(flaws(text), [expected], "{text}");
    }
}

#[test]
fn strict_json_takes_nothing_else() {
    for (text, expected) in [
        ("", "expected a value, found the end of the file"),
        ("{\"a\": 1} x", "expected the end of the file, found 'x'"),
        ("{\"a\": 1,}", "expected a key in double quotes, found '}'"),
        ("{a: 1}", "expected a key in double quotes, found 'a'"),
        ("[1 2]", "expected `,` or `]`, found '2'"),
        ("{\"a\" 1}", "expected `:`, found '1'"),
        ("[01]", "a number that JSON does not have"),
        ("[1.]", "a number that JSON does not have"),
        ("[-]", "a number that JSON does not have"),
        ("[1e999]", "a number that is too large"),
        ("[.5]", "expected a value, found '.'"),
        ("[\"a]", "a string that does not end"),
        ("[\"\t\"]", "expected no control character in a string, found '\\t'"),
        ("[\"\\x\"]", "expected an escape that JSON knows, found 'x'"),
        ("[\"\\ud800\"]", "half of a surrogate pair"),
        ("[\"\\ud800\\u0041\"]", "half of a surrogate pair"),
        ("[\"\\u00g0\"]", "expected `\\u` and four hexadecimal digits, found 'u'"),
        ("[tru]", "expected a value, found 't'"),
        ("{} \0", "expected the end of the file, found '\\0'"),
        ("\u{feff}{}", "expected a value, found '\\u{feff}'"),
    ] {
        let document = read_json(&Source::new("x.json", text), &[]);
        let kinds: Vec<String> = document.flaws.iter().map(|it| it.kind.to_string()).collect();
        assert_eq!(kinds, [format!("not JSON: {expected}")], "{text}");
        assert!(document.root.is_none(), "{text}");
    }
}

#[test]
fn paths_lead_to_what_is_written_there() {
    let text = "é: x\nspec:\n  containers:\n  - name: 'a b'\n    args: [one, \"two\"]\n    \
                note: |\n      long\n      text\n\n  annotations: {a.b/c: v, a: w}\nal: &x {k: v}\nam: *x\n";
    let source = Source::new("x.yaml", text);
    let documents = read_documents(&source);
    let root = documents[0].root.as_ref().unwrap();
    for (path, whole, value, key) in [
        ("spec.containers[0].name", Whole::Exact, "'a b'", "name"),
        ("spec.containers[0].args", Whole::Exact, "[one, \"two\"]", "args"),
        ("spec.containers[0].args[1]", Whole::Exact, "\"two\"", ""),
        ("spec.containers[0].note", Whole::Exact, "long\n      text", "note"),
        ("spec.annotations[a.b/c]", Whole::Exact, "v", "a.b/c"),
        ("spec.annotations.a.b/c", Whole::Exact, "v", "a.b/c"),
        ("spec.annotations[a]", Whole::Exact, "w", "a"),
        ("spec.annotations.none", Whole::Ancestor, "{a.b/c: v, a: w}", "annotations"),
        ("spec.containers[1].name", Whole::Ancestor, "", "containers"),
        ("am.k", Whole::Exact, "v", "k"),
        ("é", Whole::Exact, "x", "é"),
    ] {
        let found = root.find(path);
        let written = |bytes| &text[source.span(bytes).bytes()];
        assert_eq!(found.whole, whole, "{path}");
        if !value.is_empty() {
            assert_eq!(written(found.node.bytes), value, "{path}");
        }
        assert_eq!(found.key_bytes.map(written).unwrap_or_default(), key, "{path}");
        if whole == Whole::Exact && path.starts_with("spec.containers") {
            assert_eq!(root.path_of(found.node).unwrap().as_str(), path);
        }
    }
    let containers = &text[source.span(root.find("spec.containers").node.bytes).bytes()];
    assert!(containers.starts_with("name: 'a b'") && containers.ends_with("text"), "{containers}");
}

#[test]
fn a_hostile_text_is_refused_early() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n\
                c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\n\
                e: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]\n";
    let merges = format!("a: &a {{k: v}}\n{}", "b: {<<: *a}\n".repeat(30_000));
    for (what, text, expected) in [
        ("alias bomb", bomb.to_owned(), "keys and values from aliases"),
        ("merges", merges, "keys and values from aliases"),
        ("deep flow", "[".repeat(50_000), "levels"),
        ("deep json", "{\"a\":".repeat(50_000), "levels"),
        ("deep block", (0..200).map(|n| " ".repeat(n) + "a:\n").collect(), "levels"),
        ("many", "- a\n".repeat(500_000), "keys and values"),
        ("large", "a".repeat(limits::MOST_BYTES + 1), "bytes"),
        ("documents", "a: 1\n---\n".repeat(2_000), "documents"),
    ] {
        let told = read(&text);
        let last = told.last().unwrap();
        assert!(last.contains("too much") && last.ends_with(expected), "{what}: {last}");
    }
}

#[test]
fn limits_are_not_reached_by_what_is_merely_large() {
    let text = format!("a:\n{}", "- {name: x, image: y}\n".repeat(50_000));
    assert!(read(&text)[0].starts_with('{'));
    let nested = "[".repeat(limits::MOST_DEPTH) + &"]".repeat(limits::MOST_DEPTH);
    assert!(read(&nested)[0].starts_with('['));
}

#[test]
fn flaws_of_one_document_are_capped() {
    assert_eq!(flaws(&"a: 1\n".repeat(10_000)).len(), limits::MOST_FLAWS);
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        read(&text);
        flaws(&text);
    }

    #[test]
    fn no_text_of_yaml_signs_panics(
        text in "([a-c]|[0-9]|[\\[\\]{},:&*!|>'\"%@#?-]| |\n|\t|\r\n|---\n|<<|é|\u{feff}|\\\\u){0,80}"
    ) {
        read(&text);
        flaws(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    /// A plain word that is read as a string is found where it is written.
    #[test]
    fn spans_hold_what_was_read(words in prop::collection::vec("[a-zäß]{1,6}", 1..12)) {
        let lines = words.iter().enumerate().map(|(n, word)| format!("k{n}:\r\n  - {word}-x\r\n"));
        let text: String = lines.collect();
        let source = Source::new("x", &text);
        let documents = read_documents(&source);
        let root = documents[0].root.as_ref().unwrap();
        for (n, word) in words.iter().enumerate() {
            let found = root.find(&format!("k{n}[0]"));
            let span = source.span(found.node.bytes);
            prop_assert_eq!(&text[span.bytes()], format!("{word}-x"));
            prop_assert_eq!((span.start.line, span.start.column), (2 * n + 2, 5));
        }
    }

    /// Whatever JSON a serializer writes comes back as it was.
    #[test]
    fn json_comes_back(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let source = Source::new("x.json", &text);
        let document = read_json(&source, &[]);
        let root = document.root.unwrap();
        let decoded = decode::<serde_json::Value>(&root, &source, Strictness::Everything);
        prop_assert_eq!(decoded.value, Some(value));
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[^\0]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::hash_map("[^\0]{0,6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
