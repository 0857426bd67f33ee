//! Building what is shipped, into `target/dist`.

use std::path::Path;

use crate::exec::{self, Result};
use crate::wasm;

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
    // A folder of its own: two compilers must not share one.
    let folder = target.join("wasm");
    exec::run(
        toolchain
            .cargo_build()
            .args(["--quiet", "--locked", "--package", "remint-filter"])
            .args(["--profile", "wasm", "--target", "wasm32-unknown-unknown", "--target-dir"])
            .arg(&folder),
    )?;
    let dist = target.join("dist");
    std::fs::create_dir_all(&dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    let module = folder.join("wasm32-unknown-unknown/wasm/remint_filter.wasm");
    install(&module, &dist)?;
    for program in ["remint", "remint-emulator"] {
        install(&target.join("release").join(program), &dist)?;
    }
    eprintln!("built into {}", dist.display());
    Ok(())
}

/// Copies by way of a second name, so that a running copy is never written to.
fn install(file: &Path, dist: &Path) -> Result {
    let name = file.file_name().unwrap_or_default();
    let fresh = dist.join(format!(".{}.new", name.to_string_lossy()));
    std::fs::copy(file, &fresh)
        .and_then(|_| std::fs::rename(&fresh, dist.join(name)))
        .map_err(|error| format!("{} can't be copied: {error}", file.display()))
}
