//! Which headers of the user's go along with a request.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ApiError, HttpTarget};

/// What Google sets itself, or keeps for itself, and so ignores in a task or a
/// job (Cloud Tasks API, `HttpRequest.headers`; Cloud Scheduler API,
/// `HttpTarget.headers`: "a partial list").
const IGNORED: [HeaderName; 5] = [HOST, CONTENT_LENGTH, USER_AGENT, CONNECTION, TRANSFER_ENCODING];
const IGNORED_PREFIXES: [&str; 4] =
    ["x-google-", "x-appengine-", "x-cloudtasks-", "x-cloudscheduler"];

/// The user's headers that are sent. A body without type is
/// `application/octet-stream`: Cloud Scheduler's documentation says so, and
/// Cloud Tasks' leaves it open.
///
/// # Errors
/// For names and values that no header can have.
pub(crate) fn sendable(target: &HttpTarget) -> Result<HeaderMap, ApiError> {
    let mut sent = HeaderMap::new();
    for (name, value) in &target.headers {
        let wrong = || ApiError::invalid(format!("the header {name:?} can't be sent"));
        let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        let is_ignored = IGNORED.contains(&name)
            || IGNORED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
        if !is_ignored {
            sent.insert(name, value);
        }
    }
    if !target.body.is_empty() {
        let bytes = HeaderValue::from_static("application/octet-stream");
        sent.entry(CONTENT_TYPE).or_insert(bytes);
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(headers: &[(&str, &str)], body: &str) -> HttpTarget {
        HttpTarget {
            headers: headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            body: body.into(),
            ..HttpTarget::new("https://a/".parse().unwrap())
        }
    }

    #[test]
    fn headers_that_google_keeps_for_itself_are_left_out() {
        let all = target(
            &[
                ("Host", "evil"),
                ("content-length", "1"),
                ("User-Agent", "me"),
                ("X-Google-A", "1"),
                ("X-AppEngine-A", "1"),
                ("X-CloudTasks-TaskName", "1"),
                ("X-CloudScheduler", "false"),
                ("X-Mine", "1"),
            ],
            "",
        );
        let sent = sendable(&all).unwrap();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent["x-mine"], "1");
    }

    #[test]
    fn a_body_has_a_type_and_the_user_s_own_wins() {
        assert_eq!(sendable(&target(&[], "a")).unwrap()[CONTENT_TYPE], "application/octet-stream");
        let typed = target(&[("Content-Type", "application/json")], "{}");
        assert_eq!(sendable(&typed).unwrap()[CONTENT_TYPE], "application/json");
        assert!(sendable(&target(&[], "")).unwrap().is_empty());
        assert!(sendable(&target(&[("no name", "a")], "")).is_err());
    }
}
