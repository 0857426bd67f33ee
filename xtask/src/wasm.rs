//! A Rust toolchain that builds for wasm.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec::{self, Result};

const TARGET: &str = "wasm32-unknown-unknown";
/// The packages of Debian 12 and newer that build for wasm.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// The workspace's `rust-version`.
const OLDEST: (u32, u32) = (1, 95);

/// Where the standard library for wasm comes from.
pub(crate) enum Toolchain {
    /// The Rust in use has the target installed.
    Installed,
    /// Debian's Rust, which brings the library's source.
    Debian { linker: PathBuf },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => write!(f, "{TARGET} of the Rust in use"),
            Self::Debian { linker } => {
                write!(f, "Debian's Rust in /usr/bin, linked by {}", linker.display())
            }
        }
    }
}

/// The toolchain that is there, or can be had.
pub(crate) fn toolchain() -> Result<Toolchain> {
    if is_installed() {
        return Ok(Toolchain::Installed);
    }
    if let Some(debian) = debian() {
        return Ok(debian);
    }
    if install_debian().is_ok()
        && let Some(debian) = debian()
    {
        return Ok(debian);
    }
    if exec::run(exec::command("rustup").args(["target", "add", TARGET])).is_ok() && is_installed()
    {
        return Ok(Toolchain::Installed);
    }
    Err(format!(
        "no Rust for wasm was found, and none could be installed. One of these helps:\n  \
         rustup target add {TARGET}\n  apt-get install --no-install-recommends {}",
        DEBIAN.join(" ")
    ))
}

impl Toolchain {
    /// `cargo build` for wasm, to be completed.
    pub(crate) fn cargo_build(&self) -> Command {
        match self {
            Self::Installed => {
                let mut cargo = exec::cargo();
                cargo.arg("build");
                cargo
            }
            Self::Debian { linker } => {
                let mut cargo = exec::command("/usr/bin/cargo");
                // What the other Rust's Cargo has set for its children would
                // mislead this one.
                cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
                cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo.args(["build", "-Zbuild-std=std,panic_abort"]);
                cargo
            }
        }
    }
}

fn is_installed() -> bool {
    let mut rustc = exec::command(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let folder = exec::output(rustc.args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| Path::new(&folder).is_dir())
}

fn debian() -> Option<Toolchain> {
    let parts = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/std"];
    if !parts.iter().all(|part| Path::new(part).exists()) || debian_version()? < OLDEST {
        return None;
    }
    ["wasm-ld-22", "wasm-ld"]
        .iter()
        .find_map(|name| exec::on_path(name))
        .map(|linker| Toolchain::Debian { linker })
}

/// `rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)`.
fn debian_version() -> Option<(u32, u32)> {
    let text = exec::output(exec::command("/usr/bin/rustc").arg("--version"))?;
    let mut numbers = text.split_whitespace().nth(1)?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Installs Debian's packages, if this is a Debian and we may.
fn install_debian() -> Result {
    let apt = exec::on_path("apt-get").ok_or("no apt-get")?;
    if exec::output(exec::command("id").arg("-u")).as_deref() != Some("0") {
        return Err("not root".to_owned());
    }
    eprintln!("No Rust for wasm is installed; Debian's packages {} bring one.", DEBIAN.join(" "));
    exec::run(exec::command(&apt).args(["-qq", "update"]))?;
    exec::run(
        exec::command(&apt)
            .args(["-qq", "-y", "--no-install-recommends", "install"])
            .args(DEBIAN)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
