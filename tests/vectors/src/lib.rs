//! Checks signatures by order, in a proxy: the filter's own ways of checking
//! them, with nothing of the filter around them.
//!
//! A request's body is an `Order`; the answer is a list with one word for
//! each of its cases: `valid`, `invalid` or `unavailable`. The header
//! `checked-by` says who did the work in the end. A key that is no key is
//! answered with 422, and an order that can't be read with 400.

#![forbid(unsafe_code)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType};
use remint_filter::signature::{CheckedBy, HostSignatures, ModuleSignatures, Signatures};
use remint_idtoken::keys::parse_jwks;
use remint_idtoken::{PublicKey, SignatureError, SignatureScheme};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a request asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    scheme: Scheme,
    /// A JWK, read as a key set's are.
    key: Value,
    /// How often each signature is checked: to measure how long that takes.
    times: u32,
    cases: Vec<Case>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    /// The host's function, and nothing else.
    Host,
    /// The module, and nothing else.
    Module,
    /// The host's function if there is one.
    Either,
}

/// A message and its signature, both in base64url.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    message: String,
    signature: String,
}

/// What an order came to: a status, who checked, and the body.
struct Answer {
    status: u32,
    checked_by: &'static str,
    body: String,
}

impl Answer {
    fn refusal(status: u32, why: &impl ToString) -> Self {
        Self { status, checked_by: "nobody", body: why.to_string() }
    }
}

fn answer(body: &[u8]) -> Result<Answer, Answer> {
    let order: Order = serde_json::from_slice(body).map_err(|why| Answer::refusal(400, &why))?;
    let set = json!({"keys": [order.key]}).to_string();
    let keys = parse_jwks(set.as_bytes()).map_err(|why| Answer::refusal(422, &why))?;
    let Some((_, key)) = keys.keys().first() else {
        return Err(Answer::refusal(422, &"no key"));
    };
    let (checked_by, verdicts) = match order.scheme {
        Scheme::Host => ("host", verdicts(&HostSignatures::default(), key, &order)?),
        Scheme::Module => ("module", verdicts(&ModuleSignatures, key, &order)?),
        Scheme::Either => {
            let signatures = Signatures::new(CheckedBy::Host);
            let verdicts = verdicts(&signatures, key, &order)?;
            match signatures.checked_by() {
                CheckedBy::Host => ("host", verdicts),
                CheckedBy::Module => ("module", verdicts),
            }
        }
    };
    Ok(Answer { status: 200, checked_by, body: json!(verdicts).to_string() })
}

fn verdicts<S: SignatureScheme>(
    scheme: &S,
    key: &PublicKey,
    order: &Order,
) -> Result<Vec<&'static str>, Answer> {
    let key = scheme.load(key).map_err(|why| Answer::refusal(422, &why))?;
    let decode =
        |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|why| Answer::refusal(400, &why));
    let verdict = |case: &Case| {
        let (message, signature) = (decode(&case.message)?, decode(&case.signature)?);
        let mut checked = Ok(());
        for _ in 0..order.times {
            checked = scheme.verify(&key, &message, &signature);
        }
        Ok(match checked {
            Ok(()) => "valid",
            Err(SignatureError::Invalid) => "invalid",
            Err(SignatureError::Unavailable(_)) => "unavailable",
        })
    };
    order.cases.iter().map(verdict).collect()
}

/// What a proxy creates for each request.
#[must_use]
pub fn request() -> Box<dyn HttpContext> {
    Box::new(Request)
}

/// One request.
struct Request;

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            respond(&Answer::refusal(400, &"no order"));
        }
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size);
            let body = body.ok().flatten().unwrap_or_default();
            respond(&answer(&body).unwrap_or_else(|refusal| refusal));
        }
        Action::Pause
    }
}

fn respond(answer: &Answer) {
    let headers = vec![("checked-by", answer.checked_by)];
    let _ = hostcalls::send_http_response(answer.status, headers, Some(answer.body.as_bytes()));
}

/// The entry point, which only a wasm module exports.
#[cfg(target_arch = "wasm32")]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_http_context(|_, _| super::request());
    }}
}
