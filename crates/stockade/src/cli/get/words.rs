//! How a pod is, in the words of `kubectl get pods`.
//!
//! Source: Kubernetes `pkg/printers/internalversion`, `printPod`.

use stockade_runtime::pod::{
    Condition, ContainerState, ContainerStatus, Exit, Kind, Phase, Status,
};

/// `1/2`: containers and sidecars that are ready, of all.
pub(super) fn ready(status: &Status) -> String {
    let counted = status.containers.iter().filter(|it| it.kind != Kind::Init);
    let ready = counted.clone().filter(|it| is_ready(it)).count();
    format!("{ready}/{}", counted.count())
}

/// How often containers have started again: while init containers have their turns, those.
pub(super) fn restarts(status: &Status) -> u32 {
    let initializing = init_word(status).is_some();
    let counts = |it: &&ContainerStatus| initializing || it.kind != Kind::Init;
    status.containers.iter().filter(counts).map(|it| it.restarts).sum()
}

/// The phase, or why a container does not run.
pub(super) fn phase(status: &Status) -> String {
    let waiting = || {
        status.containers.iter().filter(|it| it.kind != Kind::Init).find_map(|it| match &it.state {
            ContainerState::Waiting { reason } if reason != "ContainerCreating" => {
                Some(reason.clone())
            }
            ContainerState::Waiting { .. }
            | ContainerState::Running { .. }
            | ContainerState::Ended { .. } => None,
        })
    };
    match status.phase {
        Phase::Succeeded => "Completed".to_owned(),
        Phase::Unknown => status.phase.to_string(),
        Phase::Running => waiting().unwrap_or_else(|| "Running".to_owned()),
        Phase::Pending => {
            let word = init_word(status).or_else(waiting);
            word.unwrap_or_else(|| status.phase.to_string())
        }
        Phase::Failed => init_word(status)
            .filter(|it| !it.contains('/'))
            .unwrap_or_else(|| status.phase.to_string()),
    }
}

/// What the first init container that is not done is about; `None` if all are.
fn init_word(status: &Status) -> Option<String> {
    let init: Vec<&ContainerStatus> =
        status.containers.iter().filter(|it| it.kind != Kind::Regular).collect();
    let (index, open) = init.iter().enumerate().find(|(_, it)| !is_done(it))?;
    Some(match &open.state {
        ContainerState::Ended { exit: Exit::Signal(signal), .. } => format!("Init:Signal:{signal}"),
        ContainerState::Ended { .. } => "Init:Error".to_owned(),
        ContainerState::Waiting { reason } if reason != "PodInitializing" => {
            format!("Init:{reason}")
        }
        ContainerState::Waiting { .. } | ContainerState::Running { .. } => {
            format!("Init:{index}/{}", init.len())
        }
    })
}

fn is_done(container: &ContainerStatus) -> bool {
    match (container.kind, &container.state) {
        (_, ContainerState::Ended { exit, .. }) => {
            *exit == Exit::Code(0) || container.kind == Kind::Sidecar
        }
        (Kind::Sidecar, ContainerState::Running { .. }) => {
            container.condition != Some(Condition::Starting)
        }
        (Kind::Init | Kind::Regular, ContainerState::Running { .. }) => false,
        // It has begun before, and does again.
        (Kind::Sidecar, ContainerState::Waiting { reason }) => reason == "CrashLoopBackOff",
        (Kind::Init | Kind::Regular, ContainerState::Waiting { .. }) => false,
    }
}

/// Whether a container runs and is ready, as far as it was asked.
pub(super) const fn is_ready(container: &ContainerStatus) -> bool {
    matches!(
        (&container.state, container.condition),
        (ContainerState::Running { .. }, None | Some(Condition::Ready))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_init_container_that_is_not_done_is_told() {
        use Kind::{Init, Regular, Sidecar};
        let waits = || waiting("PodInitializing");
        for (phase_is, containers, expected) in [
            (
                Phase::Pending,
                vec![(Init, running()), (Init, waits()), (Regular, waits())],
                "0/1 Init:0/2",
            ),
            (
                Phase::Pending,
                vec![(Init, ended(0)), (Init, running()), (Regular, waits())],
                "0/1 Init:1/2",
            ),
            (
                Phase::Pending,
                vec![(Sidecar, running()), (Init, running()), (Regular, waits())],
                "1/2 Init:1/2",
            ),
            (
                Phase::Pending,
                vec![(Sidecar, waits()), (Init, waits()), (Regular, waits())],
                "0/2 Init:0/2",
            ),
            (Phase::Pending, vec![(Init, ended(0)), (Regular, waits())], "0/1 PodInitializing"),
            (
                Phase::Pending,
                vec![(Init, waiting("CrashLoopBackOff")), (Regular, waits())],
                "0/1 Init:CrashLoopBackOff",
            ),
            (Phase::Failed, vec![(Init, ended(3)), (Regular, waits())], "0/1 Init:Error"),
            (Phase::Failed, vec![(Init, killed(9)), (Regular, waits())], "0/1 Init:Signal:9"),
            (Phase::Failed, vec![(Init, ended(0)), (Regular, ended(3))], "0/1 Failed"),
            (Phase::Running, vec![(Sidecar, running()), (Regular, running())], "2/2 Running"),
            (
                Phase::Running,
                vec![(Sidecar, waiting("CrashLoopBackOff")), (Regular, running())],
                "1/2 CrashLoopBackOff",
            ),
            (Phase::Running, vec![(Init, ended(0)), (Regular, running())], "1/1 Running"),
            (Phase::Succeeded, vec![(Sidecar, killed(9)), (Regular, ended(0))], "0/2 Completed"),
            (Phase::Pending, vec![(Regular, waiting("ContainerCreating"))], "0/1 Pending"),
            (
                Phase::Running,
                vec![(Regular, running()), (Regular, waiting("CrashLoopBackOff"))],
                "1/2 CrashLoopBackOff",
            ),
        ] {
            let status = status(phase_is, containers);
            let seen = format!("{} {}", ready(&status), phase(&status));
            assert_eq!(seen, expected, "{status:?}");
        }
    }

    #[test]
    fn what_has_not_begun_or_says_no_is_not_ready() {
        use Condition::{Ready, Started, Starting};
        for (sidecar, app, expected) in [
            (Some(Ready), Some(Ready), "2/2 Running"),
            (Some(Started), Some(Ready), "1/2 Running"),
            (Some(Ready), Some(Starting), "1/2 Running"),
            (None, None, "2/2 Running"),
        ] {
            let containers = vec![(Kind::Sidecar, running()), (Kind::Regular, running())];
            let mut status = status(Phase::Running, containers);
            status.containers[0].condition = sidecar;
            status.containers[1].condition = app;
            assert_eq!(format!("{} {}", ready(&status), phase(&status)), expected);
        }
        let containers =
            vec![(Kind::Sidecar, running()), (Kind::Regular, waiting("PodInitializing"))];
        let mut status = status(Phase::Pending, containers);
        for (condition, expected) in [(Starting, "Init:0/1"), (Started, "PodInitializing")] {
            status.containers[0].condition = Some(condition);
            assert_eq!(phase(&status), expected);
        }
    }

    fn status(phase: Phase, containers: Vec<(Kind, ContainerState)>) -> Status {
        let container = |(kind, state)| ContainerStatus {
            name: "c".to_owned(),
            state,
            restarts: 0,
            kind,
            condition: None,
        };
        Status {
            version: Status::VERSION,
            phase,
            supervisor: 1,
            started_at: String::new(),
            message: None,
            containers: containers.into_iter().map(container).collect(),
        }
    }

    fn running() -> ContainerState {
        ContainerState::Running { pid: 1, since: String::new() }
    }

    fn waiting(reason: &str) -> ContainerState {
        ContainerState::Waiting { reason: reason.to_owned() }
    }

    fn ended(code: i32) -> ContainerState {
        ContainerState::Ended { exit: Exit::Code(code), at: String::new() }
    }

    fn killed(signal: i32) -> ContainerState {
        ContainerState::Ended { exit: Exit::Signal(signal), at: String::new() }
    }
}
