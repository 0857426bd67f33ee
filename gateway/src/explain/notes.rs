//! How near a miss is, in words.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use remint_idtoken::policy::RunHost;
use remint_idtoken::{Claims, Reason, Refusal, Sender, Timing, UnixTime};

use super::difference::difference;
use super::subject::Region;
use super::{kinds, spans::span};

/// What is known of a request beside its token.
pub(super) struct Circumstances<'a> {
    pub(super) now: UnixTime,
    pub(super) timing: Timing,
    pub(super) regions: &'a [Region],
    /// The URL as it was called, with its query.
    pub(super) url: &'a str,
    pub(super) sender: Option<Sender>,
    pub(super) headers: &'a HeaderMap,
}

impl Circumstances<'_> {
    /// What a near miss lacks. `token` is what stands in its place.
    pub(super) fn note(
        &self,
        refusal: &Refusal,
        claims: Option<&Claims>,
        token: Option<&[u8]>,
    ) -> Option<String> {
        match (refusal.reason, claims) {
            (Reason::Malformed, _) => kinds::no_token(token?).map(|what| format!("it is {what}")),
            (Reason::TokenMissing, _) => self.other_scheme(),
            (Reason::Expired, Some(claims)) => {
                let ago = span(self.now.since(claims.expires_at));
                Some(format!("it expired {ago} ago, at {}", claims.expires_at))
            }
            (Reason::NotYetValid, Some(claims)) => self.until_valid(claims),
            (Reason::IssuerUnknown, Some(claims)) => {
                kinds::foreign(claims).map(|whose| format!("it is {whose}"))
            }
            (Reason::CallerNotAllowed, Some(claims)) => {
                let caller = claims.claimed_email()?;
                accepted(refusal).find_map(|it| difference(caller, it))
            }
            (reason, Some(claims)) if reason.is_about_audience() => {
                claims.audiences.iter().take(4).find_map(|it| self.about_audience(it, refusal))
            }
            _ => None,
        }
    }

    /// Something else in the header.
    fn other_scheme(&self) -> Option<String> {
        let value = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        Some(match first {
            "" => "Authorization is there, but empty".to_owned(),
            word if word.eq_ignore_ascii_case("bearer") && rest.trim().is_empty() => {
                "Authorization says Bearer without a token: whatever made it had none".to_owned()
            }
            "Basic" | "Digest" | "Negotiate" | "AWS4-HMAC-SHA256" => {
                format!("Authorization is there, but with the scheme {first}")
            }
            word if word.starts_with("eyJ") => {
                "Authorization has a token without \"Bearer \" before it".to_owned()
            }
            _ => return None,
        })
    }

    /// How long it takes until clocks, as far as they may differ, agree.
    fn until_valid(&self, claims: &Claims) -> Option<String> {
        let starts = [claims.not_before, claims.issued_at].into_iter().flatten().max()?;
        let skew = self.timing.clock_skew;
        let ahead = span(starts.since(self.now));
        Some(format!(
            "it would be valid in {}: its time begins {ahead} from now, of which {} are forgiven",
            span(starts.minus(skew).since(self.now)),
            span(skew)
        ))
    }

    fn about_audience(&self, audience: &str, refusal: &Refusal) -> Option<String> {
        if refusal.reason == Reason::AudienceTrailingSlash {
            let nearest = accepted(refusal)
                .find(|it| it.trim_end_matches('/') == audience.trim_end_matches('/'))?;
            return Some(format!("it differs from {nearest} only by the slash at its end"));
        }
        if audience == self.url {
            return Some(match self.sender {
                Some(sender) => format!(
                    "it is the default audience of {} for that endpoint: the URL that is called",
                    sender.name()
                ),
                None => "it is the URL that was called, which Pub/Sub push, Cloud Tasks, Cloud \
                         Scheduler and Eventarc take where no audience is set"
                    .to_owned(),
            });
        }
        let of_run = || self.about_run(audience, refusal);
        let different = || accepted(refusal).find_map(|it| difference(audience, it));
        of_run().or_else(|| self.configured(audience)).or_else(different)
    }

    /// A region that the configuration has, and the rule has not.
    fn configured(&self, audience: &str) -> Option<String> {
        let bare = audience.trim_end_matches('/');
        let region = self.regions.iter().find(|it| it.audience == bare)?;
        let (service, name) = (&region.service, &region.name);
        Some(format!("it is that of {service} in {name}, where this configuration sends requests"))
    }

    /// What the URL of a Cloud Run service tells beside those that are accepted.
    fn about_run(&self, audience: &str, refusal: &Refusal) -> Option<String> {
        let run = RunHost::of_url(audience)?;
        let (service, region) = (run.service(), run.region());
        if let Some(tag) = run.tag() {
            return Some(format!(
                "it has the traffic tag {tag}: Cloud Run's audiences are without ({tag}---)"
            ));
        }
        if let Some(called) = RunHost::of_url(self.url).filter(|it| run.is_elsewhere(it)) {
            let called = called.region();
            return Some(format!(
                "the audience is the {region} URL of {service}, but the request was for {called}"
            ));
        }
        let accepted = || accepted(refusal).filter_map(RunHost::of_url);
        let elsewhere: Vec<_> =
            accepted().filter(|it| run.is_elsewhere(it)).map(|it| it.region()).collect();
        if !elsewhere.is_empty() {
            let own =
                self.configured(audience).map(|_| ", where this configuration sends requests");
            return Some(format!(
                "it is the {region} URL of {service}{}; the rule takes {}",
                own.unwrap_or_default(),
                elsewhere.join(" and ")
            ));
        }
        if accepted().any(|it| run.may_be(&it)) {
            let mends = run.hash().map(|hash| format!(" (in \"services\": hash: {hash})"));
            return Some(format!(
                "it looks like the other URL of {service} in {region}: Cloud Run gives each service \
                 two, and the rule has one{}",
                mends.unwrap_or_default()
            ));
        }
        let other = accepted().find(|it| it.service() == service && it.region() == region)?;
        let (number, expected) = (run.project_number()?, other.project_number()?);
        Some(format!("it is {service} in {region} of the project {number}, not of {expected}"))
    }
}

/// The accepted values; of many the first ones.
fn accepted(refusal: &Refusal) -> impl Iterator<Item = &str> {
    let values = refusal.expectation().map(remint_idtoken::Expected::values).unwrap_or_default();
    values.iter().take(1000).map(|it| it.split(' ').next().unwrap_or(it))
}
