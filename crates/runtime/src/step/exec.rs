//! Becoming the workload.

use std::ffi::CString;

use rustix::io::Errno;
use stockade_sys::Refused;
use stockade_sys::process::Exec;

use crate::fault::{Done, Fault};

/// A program with all that is needed to execute it, allocated before the process is made.
#[derive(Debug)]
pub(crate) struct Prepared {
    exec: Exec,
    /// Where it may be, in order.
    candidates: Vec<CString>,
}

/// Lays out arguments and environment, and where the program may be: itself if its name has a slash,
/// otherwise in each directory of `PATH`.
pub(crate) fn prepare(arguments: &[String], environment: &[String]) -> Done<Prepared> {
    let program = arguments.first().ok_or_else(|| Fault::told("there is no program"))?;
    let candidates = candidates(program, environment)
        .into_iter()
        .map(|it| c_string(&it))
        .collect::<Done<Vec<_>>>()?;
    let arguments = arguments.iter().map(|it| c_string(it)).collect::<Done<Vec<_>>>()?;
    let environment = environment.iter().map(|it| c_string(it)).collect::<Done<Vec<_>>>()?;
    Ok(Prepared { exec: Exec::new(arguments, environment), candidates })
}

impl Prepared {
    /// Becomes the program. Returns only if there is none that can be executed: a file that may not
    /// be executed says more than one that is not there.
    pub(crate) fn go(&self) -> Refused {
        let mut answer = Refused::from_rustix("execve", Errno::NOENT);
        for candidate in &self.candidates {
            let refused = self.exec.go(candidate);
            match Errno::from_raw_os_error(refused.errno.0.into()) {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => answer = refused,
                _ => return refused,
            }
        }
        answer
    }
}

/// The exit code that container tools give a process whose program could not be executed.
pub(crate) fn exit_code(refused: Refused) -> u8 {
    match Errno::from_raw_os_error(refused.errno.0.into()) {
        Errno::NOENT | Errno::NOTDIR => 127,
        _ => 126,
    }
}

fn candidates(program: &str, environment: &[String]) -> Vec<String> {
    if program.is_empty() {
        return Vec::new();
    }
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    let path = environment.iter().rev().find_map(|it| it.strip_prefix("PATH="));
    path.unwrap_or(USUAL_PATH)
        .split(':')
        .map(|directory| match directory {
            "" => format!("./{program}"),
            directory => format!("{}/{program}", directory.trim_end_matches('/')),
        })
        .collect()
}

fn c_string(text: &str) -> Done<CString> {
    CString::new(text).map_err(|_| Fault::told(format!("{text:?} has a NUL byte in it")))
}

/// What container engines give where nobody says otherwise.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_as_execvp_does() {
        for (program, path, expected) in [
            ("/bin/sh", Some("/x"), &["/bin/sh"][..]),
            ("./sh", Some("/x"), &["./sh"]),
            ("sh", Some("/a:/b/"), &["/a/sh", "/b/sh"]),
            ("sh", Some(":/b"), &["./sh", "/b/sh"]),
            ("", Some("/a"), &[]),
        ] {
            let environment: Vec<String> = path.iter().map(|it| format!("PATH={it}")).collect();
            assert_eq!(candidates(program, &environment), expected, "{program} {path:?}");
        }
        let twice = ["PATH=/a".to_owned(), "PATH=/b".to_owned()];
        assert_eq!(candidates("sh", &twice), ["/b/sh"]);
        assert_eq!(candidates("sh", &[]).len(), 6);
    }

    #[test]
    fn what_the_kernel_would_cut_is_refused() {
        assert!(prepare(&["a\0b".to_owned()], &[]).is_err());
        assert!(prepare(&["a".to_owned()], &["X=\0".to_owned()]).is_err());
        assert!(prepare(&[], &[]).is_err());
    }
}
