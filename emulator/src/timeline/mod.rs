//! Every call that a part of the emulator has seen or made.

mod filter;
mod kept;

use std::fmt;

use remint_idtoken::UnixTime;
use serde::{Serialize, Serializer};

use crate::attempt::Attempt;
use crate::config::Agent;
use crate::origin::Origin;
pub(crate) use filter::Filter;
pub(crate) use kept::Mark;
pub use kept::{Entry, KEPT, Timeline};

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
    /// It did not either: the region had been told to fail, its container could
    /// not be reached, or a sender got no answer.
    Failed,
    /// A sender or a load balancer got this answer.
    Answered(u16),
    /// A sender sent nothing.
    NotSent,
}

impl Verdict {
    /// The kind in one word, without status and code: `accepted`, `refused`,
    /// `failed`, `answered` or `not_sent`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused { .. } => "refused",
            Self::Failed => "failed",
            Self::Answered(_) => "answered",
            Self::NotSent => "not_sent",
        }
    }

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

fn as_date<S: Serializer>(at: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

fn as_name<S: Serializer>(origin: &Option<Origin>, to: S) -> Result<S::Ok, S::Error> {
    origin.map(Origin::name).serialize(to)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn call(region: &str, verdict: Verdict) -> Call {
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

    pub(crate) const REFUSED: Verdict = Verdict::Refused { status: 401, code: "aud_mismatch" };

    #[test]
    fn a_call_reads_well_as_json() {
        let json = serde_json::to_value(call("a", REFUSED)).unwrap();
        assert_eq!(json["verdict"], "401 aud_mismatch");
        assert_eq!(json["at"], "1970-01-01T00:00:00Z");
    }
}
