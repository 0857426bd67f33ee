//! What the emulator offers beside Google's own endpoints.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use remint_idtoken::config::{Node, Problems, Reader};
use serde_json::json;

use super::accounts::Accounts;
use super::{Google, query};
use crate::answers::{Answer, answer, json, text};
use crate::eventarc;
use crate::issuer::Issuer;
use crate::issuer::testing::{Form, TestToken};

/// Before the paths of all of them.
pub(super) const ROOT: &str = "/emulator/";

/// The longest body that is read.
const MAX_BODY: usize = 256 * 1024;

impl Google {
    /// What is neither Google's nor IAP's.
    pub(super) async fn own(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default().to_owned();
        if eventarc::rest::serves(request.uri().path()) {
            return eventarc::rest::answer(&self.eventarc, request).await;
        }
        match (request.method(), path.as_str()) {
            (&Method::GET, "external-token") => external_token(&self.accounts, &request).await,
            (&Method::POST, "mint") => mint(&self.issuer, Form::IdToken, request.into_body()).await,
            (&Method::POST, "iap/mint") => {
                mint(&self.iap, Form::Assertion, request.into_body()).await
            }
            _ => self.control(&path, request).await,
        }
    }
}

/// The whole body, or what is answered to one that is too long.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Box<Answer>> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(Box::new(text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n"))),
    }
}

/// A JSON document, read by `from`; or all its mistakes.
pub(super) fn parse<T>(
    body: &[u8],
    from: impl FnOnce(&Reader<'_>) -> Option<T>,
) -> Result<T, Box<Answer>> {
    let bad = |problems: Vec<String>| {
        Box::new(json(StatusCode::BAD_REQUEST, &json!({ "problems": problems })))
    };
    let node: Node =
        serde_json::from_slice(body).map_err(|error| bad(vec![format!("not JSON: {error}")]))?;
    let problems = Problems::default();
    let value = from(&Reader::root(&node, &problems));
    problems.finish(value).map_err(|found| bad(found.iter().map(ToString::to_string).collect()))
}

/// Signs whatever it is sent, for testing only: who can reach this endpoint can
/// be anybody whom the emulator's issuers vouch for. See [`TestToken`].
async fn mint(issuer: &Arc<Issuer>, form: Form, body: Incoming) -> Answer {
    let body = match read(body).await {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    let token = match parse(&body, TestToken::read) {
        Ok(token) => token,
        Err(answer) => return *answer,
    };
    let issuer = Arc::clone(issuer);
    // It may have to wait for a key.
    let minted = tokio::task::spawn_blocking(move || issuer.mint_for_testing(form, &token)).await;
    let Ok(minted) = minted else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "no token\n");
    };
    let mut answer = answer(StatusCode::OK, "text/plain", minted);
    let mark = HeaderValue::from_static("for testing only");
    answer.headers_mut().insert("x-emulator-token", mark);
    answer
}

/// A token of a workload identity provider's issuer for `?subject=`, in a
/// document, as Azure's and GitHub's servers give it. Like theirs this one wants
/// a header, which a program that was tricked into the request does not send.
async fn external_token<B>(accounts: &Accounts, request: &Request<B>) -> Answer {
    if request.headers().get("metadata").is_none_or(|value| value != "True") {
        return text(StatusCode::FORBIDDEN, "the header Metadata: True is missing\n");
    }
    let field = |name| query::value(request.uri().query(), name).unwrap_or_default();
    let (pool, provider) = (field("pool"), field("provider"));
    // Without a key the provider's token is believed by nobody.
    let _ = accounts.ready().await;
    match accounts.external_token(&pool, &provider, &field("subject")) {
        Some(token) => json(StatusCode::OK, &json!({ "value": token })),
        None => text(StatusCode::NOT_FOUND, "no such provider\n"),
    }
}
