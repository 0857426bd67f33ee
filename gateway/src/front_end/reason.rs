//! Why a front end refuses the gateway, as its operator knows it.

use remint_idtoken::Reason;

use crate::config::Kind;
use crate::retry::Cause;

/// The statuses and reasons with which it refuses the gateway, whatever the
/// request: they are the operator's affair.
pub(crate) const VERDICTS: [(u16, Reason); 9] = [
    (401, Reason::AudienceMismatch),
    (403, Reason::InvokerMissing),
    (403, Reason::IapInvokerMissing),
    (403, Reason::IamPropagating),
    (404, Reason::IngressRefused),
    (429, Reason::RegionFull),
    (302, Reason::IapTokenRefused),
    (401, Reason::IapTokenRefused),
    (403, Reason::IapAccessMissing),
];

/// Why a region of that kind did not let a request in.
///
/// Behind IAP it is Cloud Run's page that is recognised, which shows that IAP
/// let the gateway through: what it says is said to IAP's own agent.
///
/// `was_let_in` says that it let the gateway in a moment ago: then its role is
/// about to be there, or to be gone, and not every front end knows.
pub(crate) fn reason(cause: Cause, kind: Kind, was_let_in: bool) -> Option<Reason> {
    match cause {
        Cause::CallerRefused if was_let_in => Some(Reason::IamPropagating),
        Cause::TokenRefused => Some(Reason::AudienceMismatch),
        Cause::CallerRefused if kind == Kind::Iap => Some(Reason::IapInvokerMissing),
        Cause::CallerRefused => Some(Reason::InvokerMissing),
        Cause::NotFound | Cause::MaybeNotFound => Some(Reason::IngressRefused),
        Cause::Full => Some(Reason::RegionFull),
        Cause::IapTokenRefused | Cause::IapInTheWay => Some(Reason::IapTokenRefused),
        Cause::IapCallerRefused => Some(Reason::IapAccessMissing),
        _ => None,
    }
}

/// What is most likely wrong where a refusal has that reason.
pub(crate) fn likely_cause(reason: Reason) -> &'static str {
    match reason {
        Reason::InvokerMissing => {
            "the gateway's account lacks roles/run.invoker on this service (a new binding takes \
             minutes to work); if it has it, the audience is wrong"
        }
        Reason::IapInvokerMissing => {
            "IAP let the gateway through, and IAP's service agent lacks roles/run.invoker on the \
             service behind it"
        }
        Reason::IamPropagating => {
            "it let the gateway in some minutes ago: a role was granted or taken away since, and \
             not every front end knows it yet; wait seven minutes, or grant it again"
        }
        Reason::IngressRefused => {
            "the service's ingress setting does not let the gateway in, or there is no such \
             service: send the gateway's calls through the VPC, or change the setting"
        }
        Reason::RegionFull => {
            "the service has as many instances as it may have, and all of them are busy"
        }
        Reason::IapTokenRefused => {
            "IAP is before this region and does not take the gateway's token: it wants its OAuth \
             client ID as audience (kind: iap)"
        }
        Reason::IapAccessMissing => {
            "the gateway's account lacks roles/iap.httpsResourceAccessor on what is behind IAP"
        }
        _ => "the audience is neither the service's own URL nor one of its custom audiences",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_behind_iap_is_said_to_iap() {
        let of = |cause, kind| reason(cause, kind, false).map(Reason::code);
        assert_eq!(of(Cause::CallerRefused, Kind::CloudRun), Some("invoker_missing"));
        assert_eq!(of(Cause::CallerRefused, Kind::Iap), Some("iap_invoker_missing"));
        assert_eq!(of(Cause::IapCallerRefused, Kind::Iap), Some("iap_access_missing"));
        assert_eq!(of(Cause::MaybeNotFound, Kind::CloudRun), Some("ingress_refused"));
        assert_eq!(of(Cause::TokenRefused, Kind::CloudRun), Some("aud_mismatch"));
        assert_eq!(of(Cause::IapInTheWay, Kind::CloudRun), Some("iap_token_refused"));
        assert_eq!(of(Cause::Full, Kind::CloudRun), Some("region_full"));
        assert_eq!(of(Cause::FrontEndFailed, Kind::CloudRun), None);
    }

    #[test]
    fn who_was_let_in_a_moment_ago_has_no_role_that_was_never_granted() {
        for kind in [Kind::CloudRun, Kind::Iap] {
            assert_eq!(reason(Cause::CallerRefused, kind, true), Some(Reason::IamPropagating));
            assert_eq!(reason(Cause::TokenRefused, kind, true), Some(Reason::AudienceMismatch));
        }
    }

    #[test]
    fn every_verdict_s_reason_is_one_that_a_refusal_has() {
        for kind in [Kind::CloudRun, Kind::CloudFunction, Kind::Iap, Kind::Other] {
            let told = |was_let_in| Cause::ALL.map(|cause| reason(cause, kind, was_let_in));
            for reason in [told(false), told(true)].into_iter().flatten().flatten() {
                assert!(VERDICTS.iter().any(|(_, it)| *it == reason), "{}", reason.code());
            }
        }
        for (_, of) in VERDICTS {
            let cases = [(Kind::CloudRun, false), (Kind::Iap, false), (Kind::Iap, true)];
            let told = |&(kind, let_in): &(_, _)| Cause::ALL.map(|it| reason(it, kind, let_in));
            let mut all = cases.iter().flat_map(told);
            assert!(all.any(|it| it == Some(of)), "{}", of.code());
        }
    }
}
