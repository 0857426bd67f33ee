//! The Python packages that tests use, of the versions that are pinned.

use std::path::Path;

use crate::exec::{self, Result};

/// What is pinned: Google's client libraries, and what the Python snippet of
/// `docs/caller-assertion.md` tells its readers to install, each with what it
/// needs.
const PINNED: &str = "tests/tests/libraries/scripts/requirements.txt";

/// Makes sure that they are there, in the target folder.
pub(crate) fn packages() -> Result {
    let (folder, pinned) = (exec::target_dir().join("python"), exec::root().join(PINNED));
    // Some are compiled for one version of Python.
    let version = exec::output(exec::command("python3").arg("--version")).unwrap_or_default();
    exec::installed_once(&folder, &[version.as_bytes(), &exec::read(&pinned)?], || {
        eprintln!("Installing Google's Python libraries and PyJWT into target/python, for tests.");
        install(&folder, &pinned)
    })
}

fn install(folder: &Path, pinned: &Path) -> Result {
    exec::run(
        exec::command("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"])
            .arg("--target")
            .arg(folder)
            .arg("--requirement")
            .arg(pinned)
            // Root installs into this folder alone: pip's warning does not apply.
            .env("PIP_ROOT_USER_ACTION", "ignore"),
    )
}
