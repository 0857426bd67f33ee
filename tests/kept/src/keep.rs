//! Keeping what is put out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::Exception;

/// The variable of the environment that names the folder to keep things in.
pub const FOLDER: &str = "REMINT_TEST_OUTPUT";

/// Whether anything is kept.
///
/// Programs are then also asked to log all that they can: an operator may do
/// the same.
#[must_use]
pub fn is_on() -> bool {
    keeper().is_some()
}

/// Keeps what a [`source`](crate::source) has put out, as lines of their own.
///
/// # Panics
/// If it can't be written: what is not kept is not searched.
pub fn keep(source: &str, bytes: impl AsRef<[u8]>) {
    if let Some(keeper) = keeper() {
        keeper.keep(source, bytes.as_ref());
    }
}

/// Keeps both outputs of a program that has ended. What is `meant` to be a
/// credential is its standard output alone; its errors are kept all the same.
///
/// # Panics
/// As [`keep`].
pub fn keep_output(source: &str, output: &Output, meant: Option<Exception>) {
    keep(source, &output.stderr);
    if meant.is_none() {
        keep(source, &output.stdout);
    }
}

/// Keeps an answer: its status and headers, and its body unless a good answer
/// of that path is meant to hold a credential.
///
/// # Panics
/// As [`keep`].
pub fn keep_answer<'a>(
    source: &str,
    path: &str,
    status: u16,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: &[u8],
) {
    if !is_on() {
        return;
    }
    let mut text = format!("{status}\n").into_bytes();
    for (name, value) in headers {
        text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    if Exception::of_answer(path, status).is_none() {
        text.extend(body);
    }
    keep(source, text);
}

/// Keeps what is written to it, whole lines at a time, as a log is.
#[derive(Clone, Copy, Debug)]
pub struct Kept(
    /// The [`source`](crate::source).
    pub &'static str,
);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        keep(self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn keeper() -> Option<&'static Keeper> {
    static KEEPER: OnceLock<Option<Keeper>> = OnceLock::new();
    let named = || std::env::var_os(FOLDER).filter(|name| !name.is_empty());
    KEEPER.get_or_init(|| named().map(|folder| Keeper::of_this_process(folder.into()))).as_ref()
}

/// One file for each source and process, so that processes don't meet.
struct Keeper {
    folder: PathBuf,
    /// `PACKAGE.PROGRAM.PID`.
    name: String,
    files: Mutex<BTreeMap<String, File>>,
}

impl Keeper {
    fn of_this_process(folder: PathBuf) -> Self {
        // Cargo tells it to what it runs; programs that tests start inherit it.
        let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
        let program = std::env::current_exe().unwrap_or_default();
        let program = program.file_name().unwrap_or_default().display().to_string();
        Self::new(folder, format!("{package}.{program}.{}", std::process::id()))
    }

    fn new(folder: PathBuf, name: String) -> Self {
        Self { folder, name, files: Mutex::default() }
    }

    fn keep(&self, source: &str, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match files.get_mut(source) {
            Some(file) => append(file, bytes),
            None => self.open(&self.folder.join(source)).and_then(|mut file| {
                append(&mut file, bytes)?;
                files.insert(source.to_owned(), file);
                Ok(())
            }),
        };
        if let Err(error) = written {
            panic!("what {source} puts out can't be kept in {}: {error}", self.folder.display());
        }
    }

    fn open(&self, folder: &Path) -> io::Result<File> {
        fs::create_dir_all(folder)?;
        File::options().create(true).append(true).open(folder.join(&self.name))
    }
}

/// In one step, so that lines of several threads don't mix.
fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    match bytes.ends_with(b"\n") {
        true => file.write_all(bytes),
        false => file.write_all(&[bytes, b"\n"].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_file_of_each_source_and_process_with_lines_of_their_own() {
        let folder = std::env::temp_dir().join(format!("remint-kept-{}", std::process::id()));
        let keeper = Keeper::new(folder.clone(), "package.program.1".to_owned());
        for (source, text) in [("page", "a"), ("log", "b\n"), ("page", "c\nd"), ("empty", "")] {
            keeper.keep(source, text.as_bytes());
        }
        let read = |source: &str| fs::read_to_string(folder.join(source).join("package.program.1"));
        assert_eq!(read("page").unwrap(), "a\nc\nd\n");
        assert_eq!(read("log").unwrap(), "b\n");
        assert!(read("empty").is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
