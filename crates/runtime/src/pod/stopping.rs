//! The end of a pod's containers: sidecars after all others, the last that began first.
//!
//! All of them together get the pod's grace period; sidecars that are reached when it is over get two
//! seconds each, as from a kubelet. Source: KEP 753.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use stockade_confine::Turn;
use stockade_sys::signals;

use super::supervise::Supervisor;
use super::tasks::Task;
use super::to_run::NotStartedPod;

/// A pod whose containers are asked to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// Until when they may end by themselves.
    until: Instant,
    why: Why,
}

/// Why a pod's containers are to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// Somebody wants it.
    Asked,
    /// All but sidecars have ended.
    Done,
}

impl Supervisor<'_> {
    pub(super) fn take_signals(&mut self) -> Result<(), NotStartedPod> {
        while let Some(arrived) = signals::read(&self.watched)? {
            match arrived.signal {
                Signal::TERM | Signal::INT => match &mut self.stopping {
                    None => self.stop(Why::Asked),
                    Some(stopping) if stopping.why == Why::Done => stopping.why = Why::Asked,
                    Some(_) => self.kill_all(),
                },
                Signal::USR1 => self.kill_all(),
                Signal::WINCH => self.resize(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether sidecars run for nobody any more.
    pub(super) fn only_sidecars_are_left(&self) -> bool {
        let works = |it: &Task<'_>| it.to_run.turn != Turn::Sidecar && it.is_alive();
        self.stopping.is_none() && !self.has_more() && !self.tasks.iter().any(works)
    }

    pub(super) fn stop_sidecars(&mut self) {
        self.stop(Why::Done);
    }

    fn stop(&mut self, why: Why) {
        self.stopping = Some(Stopping { until: Instant::now() + self.pod.grace, why });
        for task in &mut self.tasks {
            task.again_at = None;
        }
        self.go_on_stopping();
    }

    pub(super) fn kill_all(&mut self) {
        self.stopping = Some(Stopping { until: Instant::now(), why: Why::Asked });
        for task in &mut self.tasks {
            task.again_at = None;
            task.kill();
        }
    }

    /// Kills everything and waits until it is gone.
    pub(super) fn kill_and_wait(&mut self) {
        self.kill_all();
        let until = Instant::now() + AT_MOST;
        while self.tasks.iter().any(Task::is_alive) && Instant::now() < until {
            for task in &mut self.tasks {
                task.reap(&self.ground);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks those to end whose time it is.
    pub(super) fn go_on_stopping(&mut self) {
        let Some(Stopping { until, why: _ }) = self.stopping else { return };
        for index in self.next_to_end() {
            let task = &mut self.tasks[index];
            let at = match task.to_run.turn {
                Turn::Sidecar => until.max(Instant::now() + LEAST),
                Turn::Init | Turn::Regular => until,
            };
            if task.can_be_asked() {
                task.end_by(at, &self.ground);
            } else {
                task.end_no_later(at);
            }
        }
    }

    /// Those that run and wait for no other's end.
    fn next_to_end(&self) -> Vec<usize> {
        let runs = |index: &usize| self.tasks[*index].running.is_some();
        let (sidecars, others): (Vec<usize>, Vec<usize>) = (0..self.tasks.len())
            .filter(runs)
            .partition(|index| self.tasks[*index].to_run.turn == Turn::Sidecar);
        if others.is_empty() { sidecars.last().copied().into_iter().collect() } else { others }
    }
}

const LEAST: Duration = Duration::from_secs(2);
const AT_MOST: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
