use stockade_spec::{Position, Span};

use super::*;

/// A report of one container with every kind of line.
pub(super) fn sample() -> Report {
    let place = spec::Place {
        path: "spec.containers[0].securityContext.runAsUser".into(),
        file: "examples/pod.yaml".into(),
        span: Some(Span {
            start: Position { line: 12, column: 20 },
            end: Position { line: 12, column: 24 },
            first_byte: 0,
            end_byte: 0,
        }),
    };
    let annotation = spec::Place {
        path: "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]".into(),
        ..place.clone()
    };
    let declared = |value: &str, origin| Declared { value: value.to_owned(), origin };
    let meant = BTreeMap::from([
        (Mechanism::Identity, declared("uid 1000, gid 0", Origin::Declared(place))),
        (Mechanism::Seccomp, declared("localhost/chmod", Origin::Annotation(annotation))),
        (Mechanism::AppArmor, declared("unset", Origin::Default("none is declared"))),
        (Mechanism::Limits, declared("256 processes", Origin::Node("--pod-max-pids".to_owned()))),
    ]);
    Report {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        metadata: Metadata { name: "web".to_owned(), namespace: "default".to_owned() },
        restart_policy: RestartPolicy {
            value: "Never".to_owned(),
            from: From::new(&Origin::Default("a pod in the foreground runs once")),
        },
        init_containers: Vec::new(),
        containers: vec![Container::new("main", &meant, &findings())],
    }
}

fn findings() -> Vec<Finding> {
    let finding =
        |mechanism, seen: &str, verdict| Finding { mechanism, seen: seen.to_owned(), verdict };
    vec![
        finding(
            Mechanism::Sysctl("kernel.msgmax".to_owned()),
            "1",
            confine::Verdict::Adjusted("declared as `1 2 3`".to_owned()),
        ),
        finding(Mechanism::Identity, "uid 1000, gid 0", confine::Verdict::Holds),
        finding(
            Mechanism::Seccomp,
            "no filter",
            confine::Verdict::Weaker("the filter of `localhost/chmod` is missing".to_owned()),
        ),
    ]
}

#[test]
fn a_container_is_reported_once_and_in_its_list() {
    let nothing = BTreeMap::new();
    let mut report = sample().empty();
    for (list, name) in
        [(List::Init, "a"), (List::Regular, "b"), (List::Init, "c"), (List::Init, "a")]
    {
        report.put(list, Container::new(name, &nothing, &findings()));
    }
    let names = |all: &[Container]| all.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&report.init_containers), ["a", "c"]);
    assert_eq!(names(&report.containers), ["b"]);
    let json = report.to_json().unwrap();
    assert_eq!(Report::from_json(&json).unwrap(), report);
    let older = sample().to_json().unwrap();
    assert!(!older.contains("initContainers"), "{older}");
    assert_eq!(Report::from_json(&older).unwrap(), sample());
}

#[test]
fn what_is_found_stands_beside_what_was_meant() {
    let report = sample();
    let lines = report.containers[0].mechanisms.iter();
    let found: Vec<_> =
        lines.map(|it| (&*it.mechanism, it.verdict, it.kernel.as_deref())).collect();
    let expected = [
        ("identity", Verdict::Holds, Some("uid 1000, gid 0")),
        ("seccomp", Verdict::Weaker, Some("no filter")),
        ("AppArmor", Verdict::NotJudged, None),
        ("limits", Verdict::NotJudged, None),
        ("sysctl kernel.msgmax", Verdict::Adjusted, Some("1")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn reports_survive_their_way() {
    let report = sample();
    let container = serde_json::to_string(&report.containers[0]).unwrap();
    assert!(!container.contains('\n'), "one event is one line");
    assert_eq!(serde_json::from_str::<Container>(&container).unwrap(), report.containers[0]);

    let text = report.to_json().unwrap();
    assert_eq!(Report::from_json(&text), Ok(report));
    for (from, to) in [("v1alpha1", "v9"), ("ConfinementReport", "Pod"), ("\"holds\"", "\"good\"")]
    {
        assert!(Report::from_json(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

#[test]
fn the_json_is_a_promise() {
    let mut report = sample();
    report.containers[0].mechanisms.truncate(1);
    let expected = r#"{
  "apiVersion": "stockade.dev/v1alpha1",
  "kind": "ConfinementReport",
  "metadata": {
    "name": "web",
    "namespace": "default"
  },
  "restartPolicy": {
    "value": "Never",
    "from": {
      "source": "default",
      "text": "default: a pod in the foreground runs once",
      "place": null
    }
  },
  "containers": [
    {
      "name": "main",
      "mechanisms": [
        {
          "mechanism": "identity",
          "declared": "uid 1000, gid 0",
          "from": {
            "source": "field",
            "text": "spec.containers[0].securityContext.runAsUser at examples/pod.yaml:12:20",
            "place": {
              "path": "spec.containers[0].securityContext.runAsUser",
              "file": "examples/pod.yaml",
              "line": 12,
              "column": 20
            }
          },
          "kernel": "uid 1000, gid 0",
          "verdict": "holds",
          "detail": null
        }
      ]
    }
  ]
}"#;
    assert_eq!(report.to_json().unwrap(), expected);
}
