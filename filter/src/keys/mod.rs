//! The key sets of a worker: when each is fetched, and what came of it.

use std::sync::Arc;

use remint_idtoken::keys::{KeySchedule, KeySet, KeyTimes, max_age, parse_jwks};
use remint_idtoken::{Authority, SignatureScheme, UnixTime};

use crate::config::KeySource;

/// One issuer's key set.
pub(crate) struct KeyState {
    pub(crate) source: KeySource,
    pub(crate) schedule: KeySchedule,
    /// The host's number for the fetch under way.
    call: Option<u32>,
}

/// What the key server answered.
pub(crate) struct KeyAnswer {
    /// The status, if there was an answer at all.
    pub(crate) status: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl KeyState {
    pub(crate) fn new(source: KeySource) -> Self {
        Self { source, schedule: KeySchedule::new(KeyTimes::default()), call: None }
    }

    /// A fetch was begun, or could not be begun.
    pub(crate) fn started(&mut self, call: Option<u32>, now: UnixTime, jitter: f64) {
        self.schedule.started(now);
        self.call = call;
        if call.is_none() {
            self.schedule.failed(now, jitter);
        }
    }

    /// Whether this fetch is this key set's.
    pub(crate) fn is_call(&self, call: u32) -> bool {
        self.call == Some(call)
    }

    /// Takes over the keys of an answer. Returns what is worth a log line, or
    /// why the last good keys stay.
    pub(crate) fn answered<S: SignatureScheme>(
        &mut self,
        authority: &mut Authority<S>,
        answer: &KeyAnswer,
        now: UnixTime,
        jitter: f64,
    ) -> Result<Vec<String>, String> {
        self.call = None;
        match self.read(authority, answer) {
            Ok(notes) => {
                let fresh_for = answer.cache_control.as_deref().and_then(max_age);
                self.schedule.succeeded(now, fresh_for);
                Ok(notes)
            }
            Err(why) => {
                self.schedule.failed(now, jitter);
                Err(why)
            }
        }
    }

    fn read<S: SignatureScheme>(
        &self,
        authority: &mut Authority<S>,
        answer: &KeyAnswer,
    ) -> Result<Vec<String>, String> {
        match answer.status.as_deref() {
            Some("200") => {}
            Some(other) => return Err(format!("the key server answered {other}")),
            None => return Err("the key server did not answer".to_owned()),
        }
        let parsed = parse_jwks(&answer.body).map_err(|error| error.to_string())?;
        let (set, left_out) =
            KeySet::load(authority.scheme(), &parsed).map_err(|error| error.to_string())?;
        authority.set_keys(&self.source.issuer, Some(Arc::new(set)));
        Ok(left_out.iter().map(ToString::to_string).collect())
    }

    /// Drops keys that are older than an outage may last.
    pub(crate) fn expire<S: SignatureScheme>(&self, authority: &mut Authority<S>, now: UnixTime) {
        if !self.schedule.is_usable(now) {
            authority.set_keys(&self.source.issuer, None);
        }
    }
}
