//! How people sign in: they say who they are, and IAP believes it.
//!
//! The way through it is Google's, at the load balancer's own host: a redirect
//! that sets a nonce, a page, the session's cookie, a redirect to where it
//! began. Only the way there proves that a form was sent from this page: its
//! hidden field is sealed, and holds the nonce that the browser has to have.

use std::time::Duration;

use http::header::{CACHE_CONTROL, LOCATION, ORIGIN, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use remint_idtoken::{Reason, UnixTime};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::seal::{Purpose, Seal, random};
use super::{MODE, OWN_PAGES, SIGN_IN, cookies, is_https, page, refusal};
use crate::answers::{Answer, answer, text};
use crate::google::query;
use crate::issuer::KeyError;
use crate::named;

/// How long a session lasts. Google's lasts as long as the one with Google
/// behind it does; one with Identity Platform an hour.
const SESSION: Duration = Duration::from_secs(3600);

/// How long a sign-in may take, as the nonces of Google's do.
const IN_TIME: Duration = Duration::from_secs(600);

/// The longest form.
const MAX_FORM: usize = 64 * 1024;

/// What service accounts' addresses end with.
const SERVICE_ACCOUNT: &str = ".gserviceaccount.com";

/// The sessions of one load balancer.
pub(super) struct SignIn {
    host: String,
    people: Vec<String>,
    seal: Seal,
    /// Tells its cookies from those of other load balancers.
    suffix: String,
}

impl SignIn {
    pub(super) fn new(host: &str, users: &[String]) -> Result<Self, KeyError> {
        let is_person = |user: &&String| !user.ends_with(SERVICE_ACCOUNT);
        let digest = Sha256::digest(host);
        Ok(Self {
            host: host.to_owned(),
            people: users.iter().filter(is_person).cloned().collect(),
            seal: Seal::new()?,
            suffix: digest.iter().take(8).map(|byte| format!("{byte:02X}")).collect(),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whose session a request is part of.
    pub(super) fn session(&self, parts: &Parts, now: UnixTime) -> Result<String, Reason> {
        let name = self.cookie(is_https(parts));
        let sealed = cookies::value(&parts.headers, &name).ok_or(Reason::TokenMissing)?;
        let opened = self.seal.open(Purpose::Session, sealed, now);
        let (session, is_current) = opened.ok_or(Reason::SignatureBad)?;
        let email = session.get("email").and_then(|email| email.as_str());
        match is_current {
            true => email.map(str::to_owned).ok_or(Reason::Malformed),
            false => Err(Reason::Expired),
        }
    }

    fn cookie(&self, is_https: bool) -> String {
        let prefix = if is_https { "__Host-" } else { "" };
        format!("{prefix}GCP_IAP_AUTH_TOKEN_{}", self.suffix)
    }

    /// To the sign-in page, and from there to where the request was going.
    pub(super) fn redirect(&self, parts: &Parts, now: UnixTime) -> Answer {
        self.begin(parts, &own_path(&parts.uri), now)
            .unwrap_or_else(|| text(StatusCode::INTERNAL_SERVER_ERROR, "no random numbers\n"))
    }

    fn begin(&self, parts: &Parts, target: &str, now: UnixTime) -> Option<Answer> {
        let nonce = random()?;
        let exp = now.plus(IN_TIME).0;
        let state = json!({ "path": target, "nonce": nonce, "exp": exp });
        let state = self.seal.close(Purpose::SignIn, &state);
        let set = cookies::set(&nonce_cookie(&nonce), "1", IN_TIME, is_https(parts))?;
        let mut answer = redirect(StatusCode::FOUND, &format!("{SIGN_IN}?state={state}"));
        answer.headers_mut().append(SET_COOKIE, set);
        Some(answer)
    }

    /// The page, or what comes of its form: then also who has signed in.
    pub(super) async fn answer(
        &self,
        parts: &Parts,
        body: Incoming,
        now: UnixTime,
    ) -> (Answer, Option<String>) {
        let answer = match parts.method {
            Method::GET | Method::HEAD => self.show(parts, now),
            Method::POST => match Limited::new(body, MAX_FORM).collect().await {
                Ok(form) => {
                    let form = form.to_bytes();
                    return self.sent(parts, &String::from_utf8_lossy(&form), now);
                }
                Err(_) => text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n"),
            },
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "GET or POST\n"),
        };
        (answer, None)
    }

    fn show(&self, parts: &Parts, now: UnixTime) -> Answer {
        let state = query::value(parts.uri.query(), "state").unwrap_or_default();
        match self.opened(&state, now) {
            Some(_) => page::sign_in(StatusCode::OK, &self.host, &self.people, &state, None),
            // Whoever comes on another way begins here.
            None => self.redirect(parts, now),
        }
    }

    /// Where a sign-in leads, and its nonce.
    fn opened(&self, state: &str, now: UnixTime) -> Option<(String, String)> {
        let (value, is_current) = self.seal.open(Purpose::SignIn, state, now)?;
        let member = |name| value.get(name)?.as_str().map(str::to_owned);
        Some((member("path")?, member("nonce")?)).filter(|_| is_current)
    }

    fn sent(&self, parts: &Parts, form: &str, now: UnixTime) -> (Answer, Option<String>) {
        let state = query::value(Some(form), "state").unwrap_or_default();
        let begun_here = |(_, nonce): &(String, String)| {
            cookies::value(&parts.headers, &nonce_cookie(nonce)).is_some()
        };
        let opened = self.opened(&state, now).filter(begun_here);
        let Some((target, nonce)) = opened.filter(|_| is_same_origin(parts)) else {
            return (page::broken_off(&self.host), None);
        };
        let email = query::value(Some(form), "email").unwrap_or_default();
        let email = email.trim().to_owned();
        if let Err(why) = check(&email) {
            let status = StatusCode::BAD_REQUEST;
            let problem = Some(page::Problem { why, email: &email });
            return (page::sign_in(status, &self.host, &self.people, &state, problem), None);
        }
        let session = json!({ "email": email, "exp": now.plus(SESSION).0 });
        let session = self.seal.close(Purpose::Session, &session);
        let is_https = is_https(parts);
        let mut answer = redirect(StatusCode::SEE_OTHER, &target);
        for set in [
            cookies::set(&self.cookie(is_https), &session, SESSION, is_https),
            cookies::set(&nonce_cookie(&nonce), "", Duration::ZERO, is_https),
        ] {
            answer.headers_mut().extend(set.map(|set| (SET_COOKIE, set)));
        }
        (answer, Some(email))
    }

    /// Ends the session ("Query parameters and headers", "Clearing user login").
    pub(super) fn clear(&self, parts: &Parts, target: &str) -> Answer {
        let is_https = is_https(parts);
        let mut answer = redirect(StatusCode::FOUND, target);
        for name in cookies::own_names(&parts.headers) {
            let set = cookies::set(name, "", Duration::ZERO, is_https);
            answer.headers_mut().extend(set.map(|set| (SET_COOKIE, set)));
        }
        answer
    }
}

fn nonce_cookie(nonce: &str) -> String {
    format!("GCP_IAP_XSRF_NONCE_{nonce}")
}

/// Whether it can be a person's address.
fn check(email: &str) -> Result<(), &'static str> {
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    let is_address = email.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    match is_address && email.is_ascii() && email.len() <= 254 && email.chars().all(is_plain) {
        true if email.to_ascii_lowercase().ends_with(SERVICE_ACCOUNT) => {
            Err("Service accounts do not sign in here: they send an ID token.")
        }
        true => Ok(()),
        false => Err("That is no address: write one such as user@example.com."),
    }
}

/// Browsers say where a form comes from; programs need not.
fn is_same_origin(parts: &Parts) -> bool {
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.map(|(_, authority)| authority) == named::host(&parts.uri, &parts.headers)
}

/// The target of a request if it is a path of this host: to a browser `//` and
/// `/\` begin another. Sign-ins do not lead to IAP's own pages.
fn own_path(uri: &Uri) -> String {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let is_own = target.starts_with('/')
        && !target.starts_with("//")
        && !target.contains('\\')
        && !target.starts_with(OWN_PAGES);
    if is_own { target.to_owned() } else { "/".to_owned() }
}

/// The target without the query parameter that speaks to IAP.
pub(super) fn without_mode(uri: &Uri) -> String {
    let is_kept = |pair: &&str| pair.split('=').next() != Some(MODE);
    let query = uri.query().unwrap_or_default();
    let kept = query.split('&').filter(is_kept).collect::<Vec<_>>().join("&");
    let target = own_path(uri);
    let path = target.split('?').next().unwrap_or("/");
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{kept}") }
}

/// Also says what Google's does to those that follow no redirect.
fn redirect(status: StatusCode, target: &str) -> Answer {
    let words = if status == StatusCode::FOUND { refusal::EMPTY_TOKEN } else { "" };
    let mut answer = answer(status, "text/html; charset=UTF-8", words);
    let target = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/"));
    answer.headers_mut().insert(LOCATION, target);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_no_other_host() {
        for (target, path) in [
            ("/a?b=c", "/a?b=c"),
            ("https://evil.example/a", "/a"),
            ("//evil.example/a", "/"),
            ("/_gcp_iap/sign_in?state=x", "/"),
        ] {
            assert_eq!(own_path(&target.parse().unwrap()), path, "{target}");
        }
        let odd = Uri::builder().path_and_query("/\\evil.example").build();
        assert!(odd.is_err() || own_path(&odd.unwrap()) == "/");
    }

    #[test]
    fn the_mode_is_taken_out_of_the_query_and_all_else_stays() {
        for (target, left) in [
            ("/a?gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/a"),
            ("/a?b=c&gcp-iap-mode=CLEAR_LOGIN_COOKIE&d", "/a?b=c&d"),
            ("//evil.example?gcp-iap-mode=x", "/"),
        ] {
            assert_eq!(without_mode(&target.parse().unwrap()), left);
        }
    }

    #[test]
    fn only_people_have_an_address_to_sign_in_with() {
        for good in ["u@example.com", "a.b+c@d.e"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in ["", "u", "@a", "u@", "a@b@c", "a b@c", "a@b\r\nx: y", "ü@a"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("a@p.iam.GServiceAccount.com").unwrap_err().contains("ID token"));
    }
}
