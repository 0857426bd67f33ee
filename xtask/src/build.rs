//! Building what is shipped, into `target/dist`, and what tests need besides.

use std::path::{Path, PathBuf};

use crate::exec::{self, Result};
use crate::wasm::{self, Toolchain};

/// Builds the programs, the demo and the module.
pub(crate) fn all() -> Result {
    let toolchain = wasm::toolchain()?;
    exec::run(
        exec::cargo()
            .args(["build", "--quiet", "--locked", "--release"])
            .args(["--package", "remint-gateway", "--package", "remint-emulator"])
            .args(["--package", "remint-tests", "--bins"]),
    )?;
    let target = exec::target_dir();
    let dist = target.join("dist");
    install(&module(&toolchain, "remint-filter")?, &dist)?;
    for program in ["remint", "remint-emulator"] {
        install(&target.join("release").join(program), &dist)?;
    }
    eprintln!("built into {}", dist.display());
    Ok(())
}

/// Builds the modules that only tests use, into `target/test-modules`.
pub(crate) fn test_modules() -> Result {
    let vectors = module(&wasm::toolchain()?, "remint-vectors")?;
    install(&vectors, &exec::target_dir().join("test-modules"))
}

/// Builds a package's wasm module. Each in a call of its own: together they
/// would get each other's features.
fn module(toolchain: &Toolchain, package: &str) -> Result<PathBuf> {
    // A folder of its own: two compilers must not share one.
    let folder = exec::target_dir().join("wasm");
    exec::run(
        toolchain
            .cargo_build()
            .args(["--quiet", "--locked", "--package", package])
            .args(["--profile", "wasm", "--target", "wasm32-unknown-unknown", "--target-dir"])
            .arg(&folder),
    )?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(folder.join("wasm32-unknown-unknown/wasm").join(file))
}

/// Copies by way of a second name, so that a running copy is never written to.
fn install(file: &Path, folder: &Path) -> Result {
    let name = file.file_name().unwrap_or_default();
    let fresh = folder.join(format!(".{}.new", name.to_string_lossy()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::copy(file, &fresh))
        .and_then(|_| std::fs::rename(&fresh, folder.join(name)))
        .map_err(|error| format!("{} can't be copied: {error}", file.display()))
}
