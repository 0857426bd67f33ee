//! Refusals of Cloud Run's front end, told apart from the service's own.

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

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
