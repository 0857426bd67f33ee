//! What came of sending something.

use std::fmt;

/// One attempt of a sender to deliver something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The endpoint answered with this status.
    Answered(u16),
    /// There was no answer, and why.
    Failed(String),
    /// Nothing was sent, and why: the sender could not mint a token.
    NotSent(String),
}

impl Attempt {
    /// Whether Pub/Sub takes it for an acknowledgement.
    #[must_use]
    pub fn is_ack(&self) -> bool {
        matches!(self, Self::Answered(102 | 200 | 201 | 202 | 204))
    }

    /// Whether Cloud Tasks and Cloud Scheduler take it for a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered(200..300))
    }

    /// The status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(*status),
            Self::Failed(_) | Self::NotSent(_) => None,
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "{status}"),
            Self::Failed(why) | Self::NotSent(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pub_sub_s_five_statuses_acknowledge() {
        let acked = (100..600).filter(|status| Attempt::Answered(*status).is_ack());
        assert_eq!(acked.collect::<Vec<_>>(), [102, 200, 201, 202, 204]);
        assert!(!Attempt::Failed("refused".into()).is_ack());
    }
}
