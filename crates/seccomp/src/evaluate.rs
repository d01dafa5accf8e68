//! The reference: what [`Rules`] say about a call, read off as they stand.
//!
//! No search, no sharing, no bit tricks: this is what the compiler is measured against.

use stockade_abi::syscalls;

use crate::action::Action;
use crate::call::Call;
use crate::condition::Width;
use crate::rules::{Rules, SyscallRules};

/// The action that `rules` prescribe for `call`.
pub fn evaluate(rules: &Rules, call: &Call) -> Action {
    let Some(architecture) = call.architecture() else { return rules.unlisted };
    let Some(section) = rules.architectures.iter().find(|it| it.architecture == architecture)
    else {
        return rules.unlisted;
    };

    let found = section.syscalls.iter().find(|(number, _)| *number == call.number);
    let Some((_, said)) = found else {
        let is_newer =
            call.number > section.newest && syscalls::is_open_range(architecture, call.number);
        return if is_newer { rules.newer.unwrap_or(rules.default) } else { rules.default };
    };

    let width = Width::of(architecture);
    match said {
        SyscallRules::Always(action) => *action,
        SyscallRules::First(list) => list
            .iter()
            .find(|rule| {
                rule.conditions.iter().all(|condition| {
                    let argument = call.arguments[usize::from(condition.argument)];
                    condition.operator.on(width).holds(width.truncate(argument))
                })
            })
            .map_or(rules.default, |rule| rule.action),
    }
}
