//! Starting a pod's supervisor: its directory first, then the process.
//!
//! The supervisor is this program once more, executed through a read-only mount of itself, so that
//! nothing in a container can write to the host's binary through `/proc/<pid>/exe` (CVE-2019-5736).

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};
use stockade_abi::NamespaceKind;
use stockade_runtime::pod::{Patience, PodDirectory, PodId, Pods, Vacancy, end};

use crate::answer::{Answer, Failure};
use crate::paths::Roots;
use crate::prepare::Prepared;
use crate::ui::Ui;

/// What a supervisor is told on its command line, beside the pod's own record.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Orders {
    /// The image store.
    pub(crate) store: PathBuf,
    /// Where writable layers go.
    pub(crate) containers: PathBuf,
    /// Where the pod's directory is.
    pub(crate) run: PathBuf,
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name.
    pub(crate) name: String,
    /// The descriptor through which it tells what happens.
    pub(crate) events: i32,
    /// Whether somebody waits for the pod.
    pub(crate) mode: Mode,
}

/// Whether somebody waits for a pod.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Mode {
    /// Somebody does, and the pod ends with him.
    Foreground,
    /// Nobody does.
    Detached,
}

/// A supervisor that was started.
pub(crate) struct Launched {
    /// The process, our child.
    pub(crate) supervisor: Child,
    /// What it tells, and where it is let go.
    pub(crate) events: UnixStream,
    /// The pod.
    pub(crate) directory: PodDirectory,
}

/// Makes a pod's directory and starts its supervisor.
pub(crate) fn launch(
    pod: &Prepared,
    roots: &Roots,
    mode: Mode,
    ui: &mut Ui,
) -> Result<Launched, Failure> {
    let directory = reserve(pod, roots, ui)?;
    let begun = write_files(pod, &directory, mode).and_then(|()| start(roots, &directory, mode));
    begun.inspect_err(|_| {
        directory.remove().ok();
    })
}

fn reserve(pod: &Prepared, roots: &Roots, ui: &mut Ui) -> Result<PodDirectory, Failure> {
    let (namespace, name) = (pod.pod.namespace(), pod.pod.name());
    let id = PodId::new(namespace, name)
        .ok_or_else(|| Failure::question(format!("{namespace}/{name} is no name for a pod")))?;
    let directory = Pods::below(&roots.run).pod(&id);
    match directory.make() {
        Ok(()) => return Ok(directory),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Failure::unanswered(error)),
    }
    // What a foreground pod left when its supervisor was killed belongs to nobody.
    let abandoned = matches!(directory.read("mode.json"), Ok(Some(Mode::Foreground)))
        && matches!(directory.vacancy(), Ok(Vacancy::Vacant(_)));
    if !abandoned {
        let what = format!("pods {name:?} already exists");
        let hint = format!("`stockade delete {name} -n {namespace}` removes it");
        return Err(Failure::new(Answer::No, what).hint(hint));
    }
    ui.note(&format!("removing what an earlier run of pod {name:?} left when it was killed"));
    end(&directory, &pod.host.cgroups, Patience::None).map_err(Failure::unanswered)?;
    directory.make().map_err(Failure::unanswered)?;
    Ok(directory)
}

fn write_files(pod: &Prepared, directory: &PodDirectory, mode: Mode) -> Result<(), Failure> {
    let record = pod.record().to_json().map_err(Failure::unanswered)?;
    directory.write("mode.json", &mode).map_err(Failure::unanswered)?;
    directory.write_text("record.json", &record).map_err(Failure::unanswered)?;

    let resolved = runnable(pod);
    let host = pod.world.node.hostname.as_str();
    let hostname = resolved.pod.hostname.as_ref().map_or(host, |it| it.value.as_str());
    let shares_network = !resolved.pod.namespaces.value.contains(NamespaceKind::Net);
    let hosts = match fs::read_to_string("/etc/hosts") {
        Ok(text) if shares_network => text,
        Ok(_) | Err(_) => own_hosts(pod, hostname),
    };
    let resolv_conf = fs::read("/etc/resolv.conf").unwrap_or_default();
    for (name, text) in [
        ("hosts", hosts.as_bytes()),
        ("hostname", format!("{hostname}\n").as_bytes()),
        ("resolv.conf", &resolv_conf),
    ] {
        let path = directory.join("etc").join(name);
        fs::write(&path, text).map_err(Failure::unanswered)?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&path, readable).map_err(Failure::unanswered)?;
    }
    Ok(())
}

fn runnable(pod: &Prepared) -> &stockade_confine::Resolved {
    pod.runnable.resolved()
}

/// The pod's own network has the loopback addresses only.
fn own_hosts(pod: &Prepared, hostname: &str) -> String {
    let mut text =
        String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    let spec = pod.pod.spec();
    let subdomain = spec.and_then(|it| it.subdomain.as_deref()).unwrap_or_default();
    if subdomain.is_empty() {
        text.push_str(&format!("127.0.0.1\t{hostname}\n"));
    } else {
        let namespace = pod.pod.namespace();
        text.push_str(&format!(
            "127.0.0.1\t{hostname}.{subdomain}.{namespace}.svc.cluster.local\t{hostname}\n"
        ));
    }
    for alias in spec.into_iter().flat_map(|it| it.host_aliases.iter().flatten()) {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        text.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    text
}

fn start(roots: &Roots, directory: &PodDirectory, mode: Mode) -> Result<Launched, Failure> {
    let unanswered = |error: std::io::Error| Failure::unanswered(error);
    // Inherited by the supervisor, which marks it close-on-exec; this process has one thread.
    let (events, told) = UnixStream::pair().map_err(unanswered)?;
    fcntl_setfd(&told, FdFlags::empty()).map_err(Failure::unanswered)?;
    let orders = Orders {
        store: roots.store.clone(),
        containers: roots.containers.clone(),
        run: roots.run.clone(),
        namespace: directory.id().namespace().to_owned(),
        name: directory.id().name().to_owned(),
        events: told.as_raw_fd(),
        mode,
    };
    let program = stockade_sys::exe::readonly_self().map_err(Failure::unanswered)?;
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg("monitor").arg(serde_json::to_string(&orders).map_err(Failure::unanswered)?);
    if mode == Mode::Detached {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir("/");
    }
    let supervisor = command.spawn().map_err(unanswered)?;
    drop(told);
    Ok(Launched { supervisor, events, directory: directory.clone() })
}
