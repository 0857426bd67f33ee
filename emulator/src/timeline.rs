//! Every call that a Cloud Run front end has seen.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use remint_idtoken::UnixTime;
use serde::{Serialize, Serializer};

use crate::sync::lock;

/// How many calls are kept; older ones are forgotten.
pub const KEPT: usize = 10_000;

/// What a front end decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The call went on to the container.
    Accepted,
    /// It did not.
    Refused {
        /// What the caller was answered: 401 or 403.
        status: u16,
        /// Why, as [`remint_idtoken::Reason::code`] has it.
        code: &'static str,
    },
    /// It did not either: the region had been told to fail.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Refused { status, code } => write!(f, "{status} {code}"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One call. Holds claims, never a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// When it came.
    #[serde(serialize_with = "as_date")]
    pub at: UnixTime,
    /// The service that was called.
    pub service: String,
    /// The region whose front end saw it.
    pub region: String,
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The token's audience as claimed, if there was a readable token.
    pub audience: Option<String>,
    /// The token's address or subject, as claimed.
    pub caller: Option<String>,
    /// What was decided.
    pub verdict: Verdict,
    /// The `x-request-id` header.
    pub request_id: Option<String>,
}

/// The newest calls, oldest first.
#[derive(Debug, Default)]
pub struct Timeline(Mutex<VecDeque<Call>>);

impl Timeline {
    pub(crate) fn add(&self, call: Call) {
        let mut calls = lock(&self.0);
        if calls.len() >= KEPT {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The calls, oldest first: the newest [`KEPT`].
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0).iter().cloned().collect()
    }

    /// How many of the kept calls are like this.
    #[must_use]
    pub fn count(&self, like: impl Fn(&Call) -> bool) -> usize {
        lock(&self.0).iter().filter(|call| like(call)).count()
    }

    /// How many calls a region has accepted.
    #[must_use]
    pub fn accepted(&self, region: &str) -> usize {
        self.count(|call| call.region == region && call.verdict == Verdict::Accepted)
    }

    /// How many calls a region has refused.
    #[must_use]
    pub fn refused(&self, region: &str) -> usize {
        let is_refusal = |call: &Call| matches!(call.verdict, Verdict::Refused { .. });
        self.count(|call| call.region == region && is_refusal(call))
    }

    /// Forgets all calls.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

fn as_date<S: Serializer>(at: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(region: &str, verdict: Verdict) -> Call {
        Call {
            at: UnixTime(0),
            service: "orders".into(),
            region: region.into(),
            method: "GET".into(),
            path: "/".into(),
            audience: None,
            caller: None,
            verdict,
            request_id: None,
        }
    }

    const REFUSED: Verdict = Verdict::Refused { status: 401, code: "aud_mismatch" };

    #[test]
    fn calls_are_counted_by_region_and_verdict() {
        let timeline = Timeline::default();
        for (region, verdict) in
            [("a", Verdict::Accepted), ("a", REFUSED), ("b", Verdict::Accepted)]
        {
            timeline.add(call(region, verdict));
        }
        assert_eq!((timeline.accepted("a"), timeline.refused("a")), (1, 1));
        assert_eq!((timeline.accepted("b"), timeline.refused("b")), (1, 0));
        timeline.clear();
        assert!(timeline.calls().is_empty());
    }

    #[test]
    fn the_oldest_calls_are_forgotten_first() {
        let timeline = Timeline::default();
        timeline.add(call("first", REFUSED));
        for _ in 0..KEPT {
            timeline.add(call("later", REFUSED));
        }
        assert_eq!(timeline.calls().len(), KEPT);
        assert_eq!(timeline.refused("first"), 0);
    }

    #[test]
    fn a_call_reads_well_as_json() {
        let json = serde_json::to_value(call("a", REFUSED)).unwrap();
        assert_eq!(json["verdict"], "401 aud_mismatch");
        assert_eq!(json["at"], "1970-01-01T00:00:00Z");
    }
}
