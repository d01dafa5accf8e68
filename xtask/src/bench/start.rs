//! `cargo xtask bench start`: the start of one container from a bundle, and what a pod adds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice::from_ref;

use super::contender::{Contender, contenders};
use super::measure::{Runner, Sample, Samples};
use super::{bundle, programs};

/// Runs the benchmark; `args` is what follows `start`.
pub(super) fn main(args: &[String]) -> Result<(), String> {
    let Options { stockade, rounds } = Options::parse(args)?;
    if !stockade.is_file() {
        return Err(format!(
            "no {}; build it with `cargo build --profile dist --target x86_64-unknown-linux-musl -p \
             stockade`, or name another with --stockade",
            stockade.display()
        ));
    }
    if !rustix::process::geteuid().is_root() {
        return Err("containers with devices and limits need root".to_owned());
    }
    // In memory, where runtimes keep their state on a real machine.
    let directory = tempfile::tempdir_in("/dev/shm").map_err(|error| error.to_string())?;
    let work = directory.path();
    let programs = programs::build(work)?;
    let cgroups = bundle::Cgroups::find()?;
    cgroups.make_parents()?;
    bundle::write(work, &programs.payload)?;
    let contenders = contenders(work, &programs, &cgroups, &stockade)?;
    let runner = Runner::new(&programs.runner, cgroups.environment(work));

    println!("{} rounds, taking turns; medians; {}", rounds, kernel());
    let outcome = containers(&runner, &contenders, rounds).and_then(|()| {
        let oci = contenders.iter().find(|it| it.is_ours());
        oci.map_or(Ok(()), |oci| pod(&runner, oci, &stockade, work, rounds))
    });
    cgroups.remove_parents();
    outcome
}

fn containers(runner: &Runner, all: &[Contender], rounds: usize) -> Result<(), String> {
    let mut runs: Vec<Samples> = vec![Samples::default(); all.len()];
    let mut threes: Vec<[Samples; 3]> = vec![Default::default(); all.len()];
    for round in 0..WARM_UP + rounds {
        for turn in 0..all.len() {
            // Each follows each: what one leaves behind in the kernel is not always the same one's.
            let index = (turn + round) % all.len();
            let contender = &all[index];
            let run = runner.run(&contender.under, from_ref(&contender.run))?;
            let three = match &contender.three {
                Some(three) => runner.run(&contender.under, three)?,
                None => Vec::new(),
            };
            if round >= WARM_UP {
                runs[index].extend(&run);
                for (samples, sample) in threes[index].iter_mut().zip(&three) {
                    samples.extend(from_ref(sample));
                }
            }
        }
    }
    let medians: Vec<Sample> = runs.iter().map(Samples::median).collect();
    let least: Vec<f64> = runs.iter().map(Samples::least_millis).collect();
    let [floor, plus] = [medians[0], medians[1]];

    println!(
        "\n{:36} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "run",
        "ms",
        "× floor",
        "× floor+",
        "least ms",
        "× floor+",
        "CPU ms",
        "× floor+",
        "peak RSS",
        "syscalls"
    );
    for ((contender, median), least_of) in all.iter().zip(&medians).zip(&least) {
        let calls = runner.syscalls(&contender.under, &contender.run);
        let calls = calls.map_or_else(|| "?".to_owned(), |it| it.to_string());
        println!(
            "{:36} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2} {:>6.1} MB {calls:>9}",
            contender.name,
            median.millis(),
            median.millis() / floor.millis(),
            median.millis() / plus.millis(),
            least_of,
            least_of / least[1],
            median.cpu_millis(),
            median.cpu_millis() / plus.cpu_millis(),
            median.megabytes(),
        );
    }

    println!(
        "\n{:36} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>9}",
        "create + start + delete",
        "ms",
        "× floor+",
        "least ms",
        "× floor+",
        "create",
        "start",
        "delete",
        "peak RSS"
    );
    let total = |three: &[Samples; 3]| three.iter().map(|it| it.median().millis()).sum::<f64>();
    let least = |three: &[Samples; 3]| three.iter().map(Samples::least_millis).sum::<f64>();
    let plus = total(&threes[1]);
    for (contender, three) in all.iter().zip(&threes).filter(|(it, _)| it.three.is_some()) {
        let [create, start, delete] = [0, 1, 2].map(|it| three[it].median());
        let peak = [create, start, delete].map(|it| it.megabytes()).into_iter().fold(0.0, f64::max);
        println!(
            "{:36} {:8.2} {:8.2} {:8.2} {:8.2} {:7.2} {:7.2} {:7.2} {peak:>6.1} MB",
            contender.name,
            total(three),
            total(three) / plus,
            least(three),
            least(three) / least(&threes[1]),
            create.millis(),
            start.millis(),
            delete.millis(),
        );
    }
    Ok(())
}

/// What images, a supervisor and a report add to a container.
fn pod(
    runner: &Runner,
    oci: &Contender,
    stockade: &Path,
    work: &Path,
    rounds: usize,
) -> Result<(), String> {
    let manifest = work.join("pod.yaml");
    fs::write(&manifest, POD).map_err(|error| error.to_string())?;
    let words = |it: &Path| it.display().to_string();
    let run: Vec<String> = vec![
        words(stockade),
        "--root".to_owned(),
        words(&work.join("pods")),
        "run".to_owned(),
        "--quiet".to_owned(),
        words(&manifest),
    ];
    let (mut pods, mut containers) = (Samples::default(), Samples::default());
    for round in 0..WARM_UP + rounds {
        let pod = runner.run(&[], from_ref(&run))?;
        let container = runner.run(&oci.under, from_ref(&oci.run))?;
        if round >= WARM_UP {
            pods.extend(&pod);
            containers.extend(&container);
        }
    }
    let (pod, container) = (pods.median(), containers.median());
    println!(
        "\n{:36} {:>8} {:>9} {:>9}",
        "a pod with the built-in image", "ms", "× bundle", "peak RSS"
    );
    println!(
        "{:36} {:8.2} {:9.2} {:>6.1} MB",
        "stockade run --quiet",
        pod.millis(),
        pod.millis() / container.millis(),
        pod.megabytes()
    );
    Ok(())
}

/// What is on the command line.
struct Options {
    stockade: PathBuf,
    rounds: usize,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
        let mut options =
            Self { stockade: target.join("x86_64-unknown-linux-musl/dist/stockade"), rounds: 50 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            match arg.as_str() {
                "--stockade" => options.stockade = PathBuf::from(value),
                "--rounds" => {
                    let rounds = value.parse().ok().filter(|it| *it > 0);
                    options.rounds =
                        rounds.ok_or_else(|| format!("--rounds: `{value}` is no number"))?;
                }
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        options.stockade = std::path::absolute(&options.stockade).map_err(|it| it.to_string())?;
        Ok(options)
    }
}

pub(super) fn kernel() -> String {
    let output = Command::new("uname").arg("-srm").output();
    output
        .map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

/// Rounds that fill caches and are not counted.
const WARM_UP: usize = 3;

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: bench }
spec:
  containers:
  - name: app
    image: stockade/toolbox
    command: ["true"]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      seccompProfile: { type: RuntimeDefault }
    resources: { limits: { memory: 256Mi } }
"#;
