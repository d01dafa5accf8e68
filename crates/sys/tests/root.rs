//! What needs root in the initial user namespace. Skipped by name without.

#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking; clippy knows tests by `#[test]`"
)]

mod devices;
mod harness;

use std::ffi::CStr;
use std::fs;
use std::io::{Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use harness::{Child, LONG, Skip, Test, in_child, read_byte, role, stopped};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsmount, fsopen, mount_change, move_mount, open_tree,
};
use stockade_abi::bpf::{Instruction, Program};
use stockade_abi::{Errno, NamespaceKind, NamespaceSet};
use stockade_sys::mount::{
    MountAttrFlags, MountAttributes, Propagation, Recursion, set_attributes,
};
use stockade_sys::process::unshare;
use stockade_sys::ptrace::{Purpose, Stopped, Tracee};
use stockade_sys::seccomp::{LoadFlags, NoNewPrivs, SysAdmin, load};
use stockade_sys::{exe, pty};

fn main() -> ExitCode {
    let mut tests = TESTS.to_vec();
    tests.extend(devices::TESTS);
    harness::main(&tests, |_| 0)
}

const TESTS: &[(&str, Test)] = &[
    ("filters_are_read_in_the_order_of_their_loading", filters_are_read_in_order),
    ("a_process_without_filters_has_none", a_process_without_filters_has_none),
    ("an_administrator_loads_filters_without_the_bit", an_administrator_loads_without_the_bit),
    ("attributes_reach_one_mount_or_all_below", attributes_reach_one_mount_or_all_below),
    ("propagation_is_changed", propagation_is_changed),
    ("an_id_mapped_mount_shows_other_owners", an_id_mapped_mount_shows_other_owners),
    ("this_program_is_on_a_read_only_mount", this_program_is_on_a_read_only_mount),
    ("a_pseudoterminal_is_made_in_its_own_devpts", a_pseudoterminal_in_its_own_devpts),
];

/// Skips unless this is root with what root has.
pub(crate) fn root() -> Result<(), Skip> {
    match SysAdmin::held().unwrap() {
        Some(_) if rustix::process::geteuid().is_root() => Ok(()),
        _ => Err(Skip("not root".into())),
    }
}

fn filters_are_read_in_order() -> Result<(), Skip> {
    root()?;
    // Three, so that neither order is its own reverse, and one of another length.
    let programs = [allow_all(1), allow_all(2), allow_all(5)];
    let filters = with_stopped(
        || {
            let bit = NoNewPrivs::set().unwrap();
            for program in &programs {
                load(program, LoadFlags::NONE, (&bit).into()).unwrap();
            }
        },
        Stopped::filters,
    );
    match filters {
        Err(refused) if refused.errno == Errno(5) => {
            Err(Skip("a kernel without CONFIG_CHECKPOINT_RESTORE".into()))
        }
        filters => {
            assert_eq!(filters.unwrap(), programs);
            Ok(())
        }
    }
}

fn a_process_without_filters_has_none() -> Result<(), Skip> {
    root()?;
    assert_eq!(with_stopped(|| {}, Stopped::filters), Ok(vec![]));
    Ok(())
}

fn an_administrator_loads_without_the_bit() -> Result<(), Skip> {
    root()?;
    in_child(|| {
        let administrator = SysAdmin::held().unwrap().unwrap();
        load(&allow_all(1), LoadFlags::LOG, (&administrator).into()).unwrap();
        assert!(!rustix::thread::no_new_privs().unwrap());

        // The proof is of the past; the kernel still looks for itself.
        let none = rustix::thread::CapabilitySet::empty();
        let none =
            rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, none).unwrap();
        let refused = load(&allow_all(1), LoadFlags::NONE, (&administrator).into());
        assert_eq!(refused.unwrap_err().errno, Errno(13));
        assert!(SysAdmin::held().unwrap().is_none());
    });
    Ok(())
}

fn attributes_reach_one_mount_or_all_below() -> Result<(), Skip> {
    root()?;
    for (recursion, below_expected) in
        [(Recursion::This, Ok(())), (Recursion::Tree, Err(rustix::io::Errno::ROFS))]
    {
        in_own_mounts(|| {
            let outer = tmpfs_at(c"/tmp");
            rustix::fs::mkdirat(&outer, c"below", Mode::RWXU).unwrap();
            tmpfs_at(c"/tmp/below");
            let readonly = MountAttributes {
                set: MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID,
                ..MountAttributes::default()
            };
            set_attributes(&outer, c"", recursion, readonly).unwrap();

            assert_eq!(make(c"/tmp/file"), Err(rustix::io::Errno::ROFS));
            assert_eq!(make(c"/tmp/below/file"), below_expected, "{recursion:?}");
            assert!(mount_options("/tmp").contains("nosuid"));

            // By a path, and back.
            let writable = MountAttributes {
                clear: MountAttrFlags::MOUNT_ATTR_RDONLY,
                ..MountAttributes::default()
            };
            let root =
                rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
            set_attributes(&root, c"tmp", recursion, writable).unwrap();
            assert_eq!(make(c"/tmp/file"), Ok(()));
            assert!(mount_options("/tmp").contains("nosuid"), "only what was asked for");

            // What is no mount has no attributes.
            let refused = set_attributes(&root, c"tmp/file", Recursion::This, readonly);
            assert_eq!(refused.unwrap_err().errno, Errno(22));
        });
    }
    Ok(())
}

fn propagation_is_changed() -> Result<(), Skip> {
    root()?;
    in_own_mounts(|| {
        let mount = tmpfs_at(c"/tmp");
        for (propagation, field) in [
            (Propagation::Shared, "shared:"),
            (Propagation::Private, ""),
            (Propagation::Unbindable, "unbindable"),
        ] {
            let change =
                MountAttributes { propagation: Some(propagation), ..MountAttributes::default() };
            set_attributes(&mount, c"", Recursion::This, change).unwrap();
            let line = mountinfo("/tmp");
            let optional: Vec<&str> = line.split(' ').skip(6).take_while(|it| *it != "-").collect();
            assert_eq!(optional.is_empty(), field.is_empty(), "{line}");
            assert!(optional.iter().all(|it| it.starts_with(field)), "{line}");
        }
    });
    Ok(())
}

fn an_id_mapped_mount_shows_other_owners() -> Result<(), Skip> {
    root()?;
    let (lacking, tell) = pipe().unwrap();
    in_own_mounts(|| {
        let userns = user_namespace("0 100000 65536");
        let source = tmpfs_at(c"/tmp");
        make(c"/tmp/file").unwrap();
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mapped = open_tree(CWD, c"/tmp", flags).unwrap();
        let change = MountAttributes { userns: Some(userns.as_fd()), ..MountAttributes::default() };
        match set_attributes(&mapped, c"", Recursion::This, change) {
            Err(refused) if refused.errno == Errno(22) => {
                return (&tell).write_all(b"l").unwrap();
            }
            result => result.unwrap(),
        }
        let owner = |directory: &OwnedFd| {
            let flags = rustix::fs::AtFlags::empty();
            rustix::fs::statat(directory, c"file", flags).unwrap().st_uid
        };
        assert_eq!(owner(&source), 0);
        assert_eq!(owner(&mapped), 100_000);

        // An attached mount cannot be mapped.
        let refused = set_attributes(&source, c"", Recursion::This, change).unwrap_err();
        assert_eq!(refused.errno, Errno(22));
    });
    drop(tell);
    match read_byte(&lacking) {
        None => Ok(()),
        Some(_) => Err(Skip("no id-mapped tmpfs, which Linux has since 6.3".into())),
    }
}

fn this_program_is_on_a_read_only_mount() -> Result<(), Skip> {
    root()?;
    let program = exe::readonly_self().unwrap();
    let flags = rustix::fs::fstatvfs(&program).unwrap().f_flag;
    assert!(flags.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    // It is the file itself and no copy.
    let seen = rustix::fs::fstat(&program).unwrap();
    let file = fs::metadata("/proc/self/exe").unwrap();
    assert_eq!((seen.st_dev, seen.st_ino), (file.dev(), file.ino()));
    // The host's own mount is as it was.
    let host = fs::File::open("/proc/self/exe").unwrap();
    let flags = rustix::fs::fstatvfs(&host).unwrap().f_flag;
    assert!(!flags.contains(rustix::fs::StatVfsMountFlags::RDONLY));

    Child::new(NamespaceSet::EMPTY, || panic!("{}", role("x").go_fd(program.as_fd()))).succeeds();
    Ok(())
}

fn a_pseudoterminal_in_its_own_devpts() -> Result<(), Skip> {
    root()?;
    in_own_mounts(|| {
        let context = fsopen(c"devpts", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        rustix::mount::fsconfig_set_string(&context, c"ptmxmode", c"666").unwrap();
        fsconfig_create(&context).unwrap();
        let none = rustix::mount::MountAttrFlags::empty();
        let devpts = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, none).unwrap();

        let pair = pty::open_in(&devpts).unwrap();
        let root = rustix::fs::fstat(&devpts).unwrap();
        let terminal = rustix::fs::fstat(&pair.terminal).unwrap();
        assert_eq!(terminal.st_dev, root.st_dev, "the terminal is of another devpts");
        rustix::io::write(&pair.controller, b"x\n").unwrap();
        assert_eq!(rustix::io::read(&pair.terminal, &mut [0; 8]), Ok(2));
    });
    Ok(())
}

/// Stops a child after it has done `before`, and looks at it.
fn with_stopped<T>(before: impl FnOnce(), look: impl FnOnce(&Stopped) -> T) -> T {
    let (ready, tell) = pipe().unwrap();
    let (wait, end) = pipe().unwrap();
    let child = Child::new(NamespaceSet::EMPTY, || {
        before();
        (&tell).write_all(b"r").unwrap();
        u8::from(read_byte(&wait).is_none())
    });
    assert_eq!(read_byte(&ready), Some(b'r'));
    let stopped = stopped(Tracee::seize(child.pid, Purpose::Look).unwrap().interrupt(LONG));
    let seen = look(&stopped);
    stopped.release().unwrap();
    (&end).write_all(b"e").unwrap();
    child.succeeds();
    seen
}

/// A filter of `length` instructions that allows everything.
fn allow_all(length: usize) -> Program {
    let load_zero = Instruction { code: 0x00, jt: 0, jf: 0, k: 0 };
    let allow = Instruction { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let mut instructions = vec![load_zero; length - 1];
    instructions.push(allow);
    Program::new(instructions).unwrap()
}

/// Runs `work` in a child whose mounts nobody else sees.
fn in_own_mounts(work: impl FnOnce()) {
    in_child(|| {
        unshare(NamespaceSet::EMPTY.with(NamespaceKind::Mount)).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change(c"/", private).unwrap();
        work();
    });
}

fn tmpfs_at(path: &CStr) -> OwnedFd {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    fsconfig_create(&context).unwrap();
    let none = rustix::mount::MountAttrFlags::empty();
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, none).unwrap();
    move_mount(&mount, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).unwrap();
    mount
}

fn make(path: &CStr) -> rustix::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::RWXU).map(drop)
}

fn mountinfo(mount_point: &str) -> String {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // The last one is on top.
    let line = all.lines().rfind(|it| it.split(' ').nth(4) == Some(mount_point));
    line.unwrap().to_owned()
}

fn mount_options(mount_point: &str) -> String {
    mountinfo(mount_point).split(' ').nth(5).unwrap().to_owned()
}

/// A user namespace with this map, held by its descriptor alone.
fn user_namespace(map: &str) -> OwnedFd {
    let (wait, end) = pipe().unwrap();
    let child = Child::new(NamespaceSet::EMPTY.with(NamespaceKind::User), || {
        u8::from(read_byte(&wait).is_none())
    });
    let file = |name: &str| format!("/proc/{}/{name}", child.pid.as_raw_pid());
    fs::write(file("uid_map"), map).unwrap();
    fs::write(file("gid_map"), map).unwrap();
    let userns = fs::File::open(file("ns/user")).unwrap();
    (&end).write_all(b"e").unwrap();
    child.succeeds();
    userns.into()
}
