//! Fetching key sets, whose answers tell Google's time too.

use http::header::DATE;
use remint_idtoken::UnixTime;
use remint_idtoken::keys::parse_jwks;
use remint_idtoken::policy::{Issuer, KeyUrl};

use crate::doctor::facts::KeyFacts;
use crate::error::chain;
use crate::keys::fetch_once;
use crate::upstream::Connector;

/// Whose clock counts.
const OF_GOOGLE: [&str; 2] = ["www.googleapis.com", "www.gstatic.com"];

/// What came of an issuer's key set, and by how many seconds Google's clock is
/// ahead, if it is Google's. None if its keys stand in the configuration.
pub(super) async fn read(
    issuer: &Issuer,
    connector: &Connector,
    now: impl Fn() -> UnixTime,
) -> Option<(KeyFacts, Option<i64>)> {
    let url = issuer.key_url()?;
    let shown = format!("{}://{}{}", url.scheme(), url.authority(), url.path_and_query());
    let (problem, ahead) = match fetch(url, connector, now).await {
        Ok((problem, ahead)) => (problem, ahead),
        Err(problem) => (Some(problem), None),
    };
    Some((KeyFacts { issuer: issuer.name().to_owned(), url: shown, problem }, ahead))
}

async fn fetch(
    url: &KeyUrl,
    connector: &Connector,
    now: impl Fn() -> UnixTime,
) -> Result<(Option<String>, Option<i64>), String> {
    let answer = fetch_once(url, connector).await?;
    let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let date = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    let is_of_google = OF_GOOGLE.contains(&url.authority());
    let ahead = date.filter(|_| is_of_google).and_then(|date| {
        let [its, own] = [date.as_secs(), now().0].map(|it| i64::try_from(it).ok());
        its?.checked_sub(own?)
    });
    let problem = parse_jwks(&answer.body).err().map(|error| chain(&error));
    Ok((problem, ahead))
}
