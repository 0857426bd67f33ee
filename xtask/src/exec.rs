//! Running other programs.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A step of a task; the error is for people.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Where everything is built and installed.
pub(crate) fn target_dir() -> PathBuf {
    root().join("target")
}

/// A program, to be run in the workspace.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The Cargo that runs this. Whatever the user has set, it builds for this
/// machine and into this workspace's target folder, where its results are
/// looked for.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env("CARGO_TARGET_DIR", target_dir()).env_remove("CARGO_BUILD_TARGET");
    cargo
}

/// Runs it, showing what it prints. Progress goes to stderr: stdout is for
/// what was asked for.
pub(crate) fn run(command: &mut Command) -> Result {
    eprintln!("$ {}", shown(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed: {status}", shown(command))),
        Err(error) => Err(format!("`{}` can't be run: {error}", shown(command))),
    }
}

/// What it prints, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Becomes that program.
pub(crate) fn replace(command: &mut Command) -> Result {
    let error = command.exec();
    Err(format!("`{}` can't be run: {error}", shown(command)))
}

/// Whether a program of that name is on the path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A file's content.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| format!("{} can't be read: {error}", file.display()))
}

/// Fills a folder by `install`, unless it was filled from the same pins. It
/// begins empty, so that nothing of other versions is left in it.
pub(crate) fn installed_once(
    folder: &Path,
    pins: &[&[u8]],
    install: impl FnOnce() -> Result,
) -> Result {
    let (stamp, pins) = (folder.join(".installed"), pins.concat());
    if std::fs::read(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let failed = |error| format!("{} can't be written: {error}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    install()?;
    std::fs::write(&stamp, pins).map_err(failed)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
