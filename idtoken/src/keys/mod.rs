//! Public keys: reading them, holding them, and when to fetch them again.

mod der;
mod jwks;
mod schedule;

use std::collections::HashMap;

pub use der::ecdsa_signature_to_der;
pub use jwks::{JwksError, LeftOut, MAX_JWKS_BYTES, ParsedJwks, parse_jwks};
pub use schedule::{KeyPast, KeySchedule, KeyTimes, max_age};

use crate::signature::{Algorithm, SignatureScheme};

/// The keys of one issuer, made ready for one [`SignatureScheme`].
pub struct KeySet<K> {
    by_id: HashMap<String, ReadyKey<K>>,
    without_id: Vec<ReadyKey<K>>,
}

/// A key and the algorithm it is for.
pub(crate) struct ReadyKey<K> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: K,
}

impl<K> KeySet<K> {
    /// Makes the keys of a document ready for use. Also returns those that are
    /// left out, by the reader of the document or by the scheme.
    ///
    /// # Errors
    /// [`JwksError::NoneUsable`] if no key is left.
    pub fn load<S: SignatureScheme<Key = K>>(
        scheme: &S,
        jwks: &ParsedJwks,
    ) -> Result<(Self, Vec<LeftOut>), JwksError> {
        let mut set = Self { by_id: HashMap::new(), without_id: Vec::new() };
        let mut left_out = jwks.left_out().to_vec();
        for (place, (id, public)) in jwks.keys().iter().enumerate() {
            let Ok(key) = scheme.load(public) else {
                let why = "it is not a valid key of its type";
                left_out.push(LeftOut { key: id.clone().unwrap_or(format!("#{place}")), why });
                continue;
            };
            let ready = ReadyKey { algorithm: public.algorithm(), key };
            match id {
                Some(id) => drop(set.by_id.insert(id.clone(), ready)),
                None => set.without_id.push(ready),
            }
        }
        if set.by_id.is_empty() && set.without_id.is_empty() {
            return Err(JwksError::NoneUsable(left_out.len()));
        }
        Ok((set, left_out))
    }

    /// The key that a token names. A token that names none is matched only
    /// where there is just one key that it can mean.
    pub(crate) fn find(&self, id: Option<&str>) -> Option<&ReadyKey<K>> {
        match id {
            Some(id) => self.by_id.get(id),
            None => {
                let mut all = self.by_id.values().chain(&self.without_id);
                let only = all.next()?;
                all.next().is_none().then_some(only)
            }
        }
    }

    /// The ids of the keys, sorted: they are public.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.by_id.keys().map(String::as_str).collect();
        ids.sort_unstable();
        ids
    }
}
