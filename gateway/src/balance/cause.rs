//! What goes wrong with a region, and what follows from it.

/// What an attempt failed of, when that is the region's doing. Whatever the
/// application itself says is none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no connection.
    Unreachable,
    /// There is one, and over it the region said that it takes no request more
    /// just now.
    Refused,
    /// The connection broke before there was an answer.
    Lost,
    /// There was no answer in time.
    TimedOut,
    /// Google's front end answered that it could not serve.
    FrontEnd,
}

/// Why a region is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Failures one after the other, the last one of this kind.
    Failures(Failure),
    /// Too many failures among other answers.
    FailureRate,
    /// The gateway's own probes failed.
    Probes,
}

impl Cause {
    /// All of them, for figures.
    pub(crate) const ALL: [Self; 7] = [
        Self::Failures(Failure::Unreachable),
        Self::Failures(Failure::Refused),
        Self::Failures(Failure::Lost),
        Self::Failures(Failure::TimedOut),
        Self::Failures(Failure::FrontEnd),
        Self::FailureRate,
        Self::Probes,
    ];

    /// As it is called in figures and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failures(Failure::Unreachable) => "unreachable",
            Self::Failures(Failure::Refused) => "refused_stream",
            Self::Failures(Failure::Lost) => "connection_lost",
            Self::Failures(Failure::TimedOut) => "timeout",
            Self::Failures(Failure::FrontEnd) => "front_end",
            Self::FailureRate => "failure_rate",
            Self::Probes => "probes",
        }
    }
}

/// What a probe changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probed {
    /// Nothing.
    Same,
    /// The region is left alone from now on.
    Ejected,
    /// The region is used again.
    Back,
}
