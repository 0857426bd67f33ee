//! What a claim means.

use remint_idtoken::policy::{GCLOUD_CLIENT, RunHost};
use remint_idtoken::{Claims, UnixTime};
use serde_json::Value;

use super::spans::span;

/// The claims that are shown, in this order; none of them is a secret.
const SHOWN: [&str; 10] =
    ["iss", "aud", "sub", "azp", "email", "email_verified", "hd", "iat", "nbf", "exp"];

/// A claim, and what it means where that is not plain.
pub(super) struct Told<'c> {
    pub(super) name: &'static str,
    pub(super) value: &'c Value,
    pub(super) meaning: Option<String>,
}

/// The claims that people want to see. `url` is the one that was called.
pub(super) fn told<'c>(claims: &'c Claims, url: &str, now: UnixTime) -> Vec<Told<'c>> {
    let claim = |name: &&'static str| {
        let value = claims.all().get(*name)?;
        Some(Told { name, value, meaning: meaning(name, value, url, now) })
    };
    SHOWN.iter().filter_map(claim).collect()
}

fn meaning(name: &str, value: &Value, url: &str, now: UnixTime) -> Option<String> {
    match (name, value) {
        ("exp" | "iat" | "nbf", number) => time(name, UnixTime(number.as_u64()?), now),
        ("iss", Value::String(text)) => issuer(text).map(str::to_owned),
        ("aud", Value::String(text)) => audience(text, url),
        ("aud", Value::Array(several)) => several.iter().find_map(|it| audience(it.as_str()?, url)),
        ("email", Value::String(text)) => email(text),
        ("azp", Value::String(text)) if text == GCLOUD_CLIENT => Some("gcloud".to_owned()),
        _ => None,
    }
}

fn time(name: &str, at: UnixTime, now: UnixTime) -> Option<String> {
    let (ago, ahead) = (span(now.since(at)), span(at.since(now)));
    let is_over = at <= now;
    Some(match name {
        "exp" if is_over => format!("expired {ago} ago"),
        "exp" => format!("for another {ahead}"),
        "iat" if is_over => format!("issued {ago} ago"),
        _ if is_over => format!("since {ago}"),
        _ => format!("{ahead} from now"),
    })
}

fn issuer(issuer: &str) -> Option<&'static str> {
    match issuer {
        "https://accounts.google.com" | "accounts.google.com" => Some("Google"),
        "https://cloud.google.com/iap" => Some("IAP"),
        _ => None,
    }
}

/// For whom it is.
fn audience(audience: &str, url: &str) -> Option<String> {
    if audience == GCLOUD_CLIENT {
        return Some("gcloud, for a person".to_owned());
    }
    if audience.ends_with(".apps.googleusercontent.com") {
        return Some("an OAuth client: IAP's, or that of an application".to_owned());
    }
    if audience == url {
        return Some("the URL that was called".to_owned());
    }
    if let Some(run) = RunHost::of_url(audience) {
        let project = run.project_number().map(|number| format!(" of the project {number}"));
        return Some(format!(
            "the Cloud Run service {} in {}{}",
            run.service(),
            run.region(),
            project.unwrap_or_default()
        ));
    }
    // IAP, "Securing your app with signed headers".
    audience.starts_with("/projects/").then(|| "a service behind IAP".to_owned())
}

fn email(email: &str) -> Option<String> {
    let (_, domain) = email.split_once('@')?;
    match domain.strip_suffix(".gserviceaccount.com") {
        None => Some("a person, or a group's account".to_owned()),
        Some("developer") => Some("the default account of Compute Engine".to_owned()),
        Some(project) => {
            let project = project.strip_suffix(".iam")?;
            Some(format!("a service account of the project {project}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_shown_with_what_they_mean() {
        let now = UnixTime(1_000_000);
        let url = "https://orders.example.com/push";
        for (name, value, said) in [
            ("exp", json!(999_820), Some("expired 3 min ago")),
            ("exp", json!(1_000_060), Some("for another 1 min")),
            ("iat", json!(996_400), Some("issued 1 h ago")),
            ("iat", json!(1_000_042), Some("42 s from now")),
            ("iss", json!("accounts.google.com"), Some("Google")),
            ("aud", json!(url), Some("the URL that was called")),
            ("aud", json!(["x", GCLOUD_CLIENT]), Some("gcloud, for a person")),
            (
                "aud",
                json!("https://orders-123.us-east1.run.app"),
                Some("the Cloud Run service orders in us-east1 of the project 123"),
            ),
            (
                "aud",
                json!("https://orders-abcdefghij-uc.a.run.app/x"),
                Some("the Cloud Run service orders in us-central1"),
            ),
            (
                "email",
                json!("a@p.iam.gserviceaccount.com"),
                Some("a service account of the project p"),
            ),
            ("email", json!("jane@example.com"), Some("a person, or a group's account")),
            ("sub", json!("104"), None),
            ("exp", json!("x"), None),
        ] {
            assert_eq!(meaning(name, &value, url, now).as_deref(), said, "{name} {value}");
        }
    }
}
