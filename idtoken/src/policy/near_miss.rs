//! How an audience misses the accepted ones: most of the time a sender's default
//! or one letter, seldom somebody else's token.

use super::audiences::origin;
use crate::refusal::Reason;

/// The OAuth client of `gcloud auth print-identity-token`, which is the audience of
/// people's tokens, as those have no `--audiences` (seen in gcloud's own sources,
/// `CLOUDSDK_CLIENT_ID`).
const GCLOUD_CLIENT: &str = "32555940559.apps.googleusercontent.com";
/// How the client IDs of Google's OAuth end.
const CLIENT_ID_SUFFIX: &str = ".apps.googleusercontent.com";
/// Where Cloud Run's services are.
const RUN_SUFFIX: &str = ".run.app";

/// What is wrong with `received`, of which no part is accepted. `accepts` says
/// whether another spelling would be; `accepted` are the audiences as the rule has
/// them, and `host` is the one that was called.
pub(super) fn near_miss(
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
    match Run::of(its_host) {
        Some(run) if accepted.iter().any(|other| run.is_elsewhere(other)) => {
            Reason::AudienceOtherRegion
        }
        None if its_host.ends_with(RUN_SUFFIX) => Reason::AudienceInventedHost,
        _ => Reason::AudienceMismatch,
    }
}

/// What is wrong with an audience where these alone are accepted, letter by
/// letter; None if it is one of them. `host` is the one that is called.
#[must_use]
pub fn audience_miss(received: &str, accepted: &[String], host: &str) -> Option<Reason> {
    let accepts = |audience: &str| accepted.iter().any(|it| it == audience);
    (!accepts(received)).then(|| near_miss(received, accepts, accepted, host))
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

/// A host of Cloud Run's, in one of its two forms.
#[derive(Debug, PartialEq, Eq)]
struct Run<'h> {
    /// The service with its project's number or hash: what stays the same from
    /// region to region, but for the abbreviation at the end of the older form.
    service: &'h str,
    region: &'h str,
    is_hashed: bool,
}

impl<'h> Run<'h> {
    /// `SERVICE-NUMBER.REGION.run.app` or `SERVICE-HASH-RC.a.run.app`, with or
    /// without a tag in front.
    fn of(host: &'h str) -> Option<Self> {
        let name = host.strip_suffix(RUN_SUFFIX)?;
        let (first, region) = name.split_once('.')?;
        let first = first.split_once("---").map_or(first, |(_, service)| service);
        if region.contains('.') || region.is_empty() {
            return None;
        }
        if region == "a" {
            let (service, code) = first.rsplit_once('-')?;
            let (_, hash) = service.rsplit_once('-')?;
            let is_one = hash.len() == 10 && !code.is_empty();
            return is_one.then_some(Self { service, region: code, is_hashed: true });
        }
        let (_, number) = first.rsplit_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(Self { service: first, region, is_hashed: false })
    }

    /// Whether that audience is the same service in another region.
    fn is_elsewhere(&self, audience: &str) -> bool {
        let origin = origin(audience);
        let other = origin.as_deref().map(host_of).and_then(Run::of);
        other.is_some_and(|other| {
            other.is_hashed == self.is_hashed
                && other.service == self.service
                && other.region != self.region
        })
    }
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

    #[test]
    fn where_audiences_are_compared_letter_by_letter_the_miss_of_each_is_told() {
        let accepted = ["https://orders-1.us-east1.run.app".to_owned(), "custom".to_owned()];
        let miss = |audience| audience_miss(audience, &accepted, "orders-1.us-east1.run.app");
        assert_eq!((miss("custom"), miss(&accepted[0])), (None, None));
        for (audience, reason) in [
            ("https://orders-1.us-east1.run.app/push", Reason::AudienceHasPath),
            ("https://orders-1.us-east1.run.app/", Reason::AudienceTrailingSlash),
            ("https://orders-1.us-east4.run.app", Reason::AudienceOtherRegion),
            ("another", Reason::AudienceMismatch),
        ] {
            assert_eq!(miss(audience), Some(reason), "{audience}");
        }
    }
}
