//! Searching all that was kept.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Leak, leaks};

/// More leaks than these are only counted.
const MOST_TOLD: usize = 40;

/// What became of a search.
#[derive(Debug, Default)]
pub struct Found {
    /// What was searched: the sources' names and the files' in each.
    pub files: Vec<(String, String)>,
    /// How many bytes that was.
    pub bytes: u64,
    /// Where there are credentials.
    pub leaks: Vec<(PathBuf, Leak)>,
}

/// Searches a folder that things were kept in.
///
/// # Errors
/// If something can't be read.
pub fn folder(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for source in names(folder)? {
        for name in names(&folder.join(&source))? {
            let file = folder.join(&source).join(&name);
            let text = fs::read(&file)?;
            found.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
            found.leaks.extend(leaks(&text).into_iter().map(|leak| (file.clone(), leak)));
            found.files.push((source.clone(), name));
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().display().to_string());
    let mut names: Vec<String> = fs::read_dir(folder)?.map(name).collect::<io::Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

/// The leaks, for people.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, leak) in self.leaks.iter().take(MOST_TOLD) {
            writeln!(f, "{}:{leak}", file.display())?;
        }
        match self.leaks.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}
