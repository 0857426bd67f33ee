//! What the snippets in the documentation need.

use crate::exec::{self, Result};

/// What the Python snippet of `docs/caller-assertion.md` tells its readers to
/// install.
const PACKAGE: &str = "pyjwt[crypto]==2.15.1";

/// Makes sure that it is there, in the target folder.
pub(crate) fn packages() -> Result {
    let folder = exec::target_dir().join("python");
    if folder.join("jwt").exists() {
        return Ok(());
    }
    eprintln!("Installing {PACKAGE} into target/python, for the documentation's snippets.");
    exec::run(
        exec::command("python3")
            .args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
            .arg(&folder)
            .arg(PACKAGE)
            // Root installs into this folder alone: pip's warning does not apply.
            .env("PIP_ROOT_USER_ACTION", "ignore"),
    )
}
