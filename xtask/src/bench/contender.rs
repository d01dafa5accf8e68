//! What is measured: the floor, this project, other runtimes.

use std::path::Path;
use std::process::Command;

use super::bundle::Cgroups;
use super::programs::Programs;

/// Something that starts the container.
pub(super) struct Contender {
    /// Name and version.
    pub(super) name: String,
    /// The command that runs it to its end.
    pub(super) run: Vec<String>,
    /// The commands that create, start and delete it.
    pub(super) three: Option<[Vec<String>; 3]>,
    /// A command under which these run, outside of what is measured.
    pub(super) under: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Floor,
    Ours,
    Other,
}

impl Contender {
    pub(super) fn is_ours(&self) -> bool {
        self.kind == Kind::Ours
    }
}

/// The floor, the floor with what the promises of this project need, this project, and what else is
/// installed.
pub(super) fn contenders(
    work: &Path,
    programs: &Programs,
    cgroups: &Cgroups,
    stockade: &Path,
) -> Result<Vec<Contender>, String> {
    let floor = |command: &str| vec![programs.floor.display().to_string(), command.to_owned()];
    let mut all = vec![
        Contender {
            name: format!("floor ({})", cgroups.kind()),
            run: floor("run"),
            three: None,
            under: Vec::new(),
            kind: Kind::Floor,
        },
        Contender {
            name: "floor+ (journal, rendezvous, hold)".to_owned(),
            run: floor("run+"),
            three: Some(["create", "start", "delete"].map(floor)),
            under: Vec::new(),
            kind: Kind::Floor,
        },
        runtime(work, &stockade.display().to_string(), &["oci"], Kind::Ours)?,
    ];
    for name in ["crun", "runc", "youki"] {
        let found = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"]
            .map(|it| Path::new(it).join(name));
        if let Some(path) = found.iter().find(|it| it.is_file()) {
            let mut found = runtime(work, &path.display().to_string(), &[], Kind::Other)?;
            found.under = cgroups.without_unified();
            all.push(found);
        }
    }
    Ok(all)
}

fn runtime(work: &Path, program: &str, before: &[&str], kind: Kind) -> Result<Contender, String> {
    let version = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout);
    let name = version.lines().next().unwrap_or(program).replace(" version ", " ");
    let state = work.join(format!("state-{}", name.replace([' ', '/'], "-")));
    let (state, bundle) = (state.display().to_string(), work.display().to_string());
    let command = |arguments: &[&str]| {
        let words = [program].into_iter().chain(before.iter().copied());
        let words = words.chain(["--root", &state]).chain(arguments.iter().copied());
        words.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    Ok(Contender {
        name: if kind == Kind::Ours { format!("{name} oci") } else { name },
        run: command(&["run", "--bundle", &bundle, "bench"]),
        three: Some([
            command(&["create", "--bundle", &bundle, "bench"]),
            command(&["start", "bench"]),
            command(&["delete", "--force", "bench"]),
        ]),
        under: Vec::new(),
        kind,
    })
}
