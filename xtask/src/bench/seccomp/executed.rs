//! How many instructions of a filter a call runs through, by our interpreter.

use stockade_abi::bpf::Program;
use stockade_abi::syscalls;
use stockade_seccomp::{Action, Call, Rules, SyscallRules, steps};

/// Counts over every system call of the listed architectures on which no argument is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Executed {
    pub(super) allowed: Count,
    pub(super) denied: Count,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) most: usize,
    sum: usize,
    calls: usize,
}

impl Executed {
    pub(super) fn of(program: &Program, rules: &Rules) -> Result<Self, String> {
        let mut all = Self::default();
        for section in &rules.architectures {
            for (number, _) in syscalls::all(section.architecture) {
                let said = section.syscalls.iter().find(|(it, _)| *it == number);
                if let Some((_, SyscallRules::First(_))) = said {
                    continue;
                }
                let call = Call::new(section.architecture, number);
                let (value, executed) = steps(program, &call).map_err(|it| it.to_string())?;
                match Action::from_return_value(value) {
                    Action::Allow => all.allowed.add(executed),
                    Action::KillProcess
                    | Action::KillThread
                    | Action::Trap
                    | Action::Errno(_)
                    | Action::Notify
                    | Action::Trace(_)
                    | Action::Log => all.denied.add(executed),
                }
            }
        }
        Ok(all)
    }

    pub(super) fn most(&self) -> usize {
        self.allowed.most.max(self.denied.most)
    }
}

impl Count {
    fn add(&mut self, executed: usize) {
        self.most = self.most.max(executed);
        self.sum += executed;
        self.calls += 1;
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.calls.max(1) as f64
    }
}
