//! The files that a configuration names.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Where a configuration's paths count from, and which it has named so far:
/// when the content of one of them changes, the configuration is read again.
pub(super) struct Files {
    folder: PathBuf,
    named: RefCell<Vec<PathBuf>>,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), named: RefCell::default() }
    }

    /// The path of a file that the configuration names. Whoever reads a file
    /// for it asks here, whether the file is there or not.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.folder.join(name);
        let mut named = self.named.borrow_mut();
        if !named.contains(&path) {
            named.push(path.clone());
        }
        path
    }

    /// All that were named.
    pub(super) fn into_named(self) -> Vec<PathBuf> {
        self.named.into_inner()
    }
}
