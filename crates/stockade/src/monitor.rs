//! The supervisor of a pod: this program once more, started by `run` or `create`.
//!
//! Judges the recorded pod anew, starts it, and stays until it has ended. What it has to say goes
//! through a pipe to whoever started it.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use stockade_abi::Errno;
use stockade_confine::plan::Terminal;
use stockade_confine::{Container, expect, questions, render};
use stockade_image::Store;
use stockade_runtime::cgroup::CgroupPath;
use stockade_runtime::pod::{
    ContainerToRun, Demand, NotStartedPod, Output, PodDirectory, PodId, PodToRun, Pods, supervise,
};
use stockade_runtime::{Cause, NotStarted, StepFailed};

use crate::answer::{Answer, Failure};
use crate::events::{Event, Teller};
use crate::launch::{Mode, Orders};
use crate::prepare::Prepared;
use crate::report::Report;
use crate::{health, pods, settings, world};

/// Supervises the pod of the orders on the command line.
pub(crate) fn run(arguments: &[OsString]) -> ExitCode {
    let orders = arguments.first().and_then(|it| serde_json::from_str(it.to_str()?).ok());
    let Some(orders): Option<Orders> = orders else {
        eprintln!("stockade monitor: started by `stockade run` and `stockade create` only");
        return ExitCode::from(2);
    };
    let Ok(socket) = stockade_sys::process::take_inherited(orders.events) else {
        eprintln!("stockade monitor: there is nobody to tell what happens");
        return ExitCode::from(2);
    };
    let mut teller = Teller::new(socket.into(), orders.mode);
    match keep(&orders, &mut teller) {
        Ok(exits) => {
            teller.tell(&Event::Over { exits });
            ExitCode::SUCCESS
        }
        Err(event) => {
            teller.tell(&event);
            ExitCode::FAILURE
        }
    }
}

fn keep(
    orders: &Orders,
    teller: &mut Teller,
) -> Result<Vec<(String, stockade_runtime::pod::Exit)>, Event> {
    if orders.mode == Mode::Detached {
        // Nothing of the terminal reaches the pod. Fails only for a leader of a group, which a
        // fresh child is not.
        rustix::process::setsid().ok();
    }
    let host = stockade_observe::host().map_err(|error| failed(&error))?;
    let id = PodId::new(&orders.namespace, &orders.name);
    let id = id.ok_or_else(|| failed(&"no name for a pod"))?;
    let directory = Pods::below(&orders.run).pod(&id);
    let record = pods::record(&directory).map_err(|it| failed(&said(&it)))?;
    let pod = Prepared::again(record, host).map_err(|it| failed(&said(&it)))?;
    let store = Store::open(&orders.store).map_err(|error| failed(&error))?;
    let _leases = world::hold(&pod.world, &store).map_err(|it| failed(&said(&it)))?;

    let resolved = pod.runnable.resolved();
    let meant = |it: &Container| (it.name.clone(), (it.turn.into(), render(it, &resolved.pod)));
    let meant = resolved.containers.iter().map(meant).collect();
    teller.learn(meant, Report::new(resolved), directory.clone());
    let to_run = to_run(&pod, orders).map_err(|it| failed(&said(&it)))?;
    // The descriptor that was handed on is open in its first form, too.
    stockade_sys::process::close_at_exec_from(3, &[]).map_err(|error| failed(&error))?;
    match supervise(&to_run, &directory, &pod.host, teller) {
        Ok(ending) => Ok(ending.exits),
        Err(why) => Err(not_started(&why, &directory, teller)),
    }
}

fn to_run(pod: &Prepared, orders: &Orders) -> Result<PodToRun, Failure> {
    let resolved = pod.runnable.resolved();
    let uuid =
        std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(Failure::unanswered)?;
    let uuid = uuid.trim();
    let cgroup: CgroupPath = format!("stockade/{uuid}").parse().map_err(Failure::unanswered)?;

    let mut containers = Vec::with_capacity(resolved.containers.len());
    for (container, plan) in resolved.containers.iter().zip(&pod.container_plans) {
        let expected = expect(container, &resolved.pod, &pod.host);
        let signal = &container.workload.stop_signal.value;
        containers.push(ContainerToRun {
            name: container.name.clone(),
            turn: container.turn,
            restart: container.restart.value.clone(),
            health: health::to_run(container, &resolved.pod, &pod.host).map_err(|refusals| {
                let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                Failure::new(Answer::No, all.join("\n"))
            })?,
            plan: plan.clone(),
            questions: questions(&expected),
            expected,
            terminal: container.workload.terminal,
            stdin: container.workload.stdin,
            stop_signal: crate::signal::parse(signal)
                .ok_or_else(|| Failure::question(format!("{signal:?} is not a signal")))?,
        });
    }
    let demand = |it| match it {
        settings::Demand::Accept => Demand::Report,
        settings::Demand::Refuse => Demand::Exact,
    };
    Ok(PodToRun {
        plan: pod.pod_plan.clone(),
        volumes: resolved.volumes.clone(),
        output: output(&containers, orders.mode),
        containers,
        grace: Duration::from_secs(resolved.grace_seconds.value),
        cgroup,
        limits: resolved.pod.limits.value,
        scratch: orders.containers.join(uuid),
        adjusted: demand(pod.demands.adjusted),
        unproven: demand(pod.demands.unproven),
    })
}

fn output(containers: &[ContainerToRun], mode: Mode) -> Output {
    match (mode, containers) {
        (Mode::Detached, _) => Output::Kept,
        (Mode::Foreground, [_]) => Output::Shown,
        (Mode::Foreground, many) if many.iter().any(|it| it.terminal == Terminal::New) => {
            Output::Shown
        }
        (Mode::Foreground, _) => Output::ShownWithNames,
    }
}

fn failed(error: &dyn std::fmt::Display) -> Event {
    Event::NotStarted { message: error.to_string(), unproven: None, exec_errno: None }
}

fn said(failure: &Failure) -> String {
    match failure {
        Failure::Said(_) => "the pod is refused now".to_owned(),
        Failure::Message { what, .. } => what.clone(),
    }
}

fn not_started(why: &NotStartedPod, directory: &PodDirectory, teller: &mut Teller) -> Event {
    let unproven = match why {
        NotStartedPod::NotProven(container, findings) => {
            let found = teller.report(container, findings);
            // What cannot be kept is told all the same.
            teller.keep().ok();
            Some(found)
        }
        NotStartedPod::Taken
        | NotStartedPod::Supervisor(_)
        | NotStartedPod::Refused(_)
        | NotStartedPod::Cgroup(_)
        | NotStartedPod::Volume(_)
        | NotStartedPod::Pod(_)
        | NotStartedPod::Files(..)
        | NotStartedPod::Step(..)
        | NotStartedPod::NotStarted(..)
        | NotStartedPod::NotSeen(..)
        | NotStartedPod::Withheld => None,
    };
    let exec_errno = if let NotStartedPod::NotStarted(_, NotStarted::Step(step)) = why {
        exec_errno(step)
    } else {
        None
    };
    let message = format!("pod {}: {why}", directory.id());
    Event::NotStarted { message, unproven, exec_errno: exec_errno.map(|it| it.0) }
}

/// The kernel's answer if it was the program itself that could not be executed.
pub(crate) fn exec_errno(step: &StepFailed) -> Option<Errno> {
    match &step.cause {
        Cause::Refused { call, errno } if call.starts_with("execve") => Some(*errno),
        Cause::Refused { .. } | Cause::Unsafe(_) => None,
    }
}
