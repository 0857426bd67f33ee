//! What the workers of a proxy tell each other about a key set: one record in
//! the proxy's shared data.

use std::time::Duration;

use remint_idtoken::UnixTime;
use remint_idtoken::keys::{KeyPast, MAX_JWKS_BYTES};

use crate::config::KeySource;

/// Changes with the format, and with what is taken for a good document: two
/// versions of the module may run side by side, and must not fight over one.
const FORMAT: &[u8] = b"remint key set 1\n";
/// Stands for what is not there.
const NOTHING: u64 = u64::MAX;

/// The state of a key set, as all workers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) past: KeyPast,
    /// The newest good document; empty before the first one.
    pub(crate) document: Vec<u8>,
    pub(crate) lease: Lease,
}

/// Who may fetch, and until when nobody else may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Counts the leases: who has taken one knows it by its number.
    pub(crate) number: u64,
    /// When it ends if nothing comes of it; zero if something has.
    pub(crate) until: UnixTime,
}

impl Lease {
    /// Whether somebody holds it. One that ends later than any can was taken
    /// by a clock that has been set back since.
    pub(crate) fn is_held(self, now: UnixTime, longest: Duration) -> bool {
        now < self.until && self.until <= now.plus(longest)
    }
}

/// Where the record of a key set is kept. The issuer's name is no part of it:
/// under another configuration it may stand for other keys.
pub(crate) fn key_of(source: &KeySource) -> String {
    let KeySource { cluster, scheme, authority, path, .. } = source;
    // Quoted, so that no two sources are written the same.
    format!("remint.keys {cluster:?} {:?}", format!("{scheme}://{authority}{path}"))
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let KeyPast { fetched_at, max_age, asked_at, told_at, failures, retry_at } = self.past;
        let numbers = [
            fetched_at.map_or(NOTHING, |it| it.0),
            max_age.map_or(NOTHING, |it| it.as_secs()),
            asked_at.map_or(NOTHING, |it| it.0),
            told_at.0,
            u64::from(failures),
            retry_at.0,
            self.lease.number,
            self.lease.until.0,
            u64::try_from(self.document.len()).unwrap_or(NOTHING),
        ];
        let mut bytes = FORMAT.to_vec();
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend_from_slice(&self.document);
        bytes
    }

    /// Reads a record. Whatever this module has not written is none: who
    /// shares the data may write anything.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(FORMAT)?;
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(u64::from_le_bytes(*number))
        };
        let fetched_at = maybe(number()?).map(UnixTime);
        let max_age = maybe(number()?).map(Duration::from_secs);
        let asked_at = maybe(number()?).map(UnixTime);
        let told_at = UnixTime(number()?);
        let failures = u32::try_from(number()?).ok()?;
        let retry_at = UnixTime(number()?);
        let lease = Lease { number: number()?, until: UnixTime(number()?) };
        let length = usize::try_from(number()?).ok()?;
        let is_whole = rest.len() == length && length <= MAX_JWKS_BYTES;
        // Keys and the time of their arrival come and go together.
        (is_whole && fetched_at.is_some() == (length > 0)).then(|| Self {
            past: KeyPast { fetched_at, max_age, asked_at, told_at, failures, retry_at },
            document: rest.to_vec(),
            lease,
        })
    }
}

fn maybe(number: u64) -> Option<u64> {
    (number != NOTHING).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(cluster: &str, path: &str) -> KeySource {
        KeySource {
            issuer: "google".to_owned(),
            cluster: cluster.to_owned(),
            scheme: "https",
            authority: "keys.example".to_owned(),
            path: path.to_owned(),
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_record_belongs_to_a_url_and_a_cluster_whatever_the_issuer_is_called() {
        let renamed = KeySource { issuer: "other".to_owned(), ..source("a", "/b") };
        assert_eq!(key_of(&source("a", "/b")), key_of(&renamed));
        let keys = [("a", "/b"), ("a", "/c"), ("b", "/b"), ("a\" \"https://keys.example/b", "")]
            .map(|(cluster, path)| key_of(&source(cluster, path)));
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(key), "{key}");
        }
    }

    #[test]
    fn a_lease_that_no_clock_could_have_given_is_not_held() {
        let longest = Duration::from_secs(10);
        let lease = |until| Lease { number: 1, until: UnixTime(until) };
        assert!(lease(110).is_held(UnixTime(100), longest));
        assert!(!lease(110).is_held(UnixTime(110), longest));
        assert!(!lease(111).is_held(UnixTime(100), longest));
        assert!(!Lease::default().is_held(UnixTime(0), longest));
    }

    fn record() -> impl Strategy<Value = Record> {
        let times = (0..NOTHING, 0..NOTHING, 0..NOTHING, any::<u32>(), any::<u64>(), any::<u64>());
        let maybe = (proptest::option::of(0..NOTHING), proptest::option::of(0..NOTHING));
        let document = proptest::collection::vec(any::<u8>(), 0..100);
        (times, maybe, document).prop_map(|(times, maybe, document)| Record {
            past: KeyPast {
                fetched_at: (!document.is_empty()).then_some(UnixTime(times.0)),
                max_age: maybe.0.map(Duration::from_secs),
                asked_at: maybe.1.map(UnixTime),
                told_at: UnixTime(times.1),
                failures: times.3,
                retry_at: UnixTime(times.2),
            },
            document,
            lease: Lease { number: times.4, until: UnixTime(times.5) },
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in record()) {
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn a_record_that_is_cut_or_continued_is_none(record in record(), cut in 0_usize..200) {
            let bytes = record.encode();
            prop_assert!(Record::decode(&bytes[..cut.min(bytes.len() - 1)]).is_none());
            prop_assert!(Record::decode(&[&bytes[..], b"x"].concat()).is_none());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::decode(&bytes);
            let _ = Record::decode(&[FORMAT, &bytes].concat());
        }
    }

    #[test]
    fn an_oversized_document_is_none() {
        let past = KeyPast { fetched_at: Some(UnixTime(1)), ..KeyPast::default() };
        let record = |bytes| Record { past, document: vec![b' '; bytes], lease: Lease::default() };
        assert!(Record::decode(&record(MAX_JWKS_BYTES).encode()).is_some());
        assert!(Record::decode(&record(MAX_JWKS_BYTES + 1).encode()).is_none());
    }
}
