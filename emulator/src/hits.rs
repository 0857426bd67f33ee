//! How often each path of the Google listener was asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::sync::lock;

/// Paths beyond this many are not counted.
const PATHS: usize = 1024;

/// Requests by path, whether they were answered well or not.
#[derive(Debug, Default)]
pub(crate) struct Hits(Mutex<BTreeMap<String, u64>>);

impl Hits {
    pub(crate) fn count(&self, path: &str) {
        let mut paths = lock(&self.0);
        if let Some(count) = paths.get_mut(path) {
            *count = count.saturating_add(1);
        } else if paths.len() < PATHS {
            paths.insert(path.to_owned(), 1);
        }
    }

    /// The requests for all paths for which `wanted` holds.
    pub(crate) fn sum(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        let paths = lock(&self.0);
        let counts = paths.iter().filter(|(path, _)| wanted(path));
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}
