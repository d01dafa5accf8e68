//! Calls at which a filter for given rules is most likely wrong: at the edges of its numbers, and
//! around the constants of its conditions.

use stockade_abi::syscalls::X32_BIT;
use stockade_abi::{Architecture, syscalls};
use stockade_seccomp::{Call, Condition, Operator, Rules, SyscallRules};

/// A few hundred calls.
pub(crate) fn calls(rules: &Rules) -> Vec<Call> {
    let mut all = vec![Call::default(), Call { audit_architecture: u32::MAX, ..Call::default() }];
    for architecture in Architecture::ALL {
        all.extend([0, 1, u32::MAX].map(|number| Call::new(architecture, number)));
    }
    for section in &rules.architectures {
        let architecture = section.architecture;
        let newest = syscalls::newest(architecture);
        let edges = [section.newest, newest, X32_BIT, X32_BIT + 512, 0x000F_0000, 1 << 31];
        for edge in edges {
            for number in [edge.wrapping_sub(1), edge, edge.wrapping_add(1)] {
                all.push(Call::new(architecture, number));
            }
        }
        let every = section.syscalls.len().div_ceil(MOST_NUMBERS).max(1);
        for (index, (number, said)) in section.syscalls.iter().enumerate() {
            let call = Call::new(architecture, *number);
            match said {
                SyscallRules::Always(_) if !index.is_multiple_of(every) => {}
                SyscallRules::Always(_) => {
                    let next = Call::new(architecture, number.wrapping_add(1));
                    all.extend([call, call.with([u64::MAX; 6]), next]);
                }
                SyscallRules::First(list) => {
                    for rule in list.iter().take(MOST_RULES) {
                        all.extend(around(call, &rule.conditions));
                    }
                }
            }
            if all.len() > MOST_CALLS {
                return all;
            }
        }
    }
    all
}

/// The call for which all of the conditions hold, or nearly all.
fn around(call: Call, conditions: &[Condition]) -> Vec<Call> {
    let mut middle = [0; 6];
    for condition in conditions {
        middle[usize::from(condition.argument)] = constant(condition.operator);
    }
    let mut all = vec![call.with(middle)];
    for condition in conditions {
        let value = constant(condition.operator);
        for other in
            [value.wrapping_sub(1), value.wrapping_add(1), value ^ 1 << 32, value ^ 1 << 63, !value]
        {
            let mut arguments = middle;
            arguments[usize::from(condition.argument)] = other;
            all.push(call.with(arguments));
        }
    }
    all
}

fn constant(operator: Operator) -> u64 {
    match operator {
        Operator::NotEqual(value)
        | Operator::Less(value)
        | Operator::LessOrEqual(value)
        | Operator::Equal(value)
        | Operator::GreaterOrEqual(value)
        | Operator::Greater(value) => value,
        Operator::MaskedEqual { mask, value } => value & mask,
    }
}

const MOST_NUMBERS: usize = 16;
const MOST_RULES: usize = 16;
const MOST_CALLS: usize = 600;
