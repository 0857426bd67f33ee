//! The Node packages that tests use, of the versions that are pinned.

use std::path::Path;

use crate::exec::{self, Result};

/// Where `package.json` and `package-lock.json` pin Google's library.
const PINNED: &str = "tests/tests/libraries/scripts";
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Makes sure that they are there, in the target folder.
pub(crate) fn packages() -> Result {
    let folder = exec::target_dir().join("node");
    let pinned = exec::root().join(PINNED);
    let [package, lock] = FILES.map(|name| exec::read(&pinned.join(name)));
    let (package, lock) = (package?, lock?);
    exec::installed_once(&folder, &[&package, &lock], || {
        if exec::on_path("npm").is_none() {
            return Err("npm is missing: apt-get install nodejs npm".to_owned());
        }
        eprintln!("Installing Google's Node library into target/node, for tests.");
        install(&folder, &pinned)
    })
}

fn install(folder: &Path, pinned: &Path) -> Result {
    for name in FILES {
        std::fs::copy(pinned.join(name), folder.join(name))
            .map_err(|error| format!("{name} can't be copied: {error}"))?;
    }
    exec::run(exec::command("npm").current_dir(folder).args([
        "ci",
        "--silent",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]))
}
