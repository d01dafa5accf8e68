use super::super::tests::sample;
use super::*;

fn drawn(report: &Report, columns: usize) -> String {
    anstream::adapter::strip_str(&table(report, Some(columns))).to_string()
}

#[test]
fn a_wide_reader_gets_one_line_for_each_mechanism() {
    let report = sample();
    let expected = "\
pod/web  namespace default, restartPolicy unset, taken as Never: a pod in the foreground runs once

container main
MECHANISM              DECLARED          FROM                                                   KERNEL            VERDICT
identity               uid 1000, gid 0   pod.yaml:12 runAsUser                                  uid 1000, gid 0   ok
seccomp                localhost/chmod   pod.yaml:12 seccomp.security.alpha.kubernetes.io/pod   no filter         WEAKER
    the filter of `localhost/chmod` is missing
AppArmor               unset             default                                                -                 -
limits                 256 processes     node setting --pod-max-pids                            -                 -
sysctl kernel.msgmax                                                                            1                 adjusted
    declared as `1 2 3`";
    assert_eq!(drawn(&report, 200), expected);
}

#[test]
fn init_containers_have_their_own_heading_and_what_follows_none_of_the_pods() {
    let mut report = sample();
    let mut init = report.containers[0].clone();
    init.name = "first".to_owned();
    report.init_containers.push(init);
    let headings = |text: String| -> Vec<String> {
        let heads = |it: &&str| it.starts_with("pod/") || it.contains("container ");
        text.lines().filter(heads).map(|it| it.split("  ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(
        headings(drawn(&report, 200)),
        ["pod/web", "init container first", "container main"]
    );
    let rest = anstream::adapter::strip_str(&continued(&report, Some(200))).to_string();
    assert_eq!(headings(rest), ["init container first", "container main"]);
}

#[test]
fn a_narrow_reader_gets_wrapped_cells() {
    let report = sample();
    let text = drawn(&report, 90);
    let body = text.lines().skip(2);
    for line in body {
        assert!(line.chars().count() <= 90, "{line}");
    }
    assert!(text.contains("WEAKER"));
}

#[test]
fn a_report_cannot_be_forged_from_within() {
    let mut report = sample();
    let seen = "x\x1b[1A\x1b[2Kforged\nseccomp   ok".to_owned();
    report.containers[0].mechanisms[0].kernel = Some(seen);
    report.metadata.name = "a\rb".to_owned();
    let text = drawn(&report, 200);
    assert!(text.contains("pod/a\\rb"));
    assert!(text.contains("x\\u{1b}[1A\\u{1b}[2Kforged\\nseccomp   ok"));
    assert_eq!(text.lines().count(), 11);
}

#[test]
fn fields_are_named_by_their_end() {
    for (path, expected) in [
        ("spec.containers[0].securityContext.runAsUser", "runAsUser"),
        ("spec.containers[0].securityContext.capabilities.add[2]", "add[2]"),
        ("metadata.annotations[a.b/c]", "a.b/c"),
        ("items[0].metadata.annotations[a.b/c]", "a.b/c"),
        ("spec", "spec"),
        ("", ""),
    ] {
        assert_eq!(last(path), expected);
    }
}

#[test]
fn lines_break_at_blanks_and_long_words_where_they_must() {
    for (text, columns, expected) in [
        ("", 5, &[""][..]),
        ("one two", 7, &["one two"]),
        ("one two", 6, &["one", "two"]),
        ("abcdefgh", 3, &["abc", "def", "gh"]),
        ("a abcdefgh b", 4, &["a", "abcd", "efgh", "b"]),
        ("é é", 1, &["é", "é"]),
    ] {
        assert_eq!(wrap(text, columns), expected, "{text}");
    }
}
