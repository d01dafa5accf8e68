//! What was measured, and the goals beside it.

use super::{Bench, By, Calls, Case, Layout, Row, Scope};

pub(super) fn print(cases: &[Case], bench: &Bench) {
    let bare = |of: fn(&Calls) -> f64| median(bench.bare.iter().map(of));
    let (allowed, checked) = (bare(|it| it.allowed), bare(|it| it.checked));
    println!("without a filter: getppid {allowed:.0} ns, personality {checked:.0} ns");
    for (index, case) in cases.iter().enumerate() {
        let architectures = match case.scope {
            Scope::Three => "3 architectures",
            Scope::Native => "x86_64",
        };
        println!(
            "\n{:34} {:>17} {:>17} {:>6} {:>13} {:>13} {:>14} {:>8} {:>8} {:>8}",
            format!("{}, {architectures}", case.name),
            "with text",
            "compile",
            "length",
            "run, allowed",
            "denied",
            "install",
            "allowed",
            "checked",
            "denied"
        );
        let rows: Vec<&Row> = bench.rows.iter().filter(|it| it.case == index).collect();
        for row in &rows {
            let calls = |of: fn(&Calls) -> f64| median(row.calls.iter().map(of));
            let parsed = match row.parsed.len() {
                0 => "–".to_owned(),
                _ => spread(&row.parsed),
            };
            let count = |it: super::executed::Count| format!("{} ({:.1})", it.most, it.mean());
            println!(
                "{:34} {parsed:>17} {:>17} {:>6} {:>13} {:>13} {:>14} {:>5.0} ns {:>5.0} ns \
                 {:>5.0} ns",
                name(row.by),
                spread(&row.compiled),
                row.program.instructions().len(),
                count(row.executed.allowed),
                count(row.executed.denied),
                spread(&loads(row)),
                calls(|it| it.allowed) - allowed,
                calls(|it| it.checked) - checked,
                calls(|it| it.denied) - allowed,
            );
        }
        goals(case.scope, &rows);
    }
    println!("\n{LEGEND}");
}

fn goals(scope: Scope, rows: &[&Row]) {
    let Some(ours) = rows.iter().find(|it| it.by == By::Us) else { return };
    let length = |row: &Row| row.program.instructions().len() as f64;
    let load = |row: &Row| micros(&loads(row));
    let longest = match scope {
        Scope::Three => 320.0,
        Scope::Native => 90.0,
    };
    at_most("from the text", "µs", micros(&ours.parsed), 60.0);
    at_most("length", "instructions", length(ours), longest);
    at_most("install", "µs", load(ours), 100.0);
    at_most("worst case", "instructions run", ours.executed.most() as f64, 16.0);
    if let Some(plain) = rows.iter().find(|it| it.by == By::Library(Layout::Plain)) {
        at_least("compile", micros(&plain.compiled) / micros(&ours.compiled), 200.0);
        at_most("length", "× libseccomp's", length(ours) / length(plain), 0.33);
        at_most("install", "× libseccomp's", load(ours) / load(plain), 0.15);
    }
}

fn at_most(what: &str, unit: &str, value: f64, goal: f64) {
    let reached = if value <= goal { "reached" } else { "MISSED" };
    println!("  {what:14} {value:8.2} {unit}, goal ≤ {goal}: {reached}");
}

fn at_least(what: &str, value: f64, goal: f64) {
    let reached = if value >= goal { "reached" } else { "MISSED" };
    println!("  {what:14} {value:8.0} × faster than libseccomp, goal ≥ {goal}: {reached}");
}

fn name(by: By) -> &'static str {
    match by {
        By::Us => "  stockade",
        By::Library(Layout::Plain) => "  libseccomp (crun)",
        By::Library(Layout::Tree) => "  libseccomp, binary tree (runc)",
    }
}

fn loads(row: &Row) -> Vec<f64> {
    row.calls.iter().map(|it| it.load).collect()
}

/// The median and, since what others do on a busy machine only adds, the least.
fn spread(nanos: &[f64]) -> String {
    let least = nanos.iter().copied().fold(f64::INFINITY, f64::min) / 1e3;
    format!("{:.0} ({least:.0}) µs", micros(nanos))
}

fn micros(nanos: &[f64]) -> f64 {
    median(nanos.iter().copied()) / 1e3
}

fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

const LEGEND: &str = "\
µs: median (least); goals are held against the median, so a busy machine misses some
with text: from JSON to instructions (RuntimeDefault has none: from its table); compile: from the profile on
run: instructions, most (mean), over every system call on which no argument is looked at
allowed, checked, denied: what a call costs more than without a filter; denied: more than getppid without one";
