//! Tokens that an account has signed itself, instead of exchanging an assertion
//! for an access token (AIP-4111). Google's Rust library sends them.

use remint_idtoken::UnixTime;
use serde_json::Value;

use super::accounts::{Access, Accounts};
use super::oauth::{CLOUD_PLATFORM, is_timely};
use crate::issuer::Assertion;

/// What such a token is good for at the API of that audience: for the scopes
/// that it names, or for all of that API.
pub(super) fn access(
    accounts: &Accounts,
    token: &str,
    audience: &str,
    now: UnixTime,
) -> Option<Access> {
    let parsed = Assertion::parse(token)?;
    let email = parsed.claimed("iss")?;
    let keys = accounts.signing_keys(email, parsed.key_id());
    let claims = keys.iter().find_map(|key| parsed.verified_by(key))?;
    let text = |name| claims.get(name).and_then(Value::as_str);
    let scopes = match (text("scope"), text("aud")) {
        (Some(scopes), _) => scopes.split_whitespace().map(str::to_owned).collect(),
        (None, Some(named)) if named == audience => vec![CLOUD_PLATFORM.to_owned()],
        _ => return None,
    };
    let is_good = text("sub") == Some(email) && is_timely(&claims, now);
    let expires_at = claims.get("exp").and_then(Value::as_u64).map(UnixTime)?;
    is_good.then(|| Access { member: format!("serviceAccount:{email}"), scopes, expires_at })
}
