//! Resource limits and the OOM killer's preference.

use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit as RawRlimit, setrlimit};
use stockade_confine::workload::Rlimit;
use stockade_sys::Calls;

use crate::fault::{Done, Fault};
use crate::proc::Proc;

pub(crate) fn set_rlimit(limit: &Rlimit) -> Done {
    let resource = resource(&limit.resource)
        .ok_or_else(|| Fault::told(format!("there is no limit called `{}`", limit.resource)))?;
    let limit = RawRlimit { current: limit.soft, maximum: limit.hard };
    Ok(setrlimit(resource, limit).call("prlimit64")?)
}

pub(crate) fn set_oom_score_adj(proc: &Proc, value: i32) -> Done {
    let file = proc.open_own("oom_score_adj", OFlags::WRONLY)?;
    rustix::io::write(file, value.to_string().as_bytes()).call("write(oom_score_adj)")?;
    Ok(())
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}
