//! From what is asked of a container to the plans of the processes that answer.
//!
//! Each is planned as `exec` plans its own: another process of the same container.

use stockade_abi::Host;
use stockade_confine::plan::Plan;
use stockade_confine::{
    Container, Health, Hook, PodConfinement, Probe, Refusal, Sourced, plan_exec,
};
use stockade_runtime::pod::{HealthToRun, HookToRun, ProbeToRun};

/// Plans what is asked of a container.
///
/// # Errors
///
/// What this host cannot do, as for the container itself.
pub(crate) fn to_run(
    container: &Container,
    pod: &PodConfinement,
    host: &Host,
) -> Result<HealthToRun, Vec<Refusal>> {
    let plan =
        |command: &Sourced<Vec<String>>| plan_exec(&container.running(command.clone()), pod, host);
    let probe = |probe: &Probe| -> Result<ProbeToRun, Vec<Refusal>> {
        Ok(probe_to_run(probe, plan(&probe.command)?))
    };
    let hook = |hook: &Hook| -> Result<HookToRun, Vec<Refusal>> {
        match hook {
            Hook::Exec(command) => Ok(HookToRun::Exec(plan(command)?)),
            Hook::Sleep(pause) => Ok(HookToRun::Sleep(*pause)),
        }
    };
    let Health { startup, liveness, readiness, post_start, pre_stop } = &container.health;
    Ok(HealthToRun {
        startup: startup.as_ref().map(probe).transpose()?,
        liveness: liveness.as_ref().map(probe).transpose()?,
        readiness: readiness.as_ref().map(probe).transpose()?,
        post_start: post_start.as_ref().map(hook).transpose()?,
        pre_stop: pre_stop.as_ref().map(hook).transpose()?,
    })
}

fn probe_to_run(probe: &Probe, plan: Plan) -> ProbeToRun {
    let Probe { command: _, initial_delay, period, timeout, successes, failures, grace } = probe;
    ProbeToRun {
        plan,
        initial_delay: *initial_delay,
        period: *period,
        timeout: *timeout,
        successes: *successes,
        failures: *failures,
        grace: *grace,
    }
}
