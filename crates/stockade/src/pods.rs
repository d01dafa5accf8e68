//! Pods by name, as commands look them up.

use stockade_runtime::pod::{
    ContainerState, ContainerStatus, Exit, Kind, Phase, PodDirectory, PodId, Pods, Status, Vacancy,
};

use stockade_spec::{Pod, parse};

use crate::answer::Failure;
use crate::cli::Globals;
use crate::record::Record;

/// A pod that exists, and how it is.
pub(crate) struct Found {
    pub(crate) directory: PodDirectory,
    pub(crate) status: Status,
}

/// The pod of that name, or why there is none.
pub(crate) fn find(globals: &Globals, namespace: &str, name: &str) -> Result<Found, Failure> {
    let name = name.strip_prefix("pod/").or_else(|| name.strip_prefix("pods/")).unwrap_or(name);
    let missing = || Failure::new(crate::answer::Answer::No, format!("pods {name:?} not found"));
    let id = PodId::new(namespace, name).ok_or_else(missing)?;
    let directory = Pods::below(&globals.roots()?.run).pod(&id);
    if !directory.exists() {
        return Err(missing());
    }
    let status = status(&directory)?;
    Ok(Found { directory, status })
}

/// Every pod, of one namespace or all.
pub(crate) fn all(globals: &Globals, namespace: Option<&str>) -> Result<Vec<Found>, Failure> {
    let pods = Pods::below(&globals.roots()?.run).all().map_err(Failure::unanswered)?;
    pods.into_iter()
        .filter(|it| namespace.is_none_or(|namespace| it.id().namespace() == namespace))
        .map(|directory| Ok(Found { status: status(&directory)?, directory }))
        .collect()
}

/// How a pod is. What a supervisor wrote last counts while it lives; if it was killed, so were its
/// containers, and nobody knows how they ended.
fn status(directory: &PodDirectory) -> Result<Status, Failure> {
    let written = directory.read::<Status>("status.json").map_err(|error| {
        Failure::unanswered(format!("the status of pod {} cannot be read: {error}", directory.id()))
    })?;
    let vacancy = directory.vacancy().map_err(Failure::unanswered)?;
    let mut status = written.unwrap_or_else(|| Status {
        version: Status::VERSION,
        phase: Phase::Pending,
        supervisor: 0,
        started_at: String::new(),
        message: None,
        containers: Vec::new(),
    });
    let is_over = matches!(status.phase, Phase::Succeeded | Phase::Failed);
    if matches!(vacancy, Vacancy::Vacant(_)) && !is_over {
        status.phase = Phase::Unknown;
        status.message = Some("its supervisor was killed".to_owned());
        for container in &mut status.containers {
            if let ContainerState::Running { since, .. } = &container.state {
                container.state =
                    ContainerState::Ended { exit: Exit::Unknown, at: format!("after {since}") };
            }
        }
    }
    Ok(status)
}

/// A container of a pod by name; the first that is no init container without one.
pub(crate) fn container<'a>(
    status: &'a Status,
    pod: &str,
    name: Option<&str>,
) -> Result<&'a ContainerStatus, Failure> {
    let found = match name {
        None => status.containers.iter().find(|it| it.kind == Kind::Regular),
        Some(name) => status.containers.iter().find(|it| it.name == name),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = status.containers.iter().map(|it| it.name.as_str()).collect();
        let what = format!("container {} not found in pod {pod}", name.unwrap_or("(first)"));
        Failure::new(crate::answer::Answer::No, what).hint(format!("it has: {}", names.join(", ")))
    })
}

/// What was recorded of a pod when it was made.
pub(crate) fn record(directory: &PodDirectory) -> Result<Record, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::unanswered(format!("the record of pod {} cannot be read: {why}", directory.id()))
    };
    let text = std::fs::read(directory.join("record.json")).map_err(|error| unreadable(&error))?;
    Record::from_json(&text).map_err(|why| unreadable(&why))
}

/// The pod as it was said.
pub(crate) fn said(directory: &PodDirectory) -> Result<Pod, Failure> {
    let document = record(directory)?.document;
    let parsed = parse(&document.file, &document.text);
    let pod = parsed.pods().nth(document.index).cloned();
    pod.ok_or_else(|| {
        Failure::unanswered(format!("the record of pod {} has no pod", directory.id()))
    })
}
