//! Making a cgroup with its limits, and opening one that is there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, unlinkat};
use rustix::io::Errno;
use stockade_abi::facts::DeviceRule;
use stockade_abi::host::Cgroups;
use stockade_confine::limits::Limits;
use stockade_sys::Calls;

use super::hierarchy::{open_below, read, write, write_each};
use super::{CgroupPath, Hierarchy, Version, devices, hierarchies, limits};
use crate::fault::{Done, Fault};

/// A cgroup, ready to be entered.
#[derive(Debug)]
pub(crate) struct Cgroup {
    places: Vec<Place>,
    /// Directories that were made, with the descriptor that they are below.
    made: Vec<(Rc<OwnedFd>, String)>,
}

/// The cgroup in one hierarchy.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) version: Version,
    /// As `/proc/<pid>/cgroup` lists them; empty for the unified hierarchy.
    pub(crate) controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub(crate) mount: String,
    /// The cgroup's own directory.
    pub(crate) directory: OwnedFd,
    /// Open for writing; whoever writes `0` enters.
    pub(crate) procs: OwnedFd,
}

/// Makes the cgroup at `path` with its limits and device rules.
///
/// It must not exist: its limits would be another's. Parents are made where they are missing and
/// pass on the controllers that are needed.
pub(crate) fn make(
    cgroups: &Cgroups,
    path: &CgroupPath,
    wanted: &Limits,
    rules: Option<&[DeviceRule]>,
) -> Done<Cgroup> {
    let all = hierarchies(cgroups);
    let chosen = choose(&all, wanted, rules)?;
    let mut cgroup = Cgroup { places: Vec::new(), made: Vec::new() };
    for (hierarchy, controllers) in chosen {
        let result = cgroup.make_in(hierarchy, &controllers, path, wanted, rules);
        if let Err(fault) = result {
            cgroup.undo();
            return Err(fault);
        }
    }
    Ok(cgroup)
}

/// Opens the cgroup at `path` wherever it is, to be entered.
pub(crate) fn open(cgroups: &Cgroups, path: &CgroupPath) -> Done<Cgroup> {
    let mut cgroup = Cgroup { places: Vec::new(), made: Vec::new() };
    for hierarchy in hierarchies(cgroups) {
        let top = hierarchy.open()?;
        match place(&hierarchy, &top, path) {
            Ok(place) => cgroup.places.push(place),
            Err(fault) if fault.errno() == Some(NOENT) => {}
            Err(fault) => return Err(fault),
        }
    }
    if cgroup.places.is_empty() {
        return Err(Fault::told(format!("there is no cgroup {path}")));
    }
    Ok(cgroup)
}

impl Cgroup {
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The directory that a process can be born in.
    pub(crate) fn unified(&self) -> Option<BorrowedFd<'_>> {
        let unified = self.places.iter().find(|it| it.version == Version::V2);
        unified.map(|it| it.directory.as_fd())
    }

    /// Removes what was made. The processes must be gone.
    pub(crate) fn undo(self) {
        drop(self.places);
        for (top, path) in self.made.iter().rev() {
            for attempt in 0..UNDO_ATTEMPTS {
                match unlinkat(&**top, path.as_str(), AtFlags::REMOVEDIR) {
                    // A process that has just died is still being taken out.
                    Err(Errno::BUSY) if attempt + 1 < UNDO_ATTEMPTS => {
                        std::thread::sleep(UNDO_PAUSE);
                    }
                    // A parent that another container uses by now stays, as it should.
                    Ok(()) | Err(_) => break,
                }
            }
        }
    }

    fn make_in(
        &mut self,
        hierarchy: &Hierarchy<'_>,
        controllers: &[&str],
        path: &CgroupPath,
        wanted: &Limits,
        rules: Option<&[DeviceRule]>,
    ) -> Done {
        let top = Rc::new(hierarchy.open()?);
        self.make_directories(hierarchy.version, &top, controllers, path)?;

        let settings = limits::settings(wanted, hierarchy.version);
        for setting in settings.iter().filter(|it| controllers.contains(&it.controller)) {
            write(&top, &format!("{path}/{}", setting.file), &setting.value)?;
        }
        let place = place(hierarchy, &top, path)?;
        if let Some(rules) = rules.filter(|_| controllers.contains(&DEVICES)) {
            match hierarchy.version {
                Version::V1 => {
                    let lines = devices::v1_lines(rules)?;
                    for same in lines.chunk_by(|one, next| one.file == next.file) {
                        let texts = same.iter().map(|it| it.text.as_str());
                        write_each(&place.directory, same[0].file, texts)?;
                    }
                }
                Version::V2 => devices::attach_program(rules, place.directory.as_fd())?,
            }
        }
        self.places.push(place);
        Ok(())
    }

    fn make_directories(
        &mut self,
        version: Version,
        top: &Rc<OwnedFd>,
        controllers: &[&str],
        path: &CgroupPath,
    ) -> Done {
        let mode = Mode::from_raw_mode(0o755);
        let passed_on: Vec<&str> = match version {
            Version::V1 => Vec::new(),
            Version::V2 => controllers.iter().copied().filter(|it| *it != DEVICES).collect(),
        };
        let mut parent = "";
        for directory in path.with_parents() {
            pass_on(top, parent, &passed_on)?;
            match mkdirat(&**top, directory, mode) {
                Ok(()) => self.made.push((Rc::clone(top), directory.to_owned())),
                Err(Errno::EXIST) if directory != path.as_str() => {}
                Err(Errno::EXIST) => {
                    return Err(Fault::told(format!("the cgroup {path} exists already")));
                }
                Err(errno) => return Err(errno).call("mkdirat(cgroup)").map_err(Fault::from),
            }
            parent = directory;
        }
        Ok(())
    }
}

/// The hierarchies to make the cgroup in and the controllers wanted of each: what the limits and
/// rules need, and one to know the members by.
fn choose<'h, 'a>(
    all: &'h [Hierarchy<'a>],
    wanted: &Limits,
    rules: Option<&[DeviceRule]>,
) -> Done<Vec<(&'h Hierarchy<'a>, Vec<&'static str>)>> {
    let mut chosen: Vec<(&Hierarchy<'_>, Vec<&'static str>)> = Vec::new();
    let mut add = |hierarchy, controller: Option<&'static str>| match chosen
        .iter_mut()
        .find(|(it, _)| *it == hierarchy)
    {
        Some((_, controllers)) => controllers.extend(controller),
        None => chosen.push((hierarchy, controller.into_iter().collect())),
    };

    if let Some(unified) = all.iter().find(|it| it.version == Version::V2) {
        add(unified, None);
    }
    for controller in limits::controllers(wanted) {
        let hierarchy = all.iter().find(|it| it.controllers.contains(&controller));
        let hierarchy = hierarchy.ok_or_else(|| {
            Fault::told(format!("no cgroup hierarchy has the {controller} controller"))
        })?;
        add(hierarchy, Some(controller));
    }
    if rules.is_some() {
        let hierarchy = all
            .iter()
            .find(|it| it.version == Version::V1 && it.controllers.contains(&DEVICES))
            .or_else(|| all.iter().find(|it| it.version == Version::V2))
            .ok_or_else(|| Fault::told("no cgroup hierarchy controls devices"))?;
        add(hierarchy, Some(DEVICES));
    }
    if chosen.is_empty() {
        // Without the unified hierarchy, members are frozen while they are killed.
        let tracked = all.iter().find(|it| it.controllers.contains(&"freezer"));
        let tracked = tracked.or(all.first());
        chosen.push((tracked.ok_or_else(|| Fault::told("no cgroup hierarchy"))?, Vec::new()));
    }
    Ok(chosen)
}

/// Has the cgroup at `directory` pass controllers on to those below it.
fn pass_on(top: &OwnedFd, directory: &str, controllers: &[&str]) -> Done {
    if controllers.is_empty() {
        return Ok(());
    }
    let file = match directory {
        "" => "cgroup.subtree_control".to_owned(),
        directory => format!("{directory}/cgroup.subtree_control"),
    };
    let passed = read(top, &file)?;
    let missing: Vec<String> = controllers
        .iter()
        .filter(|it| !passed.split_whitespace().any(|passed| passed == **it))
        .map(|it| format!("+{it}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { write(top, &file, &missing.join(" ")) }
}

fn place(hierarchy: &Hierarchy<'_>, top: &OwnedFd, path: &CgroupPath) -> Done<Place> {
    let directory = open_below(top, path.as_str(), OFlags::PATH | OFlags::DIRECTORY)?;
    let procs = open_below(&directory, "cgroup.procs", OFlags::WRONLY)?;
    let controllers = match hierarchy.version {
        Version::V1 => hierarchy.controllers.iter().map(|&it| it.to_owned()).collect(),
        Version::V2 => Vec::new(),
    };
    let mount = hierarchy.mount.to_owned();
    Ok(Place { version: hierarchy.version, controllers, mount, directory, procs })
}

const DEVICES: &str = "devices";
const NOENT: stockade_abi::Errno = stockade_abi::Errno(2);
const UNDO_ATTEMPTS: u32 = 200;
const UNDO_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
