//! Assertions that were signed a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use remint_idtoken::UnixTime;

/// So many are kept in each of two generations.
const MAX_ENTRIES: usize = 2048;
/// What is said of a caller that says more is signed each time, so that no
/// long tokens fill the memory.
const MAX_KEY: usize = 2048;

/// Assertions by all that they say but the time.
#[derive(Default)]
pub(super) struct Cache(Mutex<Generations>);

/// The older ones are dropped together; those in use move to the young ones.
#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Signed>,
    old: HashMap<Box<str>, Signed>,
}

/// A signed assertion, and when it was signed.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) header: HeaderValue,
    pub(super) at: UnixTime,
}

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<Signed> {
        let generations = self.generations();
        generations.young.get(key).or_else(|| generations.old.get(key)).cloned()
    }

    pub(super) fn put(&self, key: String, signed: Signed) {
        if key.len() > MAX_KEY {
            return;
        }
        let mut generations = self.generations();
        if generations.young.len() >= MAX_ENTRIES {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key.into_boxed_str(), signed);
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(at: u64) -> Signed {
        Signed { header: HeaderValue::from_static("x"), at: UnixTime(at) }
    }

    #[test]
    fn it_never_holds_more_than_two_generations_and_the_newest_are_there() {
        let cache = Cache::default();
        for place in 0..MAX_ENTRIES * 5 {
            cache.put(place.to_string(), signed(1));
        }
        let generations = cache.generations();
        assert!(generations.young.len() + generations.old.len() <= 2 * MAX_ENTRIES);
        drop(generations);
        assert!(cache.get(&(MAX_ENTRIES * 5 - 1).to_string()).is_some());
        assert!(cache.get("0").is_none());
    }

    #[test]
    fn a_newer_one_takes_the_place_of_an_older_one_wherever_that_is() {
        let cache = Cache::default();
        cache.put("a".to_owned(), signed(1));
        for place in 0..MAX_ENTRIES {
            cache.put(place.to_string(), signed(1));
        }
        cache.put("a".to_owned(), signed(2));
        assert_eq!(cache.get("a").unwrap().at, UnixTime(2));
        cache.put("b".repeat(MAX_KEY + 1), signed(1));
        assert!(cache.get(&"b".repeat(MAX_KEY + 1)).is_none());
    }
}
