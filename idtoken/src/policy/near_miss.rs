//! How an audience misses the accepted ones: most of the time a sender's default
//! or one letter, seldom somebody else's token.

use super::audiences::origin;
use super::run_host::{RUN_SUFFIX, RunHost};
use crate::refusal::Reason;

/// The OAuth client of `gcloud auth print-identity-token`, which is the audience of
/// people's tokens, as those have no `--audiences` (seen in gcloud's own sources,
/// `CLOUDSDK_CLIENT_ID`).
pub const GCLOUD_CLIENT: &str = "32555940559.apps.googleusercontent.com";
/// How the client IDs of Google's OAuth end.
const CLIENT_ID_SUFFIX: &str = ".apps.googleusercontent.com";

/// How many audiences of one token are compared closely: tokens of Google's have
/// one.
const EXAMINED: usize = 4;

/// How a token's audiences, of which none is accepted, miss the accepted ones where
/// these are compared letter by letter, as Cloud Run and IAP do. `host` is the one
/// that was called, without port. The answer is one of the reasons
/// [about audiences](Reason::is_about_audience), for whoever looks for the mistake:
/// the caller is told nothing of it.
#[must_use]
pub fn audience_miss(received: &[String], accepted: &[String], host: &str) -> Reason {
    let accepts = |audience: &str| accepted.iter().any(|it| it == audience);
    nearest(received, accepts, accepted, host)
}

/// What the first of the audiences that is near an accepted one lacks.
pub(super) fn nearest(
    received: &[String],
    accepts: impl Fn(&str) -> bool,
    accepted: &[String],
    host: &str,
) -> Reason {
    let misses = received.iter().map(|it| near_miss(it, &accepts, accepted, host));
    let is_near = |reason: &Reason| *reason != Reason::AudienceMismatch;
    misses.take(EXAMINED).find(is_near).unwrap_or(Reason::AudienceMismatch)
}

/// What is wrong with `received`, of which no part is accepted. `accepts` says
/// whether another spelling would be; `accepted` are the audiences as the rule has
/// them, and `host` is the one that was called.
fn near_miss(
    received: &str,
    accepts: impl Fn(&str) -> bool,
    accepted: &[String],
    host: &str,
) -> Reason {
    let slashless = received.strip_suffix('/');
    if slashless.is_some_and(&accepts) || accepts(&format!("{received}/")) {
        return Reason::AudienceTrailingSlash;
    }
    if accepts(&format!("https://{received}")) {
        return Reason::AudienceNoScheme;
    }
    if received == GCLOUD_CLIENT {
        return Reason::AudienceIsGcloudClient;
    }
    if received.ends_with(CLIENT_ID_SUFFIX) {
        return Reason::AudienceIsIapClient;
    }
    let Some(origin) = origin(received) else {
        return Reason::AudienceMismatch;
    };
    let has_port = has_port(received);
    let without_path = prefix_of_origin(received);
    if has_port && accepts(without_port(&origin)) {
        return Reason::AudienceHasPort;
    }
    if without_path != received && accepts(&origin) {
        return Reason::AudienceHasPath;
    }
    let its_host = host_of(&origin);
    // Beside an accepted audience of that host it is the case or the scheme.
    let is_listed =
        || accepted.iter().filter_map(|it| self::origin(it)).any(|it| host_of(&it) == host);
    if its_host == host && !is_listed() {
        return Reason::AudienceIsLoadBalancer;
    }
    match RunHost::of(its_host) {
        Some(run) if is_elsewhere(&run, accepted) => Reason::AudienceOtherRegion,
        None if its_host.ends_with(RUN_SUFFIX) => Reason::AudienceInventedHost,
        _ => Reason::AudienceMismatch,
    }
}

/// The URL up to the path.
fn prefix_of_origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at.saturating_add(3));
    let rest = url.get(after_scheme..).unwrap_or_default();
    match rest.find(['/', '?']) {
        Some(end) => url.get(..after_scheme.saturating_add(end)).unwrap_or(url),
        None => url,
    }
}

/// Whether the same service is accepted in other regions alone. With a tag before it,
/// that of an accepted region is not accepted either.
fn is_elsewhere(run: &RunHost<'_>, accepted: &[String]) -> bool {
    let origins = || accepted.iter().filter_map(|audience| origin(audience));
    let any = |is: &dyn Fn(&RunHost<'_>) -> bool| {
        origins().any(|origin| RunHost::of(host_of(&origin)).is_some_and(|other| is(&other)))
    };
    any(&|other| run.is_elsewhere(other)) && !any(&|other| run.is_same(other))
}

fn has_port(url: &str) -> bool {
    prefix_of_origin(url).split_once("://").is_some_and(|(_, rest)| rest.contains(':'))
}

fn without_port(origin: &str) -> &str {
    match origin.rsplit_once(':') {
        Some((before, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => before,
        _ => origin,
    }
}

fn host_of(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    rest.split(':').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: [&str; 3] = [
        "https://orders.example.com",
        "https://orders-123456789012.us-central1.run.app",
        "https://orders-abcdefghij-uc.a.run.app",
    ];

    fn miss(received: &str) -> Reason {
        let accepted = ACCEPTED.map(str::to_owned);
        near_miss(received, |it| ACCEPTED.contains(&it), &accepted, "api.example.com")
    }

    #[test]
    fn each_way_to_miss_has_its_own_reason() {
        for (received, reason) in [
            ("https://orders.example.com/", Reason::AudienceTrailingSlash),
            ("https://orders.example.com/push?a=b", Reason::AudienceHasPath),
            ("https://orders.example.com?a=b", Reason::AudienceHasPath),
            ("orders.example.com", Reason::AudienceNoScheme),
            ("https://orders.example.com:443", Reason::AudienceHasPort),
            ("https://orders.example.com:8443/push", Reason::AudienceHasPort),
            ("https://api.example.com/push", Reason::AudienceIsLoadBalancer),
            ("https://API.example.com", Reason::AudienceIsLoadBalancer),
            ("123-abc.apps.googleusercontent.com", Reason::AudienceIsIapClient),
            ("32555940559.apps.googleusercontent.com", Reason::AudienceIsGcloudClient),
            ("https://orders-123456789012.europe-west1.run.app", Reason::AudienceOtherRegion),
            ("https://orders-123456789012.europe-west1.run.app/x", Reason::AudienceOtherRegion),
            ("https://orders-abcdefghij-ew.a.run.app", Reason::AudienceOtherRegion),
            ("https://internal-orders.us-central1.run.app", Reason::AudienceInventedHost),
            ("https://orders.a.run.app", Reason::AudienceInventedHost),
        ] {
            assert_eq!(miss(received), reason, "{received}");
        }
    }

    #[test]
    fn what_is_near_nothing_is_a_mismatch() {
        for received in [
            "",
            "/",
            "a free-form audience",
            "https://ORDERS.example.com",
            "http://orders.example.com",
            "https://users-123456789012.us-central1.run.app",
            "https://orders-999.us-central1.run.app",
            "https://orders.example.com@evil.example/",
            "https://evil.example",
        ] {
            assert_eq!(miss(received), Reason::AudienceMismatch, "{received}");
        }
    }

    #[test]
    fn the_address_that_was_called_is_told_apart_from_another_spelling_of_an_accepted_one() {
        let accepted = ["https://api.example.com".to_owned()];
        let miss = |received| {
            near_miss(received, |it| it == "https://api.example.com", &accepted, "api.example.com")
        };
        assert_eq!(miss("https://API.example.com"), Reason::AudienceMismatch);
        assert_eq!(miss("http://api.example.com/push"), Reason::AudienceMismatch);
    }

    #[test]
    fn a_tag_does_not_make_another_service() {
        let tagged = "https://green---orders-123456789012.europe-west1.run.app";
        assert_eq!(miss(tagged), Reason::AudienceOtherRegion);
    }

    #[test]
    fn a_tag_of_an_accepted_region_is_not_another_region() {
        let both = ["us-central1", "europe-west1"]
            .map(|region| format!("https://orders-123456789012.{region}.run.app"));
        let tagged = ["https://green---orders-123456789012.us-central1.run.app".to_owned()];
        assert_eq!(audience_miss(&tagged, &both, "h"), Reason::AudienceMismatch);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gets_a_reason_of_audiences(received in "\\PC{0,40}") {
            proptest::prop_assert!(miss(&received).is_about_audience());
        }

        #[test]
        fn any_url_gets_a_reason_of_audiences(received in "https?://[a-z.:@/?-]{0,20}(.run.app)?") {
            proptest::prop_assert!(miss(&received).is_about_audience());
        }
    }
}
