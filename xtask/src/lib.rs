//! The project's own tools. `main` is a thin edge; what does the work, and what
//! tests use, is here.

pub mod bench;
pub mod fuzz;
pub mod tables;
pub mod test;
pub mod tidy;
pub mod vm;
