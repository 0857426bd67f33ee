//! The search of all that the tests put out for tokens, keys and assertions.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use remint_kept::search::{self, Found};
use remint_kept::source;

use crate::exec::{self, Result};

/// Where everything is kept that a run of the tests puts out.
pub(crate) struct Output(PathBuf);

impl Output {
    /// Begins anew.
    pub(crate) fn begin() -> Result<Self> {
        let folder = exec::target_dir().join("test-output");
        let begun = match folder.exists() {
            true => fs::remove_dir_all(&folder),
            false => Ok(()),
        };
        begun
            .and_then(|()| fs::create_dir_all(&folder))
            .map_err(|error| format!("{} can't be emptied: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The file for what `cargo test` itself prints, there.
    pub(crate) fn printed(&self, name: &str) -> io::Result<File> {
        let folder = self.0.join(source::CARGO_TEST);
        fs::create_dir_all(&folder)?;
        File::create(folder.join(format!("{}.{name}", env!("CARGO_PKG_NAME"))))
    }

    /// Searches it. Of a `whole` run there must be something from everywhere.
    pub(crate) fn search(&self, whole: bool) -> Result<String> {
        let found = search::folder(&self.0)
            .map_err(|error| format!("{} can't be searched: {error}", self.0.display()))?;
        judged(&found, whole)
    }
}

/// What there is to say of a search that has found nothing.
fn judged(found: &Found, whole: bool) -> Result<String> {
    if !found.leaks.is_empty() {
        return Err(format!(
            "the tests have put out what nobody may see, {} times:\n{found}\
             Mend what puts it out. If handing it out is what that is for, \
             tests/kept/src/exception.rs is the place to say so.",
            found.leaks.len()
        ));
    }
    let missing = source::missing(&found.files);
    if whole && !missing.is_empty() {
        return Err(format!(
            "the search for tokens, keys and assertions is not complete. Nothing was kept of: {}",
            missing.join(", ")
        ));
    }
    let (files, kilobytes) = (found.files.len(), found.bytes / 1024);
    Ok(format!("no token, key or assertion in {files} files of output, {kilobytes} KiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, files: &[(&str, &str)]) -> Found {
        let leaks = search::leaks(text.as_bytes()).into_iter();
        Found {
            files: files.iter().map(|(a, b)| ((*a).to_owned(), format!("{b}.program.1"))).collect(),
            bytes: 2048,
            leaks: leaks.map(|leak| (PathBuf::from("page/one"), leak)).collect(),
        }
    }

    #[test]
    fn a_leak_fails_the_run_and_is_told_without_the_secret() {
        let secret = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMzQifQ";
        let told = judged(&found(&format!("\ntoken {secret}"), &[]), false).unwrap_err();
        assert!(told.contains("page/one:2: a JWT or a part of one: token eyJhbG…"), "{told}");
        assert!(!told.contains(secret), "{told}");
    }

    #[test]
    fn a_whole_run_must_have_kept_something_of_everything_that_is_expected() {
        let all: Vec<_> =
            source::EXPECTED.iter().map(|(package, source)| (*source, *package)).collect();
        assert!(judged(&found("", &all), true).is_ok());
        for left_out in 0..all.len() {
            let mut others = all.clone();
            let (source, package) = others.remove(left_out);
            let told = judged(&found("", &others), true).unwrap_err();
            assert!(told.ends_with(&format!("of: {source} of {package}")), "{told}");
            assert!(judged(&found("", &others), false).is_ok());
        }
    }
}
