use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::tree::read_documents;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Sample {
    name: String,
    count: Option<i32>,
    size: Option<u64>,
    ratio: Option<f64>,
    is_on: Option<bool>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    map: BTreeMap<String, i64>,
    color: Option<Color>,
    #[serde(default)]
    inner: Vec<Inner>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Color {
    Red,
    Green,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Inner {
    id: u8,
}

fn sample(text: &str) -> (Option<Sample>, Vec<String>) {
    let source = Source::new("x.yaml", text);
    let documents = read_documents(&source);
    let root = documents[0].root.as_ref().unwrap();
    let Decoded { value, findings } = decode(root, &source, Strictness::Everything);
    (value, findings.iter().map(|it| format!("{}: {}", it.place, it.kind)).collect())
}

#[test]
fn values_come_through() {
    let (value, findings) = sample(
        "name: a\ncount: 1e3\nsize: 0xff\nratio: 2\nisOn: yes\nwords: [b]\nmap: {c: 1}\ncolor: green\ninner:\n- id: 7\n",
    );
    let expected = Sample {
        name: "a".into(),
        count: Some(1000),
        size: Some(255),
        ratio: Some(2.0),
        is_on: Some(true),
        words: vec!["b".into()],
        map: [("c".to_owned(), 1)].into(),
        color: Some(Color::Green),
        inner: vec![Inner { id: 7 }],
    };
    assert_eq!((value, findings), (Some(expected), vec![]));
}

#[test]
fn null_is_absent() {
    let (value, findings) = sample("name: a\ncount:\nwords: ~\nmap: null\ninner:\n");
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(value.map(|it| (it.count, it.words)), Some((None, vec![])));
}

#[test]
fn each_mistake_is_told_in_words() {
    for (line, expected) in [
        ("count: x", "count at x.yaml:2:8: expected a whole number, found the string \"x\""),
        ("count: 1.5", "count at x.yaml:2:8: expected a whole number, found the number `1.5`"),
        (
            "count: 2147483648",
            "count at x.yaml:2:8: expected a whole number from -2147483648 to 2147483647, found the number `2147483648`",
        ),
        (
            "size: -1",
            "size at x.yaml:2:7: expected a whole number from 0 to 18446744073709551615, found the number `-1`",
        ),
        ("ratio: yes", "ratio at x.yaml:2:8: expected a number, found the boolean `yes`"),
        ("isOn: 1", "isOn at x.yaml:2:7: expected a boolean, found the number `1`"),
        ("words: x", "words at x.yaml:2:8: expected a list, found the string \"x\""),
        ("words: [x, 1]", "words[1] at x.yaml:2:12: expected a string, found the number `1`"),
        ("words: [~]", "words[0] at x.yaml:2:9: expected a string, found nothing (null)"),
        ("map: [x]", "map at x.yaml:2:6: expected an object, found a list"),
        ("map: {a: b}", "map.a at x.yaml:2:10: expected a whole number, found the string \"b\""),
        ("color: blue", "color at x.yaml:2:8: \"blue\" is none of \"red\", \"green\""),
        ("color: 1", "color at x.yaml:2:8: expected a string, found the number `1`"),
        ("inner: [{}]", "inner[0] at x.yaml:2:9: missing field `id`"),
        (
            "inner: [{id: x}]",
            "inner[0].id at x.yaml:2:14: expected a whole number, found the string \"x\"",
        ),
        ("inner: [~]", "inner[0] at x.yaml:2:9: expected an object, found nothing (null)"),
        ("colour: red", "colour at x.yaml:2:1: unknown field `colour`"),
    ] {
        let (_, findings) = sample(&format!("name: a\n{line}"));
        assert_eq!(findings, [expected], "{line}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let (value, findings) =
        sample("count: x\nwords: [1, b]\ninner: [{id: 300}, {id: 1}]\nfoo: 1\n");
    assert_eq!(value, None);
    assert_eq!(
        findings,
        [
            "count at x.yaml:1:8: expected a whole number, found the string \"x\"",
            "words[0] at x.yaml:2:9: expected a string, found the number `1`",
            "inner[0].id at x.yaml:3:14: expected a whole number from 0 to 255, found the number `300`",
            "x.yaml:1:1: missing field `name`",
            "foo at x.yaml:4:1: unknown field `foo`",
        ]
    );
}

#[test]
fn mistakes_are_capped() {
    let (value, findings) = sample(&format!("name: a\nwords: [{}]", "1, ".repeat(1000)));
    assert_eq!(value, None);
    assert_eq!(findings.len(), MOST_FAULTS + 1);
    assert!(findings.last().is_some_and(|it| it.contains("more mistakes than")));
}
