//! `cargo xtask`: the project's own tools.

use std::process::ExitCode;

/// As in the product, whose speed the benchmarks measure.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: stockade_sys::Allocator = stockade_sys::Allocator::new();

fn main() -> ExitCode {
    // Before anything else: in a virtual machine this program is init.
    xtask::vm::become_init();

    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((name, rest)) if name == "bench" => xtask::bench::main(rest).map(|()| 0),
        Some((name, rest)) if name == "fuzz" => xtask::fuzz::main(rest),
        Some((name, rest)) if name == "tables" => xtask::tables::main(rest).map(|()| 0),
        Some((name, rest)) if name == "test" => xtask::test::main(rest),
        Some((name, rest)) if name == "vm" => xtask::vm::main(rest),
        Some((name, _)) => Err(format!("unknown tool `{name}`\n{USAGE}")),
        None => Err(USAGE.to_owned()),
    };
    match result {
        Ok(code) => code.into(),
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}

const USAGE: &str = "\
usage: cargo xtask TOOL [ARG]...
  bench   measure, side by side with the kernel alone and with other runtimes
  fuzz    try what must hold on inputs that are made up
  tables  generate the system call tables from the kernel's headers
  test    check, build and test everything
  vm      run a command in a virtual machine";
