//! Containers have their turns, and start again.
//!
//! An init container has its turn alone, after all before it; the containers of the pod have theirs
//! together. Nothing whose turn it is runs before all of it is proven. What does not hold at its
//! turn ends the pod.

use std::ops::Range;
use std::time::Instant;

use stockade_confine::Turn;

use super::proven::Proven;
use super::supervise::{Permission, Supervisor, Watcher};
use super::tasks::Task;
use super::to_run::{NotStartedPod, PodToRun};

impl Supervisor<'_> {
    /// Lets those begin that wait for nothing any more.
    pub(super) fn take_turns(&mut self, watcher: &mut dyn Watcher) -> Result<(), NotStartedPod> {
        while self.has_more() && self.tasks[..self.begun].iter().all(Task::lets_others_begin) {
            self.take_turn(watcher)?;
            self.write_status(self.phase(), None)?;
        }
        Ok(())
    }

    /// Whether there are containers that are still to have their turn, and will.
    pub(super) fn has_more(&self) -> bool {
        let failed = |it: &Task<'_>| it.to_run.turn == Turn::Init && it.has_failed();
        self.stopping.is_none() && self.begun < self.tasks.len() && !self.tasks.iter().any(failed)
    }

    /// Starts those whose turn it is.
    pub(super) fn take_turn(&mut self, watcher: &mut dyn Watcher) -> Result<(), NotStartedPod> {
        let turn = self.next_turn();
        let mut proven = Vec::with_capacity(turn.len());
        for task in &mut self.tasks[turn.clone()] {
            match task.prove(&self.ground).and_then(|it| accept(it, task, self.pod)) {
                Ok(one) => proven.push(one),
                Err(why) => {
                    proven.into_iter().for_each(Proven::kill);
                    return Err(why);
                }
            }
        }
        for (task, proven) in self.tasks[turn.clone()].iter().zip(&proven) {
            watcher.proven(&task.to_run.name, proven.pid(), &proven.findings);
        }
        match watcher.may_run() {
            Ok(Permission::Given) => {}
            not => {
                proven.into_iter().for_each(Proven::kill);
                return Err(not.map_or_else(Into::into, |_| NotStartedPod::Withheld));
            }
        }
        self.begun = turn.end;
        for (task, proven) in self.tasks[turn].iter_mut().zip(proven) {
            task.release(proven, &self.ground)?;
        }
        Ok(())
    }

    fn next_turn(&self) -> Range<usize> {
        match self.tasks.get(self.begun).map(|it| it.to_run.turn) {
            Some(Turn::Init | Turn::Sidecar) => self.begun..self.begun + 1,
            Some(Turn::Regular) | None => self.begun..self.tasks.len(),
        }
    }

    /// Starts those again whose pause is over.
    pub(super) fn start_again(&mut self, watcher: &mut dyn Watcher) -> Result<(), NotStartedPod> {
        let now = Instant::now();
        let mut changed = false;
        for task in &mut self.tasks {
            if task.again_at.is_none_or(|it| it > now) {
                continue;
            }
            changed = true;
            match task.prove(&self.ground).and_then(|it| accept(it, task, self.pod)) {
                Ok(proven) => {
                    watcher.proven(&task.to_run.name, proven.pid(), &proven.findings);
                    task.release(proven, &self.ground)?;
                }
                // What held once and does not any more may hold again: the profile is loaded again,
                // the disk has room. It is not started without.
                Err(_) => task.plan_restart(),
            }
        }
        if changed {
            self.write_status(self.phase(), None)?;
        }
        Ok(())
    }
}

fn accept(proven: Proven, task: &Task<'_>, pod: &PodToRun) -> Result<Proven, NotStartedPod> {
    let objections = proven.objections(pod);
    if objections.is_empty() {
        return Ok(proven);
    }
    let findings = proven.findings.clone();
    proven.kill();
    Err(NotStartedPod::NotProven(task.to_run.name.clone(), findings))
}
