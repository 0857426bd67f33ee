//! Measuring.

use crate::exec::{self, Result};
use crate::{build, envoy};

/// What the measuring takes beside what we build, and the Debian package that
/// brings it.
const TOOLS: [(&str, &str); 2] = [("wrk", "wrk"), ("taskset", "util-linux")];

/// Measures the filter, or the gateway, beside Envoy's own.
pub(crate) fn run(what: &str, arguments: &[&str]) -> Result {
    for (tool, package) in TOOLS {
        if exec::on_path(tool).is_none() {
            return Err(format!("{tool} is missing: apt-get install {package}"));
        }
    }
    let envoy = envoy::find()?;
    build::all()?;
    exec::run(exec::cargo().args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "remint-bench",
    ]))?;
    let bench = exec::target_dir().join("release/remint-bench");
    // It takes this process's place, so that Ctrl-C reaches it and it alone
    // cleans up.
    exec::replace(exec::command(&bench).arg(what).args(arguments).env("ENVOY", envoy))
}
