//! Everything that is read of a process.
//!
//! A process that runs may change while it is read, and facts of two moments make a third process
//! that never was. So what changes cheaply is read again at the end: ids, capabilities and the like,
//! namespaces, and whether any mount changed. If they differ everything is read anew, and a
//! process that keeps changing is unreadable. One that is held at a stop never does.
//!
//! Of a process with threads, the first one is read. Source: proc(5).

use stockade_abi::bpf::Program;
use stockade_abi::facts::{ProcessFacts, Questions, SeccompFacts};
use stockade_abi::{NamespaceKind, Reading, Why};

use crate::mountinfo::Mounts;
use crate::namespaces::{Namespaces, Ours};
use crate::paths::{self, Root};
use crate::status::{self, SeccompCount, Status};
use crate::subject::{Gone, NotHeld, Subject};
use crate::{cgroup, id_map, label, sysctl};

/// Reads a process, without its seccomp filters: a filter can only be read of a process that is
/// stopped.
///
/// # Errors
///
/// [`Gone`] if there is no such process or it ended meanwhile. What the kernel does not say is no
/// error but an unreadable fact.
///
/// # Threads
///
/// Sysctls and the host name of a process in another user namespace are read by a child, which a
/// caller with threads cannot have; for such a caller they are unreadable.
pub fn process(pid: u32, questions: &Questions) -> Result<ProcessFacts, Gone> {
    let why = "not asked: a filter can be read of a stopped process only";
    read(pid, questions, &Reading::unreadable(why), Pace::Runs)
}

/// Reads a process whose filters the caller has read while it holds the process stopped.
///
/// # Errors
///
/// As [`process`].
pub fn process_with_filters(
    pid: u32,
    questions: &Questions,
    filters: Reading<Vec<Program>>,
) -> Result<ProcessFacts, Gone> {
    read(pid, questions, &filters, Pace::Stands)
}

/// Whether a process may change while it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    /// Its facts are compared with themselves at the end.
    Runs,
    /// It is held at a stop. Only its mounts may still be changed, by its neighbours.
    Stands,
}

fn read(
    pid: u32,
    questions: &Questions,
    filters: &Reading<Vec<Program>>,
    pace: Pace,
) -> Result<ProcessFacts, Gone> {
    let subject = match Subject::hold(pid) {
        Ok(subject) => subject,
        Err(NotHeld::Gone(gone)) => return Err(gone),
        Err(NotHeld::Unreadable(why)) => return Ok(nothing(questions, &why)),
    };
    let ours = Ours::read(&subject);
    for _ in 0..ATTEMPTS {
        let facts = attempt(&subject, &ours, questions, filters, pace);
        if !subject.lives() {
            return Err(subject.gone());
        }
        if let Some(facts) = facts {
            return Ok(facts);
        }
    }
    Ok(nothing(questions, &Why("the process kept changing while it was read".to_owned())))
}

/// Reads everything once; `None` if it changed meanwhile.
fn attempt(
    subject: &Subject,
    ours: &Ours,
    questions: &Questions,
    filters: &Reading<Vec<Program>>,
    pace: Pace,
) -> Option<ProcessFacts> {
    let before = Moment::read(subject, ours);
    let Moment { status, namespaces } = before.clone();
    let (status, mounts) = (spread(status), Mounts::read(subject.dir()));
    let root = Root::open(subject);
    let (table, watch) = match mounts {
        Ok(mounts) => (Ok(mounts.table.clone()), Some(mounts)),
        Err(why) => (Err(why), None),
    };
    let view = sysctl::read(subject, &namespaces, &questions.sysctls);
    let cgroups = cgroup::Cgroups::read(subject);
    let user_namespace = namespaces.membership(NamespaceKind::User);
    let facts = ProcessFacts {
        identity: id_map::identity(subject, status.ids, user_namespace).into(),
        capabilities: status.capabilities.into(),
        no_new_privs: status.no_new_privs.into(),
        seccomp: status.seccomp.map(|it| seccomp(it, filters)).into(),
        apparmor: label::apparmor(subject).into(),
        selinux: label::selinux(subject).into(),
        namespaces: namespaces.own().into(),
        root: paths::root_access(&root, &table).into(),
        paths: paths::read(&root, &table, &questions.paths),
        mounts: paths::mounts(&root, &table, &questions.mounts),
        sysctls: view.sysctls,
        devices: cgroup::devices(&cgroups, &questions.devices),
        limits: cgroup::limits(&cgroups).into(),
        hostname: view.hostname,
    };
    let same = match pace {
        Pace::Runs => Moment::read(subject, ours) == before,
        Pace::Stands => true,
    };
    (same && !watch.is_some_and(|it| it.changed())).then_some(facts)
}

/// What is compared before and after.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Moment {
    status: Result<Status, Why>,
    namespaces: Namespaces,
}

impl Moment {
    fn read(subject: &Subject, ours: &Ours) -> Self {
        let content = subject.bytes("status", status::LIMIT).map_err(Why::from);
        let status = content.and_then(|it| status::parse(&it));
        Self { status, namespaces: Namespaces::read(subject, ours) }
    }
}

/// Without the file, each of its facts is missing for the same reason.
fn spread(status: Result<Status, Why>) -> Status {
    status.unwrap_or_else(|why| Status {
        ids: Err(why.clone()),
        capabilities: Err(why.clone()),
        no_new_privs: Err(why.clone()),
        seccomp: Err(why),
    })
}

/// Puts filters and the kernel's count of them together. They must agree: a filter that was
/// installed after the others were read is one that nobody has looked at.
fn seccomp(counted: SeccompCount, filters: &Reading<Vec<Program>>) -> SeccompFacts {
    let SeccompCount { mode, count } = counted;
    let filters = match filters {
        _ if count == 0 => Reading::Known(Vec::new()),
        Reading::Known(read) if u32::try_from(read.len()) != Ok(count) => {
            Reading::unreadable(format!("{} filters were read of {count}", read.len()))
        }
        Reading::Known(_) | Reading::Unreadable(_) => filters.clone(),
    };
    SeccompFacts { mode, count, filters }
}

/// Facts of which every one is unreadable for the same reason.
fn nothing(questions: &Questions, why: &Why) -> ProcessFacts {
    fn all<K: Clone + Ord, V>(asked: &[K], why: &Why) -> std::collections::BTreeMap<K, Reading<V>> {
        asked.iter().map(|it| (it.clone(), Reading::Unreadable(why.clone()))).collect()
    }
    ProcessFacts {
        identity: Reading::Unreadable(why.clone()),
        capabilities: Reading::Unreadable(why.clone()),
        no_new_privs: Reading::Unreadable(why.clone()),
        seccomp: Reading::Unreadable(why.clone()),
        apparmor: Reading::Unreadable(why.clone()),
        selinux: Reading::Unreadable(why.clone()),
        namespaces: Reading::Unreadable(why.clone()),
        root: Reading::Unreadable(why.clone()),
        paths: all(&questions.paths, why),
        mounts: all(&questions.mounts, why),
        sysctls: all(&questions.sysctls, why),
        devices: all(&questions.devices, why),
        limits: Reading::Unreadable(why.clone()),
        hostname: Reading::Unreadable(why.clone()),
    }
}

/// How often a process that changes is read before it is given up.
const ATTEMPTS: usize = 3;

#[cfg(test)]
mod tests {
    use stockade_abi::bpf::Instruction;
    use stockade_abi::facts::SeccompMode;

    use super::*;

    #[test]
    fn filters_count_only_if_the_kernel_counts_as_many() {
        let program = Program::new(vec![Instruction { code: 6, jt: 0, jf: 0, k: 0 }]).unwrap();
        let known = |count| Reading::Known(vec![program.clone(); count]);
        let unread = || Reading::unreadable("not asked");
        for (count, filters, expected) in [
            (0, unread(), known(0)),
            (1, unread(), unread()),
            (1, known(1), known(1)),
            (2, known(1), Reading::unreadable("1 filters were read of 2")),
            (1, known(2), Reading::unreadable("2 filters were read of 1")),
        ] {
            let mode = SeccompMode::Filter;
            let found = seccomp(SeccompCount { mode, count }, &filters);
            assert_eq!(found, SeccompFacts { mode, count, filters: expected });
        }
    }
}
