//! HTTP targets, which tasks and jobs share.

use std::time::Duration;

use remint_idtoken::config::{Object, Reader};

use super::values::{audience, email};
use crate::target::wire::method;
use crate::target::{Backoff, HttpTarget, OidcToken};

/// The members of a task or a job that say what it calls. The whole is checked
/// by whoever reads it.
pub(super) fn read(object: &mut Object<'_>) -> Option<HttpTarget> {
    let url = object.need("url").and_then(|it| it.parsed(str::parse));
    let method = object.maybe("method", |it| it.parsed(method));
    let headers = object.maybe("headers", read_headers);
    let body = object.maybe("body", |it| it.text().map(|text| text.as_bytes().to_vec()));
    let oidc = object.maybe("token", read_token);
    let whole = HttpTarget::new(url?);
    Some(HttpTarget {
        method: method?.unwrap_or(whole.method),
        headers: headers?.unwrap_or_default(),
        body: body?.unwrap_or_default(),
        oidc: oidc?,
        ..HttpTarget::new(whole.endpoint)
    })
}

fn read_headers(from: &Reader<'_>) -> Option<Vec<(String, String)>> {
    let entries = from.object()?.entries();
    let headers: Vec<_> = entries
        .into_iter()
        .map(|(name, value)| Some((name.to_owned(), value.text()?.to_owned())))
        .collect();
    headers.into_iter().collect()
}

fn read_token(from: &Reader<'_>) -> Option<OidcToken> {
    let mut object = from.object()?;
    let account = object.need("service_account").and_then(|it| email(&it));
    let audience = object.maybe("audience", audience);
    object.finish();
    Some(OidcToken { account: account?, audience: audience? })
}

/// The members of a retry policy that say how long it waits.
pub(super) fn read_backoff(object: &mut Object<'_>, usual: Backoff) -> Option<Backoff> {
    let min = object.maybe("min_backoff", Reader::duration);
    let max = object.maybe("max_backoff", Reader::duration);
    let doublings = object.maybe("max_doublings", |it| whole(it, 0, 1_000));
    let (min, max) = (min?.unwrap_or(usual.min), max?.unwrap_or(usual.max));
    if min > max {
        object.reader().problem("min_backoff is above max_backoff");
        return None;
    }
    Some(Backoff { min, max, max_doublings: doublings?.unwrap_or(usual.max_doublings) })
}

/// A deadline of either API.
pub(super) fn deadline(from: &Reader<'_>) -> Option<Duration> {
    from.duration_within(Duration::from_secs(15), Duration::from_secs(30 * 60))
}

pub(super) fn whole(from: &Reader<'_>, least: u32, most: u32) -> Option<u32> {
    from.whole_within(least, most).and_then(|number| u32::try_from(number).ok())
}
