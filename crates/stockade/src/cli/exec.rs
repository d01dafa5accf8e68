//! `stockade exec`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use stockade_abi::Reading;
use stockade_confine::plan::Terminal as Wanted;
use stockade_confine::{Container, Sourced, diff, expect, plan_exec, questions};
use stockade_runtime::pod::{ContainerState, PodDirectory, Vacancy};
use stockade_runtime::{
    Gate, Held, Hold, Join, Known, Life, NotStarted, Running, Site, Started, Streams, Tie, create,
};

use crate::answer::{Answer, Failure};
use crate::cli::Globals;
use crate::cli::run::refused;
use crate::foreground::Terminal;
use crate::monitor::exec_errno;
use crate::pods;
use crate::prepare::Prepared;
use crate::ui::Ui;

/// Run a command in a pod's container, confined like its first process
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pass standard input on
    #[arg(short = 'i', long)]
    stdin: bool,

    /// Give it a terminal
    #[arg(short = 't', long)]
    tty: bool,

    /// Name of the container (default: the first)
    #[arg(short, long)]
    container: Option<String>,

    /// Namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,

    /// Name of the pod
    pod: String,

    /// Command and arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(crate) fn run(args: Args, globals: &Globals, _: &mut Ui) -> Result<Answer, Failure> {
    exec(args, globals).map_err(Failure::instead_of_a_workload)
}

fn exec(args: Args, globals: &Globals) -> Result<Answer, Failure> {
    let found = pods::find(globals, &args.namespace, &args.pod)?;
    let status = pods::container(&found.status, &args.pod, args.container.as_deref())?;
    let ContainerState::Running { pid, .. } = status.state else {
        let what = format!("container {} of pod {} is not running", status.name, args.pod);
        return Err(Failure::new(Answer::No, what));
    };
    let target = pin(pid, &found.directory)?;
    let host = stockade_observe::host().map_err(Failure::unanswered)?;
    let pod = Prepared::again(pods::record(&found.directory)?, host)?;
    let containers = &pod.runnable.resolved().containers;
    let mut container = containers
        .iter()
        .find(|it| it.name == status.name)
        .cloned()
        .ok_or_else(|| Failure::unanswered("the pod's record has no such container"))?;
    let wanted = if args.tty { Wanted::New } else { Wanted::None };
    container.workload.arguments = Sourced::default(args.command, "the command line");
    container.workload.terminal = wanted;
    let known = found.directory.known(&container.name, Life::Joins { first: pid });
    start(&pod, &container, &found.directory, known, target, args.stdin)
}

/// Pins a container's first process. The supervisor is asked after that: while it lives, the number
/// that it wrote is of its own child, which it has not waited for.
fn pin(pid: i32, directory: &PodDirectory) -> Result<OwnedFd, Failure> {
    let gone = || Failure::new(Answer::No, "the container has just ended");
    let pid = Pid::from_raw(pid).ok_or_else(gone)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    let alive = matches!(directory.vacancy(), Ok(Vacancy::Supervised));
    let status: stockade_runtime::pod::Status =
        directory.read("status.json").map_err(Failure::unanswered)?.ok_or_else(gone)?;
    let same = status.containers.iter().any(|it| {
        matches!(it.state, ContainerState::Running { pid: it, .. } if it == pid.as_raw_nonzero().get())
    });
    if alive && same { Ok(pidfd) } else { Err(gone()) }
}

fn start(
    pod: &Prepared,
    container: &Container,
    directory: &PodDirectory,
    known: Known,
    target: OwnedFd,
    pass_stdin: bool,
) -> Result<Answer, Failure> {
    let resolved = pod.runnable.resolved();
    let plan = plan_exec(container, &resolved.pod, &pod.host).map_err(|refusals| {
        let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        Failure::new(Answer::No, all.join("\n"))
    })?;
    let cgroup = directory.cgroup().map_err(Failure::unanswered)?;
    let cgroup = cgroup.ok_or_else(|| Failure::unanswered("the pod has no cgroup"))?;
    let site = Site {
        cgroups: &pod.host.cgroups,
        cgroup: cgroup.child(&container.name).map_err(Failure::unanswered)?,
        scratch: PathBuf::from("/nonexistent"),
        pod_files: None,
        join: Join::Of(target),
        streams: streams(pass_stdin)?,
        tie: Tie::DiesWithUs,
        gate: Gate::Held,
        known,
    };
    let mut created =
        create(&plan, &site).map_err(|failed| Failure::new(Answer::NotStarted, failed))?;
    let terminal = created.take_terminal();
    let held = match created.start(Hold::AtExec) {
        Ok(Started::Held(held)) => held,
        Ok(Started::Running(_)) => unreachable!("it was to be held"),
        Err(NotStarted::Step(step)) => {
            let answer = refused(exec_errno(&step).map(|it| it.0));
            return Err(Failure::new(answer, step));
        }
        Err(why) => return Err(Failure::new(Answer::NotStarted, why)),
    };
    let running = prove(held, container, pod)?;
    match terminal {
        Some(terminal) => {
            let ours = Terminal::raw()?;
            relay(&running, &terminal, pass_stdin)?;
            drop(ours);
        }
        None => drop(site),
    }
    wait(&running)
}

/// Lets the process run if it is confined like its container.
fn prove(held: Held, container: &Container, pod: &Prepared) -> Result<Running, Failure> {
    let resolved = pod.runnable.resolved();
    let expected = expect(container, &resolved.pod, &pod.host);
    let filters = Reading::from(held.filters());
    let pid = held.pid().cast_unsigned();
    let seen = stockade_observe::process_with_filters(pid, &questions(&expected), filters)
        .map_err(Failure::unanswered)?;
    let weaker = diff(&expected, &seen).into_iter().find(|it| !it.verdict.is_acceptable());
    match weaker {
        None => held.release().map_err(Failure::unanswered),
        Some(finding) => {
            held.kill().map_err(Failure::unanswered)?;
            let detail = finding.verdict.detail().unwrap_or_default().to_owned();
            let what = format!(
                "the process is not confined as was meant, and did not run: {}: {}: {detail}",
                finding.mechanism, finding.verdict
            );
            Err(Failure::new(Answer::NotStarted, what))
        }
    }
}

fn streams(pass_stdin: bool) -> Result<Streams, Failure> {
    if pass_stdin {
        return Ok(Streams::Inherited);
    }
    let null = std::fs::File::open("/dev/null").map_err(Failure::unanswered)?;
    let out = io::stdout().as_fd().try_clone_to_owned().map_err(Failure::unanswered)?;
    let err = io::stderr().as_fd().try_clone_to_owned().map_err(Failure::unanswered)?;
    Ok(Streams::Given([null.into(), out, err]))
}

/// Connects our terminal and the process's, until the process has ended and said all.
fn relay(running: &Running, terminal: &OwnedFd, pass_stdin: bool) -> Result<(), Failure> {
    let stdin = io::stdin();
    let mut typing = pass_stdin;
    let mut buffer = [0_u8; 16 << 10];
    if let Ok(size) = rustix::termios::tcgetwinsize(&stdin) {
        rustix::termios::tcsetwinsize(terminal, size).ok();
    }
    loop {
        let mut fds =
            vec![PollFd::new(terminal, PollFlags::IN), PollFd::new(&running.pidfd, PollFlags::IN)];
        if typing {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        poll(&mut fds, None).map_err(Failure::unanswered)?;
        let ready: Vec<bool> = fds.iter().map(|it| !it.revents().is_empty()).collect();
        if ready[0] {
            match rustix::io::read(terminal, &mut buffer) {
                Ok(length) if length > 0 => {
                    rustix::io::write(io::stdout(), &buffer[..length])
                        .map_err(Failure::unanswered)?;
                }
                // The other end is closed.
                Ok(_) | Err(_) => return Ok(()),
            }
        } else if ready[1] {
            return Ok(());
        }
        if ready.get(2) == Some(&true) {
            let length = rustix::io::read(&stdin, &mut buffer).unwrap_or(0);
            typing = length > 0;
            rustix::io::write(terminal, &buffer[..length]).ok();
        }
    }
}

fn wait(running: &Running) -> Result<Answer, Failure> {
    let status = waitid(WaitId::PidFd(running.pidfd.as_fd()), WaitIdOptions::EXITED)
        .map_err(Failure::unanswered)?;
    let Some(status) = status else { return Err(Failure::unanswered("exit code unknown")) };
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => return Err(Failure::unanswered("exit code unknown")),
    };
    Ok(Answer::Workload(u8::try_from(code).unwrap_or(u8::MAX)))
}
