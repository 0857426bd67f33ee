//! Which parts of Remint tell which reasons.

use super::reason::Reason;

/// A part of Remint that tells its operator why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Teller {
    /// The filter, of what its policy refuses.
    Filter,
    /// The gateway: of what its policy refuses, of what front ends refuse it, and
    /// of tokens that it does not get.
    Gateway,
    /// `remint explain`, of a request that was captured.
    Explain,
    /// `remint doctor`, of what would be refused.
    Doctor,
    /// The emulator, of what its parts of Google refuse.
    Emulator,
}

impl Teller {
    /// All of them, in the order of a request's way.
    pub const ALL: [Self; 5] =
        [Self::Filter, Self::Gateway, Self::Explain, Self::Doctor, Self::Emulator];

    /// Its name in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filter => "the filter",
            Self::Gateway => "the gateway",
            Self::Explain => "`remint explain`",
            Self::Doctor => "`remint doctor`",
            Self::Emulator => "the emulator",
        }
    }

    /// Where it writes a reason's code, as a part of a sentence.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::Filter => {
                "`reason` in its lines in the proxy's log, in its filter state for access logs \
                 (`wasm.remint.reason`), and of the counter `remint_requests`"
            }
            Self::Gateway => {
                "`reason` in its log, in `/status` and on its page, and of the counters \
                 `remint_refusals_total` and `remint_reported_total` (its policy), \
                 `remint_front_end_refusals_total` (front ends) and `remint_mints_total` (tokens)"
            }
            Self::Explain => {
                "the first line, and the check that failed; `refusal.reason` with `--json`"
            }
            Self::Doctor => "behind the name of a check that failed; `reason` with `--json`",
            Self::Emulator => "the verdict of a call in its timeline, or the call's note",
        }
    }

    fn tells(self, reason: Reason) -> bool {
        use Reason as R;
        match self {
            Self::Filter => reason.is_of_verification(),
            // It checks signatures itself, and what it checks with can't be away.
            Self::Gateway => !matches!(reason, R::CheckUnavailable | R::SenderMayNotMint),
            Self::Explain => reason.is_of_verification() && reason != R::CheckUnavailable,
            // What stands in a configuration, and what it takes to call the regions;
            // tokens of callers it never sees.
            Self::Doctor => {
                reason.is_about_audience()
                    || !reason.is_of_verification() && !is_of_traffic(reason)
                    || matches!(
                        reason,
                        R::TargetUnsafe
                            | R::NoRule
                            | R::TokenMissing
                            | R::IssuerUnknown
                            | R::CallerNotAllowed
                            | R::ClaimMismatch
                            | R::KeysUnavailable
                    )
            }
            // It has no policy, no keys to fetch and no claims to ask for, and of a
            // token that IAP does not take it tells what is wrong with it.
            Self::Emulator => !matches!(
                reason,
                R::TargetUnsafe
                    | R::NoRule
                    | R::ClaimMismatch
                    | R::EmailUnverified
                    | R::KeysUnavailable
                    | R::KeysExpired
                    | R::CheckUnavailable
                    | R::CallerNotAllowed
                    | R::IapTokenRefused
            ),
        }
    }
}

/// What only requests meet: a region that is full, an IAP that says no.
fn is_of_traffic(reason: Reason) -> bool {
    matches!(reason, Reason::RegionFull | Reason::IapTokenRefused | Reason::IapAccessMissing)
}

impl Reason {
    /// The parts of Remint that tell it.
    pub fn told_by(self) -> impl Iterator<Item = Teller> {
        Teller::ALL.into_iter().filter(move |teller| teller.tells(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_tells_each_reason() {
        for reason in Reason::ALL {
            assert!(reason.told_by().next().is_some(), "{reason:?}");
        }
    }
}
