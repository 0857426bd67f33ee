//! The key sets, shared by the workers of a proxy: one of them fetches, all
//! adopt. No host calls: the shared data comes from outside.
//!
//! Each key set has one [`Record`] in the shared data. Whoever finds that the
//! set is due takes the lease in it by compare-and-swap, and whoever gets it
//! fetches; the others look again at each tick. All that counts (when keys
//! arrived, failures, when the next attempt may begin) is in the record, so
//! that the rates hold for all workers together, and for those to come.

mod answer;
mod inline;
mod record;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use remint_idtoken::keys::{KeySchedule, KeyTimes, max_age};
use remint_idtoken::{Authority, SignatureScheme, UnixTime};

use crate::config::{KeySource, MAX_TIMEOUT};
pub(crate) use answer::KeyAnswer;
pub(crate) use inline::{InlineWatch, Note, left_out};
use record::{Lease, Record};
#[cfg(test)]
pub(crate) use shared::fake::Fake as FakeSharedData;
pub(crate) use shared::{SharedData, Version};

/// How much longer than the fetch itself a lease lasts: what came of it has
/// to be written down, by a worker that may be busy.
const SLACK: Duration = Duration::from_secs(3);
const LONGEST_LEASE: Duration = MAX_TIMEOUT.saturating_add(SLACK);
/// How often a result is tried to be written while others write, too. They
/// do so once or twice for each lease, so the second attempt succeeds.
const ATTEMPTS: usize = 8;

/// One issuer's key set, in one worker.
pub(crate) struct KeyState {
    pub(crate) source: KeySource,
    times: KeyTimes,
    /// Where the record is kept.
    place: String,
    /// The record as this worker knows it. It stands in for one that is lost.
    known: Record,
    schedule: KeySchedule,
    /// Whether the authority has the keys of the known document.
    is_in_use: bool,
    /// When a token last named a key that is not in the set, if no keys have
    /// come since.
    wanted_at: Option<UnixTime>,
    fetch: Option<Fetch>,
}

/// A fetch that this worker has the lease for.
struct Fetch {
    lease: u64,
    /// The host's number for it.
    call: Option<u32>,
}

/// What a look at the shared data has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether requests that wait should be decided again.
    pub(crate) is_new: bool,
    /// Whether it is this worker that has to fetch now.
    pub(crate) must_fetch: bool,
}

impl KeyState {
    pub(crate) fn new(source: KeySource, times: KeyTimes) -> Self {
        Self {
            place: record::key_of(&source),
            source,
            times,
            known: Record::default(),
            schedule: KeySchedule::new(times),
            is_in_use: false,
            wanted_at: None,
            fetch: None,
        }
    }

    /// Takes over what other workers know, drops what is too old, and takes
    /// the lease if keys are due and nobody has it.
    pub(crate) fn look<S: SignatureScheme>(
        &mut self,
        shared: &impl SharedData,
        authority: &mut Authority<S>,
        now: UnixTime,
    ) -> Look {
        let before = (self.known.past, self.wanted_at);
        let (version, is_lost) = self.adopt(shared, authority, now);
        let has_come = |wanted_at| self.known.past.fetched_at.is_some_and(|at| at >= wanted_at);
        self.wanted_at = self.wanted_at.filter(|at| !has_come(*at));
        if self.wanted_at.is_some() && !self.schedule.unknown_key(now) {
            self.wanted_at = None;
        }
        let is_due = self.fetch.is_none() && self.schedule.is_due(now);
        let must_fetch = is_due && self.take_lease(shared, version, now);
        if is_lost && !is_due && !self.known.document.is_empty() {
            // If somebody else was faster, the next look shows it.
            shared.set(&self.place, &self.known.encode(), version);
        }
        Look { is_new: before != (self.known.past, self.wanted_at), must_fetch }
    }

    /// Takes over what other workers know. Returns the record's version, and
    /// whether there is less in it than this worker knows: somebody has lost
    /// or overwritten it.
    pub(crate) fn adopt<S: SignatureScheme>(
        &mut self,
        shared: &impl SharedData,
        authority: &mut Authority<S>,
        now: UnixTime,
    ) -> (Version, bool) {
        let (bytes, version) = shared.get(&self.place);
        let is_lost = match bytes.as_deref().and_then(Record::decode) {
            Some(found) => self.merge(found, authority),
            None => self.known != Record::default(),
        };
        let is_held = self.known.lease.is_held(now, LONGEST_LEASE);
        if !is_held || self.fetch.as_ref().is_some_and(|it| it.lease != self.known.lease.number) {
            self.fetch = None;
        }
        self.schedule = KeySchedule::resume(self.times, self.known.past, is_held);
        self.use_or_drop(authority, now);
        (version, is_lost)
    }

    /// Takes over a record. Returns whether there is less in it than this
    /// worker knows.
    fn merge<S: SignatureScheme>(&mut self, found: Record, authority: &mut Authority<S>) -> bool {
        if found.document == self.known.document {
            self.known = found;
            return false;
        }
        let loaded = answer::load(authority.scheme(), &found.document);
        match loaded {
            Ok((keys, _)) => {
                authority.set_keys(&self.source.issuer, Some(Arc::new(keys)));
                self.is_in_use = true;
                self.known = found;
                false
            }
            Err(_) => {
                self.known.lease = found.lease;
                true
            }
        }
    }

    /// Drops keys that are older than an outage may last, and takes them up
    /// again if it turns out that they are still those of the key server.
    fn use_or_drop<S: SignatureScheme>(&mut self, authority: &mut Authority<S>, now: UnixTime) {
        let is_usable = self.schedule.is_usable(now);
        if is_usable == self.is_in_use {
            return;
        }
        let loaded = is_usable.then(|| answer::load(authority.scheme(), &self.known.document).ok());
        let keys = loaded.flatten().map(|(keys, _)| Arc::new(keys));
        authority.set_keys(&self.source.issuer, keys);
        self.is_in_use = is_usable;
    }

    fn take_lease(&mut self, shared: &impl SharedData, version: Version, now: UnixTime) -> bool {
        let mut schedule = self.schedule.clone();
        schedule.started(now);
        let number = self.known.lease.number.wrapping_add(1);
        let whole_seconds = Duration::from_secs(self.source.timeout.as_secs());
        let until = now.plus(whole_seconds.saturating_add(SLACK));
        let record = Record {
            past: schedule.past(),
            document: self.known.document.clone(),
            lease: Lease { number, until },
        };
        let is_taken = shared.set(&self.place, &record.encode(), version);
        if is_taken {
            (self.known, self.schedule) = (record, schedule);
            self.fetch = Some(Fetch { lease: number, call: None });
        }
        is_taken
    }

    /// The fetch that [`Self::look`] asked for was begun.
    pub(crate) fn started(&mut self, call: u32) {
        if let Some(fetch) = &mut self.fetch {
            fetch.call = Some(call);
        }
    }

    /// Whether this fetch is this key set's.
    pub(crate) fn is_call(&self, call: u32) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.call == Some(call))
    }

    /// Takes over the keys of an answer and tells the others. Returns what is
    /// worth a log line, or why the last good keys stay.
    pub(crate) fn answered<S: SignatureScheme>(
        &mut self,
        shared: &impl SharedData,
        authority: &mut Authority<S>,
        answer: &KeyAnswer,
        now: UnixTime,
        jitter: f64,
    ) -> Result<Vec<String>, String> {
        let (keys, left_out) = match answer.keys(authority.scheme()) {
            Ok(good) => good,
            Err(why) => {
                self.failed(shared, authority, now, jitter);
                return Err(why);
            }
        };
        let is_new = self.known.document != answer.body;
        if is_new || !self.is_in_use {
            authority.set_keys(&self.source.issuer, Some(Arc::new(keys)));
            self.is_in_use = true;
            self.known.document.clone_from(&answer.body);
        }
        let fresh_for = answer.cache_control.as_deref().and_then(max_age);
        self.conclude(shared, authority, now, |schedule, document| {
            schedule.succeeded(now, fresh_for);
            document.clone_from(&answer.body);
        });
        let notes = left_out.iter().filter(|_| is_new);
        Ok(notes.map(ToString::to_string).collect())
    }

    /// A fetch could not be begun, or has brought nothing.
    pub(crate) fn failed<S: SignatureScheme>(
        &mut self,
        shared: &impl SharedData,
        authority: &mut Authority<S>,
        now: UnixTime,
        jitter: f64,
    ) {
        self.conclude(shared, authority, now, |schedule, _| schedule.failed(now, jitter));
    }

    /// Writes down what came of a fetch, and gives the lease back.
    fn conclude<S: SignatureScheme>(
        &mut self,
        shared: &impl SharedData,
        authority: &mut Authority<S>,
        now: UnixTime,
        change: impl Fn(&mut KeySchedule, &mut Vec<u8>),
    ) {
        let mine = self.fetch.take().map(|fetch| fetch.lease);
        for _ in 0..ATTEMPTS {
            let (bytes, version) = shared.get(&self.place);
            let found = bytes.as_deref().and_then(Record::decode);
            let mut record = found.unwrap_or_else(|| self.known.clone());
            let mut schedule = KeySchedule::resume(self.times, record.past, false);
            change(&mut schedule, &mut record.document);
            record.past = schedule.past();
            // Another worker may have taken over.
            if mine == Some(record.lease.number) {
                record.lease.until = UnixTime(0);
            }
            let is_written = shared.set(&self.place, &record.encode(), version);
            // What it fetched itself a worker knows in any case.
            if record.document == self.known.document {
                self.known = record;
            }
            if is_written {
                break;
            }
        }
        self.adopt(shared, authority, now);
    }

    /// Whether the newest attempt to fetch failed, whoever made it.
    pub(crate) fn last_failed(&self) -> bool {
        self.schedule.last_failed()
    }

    /// A token named a key that is not in the set. Returns whether new keys
    /// may be on their way. The next look asks for them, unless another worker
    /// has since.
    pub(crate) fn unknown_key(&mut self, now: UnixTime) -> bool {
        let may_come = self.schedule.unknown_key(now);
        if may_come {
            self.wanted_at = Some(now);
        }
        may_come
    }

    /// When the keys at hand were fetched, by whichever worker. Nothing if
    /// there are none that may be used.
    pub(crate) fn fetched_at(&self) -> Option<UnixTime> {
        self.known.past.fetched_at.filter(|_| self.is_in_use)
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
