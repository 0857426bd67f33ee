//! Every call that a part of the emulator has seen or made.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

use remint_idtoken::UnixTime;
use serde::{Serialize, Serializer};

use crate::attempt::Attempt;
use crate::config::Agent;
use crate::origin::Origin;
use crate::sync::lock;

/// How many calls are kept; older ones are forgotten.
pub const KEPT: usize = 10_000;

/// The part of the emulator that saw a call, or made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Cloud Run's front end, or that of a function.
    FrontEnd,
    /// A load balancer.
    LoadBalancer,
    /// Identity-Aware Proxy.
    Iap,
    /// A sender made it.
    Sender(Agent),
    /// The metadata server.
    Metadata,
    /// IAM Credentials.
    IamCredentials,
    /// The token endpoint.
    TokenEndpoint,
    /// The security token service.
    Sts,
    /// The proxy for programs that call Google's hosts.
    Proxy,
}

impl Part {
    /// As the timeline shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FrontEnd => "front end",
            Self::LoadBalancer => "load balancer",
            Self::Iap => "IAP",
            Self::Sender(agent) => agent.name(),
            Self::Metadata => "metadata server",
            Self::IamCredentials => "IAM Credentials",
            Self::TokenEndpoint => "token endpoint",
            Self::Sts => "STS",
            Self::Proxy => "proxy",
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// What was decided, or came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The call went on, to the container or wherever this part leads; or what
    /// was asked for was given.
    Accepted,
    /// It did not.
    Refused {
        /// What the caller was answered.
        status: u16,
        /// Why, mostly as [`remint_idtoken::Reason::code`] has it.
        code: &'static str,
    },
    /// It did not either: the region had been told to fail, or a sender got no
    /// answer.
    Failed,
    /// A sender or a load balancer got this answer.
    Answered(u16),
    /// A sender sent nothing.
    NotSent,
}

impl Verdict {
    pub(crate) fn of(attempt: &Attempt) -> Self {
        match attempt {
            Attempt::Answered(status) => Self::Answered(*status),
            Attempt::Failed(_) => Self::Failed,
            Attempt::NotSent(_) => Self::NotSent,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Refused { status, code } => write!(f, "{status} {code}"),
            Self::Failed => f.write_str("failed"),
            Self::Answered(status) => write!(f, "answered {status}"),
            Self::NotSent => f.write_str("not sent"),
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
    /// Who saw it, or made it.
    pub part: Part,
    /// The service that was called; of a sender the name of what sent it; else
    /// what was asked.
    pub service: String,
    /// The region whose front end saw it, or where a load balancer sent it.
    pub region: String,
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The host that was called.
    pub host: Option<String>,
    /// The token's audience as claimed, if there was a readable token.
    pub audience: Option<String>,
    /// The token's address or subject, as claimed.
    pub caller: Option<String>,
    /// The network that the call came from, where that matters.
    #[serde(serialize_with = "as_name")]
    pub origin: Option<Origin>,
    /// What was decided.
    pub verdict: Verdict,
    /// What else there is to say of it.
    pub note: Option<String>,
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

    /// What front ends have seen, oldest first. The newest [`KEPT`] calls of all
    /// parts are kept.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.select(|call| call.part == Part::FrontEnd)
    }

    /// What all parts have seen and made, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Call> {
        self.select(|_| true)
    }

    /// The kept calls that are like this, oldest first.
    #[must_use]
    pub fn select(&self, like: impl Fn(&Call) -> bool) -> Vec<Call> {
        lock(&self.0).iter().filter(|call| like(call)).cloned().collect()
    }

    /// How many of the kept calls that front ends have seen are like this.
    #[must_use]
    pub fn count(&self, like: impl Fn(&Call) -> bool) -> usize {
        let calls = lock(&self.0);
        calls.iter().filter(|call| call.part == Part::FrontEnd && like(call)).count()
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

fn as_name<S: Serializer>(origin: &Option<Origin>, to: S) -> Result<S::Ok, S::Error> {
    origin.map(Origin::name).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(region: &str, verdict: Verdict) -> Call {
        Call {
            at: UnixTime(0),
            part: Part::FrontEnd,
            service: "orders".into(),
            region: region.into(),
            method: "GET".into(),
            path: "/".into(),
            host: None,
            audience: None,
            caller: None,
            origin: None,
            verdict,
            note: None,
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
