//! `stockade logs`.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use stockade_runtime::pod::{PodDirectory, Vacancy};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::pods;
use crate::ui::Ui;

/// Print what a pod's container wrote
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the pod
    pod: String,

    /// Name of the container (default: the first)
    #[arg(value_name = "CONTAINER")]
    positional: Option<String>,

    /// Name of the container
    #[arg(short, long)]
    container: Option<String>,

    /// Go on as the container writes, until it has ended
    #[arg(short, long)]
    follow: bool,

    /// Begin each line with when it was written
    #[arg(long)]
    timestamps: bool,

    /// Only the last LINES lines
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,

    /// Namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
}

pub(crate) fn run(args: Args, globals: &Globals, _: &mut Ui) -> Result<Answer, Failure> {
    let found = pods::find(globals, &args.namespace, &args.pod)?;
    let name = args.container.as_deref().or(args.positional.as_deref());
    let container = pods::container(&found.status, &args.pod, name)?;
    let path = found.directory.join("logs").join(&container.name);

    let mut lines = Vec::new();
    let old = PathBuf::from(format!("{}.1", path.display()));
    for part in [&old, &path] {
        match File::open(part) {
            Ok(file) => read(&mut BufReader::new(file), &mut lines)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::unanswered(error)),
        }
    }
    let first = args.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    for line in &lines[first..] {
        print(line, args.timestamps)?;
    }
    if args.follow {
        follow(&args, &found.directory, &path)?;
    }
    Ok(Answer::Yes)
}

fn read(from: &mut impl BufRead, lines: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
    for line in from.split(b'\n') {
        lines.push(line.map_err(Failure::unanswered)?);
    }
    Ok(())
}

/// Prints what comes after the end that the file had a moment ago, until the pod is over.
fn follow(args: &Args, pod: &PodDirectory, path: &PathBuf) -> Result<(), Failure> {
    use std::io::{Seek, SeekFrom};
    let mut file = BufReader::new(File::open(path).map_err(Failure::unanswered)?);
    file.seek(SeekFrom::End(0)).map_err(Failure::unanswered)?;
    let mut partial = Vec::new();
    loop {
        let over = !pod.exists() || matches!(pod.vacancy(), Ok(Vacancy::Vacant(_)));
        while file.read_until(b'\n', &mut partial).map_err(Failure::unanswered)? > 0 {
            if partial.last() == Some(&b'\n') {
                partial.pop();
                print(&partial, args.timestamps)?;
                partial.clear();
            }
        }
        if over {
            return Ok(());
        }
        sleep(PAUSE);
    }
}

/// A line of the file: time, stream, tag, text. A part of a line (`P`) gets no line end.
fn print(line: &[u8], timestamps: bool) -> Result<(), Failure> {
    let mut fields = line.splitn(4, |it| *it == b' ');
    let (time, stream, tag) = (fields.next(), fields.next(), fields.next());
    let text = fields.next().unwrap_or_default();
    let mut shown = Vec::with_capacity(line.len());
    if timestamps {
        shown.extend_from_slice(time.unwrap_or_default());
        shown.push(b' ');
    }
    shown.extend_from_slice(text);
    if tag != Some(b"P") {
        shown.push(b'\n');
    }
    let written = if stream == Some(b"stderr") {
        std::io::stderr().lock().write_all(&shown)
    } else {
        std::io::stdout().lock().write_all(&shown)
    };
    written.map_err(Failure::unanswered)
}

const PAUSE: Duration = Duration::from_millis(50);
