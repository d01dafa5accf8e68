//! What a node refuses, whatever policies say.

pub mod apparmor;
pub mod sysctls;
