use super::*;
use crate::testing::{refusals, resolved, world};

#[test]
fn what_is_not_said_is_kubernetes_default() {
    let one =
        health("livenessProbe: {exec: {command: [a, $(b), $(c)]}}, env: [{name: b, value: d}]")
            .liveness
            .unwrap();
    assert_eq!(one.command.value, ["a", "d", "$(c)"]);
    let seconds = [one.initial_delay, one.period, one.timeout].map(|it| it.as_secs());
    assert_eq!((seconds, one.successes, one.failures, one.grace), ([0, 10, 1], 1, 3, None));
    let all = "exec: {command: [a]}, initialDelaySeconds: 5, periodSeconds: 6, timeoutSeconds: 7, \
               failureThreshold: 9";
    for (name, more) in [
        ("startupProbe", "terminationGracePeriodSeconds: 4"),
        ("livenessProbe", "terminationGracePeriodSeconds: 4"),
        ("readinessProbe", "successThreshold: 8"),
    ] {
        let Health { startup, liveness, readiness, post_start, pre_stop } =
            health(&format!("{name}: {{{all}, {more}}}"));
        assert_eq!((post_start, pre_stop), (None, None));
        let set = [startup, liveness, readiness].into_iter().flatten().collect::<Vec<_>>();
        let [one] = &set[..] else { panic!("{name}: {set:?}") };
        let seconds = [one.initial_delay, one.period, one.timeout].map(|it| it.as_secs());
        assert_eq!((seconds, one.failures), ([5, 6, 7], 9));
        let grace = one.grace.map(|it| it.as_secs());
        let expected = if name == "readinessProbe" { (8, None) } else { (1, Some(4)) };
        assert_eq!((one.successes, grace), expected, "{name}");
    }
}

#[test]
fn hooks_run_a_command_or_wait() {
    let hooks =
        health("lifecycle: {postStart: {exec: {command: [a]}}, preStop: {sleep: {seconds: 3}}}");
    assert!(matches!(hooks.post_start, Some(Hook::Exec(it)) if it.value == ["a"]));
    assert_eq!(hooks.pre_stop, Some(Hook::Sleep(Duration::from_secs(3))));
    assert_eq!(health(""), Health::default());
}

#[test]
fn what_would_be_asked_by_network_is_warned_about_by_name() {
    for (own, at) in [
        ("livenessProbe: {httpGet: {port: 80}}", "livenessProbe.httpGet"),
        ("readinessProbe: {tcpSocket: {port: 80}}", "readinessProbe.tcpSocket"),
        ("startupProbe: {grpc: {port: 80}}", "startupProbe.grpc"),
        ("lifecycle: {preStop: {httpGet: {port: 80}}}", "lifecycle.preStop.httpGet"),
    ] {
        let resolved = resolved(&manifest(own), &world());
        let [one] = &resolved.warnings[..] else { panic!("{own}: {:?}", resolved.warnings) };
        let place = one.origin.place().unwrap();
        assert_eq!(place.path.as_str(), format!("spec.containers[0].{at}"), "{own}");
        assert!(one.what.contains("has no effect"), "{own}: {}", one.what);
        assert_eq!(resolved.containers[0].health, Health::default(), "{own}");
    }
    let both = "livenessProbe: {httpGet: {port: 80}, exec: {command: [a]}}";
    let told = refusals(&manifest(both), &world());
    assert!(told[0].contains("more than 1 handler type"), "{told:?}");
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let wrong = "CreateContainerConfigError";
    for (own, at, reason) in [
        ("livenessProbe: {periodSeconds: 5}", "livenessProbe", wrong),
        ("livenessProbe: {exec: {command: []}}", "livenessProbe.exec.command", wrong),
        (
            "livenessProbe: {exec: {command: [a]}, periodSeconds: -1}",
            "livenessProbe.periodSeconds",
            wrong,
        ),
        (
            "livenessProbe: {exec: {command: [a]}, successThreshold: 2}",
            "livenessProbe.successThreshold",
            wrong,
        ),
        (
            "readinessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 2}",
            "readinessProbe.terminationGracePeriodSeconds",
            wrong,
        ),
        (
            "lifecycle: {preStop: {exec: {command: [a]}, sleep: {seconds: 1}}}",
            "lifecycle.preStop",
            wrong,
        ),
        ("lifecycle: {postStart: {}}", "lifecycle.postStart", wrong),
    ] {
        let told = refusals(&manifest(own), &world());
        let expected = format!("spec.containers[0].{at}: {reason}: ");
        assert!(told.len() == 1 && told[0].starts_with(&expected), "{own}: {told:?}");
    }
}

fn health(own: &str) -> Health {
    resolved(&manifest(own), &world()).containers.remove(0).health
}

fn manifest(own: &str) -> stockade_spec::Pod {
    crate::testing::pod(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: \
         [{{name: c, image: i, command: [x], {own}}}]}}}}"
    ))
}
