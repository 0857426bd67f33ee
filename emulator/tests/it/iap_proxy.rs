//! Identity-Aware Proxy on a load balancer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remint_emulator::issuer::{iap_subject_of, subject_of};
use remint_emulator::{
    Backend, Config, Iap, IapIdentity, LoadBalancer, Message, Part, Picking, Protocol,
    PushSubscription, TokenRequest, Verdict,
};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{Authority, AwsLc, NoCache, Policy, Reason, Target};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Call, GATEWAY, NOW, PUSHER, Reply, World, get, post};
use crate::tls;

const HOST: &str = "orders.example.com";
const CLIENT: &str = "123-abc.apps.googleusercontent.com";
const USER: &str = "user@example.com";
const AGENT: &str = "service-123456789012@gcp-sa-iap.iam.gserviceaccount.com";
const AUDIENCE: &str = "/projects/123456789012/global/backendServices/4182736450918273645";
const ACCEPTED: Verdict = Verdict::Accepted;

/// The demo behind IAP; the service lets in IAP alone.
fn behind_iap(config: &mut Config, identity: IapIdentity) {
    config.services[0].invokers = vec![AGENT.to_owned()];
    config.load_balancers = vec![LoadBalancer {
        host: HOST.to_owned(),
        port: 0,
        service: "orders".to_owned(),
        picking: Picking::Nearest,
        iap: Some(Iap {
            enabled: true,
            client_id: CLIENT.to_owned(),
            backend_service: 4_182_736_450_918_273_645,
            users: vec![GATEWAY.to_owned(), USER.to_owned(), "b@example.com".to_owned()],
            identity,
        }),
    }];
}

struct Proxied(World);

impl Proxied {
    async fn start() -> Self {
        Self(World::with(|config| behind_iap(config, IapIdentity::ServiceAgent)).await)
    }

    fn addr(&self) -> SocketAddr {
        self.0.emulator.load_balancer(HOST).unwrap()
    }

    async fn send(&self, call: Call) -> Reply {
        call.header("host", HOST).send(self.addr()).await
    }

    fn token(&self, email: &str) -> String {
        self.0.emulator.issuer().mint(&TokenRequest::new(email, CLIENT))
    }

    /// The verdict on the last call that IAP has seen.
    fn verdict(&self) -> Verdict {
        self.last().verdict
    }

    fn last(&self) -> remint_emulator::timeline::Call {
        self.0.emulator.timeline().select(|call| call.part == Part::Iap).pop().unwrap()
    }

    /// Begins a sign-in at a path: the page's address and the nonce's cookie.
    async fn begin(&self, path: &str) -> (String, String) {
        let reply = self.send(get(path).header("accept", "text/html")).await;
        assert_eq!(reply.status, StatusCode::FOUND, "{}", reply.text);
        let page = reply.headers["location"].to_str().unwrap().to_owned();
        (page, cookies(&reply.headers))
    }

    /// Sends the sign-in page's form.
    async fn sign_in(&self, (page, nonce): &(String, String), email: &str) -> Reply {
        let (_, state) = page.split_once("state=").unwrap();
        let email = email.replace('@', "%40");
        let form = format!("state={state}&email={email}");
        self.send(post("/_gcp_iap/sign_in", form).header("cookie", nonce)).await
    }

    /// The session's cookie of somebody who has signed in.
    async fn session(&self, email: &str) -> String {
        let reply = self.sign_in(&self.begin("/").await, email).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
        cookies(&reply.headers)
    }
}

/// What a browser would send back; cookies that are taken away are left out.
fn cookies(headers: &HeaderMap) -> String {
    let set = headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let kept = set.filter(|value| !value.contains("Max-Age=0"));
    kept.map(|value| value.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn refused(status: u16, code: &'static str) -> Verdict {
    Verdict::Refused { status, code }
}

fn is_iap_s(reply: &Reply) -> bool {
    reply.headers.get("x-goog-iap-generated-response").is_some_and(|value| value == "true")
}

#[tokio::test]
async fn a_program_gets_through_with_a_token_for_the_client_id() {
    let iap = Proxied::start().await;
    let token = iap.token(GATEWAY);
    let bearer = format!("Bearer {token}");
    let reply = iap.send(get("/a").bearer(&token)).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert!(!is_iap_s(&reply));
    assert_eq!(reply.json()["headers"]["authorization"]["signature"], "(kept)");
    let call = iap.last();
    assert_eq!((call.verdict, call.audience.as_deref()), (ACCEPTED, Some(CLIENT)));
    assert_eq!((call.caller.as_deref(), call.path.as_str()), (Some(GATEWAY), "/a"));
    let own = ("authorization", "Bearer the-service-s-own");
    let call = get("/").header("proxy-authorization", &bearer).header(own.0, own.1);
    let reply = iap.send(call).await;
    let headers = &reply.json()["headers"];
    assert!(headers.get("proxy-authorization").is_none(), "it is IAP's alone");
    assert_eq!(headers["authorization"], "(redacted)", "it is the service's");
    let parts: Vec<_> =
        iap.0.emulator.timeline().all().iter().map(|call| call.part.name()).collect();
    let thrice = ["IAP", "front end", "load balancer"];
    assert_eq!(parts, [thrice, thrice].concat());
}

#[tokio::test]
async fn a_bad_token_in_proxy_authorization_leaves_it_to_authorization() {
    let iap = Proxied::start().await;
    let wrong = iap.0.token("https://other.example");
    let call = || get("/").header("proxy-authorization", &format!("Bearer {wrong}"));
    let reply = iap.send(call().bearer(&iap.token(GATEWAY))).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.json()["headers"].get("proxy-authorization").is_none());
    let reply = iap.send(call()).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(iap.verdict(), refused(401, "token_missing"));
    assert!(iap.last().note.unwrap().ends_with("does not count: aud_mismatch"));
}

#[tokio::test]
async fn a_bad_token_gets_401_with_iap_s_words() {
    let iap = Proxied::start().await;
    let issuer = iap.0.emulator.issuer();
    let request = TokenRequest::new(GATEWAY, CLIENT);
    let mut late = issuer.claims(&request);
    late.insert("exp".into(), (NOW.0 - 60).into());
    let token = issuer.mint(&request);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(342));
    let cases = [
        (
            iap.0.token(iap.0.us().url()),
            "Invalid bearer token. Invalid JWT audience.",
            "aud_mismatch",
        ),
        ("garbage".to_owned(), "Unable to parse JWT", "malformed"),
        (forged, "JWT signature is invalid", "sig_bad"),
        (issuer.sign_claims(&late.into()), "Expired JWT", "expired"),
        (
            issuer.mint(&request.clone().without_email()),
            "JWT 'email' claim isn't a string",
            "email_unverified",
        ),
    ];
    for (token, words, code) in cases {
        // Also a browser is not asked to sign in then.
        let reply = iap.send(get("/").bearer(&token).header("accept", "text/html")).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.text, format!("Invalid IAP credentials: {words}"));
        assert!(is_iap_s(&reply));
        assert_eq!(iap.verdict(), refused(401, code));
    }
    assert!(iap.0.emulator.timeline().calls().is_empty(), "none reached a region");
}

#[tokio::test]
async fn a_caller_who_is_no_user_gets_403() {
    let iap = Proxied::start().await;
    let reply = iap.send(get("/").bearer(&iap.token(PUSHER))).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.text.contains("You don’t have access") && is_iap_s(&reply));
    assert_eq!(iap.verdict(), refused(403, "iap_access_missing"));
    assert_eq!(iap.last().caller.as_deref(), Some(PUSHER));
    let upper = GATEWAY.to_uppercase();
    assert_eq!(iap.send(get("/").bearer(&iap.token(&upper))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_credentials_browsers_are_redirected_and_others_get_401() {
    let iap = Proxied::start().await;
    let html = |call: Call| call.header("accept", "text/html,*/*;q=0.8");
    let script = html(get("/")).header("x-requested-with", "XMLHttpRequest");
    for call in [get("/"), html(post("/", "")), script, get("/").header("authorization", "Basic x")]
    {
        let reply = iap.send(call).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.text, "Invalid IAP credentials: empty token");
        assert!(is_iap_s(&reply));
        assert_eq!(iap.verdict(), refused(401, "token_missing"));
    }
    let reply = iap.send(html(get("/a?b=c"))).await;
    assert_eq!((reply.status, is_iap_s(&reply)), (StatusCode::FOUND, true));
    let location = reply.headers["location"].to_str().unwrap();
    assert!(location.starts_with("/_gcp_iap/sign_in?state="), "{location}");
    assert_eq!(iap.verdict(), refused(302, "token_missing"));
}

#[tokio::test]
async fn what_goes_on_is_said_by_iap_and_nobody_else() {
    let iap = Proxied::start().await;
    let reply = iap
        .send(
            get("/")
                .bearer(&iap.token(GATEWAY))
                .header("x-goog-iap-jwt-assertion", "forged")
                .header("x-goog-authenticated-user-email", "accounts.google.com:admin@example.com")
                .header("x-goog-anything", "1")
                .header("x-serverless-authorization", &format!("Bearer {}", iap.0.token("x")))
                .header("x-other", "2"),
        )
        .await;
    let seen = reply.json();
    let headers = &seen["headers"];
    assert!(headers.get("x-goog-anything").is_none());
    assert_eq!(headers["x-other"], "2");
    let email = format!("accounts.google.com:{GATEWAY}");
    assert_eq!(headers["x-goog-authenticated-user-email"], email.as_str());
    assert_eq!(headers["x-goog-authenticated-user-id"], iap_subject_of(GATEWAY).as_str());
    let assertion = &headers["x-goog-iap-jwt-assertion"];
    assert_eq!(assertion["claims"]["email"], GATEWAY);
    assert_eq!(assertion["claims"]["aud"], AUDIENCE);
    let own = &headers["x-serverless-authorization"];
    assert_eq!(own["signature"], "SIGNATURE_REMOVED_BY_GOOGLE");
    assert_eq!(own["claims"]["email"], AGENT);
    assert_eq!(own["claims"]["aud"], iap.0.us().url());
    assert_eq!((&seen["caller"], &seen["host"]), (&AGENT.into(), &HOST.into()));
}

#[tokio::test]
async fn without_run_invoker_the_region_refuses_iap_and_the_note_says_so() {
    let iap = Proxied::start().await;
    iap.0.us().set_invokers([GATEWAY]);
    let reply = iap.send(get("/").bearer(&iap.token(GATEWAY))).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.text.contains("does not have permission to get URL"), "{}", reply.text);
    assert!(!is_iap_s(&reply), "it is Cloud Run's answer");
    let [own, front_end, balancer] = <[_; 3]>::try_from(iap.0.emulator.timeline().all()).unwrap();
    assert_eq!(own.verdict, ACCEPTED);
    assert_eq!(front_end.verdict, refused(403, "invoker_missing"));
    assert_eq!(front_end.caller.as_deref(), Some(AGENT));
    assert_eq!(balancer.verdict, Verdict::Answered(403));
    let note = balancer.note.unwrap();
    assert!(note.starts_with("iap_invoker_missing") && note.contains(AGENT), "{note}");
    iap.0.us().set_invokers([AGENT]);
    let reply = iap.send(get("/status/403").bearer(&iap.token(GATEWAY))).await;
    assert_eq!(reply.json()["service"], "orders", "the service's own 403 is as it was");
    let last = iap.0.emulator.timeline().all().pop().unwrap();
    assert_eq!((last.verdict, last.note), (Verdict::Answered(403), None));
}

#[tokio::test]
async fn an_older_set_up_calls_as_the_client() {
    let world = World::with(|config| {
        behind_iap(config, IapIdentity::ClientId);
        config.services[0].invokers = vec![CLIENT.to_owned()];
    });
    let iap = Proxied(world.await);
    let reply = iap.send(get("/").bearer(&iap.token(GATEWAY))).await;
    let own = &reply.json()["headers"]["x-serverless-authorization"]["claims"];
    assert_eq!((&own["azp"], &own["email"]), (&CLIENT.into(), &CLIENT.into()));
}

#[tokio::test]
async fn a_person_signs_in_and_comes_back_to_where_it_began() {
    let iap = Proxied::start().await;
    let begun = iap.begin("/a/b?c=d&e").await;
    assert!(begun.1.starts_with("GCP_IAP_XSRF_NONCE_"), "{}", begun.1);
    let page = iap.send(get(&begun.0)).await;
    assert_eq!(page.status, StatusCode::OK);
    for email in [USER, "b@example.com"] {
        assert!(page.text.contains(&format!("value=\"{email}\"")), "{}", page.text);
    }
    assert!(!page.text.contains(GATEWAY), "service accounts do not sign in");
    let reply = iap.sign_in(&begun, USER).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!(reply.headers["location"], "/a/b?c=d&e");
    assert_eq!(iap.last().note.as_deref(), Some("signed in"));
    let session = cookies(&reply.headers);
    assert!(session.starts_with("GCP_IAP_AUTH_TOKEN_") && !session.contains(';'), "{session}");
    let call = get("/").header("cookie", &format!("theme=dark; {session}; GCP_IAP_UID=7"));
    let reply = iap.send(call).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let assertion = &reply.json()["headers"]["x-goog-iap-jwt-assertion"]["claims"];
    assert_eq!(
        (&assertion["email"], &assertion["sub"]),
        (&USER.into(), &iap_subject_of(USER).into())
    );
    let last = iap.last();
    assert_eq!((last.verdict, last.caller.as_deref(), last.audience), (ACCEPTED, Some(USER), None));
}

#[tokio::test]
async fn the_session_does_not_reach_the_service() {
    let iap = Proxied::start().await;
    let session = iap.session(USER).await;
    let with = |cookie: String| get("/").header("cookie", &cookie);
    let seen = iap.send(with(session.clone())).await.json();
    assert!(seen["headers"].get("cookie").is_none(), "{seen}");
    let seen = iap.send(with(format!("{session}; a=1"))).await.json();
    assert!(seen["headers"].get("cookie").is_some(), "the service's own does");
}

#[tokio::test]
async fn somebody_who_is_no_user_signs_in_and_is_refused() {
    let iap = Proxied::start().await;
    let session = iap.session("stranger@example.com").await;
    let with = |path: &str| get(path).header("cookie", &session).header("accept", "text/html");
    let reply = iap.send(with("/")).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.text.contains("<strong>stranger@example.com</strong> is not a user"));
    assert_eq!(iap.verdict(), refused(403, "iap_access_missing"));
    let identity = iap.send(with("/any?gcp-iap-mode=IDENTITY")).await;
    let subject = format!("accounts.google.com:{}", subject_of("stranger@example.com"));
    assert_eq!(
        identity.json(),
        json!({ "email": "accounts.google.com:stranger@example.com", "sub": subject })
    );
    assert!(is_iap_s(&identity));
}

#[tokio::test]
async fn addresses_are_checked_and_said_back_without_markup() {
    let iap = Proxied::start().await;
    let begun = iap.begin("/").await;
    for (email, words) in [
        ("nobody", "That is no address"),
        (GATEWAY, "Service accounts do not sign in here"),
        ("", "That is no address"),
    ] {
        let reply = iap.sign_in(&begun, email).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.text.contains(words), "{}", reply.text);
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    let reply = iap.sign_in(&begun, "\"><b>").await;
    assert!(reply.text.contains("value=\"&quot;&gt;&lt;b&gt;\""), "{}", reply.text);
    let session = iap.session("<b>@example.com").await;
    let reply = iap.send(get("/").header("cookie", &session)).await;
    assert!(reply.text.contains("&lt;b&gt;@example.com"), "{}", reply.text);
}

#[tokio::test]
async fn a_form_that_was_not_begun_in_this_browser_signs_nobody_in() {
    let iap = Proxied::start().await;
    let begun = iap.begin("/").await;
    let (_, state) = begun.0.split_once("state=").unwrap();
    let form = format!("state={state}&email={USER}");
    let send = |cookie: &str, origin: &str, form: &str| {
        let call = post("/_gcp_iap/sign_in", form.to_owned());
        iap.send(call.header("cookie", cookie).header("origin", origin))
    };
    let own = format!("http://{HOST}");
    let other = iap.begin("/").await;
    for (cookie, origin, form) in [
        ("", own.as_str(), form.as_str()),
        (&other.1, &own, &form),
        (&begun.1, "https://evil.example", &form),
        (&begun.1, "null", &form),
        (&begun.1, &own, "email=user@example.com"),
        (&begun.1, &own, &form.replace("state=", "state=x")),
    ] {
        let reply = send(cookie, origin, form).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{cookie} {origin} {form}");
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    iap.0.clock.set(NOW.plus(Duration::from_secs(601)));
    assert_eq!(send(&begun.1, &own, &form).await.status, StatusCode::FORBIDDEN, "too late");
    iap.0.clock.set(NOW);
    assert_eq!(send(&begun.1, &own, &form).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_sign_in_leads_nowhere_else() {
    let iap = Proxied::start().await;
    for path in ["//evil.example/", "https://evil.example", "/_gcp_iap/sign_in"] {
        let begun = iap.begin(path).await;
        let reply = iap.sign_in(&begun, USER).await;
        assert_eq!(reply.headers["location"], "/", "{path}");
    }
    let begun = iap.begin("/_gcp_iap/sign_in?state=made-up").await;
    assert!(begun.0.starts_with("/_gcp_iap/sign_in?state="));
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_can_not_be_made_up() {
    let iap = Proxied::start().await;
    let session = iap.session(USER).await;
    let with = |cookie: String| get("/").header("accept", "*/*").header("cookie", &cookie);
    let (name, value) = session.split_once('=').unwrap();
    let (_, tag) = value.split_once('.').unwrap();
    for (cookie, code) in [
        (
            format!("{name}=eyJlbWFpbCI6InVzZXJAZXhhbXBsZS5jb20iLCJleHAiOjE5OTAwMDAwMDB9.{tag}"),
            "sig_bad",
        ),
        (format!("__Host-{session}"), "token_missing"),
    ] {
        assert_eq!(iap.send(with(cookie)).await.status, StatusCode::FOUND);
        assert_eq!(iap.verdict(), refused(302, code));
    }
    iap.0.clock.set(NOW.plus(Duration::from_secs(3599)));
    assert_eq!(iap.send(with(session.clone())).await.status, StatusCode::OK);
    iap.0.clock.set(NOW.plus(Duration::from_secs(3600)));
    assert_eq!(iap.send(with(session)).await.status, StatusCode::FOUND);
    assert_eq!(iap.verdict(), refused(302, "expired"));
}

#[tokio::test]
async fn a_session_can_be_ended() {
    let iap = Proxied::start().await;
    let session = iap.session(USER).await;
    for (path, target) in [
        ("/_gcp_iap/clear_login_cookie", "/"),
        ("/a?b=c&gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/a?b=c"),
    ] {
        let reply = iap.send(get(path).header("cookie", &session)).await;
        assert_eq!(reply.status, StatusCode::FOUND);
        assert_eq!(reply.headers["location"], target);
        let set = reply.headers["set-cookie"].to_str().unwrap();
        let (name, _) = session.split_once('=').unwrap();
        assert!(set.starts_with(&format!("{name}=; Path=/; Max-Age=0")), "{set}");
    }
}

#[tokio::test]
async fn over_tls_the_session_is_for_this_host_and_tls_alone() {
    let iap = Proxied::start().await;
    let stream = tls::connect(&iap.0, iap.addr(), HOST, "http/1.1").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let call = get("/").header("host", HOST).header("accept", "text/html");
    let reply = call.send_on(&mut sender).await.unwrap();
    let page = reply.headers["location"].to_str().unwrap();
    let (_, state) = page.split_once("state=").unwrap();
    let call = post("/_gcp_iap/sign_in", format!("state={state}&email={USER}"));
    let call = call.header("host", HOST).header("cookie", &cookies(&reply.headers));
    let reply =
        call.header("origin", &format!("https://{HOST}")).send_on(&mut sender).await.unwrap();
    let set = reply.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-GCP_IAP_AUTH_TOKEN_"), "{set}");
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(set.contains(attribute), "{set}");
    }
    let call = get("/").header("host", HOST).header("cookie", &cookies(&reply.headers));
    assert_eq!(call.send_on(&mut sender).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn the_pages_have_no_script_and_nothing_from_elsewhere() {
    let iap = Proxied::start().await;
    let begun = iap.begin("/").await;
    let page = iap.send(get(&begun.0)).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for rule in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(page.headers["cache-control"], "no-store");
    for word in ["<script", "http://", "https://", "style=", " on"] {
        let tags = page.text.split('<').filter_map(|part| part.split('>').next());
        let tags = tags.filter(|tag| !tag.starts_with("style"));
        assert!(tags.into_iter().all(|tag| !format!("<{tag}").contains(word)), "{word}");
    }
}

/// Has the core verify what the region got as an assertion.
async fn verified(iap: &Proxied, token: &str) -> Result<(), Reason> {
    let policy = json!({
        "issuers": [{ "preset": "iap" }],
        "rules": [{ "name": "r", "match": {}, "audiences": [AUDIENCE], "callers": { "emails": [USER] } }],
    });
    let policy = Policy::from_json(&policy.to_string()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    let served = get("/iap/verify/public_key-jwk").send(iap.0.emulator.google_addr()).await.text;
    let (keys, _) = KeySet::load(&AwsLc, &parse_jwks(served.as_bytes()).unwrap()).unwrap();
    authority.set_keys("iap", Some(Arc::new(keys)));
    let headers = HeaderMap::from_iter([(
        "x-goog-iap-jwt-assertion".parse().unwrap(),
        token.parse().unwrap(),
    )]);
    let target = Target::parse("h.example", "/", "GET");
    let admission = policy.admit(&authority, &NoCache, target, &headers, NOW);
    admission.map(drop).map_err(|refusal| refusal.reason)
}

/// The assertion that a service got last.
type Heard = Arc<Mutex<String>>;

/// A service that remembers which assertion it got.
async fn hearer() -> (Backend, Heard) {
    let heard = Heard::default();
    let memory = Arc::clone(&heard);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let memory = Arc::clone(&memory);
            let service = service_fn(move |request: Request<Incoming>| {
                let assertion = request.headers()["x-goog-iap-jwt-assertion"].to_str().unwrap();
                assertion.clone_into(&mut memory.lock().unwrap());
                std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
            });
            let builder = hyper::server::conn::http1::Builder::new();
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    (Backend::Address { addr, protocol: Protocol::Http1 }, heard)
}

#[tokio::test]
async fn the_assertion_is_good_and_each_test_of_it_is_bad_in_its_way() {
    let (backend, heard) = hearer().await;
    let world = World::with(|config| {
        behind_iap(config, IapIdentity::ServiceAgent);
        config.services[0].backend = backend;
    });
    let iap = Proxied(world.await);
    let session = iap.session(USER).await;
    for (test, expected) in [
        ("NOT_SET", Ok(())),
        ("FUTURE_ISSUE", Err(Reason::NotYetValid)),
        ("PAST_EXPIRATION", Err(Reason::Expired)),
        ("ISSUER", Err(Reason::IssuerUnknown)),
        ("AUDIENCE", Err(Reason::AudienceMismatch)),
        ("SIGNATURE", Err(Reason::SignatureBad)),
    ] {
        let path = format!("/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type={test}");
        let reply = iap.send(get(&path).header("cookie", &session)).await;
        assert_eq!(reply.status, StatusCode::OK);
        let assertion = heard.lock().unwrap().clone();
        assert_eq!(verified(&iap, &assertion).await, expected, "{test}");
    }
}

#[tokio::test]
async fn a_push_goes_through_if_its_account_is_a_user() {
    let iap = Proxied::start().await;
    let endpoint = format!("https://{HOST}/push").parse().unwrap();
    let mut push = PushSubscription::new("orders-push", endpoint, GATEWAY);
    push.audience = Some(CLIENT.to_owned());
    let report = iap.0.emulator.push(&push, [Message::new("hello")]).await;
    assert!(report.all_delivered(), "{report:?}");
    push.service_account = PUSHER.to_owned();
    push.give_up_after = Some(1);
    let report = iap.0.emulator.push(&push, [Message::new("hello")]).await;
    assert_eq!(report.statuses(), [(403, 1)].into());
}

#[tokio::test]
async fn neither_timeline_nor_pages_hold_a_token_or_cookie() {
    let iap = Proxied::start().await;
    let session = iap.session(USER).await;
    let token = iap.token(PUSHER);
    iap.send(get(&format!("/{token}")).header("cookie", &session)).await;
    let refused = iap.send(get(&format!("/{token}")).bearer(&token)).await.text;
    let timeline = get("/emulator/timeline").send(iap.0.emulator.google_addr()).await.text;
    let (_, value) = session.split_once('=').unwrap();
    for secret in token.split('.').chain(value.split('.')) {
        assert!(!timeline.contains(secret) && !refused.contains(secret));
    }
}
