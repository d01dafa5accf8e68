//! Which of its namespaces a process shares with the observer.
//!
//! The links in `/proc/<pid>/ns` name kind and number of a namespace; two namespaces that exist
//! at the same time never have the same number.
//!
//! Source: namespaces(7).

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use rustix::fs::readlinkat;
use stockade_abi::{NamespaceKind, NamespaceSet, Why};

use crate::file::{Failed, refused};
use crate::subject::Subject;

/// Whether a process is in the observer's namespace of some kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Membership {
    /// The observer's.
    Shared,
    /// Another one.
    Own,
}

/// The membership in each kind, as far as the kernel says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Namespaces([Result<Membership, Why>; NamespaceKind::ALL.len()]);

/// The observer's own namespaces, which do not change while it looks.
#[derive(Clone, Debug)]
pub(crate) struct Ours([Result<CString, Failed>; NamespaceKind::ALL.len()]);

impl Ours {
    /// Reads each kind.
    pub(crate) fn read(subject: &Subject) -> Self {
        Self(
            NamespaceKind::ALL.map(|kind| {
                link(subject.procfs(), &format!("thread-self/ns/{}", kind.proc_name()))
            }),
        )
    }
}

impl Namespaces {
    /// Compares each kind. A kind that neither has does not exist in this kernel and is shared.
    pub(crate) fn read(subject: &Subject, ours: &Ours) -> Self {
        let mut ours = ours.0.iter();
        Self(NamespaceKind::ALL.map(|kind| {
            let theirs = link(subject.dir(), &format!("ns/{}", kind.proc_name()));
            match (theirs, ours.next().expect("both have every kind")) {
                (Ok(theirs), Ok(ours)) if theirs == *ours => Ok(Membership::Shared),
                (Ok(_), Ok(_)) => Ok(Membership::Own),
                (Err(theirs), Err(ours)) if theirs.is_absent() && ours.is_absent() => {
                    Ok(Membership::Shared)
                }
                (Err(failed), _) => Err(failed.into()),
                (_, Err(failed)) => Err(failed.clone().into()),
            }
        }))
    }

    /// The membership in one kind.
    pub(crate) fn membership(&self, kind: NamespaceKind) -> Result<Membership, Why> {
        let index = NamespaceKind::ALL.iter().position(|it| *it == kind);
        self.0[index.expect("NamespaceKind::ALL has every kind")].clone()
    }

    /// The kinds that are not the observer's.
    pub(crate) fn own(&self) -> Result<NamespaceSet, Why> {
        let mut own = NamespaceSet::EMPTY;
        for kind in NamespaceKind::ALL {
            match self.membership(kind)? {
                Membership::Own => own = own.with(kind),
                Membership::Shared => {}
            }
        }
        Ok(own)
    }
}

fn link(dir: BorrowedFd<'_>, path: &str) -> Result<CString, Failed> {
    readlinkat(dir, path, Vec::with_capacity(32)).map_err(|it| refused(path.as_bytes(), it))
}
