use super::*;
use crate::resolve;
use crate::testing::{pod, refusals, world};

#[test]
fn containers_have_their_turn_by_their_list_and_their_policy() {
    let resolved = resolved_of(
        "initContainers: [
            {name: one, image: i, command: [x]},
            {name: two, image: i, command: [x], restartPolicy: Always},
            {name: three, image: i, command: [x], restartPolicy: OnFailure}],
         containers: [
            {name: four, image: i, command: [x]},
            {name: five, image: i, command: [x], restartPolicy: Always}]",
        RestartDefault::Always,
    );
    let seen: Vec<(&str, Turn)> = resolved.iter().map(|(name, turn, _)| (&**name, *turn)).collect();
    assert_eq!(
        seen,
        [
            ("one", Turn::Init),
            ("two", Turn::Sidecar),
            ("three", Turn::Init),
            ("four", Turn::Regular),
            ("five", Turn::Regular),
        ]
    );
}

#[test]
fn an_unset_restart_policy_means_what_the_caller_says() {
    use RestartPolicy::{Always, Never, OnFailure};
    for (spec, default, expected) in [
        ("", RestartDefault::Never, Never),
        ("", RestartDefault::Always, Always),
        ("restartPolicy: Always,", RestartDefault::Never, Always),
        ("restartPolicy: OnFailure,", RestartDefault::Never, OnFailure),
        ("restartPolicy: Never,", RestartDefault::Always, Never),
    ] {
        let spec = format!("{spec} containers: [{{name: c, image: i, command: [x]}}]");
        assert_eq!(policies(&spec, default), [expected], "{spec} {default:?}");
    }
}

#[test]
fn a_containers_own_policy_goes_before_its_pods_and_success_ends_an_init_container() {
    use RestartPolicy::{Always, Never, OnFailure};
    for (pods, own, init, regular) in [
        ("Never", "", Never, Never),
        ("OnFailure", "", OnFailure, OnFailure),
        ("Always", "", OnFailure, Always),
        ("Never", "restartPolicy: OnFailure", OnFailure, OnFailure),
        ("Always", "restartPolicy: Never", Never, Never),
        ("Never", "restartPolicy: Always", Always, Always),
    ] {
        let spec = format!(
            "restartPolicy: {pods}, initContainers: [{{name: a, image: i, command: [x], {own}}}],
             containers: [{{name: b, image: i, command: [x], {own}}}]"
        );
        let seen = policies(&spec, RestartDefault::Always);
        assert_eq!(seen, [init, regular], "{pods} {own}");
    }
}

#[test]
fn rules_by_exit_code_go_before_the_policy() {
    use Next::{Again, Nothing};
    use RestartPolicy::{Always, Never, OnFailure};
    let only = || vec![ExitCodes::In(vec![42, 43])];
    let but = || vec![ExitCodes::NotIn(vec![0, 1])];
    for (policy, rules, code, expected) in [
        (Never, only(), Some(42), Again),
        (Never, only(), Some(43), Again),
        (Never, only(), Some(44), Nothing),
        (Never, only(), Some(0), Nothing),
        (Never, only(), None, Nothing),
        (Never, but(), Some(1), Nothing),
        (Never, but(), Some(2), Again),
        (Never, but(), Some(137), Again),
        (Never, but(), None, Nothing),
        (OnFailure, vec![ExitCodes::In(vec![0])], Some(0), Again),
        (OnFailure, only(), Some(1), Again),
        (OnFailure, only(), Some(0), Nothing),
        (OnFailure, Vec::new(), None, Again),
        (Always, Vec::new(), Some(0), Again),
        (Never, Vec::new(), Some(1), Nothing),
    ] {
        let restart = Restart { policy, rules };
        assert_eq!(restart.after(code), expected, "{restart:?} {code:?}");
    }
}

#[test]
fn what_no_api_server_takes_is_refused_by_name() {
    let rule = "action: Restart, exitCodes: {operator: In, values: [42]}";
    for (own, expected) in [
        (format!("restartPolicy: Never, restartPolicyRules: [{{{rule}}}]"), ""),
        (format!("restartPolicyRules: [{{{rule}}}]"), "restartPolicyRules: CreateContainer"),
        ("restartPolicy: Sometimes".to_owned(), "restartPolicy: CreateContainer"),
        (
            "restartPolicy: Never, restartPolicyRules: [{action: Restart}]".to_owned(),
            "restartPolicyRules[0].exitCodes: CreateContainer",
        ),
        (
            format!("restartPolicy: Never, restartPolicyRules: [{{{}}}]", rule.replace("In", "If")),
            "restartPolicyRules[0].exitCodes.operator: CreateContainer",
        ),
        (
            format!(
                "restartPolicy: Never, restartPolicyRules: [{{{}}}]",
                rule.replace("Restart,", "RestartAllContainers,")
            ),
            "restartPolicyRules[0].action: NotEnforced",
        ),
    ] {
        let spec = format!("containers: [{{name: c, image: i, command: [x], {own}}}]");
        let told = refusals(&manifest(&spec), &world());
        match (&*told, expected) {
            ([], "") => {}
            ([one], part) if !part.is_empty() => {
                assert!(one.starts_with(&format!("spec.containers[0].{part}")), "{own}: {one}");
            }
            (told, _) => panic!("{own}: {told:?}"),
        }
    }
}

fn policies(spec: &str, default: RestartDefault) -> Vec<RestartPolicy> {
    resolved_of(spec, default).into_iter().map(|(_, _, restart)| restart.policy).collect()
}

fn resolved_of(spec: &str, default: RestartDefault) -> Vec<(String, Turn, Restart)> {
    let resolved = resolve(&manifest(spec), &world(), default).unwrap();
    resolved.containers.into_iter().map(|it| (it.name, it.turn, it.restart.value)).collect()
}

fn manifest(spec: &str) -> Pod {
    pod(&format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec}}}}}"))
}
