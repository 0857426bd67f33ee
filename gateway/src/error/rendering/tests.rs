use super::*;
use crate::upstream::BodyFault;
use remint_idtoken::Reason;

const OWN: [ProxyError; 9] = [
    ProxyError::NoToken,
    ProxyError::NoRegion,
    ProxyError::Lost,
    ProxyError::CallerGone,
    ProxyError::TimedOut,
    ProxyError::TooManyHeaders,
    ProxyError::Overloaded,
    ProxyError::Body(BodyFault::TooLarge),
    ProxyError::Body(BodyFault::TooSlow),
];

fn all() -> Vec<ProxyError> {
    let refused = Reason::ALL.map(|reason| ProxyError::Refused(reason.into()));
    OWN.into_iter().chain(refused).collect()
}

fn id() -> HeaderValue {
    HeaderValue::from_static("a<1>")
}

fn header(response: &Response<ResponseBody>, name: &HeaderName) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn no_failure_is_ever_answered_with_a_success() {
    for error in all() {
        let response = error.response(&id(), Form::Problem);
        assert!(response.status().as_u16() >= 400, "{error:?}");
        let grpc = error.response(&id(), Form::Grpc);
        assert_eq!(grpc.status(), 200);
        assert_ne!(header(&grpc, &GRPC_STATUS).unwrap(), "0", "{error:?}");
    }
}

async fn body(response: Response<ResponseBody>) -> serde_json::Value {
    use http_body_util::BodyExt;
    let ResponseBody::Own(body) = response.into_body() else { panic!("a region's") };
    serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_problem_tells_what_programs_and_people_want_to_know() {
    let response = ProxyError::TimedOut.response(&id(), Form::Problem);
    assert_eq!(header(&response, &CONTENT_TYPE).unwrap(), "application/problem+json");
    assert_eq!(header(&response, &ANSWER_ID).unwrap(), "a<1>");
    let problem = body(response).await;
    assert_eq!(problem["type"], "urn:remint:problem:timeout");
    assert_eq!(problem["status"], 504);
    assert_eq!(problem["instance"], "urn:remint:request:a%3C1%3E");
    assert!(problem["title"].is_string() && problem["detail"].is_string());
}

#[tokio::test]
async fn a_refusal_tells_its_caller_no_reason_and_a_failure_does() {
    let mut bodies = std::collections::HashMap::new();
    for reason in Reason::ALL {
        let response = ProxyError::Refused(reason.into()).response(&id(), Form::Problem);
        assert_eq!(header(&response, &ANSWER_REASON), None);
        let status = response.status().as_u16();
        let told = body(response).await;
        assert_eq!(bodies.entry(status).or_insert_with(|| told.clone()), &told, "{reason:?}");
    }
    let lost = ProxyError::Lost.response(&id(), Form::Problem);
    assert_eq!(header(&lost, &ANSWER_REASON).unwrap(), "connection_lost");
    assert_eq!(header(&lost, &RETRY_AFTER), None, "only its sender knows whether to send again");
    let no_token = ProxyError::NoToken.response(&id(), Form::Problem);
    assert_eq!(header(&no_token, &RETRY_AFTER).unwrap(), "5");
    let refused = ProxyError::Refused(Reason::AudienceMismatch.into());
    let challenge = header(&refused.response(&id(), Form::Problem), &WWW_AUTHENTICATE);
    assert_eq!(challenge.unwrap(), "Bearer error=\"invalid_token\"");
}

#[test]
fn grpc_callers_get_the_code_that_fits_and_a_message_that_needs_no_encoding() {
    let code = |error: &ProxyError| {
        let response = error.response(&id(), Form::Grpc);
        header(&response, &GRPC_STATUS).unwrap().parse::<u16>().unwrap()
    };
    let codes: Vec<_> = OWN.iter().map(code).collect();
    assert_eq!(codes, [14, 14, 14, 1, 4, 8, 14, 8, 1]);
    let refused = |reason: Reason| code(&ProxyError::Refused(reason.into()));
    assert_eq!(refused(Reason::TokenMissing), 16);
    assert_eq!(refused(Reason::Expired), 16);
    assert_eq!(refused(Reason::CallerNotAllowed), 7);
    assert_eq!(refused(Reason::KeysUnavailable), 14);
    for error in all() {
        let detail = error.answer().detail;
        assert!(detail.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'%'), "{detail}");
    }
}

#[test]
fn only_what_is_grpc_by_all_its_marks_is_taken_for_it() {
    let call = |change: &dyn Fn(&mut Request<()>)| {
        let request = Request::post("/orders.Orders/Get")
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers");
        let mut request = request.body(()).unwrap();
        change(&mut request);
        is_grpc(&request)
    };
    let set = |name: &'static str, value| {
        call(&|request: &mut Request<()>| {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        })
    };
    assert!(call(&|_| {}));
    assert!(set("content-type", "application/grpc"));
    assert!(!set("content-type", "application/grpc-web+proto"));
    assert!(!set("content-type", "application/json"));
    assert!(!set("te", "gzip"));
    assert!(!set("user-agent", "APIs-Google; (+https://x)"));
    assert!(!set("x-cloudtasks-queuename", "q"));
    assert!(!call(&|request| *request.version_mut() = Version::HTTP_11));
    assert!(!call(&|request| *request.method_mut() = Method::GET));
}

#[test]
fn the_documentation_lists_every_error_as_it_is_told() {
    let documentation = include_str!("../../../../docs/errors.md");
    for error in all() {
        let answer = error.answer();
        let retry_after = answer.retry_after.map_or(String::new(), |it| format!(" {it}"));
        let line = format!(
            "| `{}` | {} | {} |{retry_after} | ",
            answer.kind, answer.status, answer.grpc as u16
        );
        assert!(documentation.contains(&line), "{line}");
    }
}
