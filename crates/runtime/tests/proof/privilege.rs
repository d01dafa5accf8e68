//! One step less, or looser, than declared: what a process itself may do.

use stockade_abi::{Capability, CapabilitySets};
use stockade_confine::Mechanism;
use stockade_confine::plan::{Action, SeccompLoad};

use crate::Test;
use crate::stand::{Plans, Stand};
use crate::weakened::{ROOT, USER, check};

pub(crate) const ALL: &[Test] = &[
    ("identity", identity),
    ("capabilities", capabilities),
    ("no_new_privs", no_new_privs),
    ("seccomp", seccomp),
];

fn identity() {
    let set = |change: fn(&mut u32, &mut u32, &mut Vec<u32>)| {
        move |plans: Plans| {
            plans.with(|it| match it {
                Action::SetIdentity { uid, gid, groups: Some(groups), umask: _ } => {
                    change(uid, gid, groups);
                    true
                }
                _ => false,
            })
        }
    };
    let red = |what| [(Mechanism::Identity, "WEAKER", what)];
    check(
        USER,
        &[
            (
                "root, who has what the bounding set has",
                &set(|uid, _, _| *uid = 0),
                &[
                    (Mechanism::Identity, "WEAKER", "a user id is 0"),
                    (Mechanism::Capabilities, "WEAKER", "effective also has CHOWN"),
                ],
            ),
            ("another user", &set(|uid, _, _| *uid = 1001), &red("1001")),
            ("root's group", &set(|_, gid, _| *gid = 0), &red("a group id is 0")),
            ("another group", &set(|_, gid, _| *gid = 2001), &red("2001")),
            ("one group more", &set(|_, _, groups| groups.push(27)), &red("also in group 27")),
            ("in root's group, too", &set(|_, _, groups| groups.push(0)), &red("group 0")),
        ],
    );
}

fn capabilities() {
    let bounding = |plans: Plans| {
        plans.with(|it| match it {
            Action::LimitBounding(set) => {
                *set = set.with(Capability::SysChroot);
                true
            }
            _ => false,
        })
    };
    let inheritable = |plans: Plans| {
        set_capabilities(plans, |sets| {
            sets.permitted = sets.permitted.with(Capability::Chown);
            sets.inheritable = sets.inheritable.with(Capability::Chown);
        })
    };
    let ambient = |plans: Plans| {
        set_capabilities(plans, |sets| {
            sets.permitted = sets.permitted.with(Capability::Chown);
            sets.inheritable = sets.inheritable.with(Capability::Chown);
            sets.ambient = sets.ambient.with(Capability::Chown);
        })
    };
    // With no_new_privs root gains nothing at execve, so it has to have it before.
    let in_effect = |plans: Plans| {
        set_capabilities(bounding(plans), |sets| {
            sets.permitted = sets.permitted.with(Capability::SysChroot);
            sets.effective = sets.effective.with(Capability::SysChroot);
        })
    };
    let red = |what| [(Mechanism::Capabilities, "WEAKER", what)];
    check(
        USER,
        &[
            ("bounding", &bounding, &red("bounding also has SYS_CHROOT")),
            ("inheritable", &inheritable, &red("inheritable also has CHOWN")),
            ("ambient", &ambient, &red("ambient also has CHOWN")),
            ("ambient is in effect", &ambient, &red("effective also has CHOWN")),
        ],
    );
    check(
        ROOT,
        &[
            ("permitted", &in_effect, &red("permitted also has SYS_CHROOT")),
            ("effective", &in_effect, &red("effective also has SYS_CHROOT")),
            (
                "everything",
                &|plans| plans.without(|it| matches!(it, Action::LimitBounding(_))),
                &red("SYS_ADMIN"),
            ),
        ],
    );
}

/// Changes the sets with which the process reaches its program.
fn set_capabilities(plans: Plans, change: fn(&mut CapabilitySets)) -> Plans {
    plans.with(|it| match it {
        Action::SetCapabilities(sets) => {
            change(sets);
            true
        }
        _ => false,
    })
}

fn no_new_privs() {
    let red = [(Mechanism::NoNewPrivs, "WEAKER", "not set")];
    let without = |plans: Plans| plans.without(|it| matches!(it, Action::SetNoNewPrivs));
    check(ROOT, &[("the bit is not set", &without, &red)]);
}

fn seccomp() {
    let loosened = Stand::new(&USER.replace("declared.json", "loosened.json"));
    let other: Vec<SeccompLoad> = (loosened.plans().container.into_iter())
        .filter_map(|it| if let Action::LoadSeccomp(load) = it.action { Some(load) } else { None })
        .collect();
    let swap = |plans: Plans| {
        plans.with(|it| match it {
            Action::LoadSeccomp(load) => {
                *load = other[0].clone();
                true
            }
            _ => false,
        })
    };
    let without = |plans: Plans| plans.without(|it| matches!(it, Action::LoadSeccomp(_)));
    let red = |what| [(Mechanism::Seccomp, "WEAKER", what)];
    check(
        USER,
        &[
            ("no filter", &without, &red("no filter is installed")),
            ("one argument of one rule differs", &swap, &red("on socket(")),
        ],
    );
}
