//! Identity-Aware Proxy on a load balancer.
//!
//! Programs show a token that Google has signed for the OAuth client ID, people
//! a session's cookie; then the caller has to be a user. What goes on has IAP's
//! assertion and nothing that the client says in IAP's name. Pages of the
//! documentation are named where they are followed:
//! "Programmatic authentication", "Manage IAP sessions", "Enable IAP for Cloud
//! Run", "Query parameters and headers" and "Troubleshooting and frequently
//! asked questions", all below <https://cloud.google.com/iap/docs>.

mod assertions;
mod cookies;
mod found;
mod page;
mod refusal;
mod seal;
mod sign_in;
mod tokens;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;
use remint_idtoken::Reason;
use serde_json::json;

use crate::answers::{Answer, json};
use crate::config::{Config, Iap, IapIdentity, LoadBalancer};
use crate::google::{Google, query};
use crate::issuer::{IapResource, Issuer, KeyError, TokenRequest, iap_subject_of};
use crate::named;
use crate::origin::Origin;
use crate::peer::Peer;
use crate::redact::shown;
use crate::timeline::{Call, Part, Timeline, Verdict};
use assertions::Assertions;
use found::Found;
use sign_in::SignIn;
use tokens::Tokens;

/// Where IAP's own pages are. Google documents the last of them; its sign-in
/// pages are at `accounts.google.com`.
const OWN_PAGES: &str = "/_gcp_iap/";
const SIGN_IN: &str = "/_gcp_iap/sign_in";
const CLEAR_LOGIN_COOKIE: &str = "/_gcp_iap/clear_login_cookie";

/// The query parameter that asks IAP itself for something ("Query parameters
/// and headers").
const MODE: &str = "gcp-iap-mode";

const PROXY_AUTHORIZATION: &str = "proxy-authorization";
const SERVERLESS: &str = "x-serverless-authorization";
const ASSERTION: HeaderName = HeaderName::from_static("x-goog-iap-jwt-assertion");
const USER_EMAIL: HeaderName = HeaderName::from_static("x-goog-authenticated-user-email");
const USER_ID: HeaderName = HeaderName::from_static("x-goog-authenticated-user-id");

/// IAP on one load balancer.
pub(crate) struct Guard {
    config: Iap,
    service: String,
    project_number: u64,
    google: Arc<Issuer>,
    assertions: Assertions,
    tokens: Tokens,
    sign_in: SignIn,
    timeline: Arc<Timeline>,
}

impl Guard {
    /// None if IAP is off.
    pub(crate) fn new(
        balancer: &LoadBalancer,
        config: &Config,
        google: &Google,
    ) -> Result<Option<Self>, KeyError> {
        let Some(settings) = balancer.iap.clone().filter(|iap| iap.enabled) else {
            return Ok(None);
        };
        let resource = IapResource::BackendService {
            project: config.project_number,
            id: settings.backend_service,
        };
        Ok(Some(Self {
            assertions: Assertions::new(
                Arc::clone(&google.iap),
                Arc::clone(&config.clock),
                resource,
            )?,
            tokens: Tokens::new(Arc::clone(&google.issuer), &settings.client_id, &balancer.host),
            sign_in: SignIn::new(&balancer.host, &settings.users)?,
            config: settings,
            service: balancer.service.clone(),
            project_number: config.project_number,
            google: Arc::clone(&google.issuer),
            timeline: Arc::clone(&google.senders.timeline),
        }))
    }

    /// A request as it may go on, or the answer to it.
    pub(crate) async fn admit(
        &self,
        mut parts: Parts,
        body: Incoming,
    ) -> Result<(Parts, Incoming), Answer> {
        // Without a key it believes no token, and no region believes its own.
        let _ = self.google.ready().await;
        let mode = query::value(parts.uri.query(), MODE);
        let mode = mode.as_deref();
        match parts.uri.path() {
            SIGN_IN => return Err(refusal::own(self.sign_in(&parts, body).await)),
            CLEAR_LOGIN_COOKIE => return Err(refusal::own(self.sign_in.clear(&parts, "/"))),
            _ if mode == Some("CLEAR_LOGIN_COOKIE") => {
                let target = sign_in::without_mode(&parts.uri);
                return Err(refusal::own(self.sign_in.clear(&parts, &target)));
            }
            _ => {}
        }
        let found = Found::in_request(&self.tokens, &self.sign_in, &parts, self.google.now());
        if let (Some("IDENTITY"), Ok(email)) = (mode, &found.caller) {
            self.write_down(&parts, &found, Verdict::Accepted);
            return Err(refusal::own(identity(email)));
        }
        match self.admitted(&found) {
            Ok(email) => {
                self.write_down(&parts, &found, Verdict::Accepted);
                self.dress(&mut parts, email);
                Ok((parts, body))
            }
            Err(reason) => {
                let answer = self.refusal(reason, &found, &parts);
                let (status, code) = (answer.status().as_u16(), reason.code());
                self.write_down(&parts, &found, Verdict::Refused { status, code });
                Err(refusal::own(answer))
            }
        }
    }

    /// As whom IAP calls the region. For the client ID there is no address, so
    /// it stands for one.
    pub(crate) fn identity(&self) -> String {
        match self.config.identity {
            IapIdentity::ServiceAgent => {
                format!("service-{}@gcp-sa-iap.iam.gserviceaccount.com", self.project_number)
            }
            IapIdentity::ClientId => self.config.client_id.clone(),
        }
    }

    /// Has the region see who IAP is: a token of its service agent in
    /// `X-Serverless-Authorization` ("Enable IAP for Cloud Run", "Known
    /// limitations"). The audience of that token is not documented; behind IAP
    /// on Cloud Run itself it was seen to be the service's resource name, which
    /// Cloud Run takes from IAP as it takes the URL from others. As the URL is
    /// what all audiences are compared with here, the URL it is.
    pub(crate) fn authorize(&self, headers: &mut HeaderMap, audience: &str) {
        let mut claims = self.google.claims(&TokenRequest::new(self.identity(), audience));
        if self.config.identity == IapIdentity::ClientId {
            // What tokens of older set-ups looked like is not documented. One
            // for a client of OAuth has it as authorised party.
            claims.insert("azp".to_owned(), self.config.client_id.clone().into());
        }
        let token = self.google.sign_claims(&claims.into());
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            headers.insert(SERVERLESS, value);
        }
    }

    /// The address of a caller who is a user.
    fn admitted<'f>(&self, found: &'f Found) -> Result<&'f str, Reason> {
        let email = found.caller.as_ref().map_err(|reason| *reason)?;
        let is_user = self.config.users.iter().any(|user| user.eq_ignore_ascii_case(email));
        if is_user { Ok(email) } else { Err(Reason::IapAccessMissing) }
    }

    fn refusal(&self, reason: Reason, found: &Found, parts: &Parts) -> Answer {
        match (reason, &found.caller) {
            (Reason::IapAccessMissing, Ok(email)) => page::no_access(self.sign_in.host(), email),
            _ if !found.is_program && refusal::can_be_redirected(parts) => {
                self.sign_in.redirect(parts, self.google.now())
            }
            _ => {
                refusal::unauthorized(if found.is_program { reason } else { Reason::TokenMissing })
            }
        }
    }

    async fn sign_in(&self, parts: &Parts, body: Incoming) -> Answer {
        let (answer, email) = self.sign_in.answer(parts, body, self.google.now()).await;
        if let Some(email) = email {
            let found = Found::of_session(Ok(email), Some("signed in".to_owned()));
            self.write_down(parts, &found, Verdict::Accepted);
        }
        answer
    }

    /// Takes off what only IAP may say, and what only IAP is to hear; then says
    /// who calls. `Authorization` stays, whether IAP has looked at it or not.
    fn dress(&self, parts: &mut Parts, email: &str) {
        let test = query::value(parts.uri.query(), MODE)
            .filter(|mode| mode == "SECURE_TOKEN_TEST")
            .and_then(|_| query::value(parts.uri.query(), "iap-secure-token-test-type"));
        let headers = &mut parts.headers;
        let forged: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().starts_with("x-goog-")).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
        headers.remove(SERVERLESS);
        headers.remove(PROXY_AUTHORIZATION);
        cookies::remove_own(headers);
        for (name, value) in [
            (ASSERTION, self.assertions.about(email, test.as_deref())),
            (USER_EMAIL, format!("accounts.google.com:{email}")),
            (USER_ID, iap_subject_of(email)),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }

    fn write_down(&self, parts: &Parts, found: &Found, verdict: Verdict) {
        self.timeline.add(Call {
            at: self.google.now(),
            part: Part::Iap,
            service: self.service.clone(),
            region: String::new(),
            method: parts.method.to_string(),
            path: shown(parts.uri.path()),
            host: named::host(&parts.uri, &parts.headers).map(shown),
            audience: found.audience.as_deref().map(shown),
            caller: found.claimed.as_deref().map(shown),
            origin: parts.extensions.get::<Origin>().copied(),
            verdict,
            note: found.note.clone(),
            request_id: named::request_id(&parts.headers),
        });
    }
}

/// Who is signed in, user or not ("Query parameters and headers", "Passing user
/// identity").
fn identity(email: &str) -> Answer {
    let email_of = format!("accounts.google.com:{email}");
    json(StatusCode::OK, &json!({ "email": email_of, "sub": iap_subject_of(email) }))
}

/// Whether a request came over `https`, so that cookies can be for that alone.
fn is_https(parts: &Parts) -> bool {
    parts.extensions.get::<Peer>().copied().unwrap_or_default().is_https()
}
