//! The files that a configuration names.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Where a configuration's paths count from, and which it has named so far:
/// when the content of one of them changes, the configuration is read again.
pub(super) struct Files {
    folder: PathBuf,
    named: RefCell<Vec<PathBuf>>,
    warnings: RefCell<Vec<String>>,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), named: RefCell::default(), warnings: RefCell::default() }
    }

    /// The path of a file that the configuration names. Whoever reads a file
    /// for it asks here, whether the file is there or not.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.elsewhere(&self.folder.join(name))
    }

    /// The same for a file that something else names: the path counts from the
    /// working directory, as all paths do in the environment.
    pub(super) fn elsewhere(&self, path: &Path) -> PathBuf {
        let mut named = self.named.borrow_mut();
        if !named.iter().any(|it| it == path) {
            named.push(path.to_owned());
        }
        path.to_owned()
    }

    /// Something in a file is odd, though no mistake.
    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// All that were named, and what is odd in them.
    pub(super) fn into_parts(self) -> (Vec<PathBuf>, Vec<String>) {
        (self.named.into_inner(), self.warnings.into_inner())
    }
}
