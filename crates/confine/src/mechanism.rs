//! One file per mechanism, each with `resolve`, `plan`, `expect`, `render` and `compare`.

pub(crate) mod apparmor;
pub(crate) mod capabilities;
pub(crate) mod devices;
pub(crate) mod hostname;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod namespaces;
pub(crate) mod no_new_privs;
pub(crate) mod paths;
pub(crate) mod root;
pub(crate) mod seccomp;
pub(crate) mod selinux;
pub(crate) mod sysctls;
pub(crate) mod volumes;
