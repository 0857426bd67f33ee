//! The keys of an issuer. The first one is made in the background: an RSA key
//! takes up to half a second, and nobody who starts the emulator waits for it
//! before a token is wanted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use remint_idtoken::Algorithm;
use tokio::sync::Notify;

use super::key::{Key, KeyError};
use super::rotation::Plan;
use crate::sync::lock;

/// Keys by number. Which of them signs is the plan's to say.
pub(super) struct Ring {
    algorithm: Algorithm,
    first: Arc<First>,
    keys: Mutex<Keys>,
}

/// The key with which everything begins.
#[derive(Default)]
struct First {
    made: OnceLock<Result<Arc<Key>, KeyError>>,
    told: Notify,
}

struct Keys {
    plan: Plan,
    /// Those of the plan; the first one is not among them before it is used.
    planned: BTreeMap<u64, Arc<Key>>,
    /// Those that others have replaced before their time.
    replaced: Vec<Arc<Key>>,
    generation: u64,
}

impl Keys {
    fn changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }
}

impl Ring {
    /// A ring with this key.
    pub(super) fn of(algorithm: Algorithm, key: Key) -> Self {
        let first = First::default();
        let _ = first.made.set(Ok(Arc::new(key)));
        Self::with(algorithm, Arc::new(first))
    }

    /// A ring whose key is being made.
    pub(super) fn in_background(algorithm: Algorithm) -> Self {
        let first = Arc::<First>::default();
        let making = Arc::clone(&first);
        let started =
            thread::Builder::new().name("key".to_owned()).spawn(move || making.make(algorithm));
        if started.is_err() {
            // Without a thread for it whoever starts the issuer waits.
            first.make(algorithm);
        }
        Self::with(algorithm, first)
    }

    /// A ring whose key is never made.
    #[cfg(test)]
    pub(super) fn without_key(algorithm: Algorithm) -> Self {
        Self::with(algorithm, Arc::default())
    }

    fn with(algorithm: Algorithm, first: Arc<First>) -> Self {
        let keys = Keys {
            plan: Plan::SINGLE,
            planned: BTreeMap::new(),
            replaced: Vec::new(),
            generation: 0,
        };
        Self { algorithm, first, keys: Mutex::new(keys) }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Waits until the first key has been made.
    pub(super) async fn ready(&self) -> Result<(), KeyError> {
        let mut told = std::pin::pin!(self.first.told.notified());
        told.as_mut().enable();
        if self.first.made.get().is_none() {
            told.await;
        }
        self.first.made.wait().clone().map(drop)
    }

    /// Whether nobody has to wait for the first key.
    pub(super) fn is_made(&self) -> bool {
        self.first.made.get().is_some()
    }

    /// Holds the keys, with the first one among them if it could be made.
    /// Blocks until it has been.
    fn keys<T>(&self, look: impl FnOnce(&mut Keys) -> T) -> T {
        let first = self.first.made.wait();
        let mut keys = lock(&self.keys);
        let is_new = keys.planned.is_empty() && keys.plan.published.contains(&0);
        if let (Ok(key), true) = (first, is_new) {
            keys.planned.insert(0, Arc::clone(key));
        }
        look(&mut keys)
    }

    /// The key that signs.
    pub(super) fn current(&self) -> Option<Arc<Key>> {
        self.keys(|keys| keys.planned.get(&keys.plan.signs).cloned())
    }

    /// All published keys, the one that signs first.
    pub(super) fn published(&self) -> Vec<Arc<Key>> {
        self.keys(|keys| {
            let signs = keys.plan.signs;
            let current = keys.planned.get(&signs);
            let others = keys.planned.iter().filter(|(number, _)| **number != signs);
            let others = others.map(|(_, key)| key).chain(&keys.replaced);
            current.into_iter().chain(others).cloned().collect()
        })
    }

    /// Changes whenever the published keys do.
    pub(super) fn generation(&self) -> u64 {
        lock(&self.keys).generation
    }

    /// Has a fresh key sign from now on in place of the current one.
    pub(super) fn replace(&self) -> Result<(), KeyError> {
        let fresh = Arc::new(Key::generate(self.algorithm)?);
        self.keys(|keys| {
            let signs = keys.plan.signs;
            let old = keys.planned.insert(signs, fresh);
            keys.replaced.extend(old);
            keys.changed();
        });
        Ok(())
    }

    /// Publishes the key that signs alone, and what the plan has next.
    pub(super) fn retire_old(&self) {
        self.keys(|keys| {
            let signs = keys.plan.signs;
            keys.planned.retain(|number, _| *number >= signs);
            keys.replaced.clear();
            keys.changed();
        });
    }

    /// Makes the keys that a plan has, and drops those that it does not have.
    pub(super) fn follow(&self, plan: &Plan) -> Result<(), KeyError> {
        // A key that was retired early is not made again.
        let wanted = plan.signs..=*plan.published.end();
        let known = self.keys(|keys| keys.planned.keys().copied().collect::<Vec<_>>());
        let mut fresh = BTreeMap::new();
        for number in wanted.filter(|number| !known.contains(number)) {
            fresh.insert(number, Arc::new(Key::generate(self.algorithm)?));
        }
        self.keys(|keys| {
            let before = (keys.plan.clone(), keys.planned.len());
            keys.planned.extend(fresh);
            keys.planned.retain(|number, _| plan.published.contains(number));
            keys.plan = plan.clone();
            if before != (keys.plan.clone(), keys.planned.len()) {
                keys.changed();
            }
        });
        Ok(())
    }
}

impl First {
    fn make(&self, algorithm: Algorithm) {
        let made = Key::generate(algorithm).map(Arc::new);
        let _ = self.made.set(made);
        self.told.notify_waiters();
    }
}
