//! Files that the emulator writes when it starts.

use std::path::{Path, PathBuf};

use super::Config;

/// A key of a service account, made at the start, and the file that it is
/// written to, as Google hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKeyFile {
    /// The account's address.
    pub account: String,
    /// Where the file is written. Nobody else may read it.
    pub file: PathBuf,
}

impl Config {
    /// The same with files that count from a folder, unless they are absolute.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.ca_file = self.ca_file.map(|file| folder.join(file));
        for key in &mut self.account_keys {
            key.file = folder.join(&key.file);
        }
        self
    }
}
