//! Refusals of Cloud Run's front end, told apart from the service's own.

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::Kind;

/// Stands for an account that can't be told.
const ACCOUNT: &str = "SERVICE_ACCOUNT_EMAIL";
const FAILURES: [u16; 4] = [500, 502, 503, 504];
/// How much of a page is looked at. Google's are shorter, or have their title
/// near the beginning.
const PAGE_BEGINNING: usize = 2048;

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

/// Whether an answer can be the front end's "it can't be served": HTML with one
/// of the statuses that it uses for this (Cloud Run, "Troubleshoot": 500, 502,
/// 503 and 504). Whether it is shows in the page.
pub(crate) fn may_be_failure(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_html = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    FAILURES.contains(&status.as_u16()) && headers.get(CONTENT_TYPE).is_some_and(is_html)
}

/// Whether a page that begins so is the front end's: Google's have one of two
/// titles, which an application would have to imitate.
///
/// The `Server` header tells nothing: Google sets it on an application's
/// answers too.
pub(crate) fn is_failure_page(status: StatusCode, page: &[u8]) -> bool {
    let beginning = page.get(..PAGE_BEGINNING).unwrap_or(page);
    let page = String::from_utf8_lossy(beginning);
    let code = status.as_u16();
    let has = |part: &str| page.contains(part);
    let is_plain =
        has(&format!("<title>{code} Server Error</title>")) && has("<h1>Error: Server Error</h1>");
    let is_with_robot = has(&format!("<title>Error {code} (")) && has(")!!1</title>");
    is_plain || is_with_robot
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

/// The command that lets `account` call what stands in a region: at that host
/// and below that path. None if Google does not guard it.
pub(crate) fn grant_command(
    kind: Kind,
    host: &str,
    path: &str,
    account: Option<&str>,
) -> Option<String> {
    let member = format!("--member=serviceAccount:{}", account.unwrap_or(ACCOUNT));
    match kind {
        Kind::CloudRun => Some(invoker_command(host, account)),
        Kind::CloudFunction => {
            let (name, region) = (path.trim_start_matches('/'), function_region(host));
            Some(format!(
                "gcloud functions add-iam-policy-binding {name} --region={} {member} \
                 --role=roles/cloudfunctions.invoker",
                region.unwrap_or("REGION")
            ))
        }
        Kind::Iap => Some(format!(
            "gcloud iap web add-iam-policy-binding --resource-type=backend-services \
             --service=BACKEND_SERVICE {member} --role=roles/iap.httpsResourceAccessor"
        )),
        Kind::Other => None,
    }
}

/// The region of `REGION-PROJECT.cloudfunctions.net`. Names of regions have one
/// hyphen.
fn function_region(host: &str) -> Option<&str> {
    let name = host.strip_suffix(".cloudfunctions.net")?;
    let end = name.match_indices('-').nth(1)?.0;
    name.get(..end)
}

/// The command that lets `account` call the service at `host`. Names that
/// can't be told stand in capitals.
fn invoker_command(host: &str, account: Option<&str>) -> String {
    let (service, region) = service_of(host).unwrap_or(("SERVICE", "REGION"));
    let account = account.unwrap_or(ACCOUNT);
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
    fn a_failure_of_the_front_end_is_google_s_page_and_no_application_s() {
        let html = |kind| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let plain = |code: u16| {
            format!(
                "<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html\">\n\
                 <title>{code} Server Error</title>\n</head>\n<body text=#000000>\n\
                 <h1>Error: Server Error</h1>"
            )
        };
        let robot = |code: u16| {
            format!(
                "<!DOCTYPE html>\n<html lang=en>\n<title>Error {code} (Server Error)!!1</title>"
            )
        };
        for code in [500, 502, 503, 504] {
            let status = StatusCode::from_u16(code).unwrap();
            assert!(may_be_failure(status, &html("text/html; charset=UTF-8")));
            assert!(!may_be_failure(status, &html("application/json")));
            assert!(!may_be_failure(status, &HeaderMap::new()));
            assert!(is_failure_page(status, plain(code).as_bytes()), "{code}");
            assert!(is_failure_page(status, robot(code).as_bytes()), "{code}");
            let far_on = " ".repeat(PAGE_BEGINNING) + &plain(code);
            for other in [plain(501), robot(501), far_on, "<h1>Whoops</h1>".into(), String::new()] {
                assert!(!is_failure_page(status, other.as_bytes()), "{other}");
            }
        }
        for code in [200, 401, 403, 404, 429, 501] {
            let status = StatusCode::from_u16(code).unwrap();
            assert!(!may_be_failure(status, &html("text/html")), "{code}");
        }
    }

    #[test]
    fn each_kind_of_region_has_its_own_command() {
        let host = "europe-west1-my-project.cloudfunctions.net";
        let command = grant_command(Kind::CloudFunction, host, "/orders", Some("g@p")).unwrap();
        assert_eq!(
            command,
            "gcloud functions add-iam-policy-binding orders --region=europe-west1 \
             --member=serviceAccount:g@p --role=roles/cloudfunctions.invoker"
        );
        let unknown = grant_command(Kind::CloudFunction, "127.0.0.1", "/orders", None).unwrap();
        assert!(unknown.contains("--region=REGION --member=serviceAccount:SERVICE_ACCOUNT_EMAIL"));
        let run = grant_command(Kind::CloudRun, "a-1.us-east1.run.app", "", None);
        assert_eq!(run, Some(invoker_command("a-1.us-east1.run.app", None)));
        let iap = grant_command(Kind::Iap, "x.example", "", None).unwrap();
        assert!(iap.ends_with("--role=roles/iap.httpsResourceAccessor"));
        assert_eq!(grant_command(Kind::Other, "x.example", "", None), None);
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
