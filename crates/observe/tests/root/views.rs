//! Host name and sysctls, as the process itself would read them.

use std::fs;

use rustix::system::sethostname;
use stockade_abi::facts::Questions;
use stockade_abi::{NamespaceKind, Reading};

use crate::specimen::Specimen;
use crate::{Needs, Test};

pub(crate) const ALL: &[Test] = &[
    ("sysctls_are_those_of_the_processs_namespaces", Needs::Nothing, sysctls),
    ("a_user_namespace_is_entered_as_well", Needs::Nothing, user_namespace),
    ("a_sysctl_that_is_changed_back_shows_up", Needs::Nothing, changed_back),
    ("the_observer_stays_where_it_was", Needs::Nothing, unmoved),
    ("an_observer_with_threads_says_what_it_cannot", Needs::Nothing, threads),
];

const SHARED: &str = "kernel.ostype";
const OF_NET: &str = "net.ipv4.ip_unprivileged_port_start";
const OF_IPC: &str = "kernel.msgmax";

fn sysctls() {
    use NamespaceKind::{Ipc, Net, Pid, Uts};
    let specimen = Specimen::new(&[Net, Ipc, Uts, Pid], prepare);
    let facts = specimen.answer(&questions(&[SHARED, OF_NET, OF_IPC, "kernel.pid_max", "no.such"]));
    assert_eq!(facts.hostname, Reading::Known("inside".to_owned()));
    assert_eq!(facts.sysctls[SHARED], Reading::Known("Linux".to_owned()));
    assert_eq!(facts.sysctls[OF_NET], Reading::Known("81".to_owned()));
    assert_eq!(facts.sysctls[OF_IPC], Reading::Known("4321".to_owned()));
    assert_eq!(facts.sysctls["kernel.pid_max"].known(), None);
    assert!(
        matches!(&facts.sysctls["no.such"], Reading::Unreadable(why) if why.0.contains("ENOENT"))
    );
}

fn user_namespace() {
    use NamespaceKind::{Ipc, Net, User, Uts};
    let mut specimen = Specimen::stepwise(&[User, Net, Ipc, Uts], &[&prepare_mapped]);
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", specimen.pid), "0 100000 65536").unwrap();
    }
    specimen.go_on();
    let own = "user.max_uts_namespaces";
    let facts = specimen.answer(&questions(&[OF_NET, own]));
    assert_eq!(facts.hostname, Reading::Known("inside".to_owned()));
    assert_eq!(facts.sysctls[OF_NET], Reading::Known("81".to_owned()));
    assert_eq!(facts.sysctls[own], Reading::Known("77".to_owned()));
}

fn changed_back() {
    let back = || write(OF_NET, "1024");
    let mut specimen = Specimen::stepwise(&[NamespaceKind::Net], &[&|| write(OF_NET, "81"), &back]);
    for expected in ["81", "1024"] {
        specimen.go_on();
        let facts = specimen.answer(&questions(&[OF_NET]));
        assert_eq!(facts.sysctls[OF_NET], Reading::Known(expected.to_owned()));
    }
}

fn unmoved() {
    let before = [OF_NET, OF_IPC, "kernel.hostname"].map(read);
    sysctls();
    assert_eq!([OF_NET, OF_IPC, "kernel.hostname"].map(read), before);
}

fn threads() {
    let before = read(OF_NET);
    let plain = Specimen::new(&[NamespaceKind::Net], || write(OF_NET, "81"));
    let mut mapped =
        Specimen::stepwise(&[NamespaceKind::User, NamespaceKind::Net], &[&|| write(OF_NET, "81")]);
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", mapped.pid), "0 100000 65536").unwrap();
    }
    mapped.go_on();
    let (plain, mapped, after) = std::thread::scope(|scope| {
        let look = || {
            let asked = questions(&[OF_NET]);
            (plain.answer(&asked), mapped.answer(&asked), read(OF_NET))
        };
        scope.spawn(look).join().unwrap()
    });
    assert_eq!(plain.sysctls[OF_NET], Reading::Known("81".to_owned()));
    assert_eq!(mapped.sysctls[OF_NET].known(), None);
    assert!(mapped.capabilities.known().is_some());
    assert_eq!(after, before, "the thread has come back");
}

fn prepare() {
    sethostname(b"inside").unwrap();
    write(OF_NET, "81");
    write(OF_IPC, "4321");
}

fn prepare_mapped() {
    use rustix::process::{Gid, Uid};
    let (uid, gid) = (Some(Uid::ROOT), Some(Gid::ROOT));
    rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
    rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
    sethostname(b"inside").unwrap();
    write(OF_NET, "81");
    write("user.max_uts_namespaces", "77");
}

fn questions(sysctls: &[&str]) -> Questions {
    let sysctls = sysctls.iter().map(ToString::to_string).collect();
    Questions { sysctls, ..Questions::default() }
}

fn path(sysctl: &str) -> String {
    format!("/proc/sys/{}", sysctl.replace('.', "/"))
}

fn write(sysctl: &str, value: &str) {
    fs::write(path(sysctl), value).unwrap();
}

fn read(sysctl: &str) -> String {
    fs::read_to_string(path(sysctl)).unwrap()
}
