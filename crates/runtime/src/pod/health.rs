//! What is asked of one container while it runs: its hook at the beginning, then its probes.
//!
//! Decides when something is asked and what the answers amount to; how a process is started is given
//! to it. As with a kubelet: nothing is asked before the hook at the beginning is through, nothing
//! but the startup probe before that has said yes, and a number of answers in a row counts. A process
//! that cannot be started, or is less confined than its container, is a no.

use std::time::{Duration, Instant};

use stockade_confine::plan::Plan;

use super::asked::{Asked, Outcome};
use super::status::Condition;
use super::to_run::{HealthToRun, HookToRun, ProbeToRun};

/// Starts a process that has until then; `None` if it cannot be.
pub(super) type Start<'s> = &'s dyn Fn(&Plan, Instant) -> Option<Asked>;

/// What is asked of a container that runs.
pub(super) struct Health<'a> {
    stage: Stage,
    startup: Option<Watch<'a>>,
    liveness: Option<Watch<'a>>,
    readiness: Option<Watch<'a>>,
    readiness_is: Condition,
}

/// How far a container has got.
enum Stage {
    /// Its hook is running.
    Beginning(Doing),
    /// Its startup probe is being asked.
    Starting,
    /// It has begun.
    Up,
}

/// What follows from the answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It goes on.
    Fine,
    /// It is to end, with its own grace period if it has one.
    End(Option<Duration>),
}

impl<'a> Health<'a> {
    /// Of a container that begins now.
    pub(super) fn new(to_run: &'a HealthToRun, now: Instant, start: Start<'_>) -> Self {
        let HealthToRun { startup, liveness, readiness, post_start, pre_stop: _ } = to_run;
        let watch = |it: &'a Option<ProbeToRun>| it.as_ref().map(|it| Watch::new(it, now));
        let stage = match (post_start, startup) {
            (Some(hook), _) => Stage::Beginning(Doing::new(hook, now, now + FOR_EVER, start)),
            (None, Some(_)) => Stage::Starting,
            (None, None) => Stage::Up,
        };
        let readiness_is = match readiness {
            Some(_) => Condition::Started,
            None => Condition::Ready,
        };
        Self {
            stage,
            startup: watch(startup),
            liveness: watch(liveness),
            readiness: watch(readiness),
            readiness_is,
        }
    }

    /// Asks what is due and takes what was answered.
    pub(super) fn tend(&mut self, now: Instant, start: Start<'_>) -> Verdict {
        if let Stage::Beginning(hook) = &self.stage {
            match hook.outcome(now) {
                None => return Verdict::Fine,
                Some(Outcome::Failure) => return Verdict::End(None),
                Some(Outcome::Success) => self.stage = Stage::Starting,
            }
        }
        if let Stage::Starting = self.stage {
            match self.startup.as_mut().map(|it| (it.probe.grace, it.tend(now, start))) {
                Some((_, None)) => return Verdict::Fine,
                Some((grace, Some(Outcome::Failure))) => return Verdict::End(grace),
                Some((_, Some(Outcome::Success))) | None => self.stage = Stage::Up,
            }
        }
        if let Some(watch) = &mut self.liveness
            && watch.tend(now, start) == Some(Outcome::Failure)
        {
            return Verdict::End(watch.probe.grace);
        }
        match self.readiness.as_mut().and_then(|it| it.tend(now, start)) {
            Some(Outcome::Success) => self.readiness_is = Condition::Ready,
            Some(Outcome::Failure) => self.readiness_is = Condition::Started,
            None => {}
        }
        Verdict::Fine
    }

    pub(super) const fn condition(&self) -> Condition {
        match self.stage {
            Stage::Beginning(_) | Stage::Starting => Condition::Starting,
            Stage::Up => self.readiness_is,
        }
    }

    /// When there is something to be done, if nothing happens before.
    pub(super) fn next_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Beginning(hook) => Some(hook.until()),
            Stage::Starting => self.startup.as_ref().map(Watch::next_at),
            Stage::Up => {
                let both = self.liveness.iter().chain(&self.readiness);
                both.map(Watch::next_at).min()
            }
        }
    }
}

/// A hook that is being run.
pub(super) enum Doing {
    Process(Asked),
    Pause(Instant),
    NotStarted(Instant),
}

impl Doing {
    pub(super) fn new(hook: &HookToRun, now: Instant, until: Instant, start: Start<'_>) -> Self {
        match hook {
            HookToRun::Sleep(pause) => Self::Pause(until.min(now + *pause)),
            HookToRun::Exec(plan) => {
                start(plan, until).map_or(Self::NotStarted(now), Self::Process)
            }
        }
    }

    /// `None` while it goes on.
    pub(super) fn outcome(&self, now: Instant) -> Option<Outcome> {
        match self {
            Self::Process(asked) => asked.outcome(now),
            Self::Pause(until) => (now >= *until).then_some(Outcome::Success),
            Self::NotStarted(_) => Some(Outcome::Failure),
        }
    }

    pub(super) const fn until(&self) -> Instant {
        match self {
            Self::Process(asked) => asked.until(),
            Self::Pause(until) | Self::NotStarted(until) => *until,
        }
    }
}

/// One probe.
struct Watch<'a> {
    probe: &'a ProbeToRun,
    asked: Option<Asked>,
    next_at: Instant,
    row: Row,
}

impl<'a> Watch<'a> {
    fn new(probe: &'a ProbeToRun, now: Instant) -> Self {
        let row = Row { last: None, count: 0 };
        Self { probe, asked: None, next_at: now + probe.initial_delay, row }
    }

    /// What has been answered often enough by now.
    fn tend(&mut self, now: Instant, start: Start<'_>) -> Option<Outcome> {
        let answer = match &self.asked {
            Some(asked) => asked.outcome(now)?,
            None if now < self.next_at => return None,
            None => {
                self.next_at = now + self.probe.period;
                self.asked = start(&self.probe.plan, now + self.probe.timeout);
                match &self.asked {
                    Some(_) => return None,
                    None => Outcome::Failure,
                }
            }
        };
        self.asked = None;
        self.row.counts(answer, self.probe.successes, self.probe.failures)
    }

    fn next_at(&self) -> Instant {
        self.asked.as_ref().map_or(self.next_at, Asked::until)
    }
}

/// Answers in a row.
struct Row {
    last: Option<Outcome>,
    count: u32,
}

impl Row {
    /// Takes one more answer, and says it if it has come often enough.
    fn counts(&mut self, answer: Outcome, successes: u32, failures: u32) -> Option<Outcome> {
        self.count = if self.last == Some(answer) { self.count.saturating_add(1) } else { 1 };
        self.last = Some(answer);
        let enough = match answer {
            Outcome::Success => successes,
            Outcome::Failure => failures,
        };
        (self.count >= enough).then_some(answer)
    }
}

/// Longer than any container, and no overflow.
const FOR_EVER: Duration = Duration::from_secs(1 << 31);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_in_a_row_count() {
        use Outcome::{Failure as No, Success as Yes};
        for (answers, expected) in [
            (&[No, No][..], &[None, None][..]),
            (&[No, No, No, No], &[None, None, Some(No), Some(No)]),
            (&[No, No, Yes, No, No], &[None, None, None, None, None]),
            (&[Yes, Yes, No, Yes, Yes], &[None, Some(Yes), None, None, Some(Yes)]),
        ] {
            let mut row = Row { last: None, count: 0 };
            let seen: Vec<Option<Outcome>> =
                answers.iter().map(|it| row.counts(*it, 2, 3)).collect();
            assert_eq!(seen, expected, "{answers:?}");
        }
    }
}
