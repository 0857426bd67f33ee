//! Keeping what is put out.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::Exception;
use crate::exception::without_sign_in;

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

/// Keeps what a program prints from now on, as it prints it: for its standard
/// output or its errors, if the test itself does not read them.
///
/// # Panics
/// As [`keep`].
#[must_use]
pub fn stdio(source: &str) -> Stdio {
    keeper().map_or_else(Stdio::null, |keeper| keeper.file(source).into())
}

/// Keeps an answer: its status, headers and body, but for what is meant to hold
/// a credential, see [`Exception`].
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
        let value = if Exception::of_header(name).is_some() { b"(left out)" } else { value };
        text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    if Exception::of_answer(path, status).is_none() {
        text.extend(body);
    }
    keep(source, without_sign_in(text));
}

/// Keeps what is written to it, an event of a log at a time. Of events that
/// differ in nothing but digits it keeps the first: with every frame of every
/// stream logged there are millions, and if there is a credential in one of
/// them then it is in the first.
#[derive(Clone, Copy, Debug)]
pub struct Kept(
    /// The [`source`](crate::source).
    pub &'static str,
);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(keeper) = keeper()
            && keeper.is_new(bytes)
        {
            keeper.keep(self.0, bytes);
        }
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
    /// Of the events of logs, without their digits.
    hashes: Mutex<HashSet<u64>>,
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
        Self { folder, name, files: Mutex::default(), hashes: Mutex::default() }
    }

    fn is_new(&self, event: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        for between in event.split(u8::is_ascii_digit).filter(|it| !it.is_empty()) {
            hasher.write(between);
            hasher.write_u8(b'0');
        }
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish())
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
            self.fail(source, &error);
        }
    }

    fn file(&self, source: &str) -> File {
        self.open(&self.folder.join(source)).unwrap_or_else(|error| self.fail(source, &error))
    }

    fn fail(&self, source: &str, error: &io::Error) -> ! {
        panic!("what {source} puts out can't be kept in {}: {error}", self.folder.display());
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
    fn an_event_that_differs_from_another_in_digits_alone_is_not_new() {
        let keeper = Keeper::new(PathBuf::new(), String::new());
        for (event, is_new) in [
            ("12:00 frame 7 of stream 1", true),
            ("12:01 frame 10 of stream 15", false),
            ("12:01 frame 10 of stream 15x", true),
            ("12:02 token eyJ1", true),
            ("12:02 token eyK1", true),
        ] {
            assert_eq!(keeper.is_new(event.as_bytes()), is_new, "{event}");
        }
    }

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
