//! Refusals of Cloud Run's front end, told apart from the service's own.

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};

/// The content type of Google's pages, letter by letter: frameworks write
/// `utf-8`.
const PAGE_TYPE: &str = "text/html; charset=UTF-8";
const FAILURES: [u16; 4] = [500, 502, 503, 504];
/// What comes with Google's pages, and with any answer that passes its front
/// ends.
const PAGE_HEADERS: [&str; 13] = [
    "alt-svc",
    "connection",
    "content-length",
    "content-type",
    "date",
    "referrer-policy",
    "retry-after",
    "server",
    "traceparent",
    "transfer-encoding",
    "via",
    "x-cloud-trace-context",
    "x-content-type-options",
];

/// Whether an answer looks like the front end's "you may not". It says 401 in
/// HTML and with a challenge, 403 in HTML alone: a service's own 403 may look
/// the same, so this is for the log and decides nothing.
pub(crate) fn is_refusal(status: StatusCode, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_html = text(CONTENT_TYPE).starts_with("text/html");
    match status {
        StatusCode::UNAUTHORIZED => is_html && text(WWW_AUTHENTICATE).starts_with("Bearer"),
        StatusCode::FORBIDDEN => is_html,
        _ => false,
    }
}

/// Whether an answer is the front end's "it can't be served" rather than the
/// application's own: an HTML page as Google's front ends write it, for the
/// statuses that they use for this (Cloud Run, "Troubleshoot": 500, 502, 503
/// and 504), and not one header that only an application would set.
///
/// `Server` tells nothing: Google sets it on an application's answers too.
pub(crate) fn is_failure(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_kind = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == PAGE_TYPE);
    let is_google_s = |name: &HeaderName| PAGE_HEADERS.contains(&name.as_str());
    FAILURES.contains(&status.as_u16()) && is_kind && headers.keys().all(is_google_s)
}

/// What is most likely wrong.
pub(crate) fn likely_cause(status: StatusCode) -> &'static str {
    if status == StatusCode::FORBIDDEN {
        "the gateway's account lacks roles/run.invoker on this service (a new binding takes \
         minutes to work); if it has it, the audience is wrong"
    } else {
        "the audience is neither the service's own URL nor one of its custom audiences"
    }
}

/// The command that lets `account` call the service at `host`. Names that
/// can't be told stand in capitals.
pub(crate) fn invoker_command(host: &str, account: Option<&str>) -> String {
    let (service, region) = service_of(host).unwrap_or(("SERVICE", "REGION"));
    let account = account.unwrap_or("SERVICE_ACCOUNT_EMAIL");
    format!(
        "gcloud run services add-iam-policy-binding {service} --region={region} \
         --member=serviceAccount:{account} --role=roles/run.invoker"
    )
}

/// Service and region of `[TAG---]SERVICE-PROJECTNUMBER.REGION.run.app`.
fn service_of(host: &str) -> Option<(&str, &str)> {
    let (name, region) = host.strip_suffix(".run.app")?.split_once('.')?;
    let (service, project) = name.rsplit_once('-')?;
    let is_number = !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_digit());
    let service = service.rsplit_once("---").map_or(service, |(_, service)| service);
    (is_number && !region.contains('.')).then_some((service, region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_the_front_end_says_is_told_apart_by_html_and_challenge() {
        let answer = |kind, challenge: Option<&'static str>| {
            let mut headers =
                HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            if let Some(challenge) = challenge {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            headers
        };
        let challenge = Some("Bearer error=\"invalid_token\"");
        let html = answer("text/html; charset=UTF-8", challenge);
        assert!(is_refusal(StatusCode::UNAUTHORIZED, &html));
        assert!(is_refusal(StatusCode::FORBIDDEN, &html));
        assert!(!is_refusal(StatusCode::OK, &html));
        let json = answer("application/json", challenge);
        assert!(!is_refusal(StatusCode::UNAUTHORIZED, &json));
        assert!(!is_refusal(StatusCode::FORBIDDEN, &json));
        assert!(is_refusal(StatusCode::FORBIDDEN, &answer("text/html", None)));
        assert!(!is_refusal(StatusCode::UNAUTHORIZED, &answer("text/html", None)));
        assert!(!is_refusal(StatusCode::UNAUTHORIZED, &answer("text/html", Some("Basic"))));
    }

    #[test]
    fn a_failure_of_the_front_end_is_google_s_page_and_nothing_of_an_application_s() {
        let google = |extra: Option<(&'static str, &'static str)>| {
            let headers = [("content-type", PAGE_TYPE), ("content-length", "305")].into_iter();
            let more = [("date", "x"), ("server", "Google Frontend"), ("alt-svc", "h3")];
            let all = headers.chain(more).chain(extra);
            let header =
                |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            all.map(header).collect::<HeaderMap>()
        };
        for status in [500, 502, 503, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(is_failure(status, &google(None)), "{status}");
            for mark in [("x-powered-by", "Express"), ("etag", "1"), ("set-cookie", "a=b")] {
                assert!(!is_failure(status, &google(Some(mark))), "{mark:?}");
            }
            let other =
                |kind| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert!(!is_failure(status, &HeaderMap::new()));
            assert!(!is_failure(status, &other("text/html; charset=utf-8")), "Flask's");
            assert!(!is_failure(status, &other("application/json")));
        }
        for status in [200, 401, 403, 404, 429, 501] {
            assert!(!is_failure(StatusCode::from_u16(status).unwrap(), &google(None)), "{status}");
        }
    }

    #[test]
    fn the_command_names_service_and_region_where_the_host_tells_them() {
        let command = invoker_command("green---my-orders-123.us-central1.run.app", Some("g@p"));
        assert_eq!(
            command,
            "gcloud run services add-iam-policy-binding my-orders --region=us-central1 \
             --member=serviceAccount:g@p --role=roles/run.invoker"
        );
        for host in ["orders-abc-uc.a.run.app", "example.com", "127.0.0.1:80"] {
            assert!(invoker_command(host, None).contains(" SERVICE --region=REGION "), "{host}");
        }
    }
}
