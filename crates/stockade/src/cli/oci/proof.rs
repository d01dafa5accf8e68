//! The comparison of a container that stands at its first instruction with its bundle.

use stockade_abi::Reading;
use stockade_confine::{Finding, diff, expect, questions};
use stockade_runtime::Held;

use super::judged::Judged;
use crate::answer::{Answer, Failure};

/// Compares what the kernel says of a held process with what is meant. If that is less it is killed,
/// and nothing of it has run.
pub(super) fn prove(held: Held, judged: &Judged) -> Result<Held, Failure> {
    let expected = expect(&judged.bundled.container, &judged.bundled.pod, &judged.host);
    let asked = questions(&expected);
    let filters = Reading::from(held.filters());
    let pid = held.pid().cast_unsigned();
    let seen = stockade_observe::process_with_filters(pid, &asked, filters);
    let objections: Vec<String> = match seen {
        Ok(seen) => {
            let findings = diff(&expected, &seen);
            findings.iter().filter(|it| !it.verdict.is_acceptable()).map(line).collect()
        }
        Err(gone) => vec![gone.to_string()],
    };
    if objections.is_empty() {
        return Ok(held);
    }
    held.kill().map_err(Failure::unanswered)?;
    let what = format!("not confined as was meant, and did not run: {}", objections.join("; "));
    Err(Failure::new(Answer::No, what))
}

fn line(finding: &Finding) -> String {
    let Finding { mechanism, seen, verdict } = finding;
    let detail = verdict.detail().unwrap_or(seen);
    format!("{mechanism}: {verdict}: {detail}")
}
