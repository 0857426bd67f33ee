//! Data that all workers of a proxy see, as the host keeps it.

/// Values by name, changed by compare-and-swap.
pub(crate) trait SharedData {
    /// The value, if there is one, and what to show in order to change it.
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Version);

    /// Changes a value, or makes one, unless somebody else has since
    /// `version`. Returns whether it did.
    fn set(&self, key: &str, value: &[u8], version: Version) -> bool;
}

/// What a value is at a moment: each change makes it another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u32);

impl Version {
    /// Of what is not there. The host takes zero for "whatever is there": two
    /// workers that both find nothing would both believe that theirs was
    /// first. Any other number makes it refuse if there is something by now,
    /// and this one is the last that it gives away.
    pub(crate) const ABSENT: Self = Self(u32::MAX);
}

#[cfg(test)]
pub(crate) mod fake {
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;

    use super::{SharedData, Version};

    /// As Envoy's (proxy-wasm-cpp-host, `SharedData::set`).
    #[derive(Default)]
    pub(crate) struct Fake {
        values: RefCell<HashMap<String, (Vec<u8>, u32)>>,
        changes: Cell<u32>,
        pub(crate) gets: Cell<u32>,
    }

    impl Fake {
        /// What another plugin may do.
        pub(crate) fn overwrite_all(&self, bytes: &[u8]) {
            for (value, version) in self.values.borrow_mut().values_mut() {
                self.changes.set(self.changes.get() + 1);
                (*value, *version) = (bytes.to_vec(), self.changes.get());
            }
        }

        pub(crate) fn lose_all(&self) {
            self.values.borrow_mut().clear();
        }
    }

    impl SharedData for Fake {
        fn get(&self, key: &str) -> (Option<Vec<u8>>, Version) {
            self.gets.set(self.gets.get() + 1);
            match self.values.borrow().get(key) {
                Some((value, version)) => (Some(value.clone()), Version(*version)),
                None => (None, Version::ABSENT),
            }
        }

        fn set(&self, key: &str, value: &[u8], version: Version) -> bool {
            let mut values = self.values.borrow_mut();
            if values.get(key).is_some_and(|it| version.0 != 0 && it.1 != version.0) {
                return false;
            }
            self.changes.set(self.changes.get() + 1);
            values.insert(key.to_owned(), (value.to_vec(), self.changes.get()));
            true
        }
    }
}
