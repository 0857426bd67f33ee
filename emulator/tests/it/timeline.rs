//! The timeline as JSON, as events and as a page.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use remint_emulator::{Message, PushSubscription, TokenRequest};
use serde_json::Value;
use tokio::time::{interval, timeout};

use crate::support::{Call, GATEWAY, World, connect, get};

const STRANGER: &str = "stranger@demo-project.iam.gserviceaccount.com";
const DEADLINE: Duration = Duration::from_secs(20);

impl World {
    async fn accepted(&self, path: &str) {
        get(path).bearer(&self.token(self.us().url())).send(self.us().addr()).await;
    }

    async fn calls(&self, query: &str) -> Vec<Value> {
        let reply = get(&format!("/emulator/timeline?{query}"));
        let reply = reply.send(self.emulator.google_addr()).await;
        assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.text);
        reply.json()["calls"].as_array().unwrap().clone()
    }

    async fn events(&self, below: &str, last: Option<&str>) -> Events {
        let mut request = Request::get(format!("/emulator/timeline/events{below}"))
            .header("host", "localhost")
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut connection = connect(self.emulator.google_addr()).await;
        let answer = connection.send_request(request.body(Full::<Bytes>::default()).unwrap());
        let (head, body) = answer.await.unwrap().into_parts();
        Events { status: head.status, body, text: String::new() }
    }
}

/// A stream of events.
struct Events {
    status: StatusCode,
    body: Incoming,
    text: String,
}

impl Events {
    /// Reads on until there is this text, and drops all up to it.
    async fn until(&mut self, wanted: &str) -> String {
        let reading = async {
            loop {
                if let Some((before, after)) = self.text.split_once(wanted) {
                    let before = before.to_owned();
                    self.text = after.to_owned();
                    return before;
                }
                let frame = self.body.frame().await.unwrap().unwrap();
                self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        timeout(DEADLINE, reading).await.unwrap_or_else(|_| panic!("no {wanted:?}"))
    }

    async fn next(&mut self) -> Value {
        self.until("data: ").await;
        serde_json::from_str(&self.until("\n\n").await).unwrap()
    }
}

fn ids(calls: &[Value]) -> Vec<u64> {
    calls.iter().map(|call| call["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_calls_of_all_parts_are_told_newest_last_with_growing_numbers() {
    let world = World::start().await;
    let url = format!("{}/push", world.us().url()).parse().unwrap();
    let mut subscription = PushSubscription::new("p", url, GATEWAY);
    subscription.audience = Some(world.us().url().to_owned());
    world.emulator.push(&subscription, [Message::new("a")]).await;
    world.accepted("/b").await;
    let calls = world.calls("").await;
    assert_eq!(ids(&calls), [1, 2, 3]);
    let parts: Vec<_> = calls.iter().map(|call| call["part"].as_str().unwrap()).collect();
    assert_eq!(parts, ["front end", "Pub/Sub", "front end"]);
    assert_eq!(calls[1]["verdict"], "answered 200");
    assert_eq!(calls[1]["outcome"], "answered");
    assert_eq!(calls[2].get("explanation"), None);
    for (query, found) in [
        ("part=Pub/Sub", vec![2]),
        ("region=us-central1", vec![1, 3]),
        ("verdict=refused", vec![]),
        ("after=1&limit=1", vec![3]),
        ("text=/b", vec![3]),
    ] {
        assert_eq!(ids(&world.calls(query).await), found, "{query}");
    }
    let wrong = get("/emulator/timeline?regoin=a").send(world.emulator.google_addr()).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("regoin"), "{}", wrong.text);
}

#[tokio::test]
async fn a_refused_call_is_explained_by_what_its_region_takes() {
    let world = World::with(|config| {
        config.services[0].custom_audiences = vec!["https://own.example".into()];
    });
    let world = world.await;
    let wrong = world.token(world.eu().url());
    get("/").bearer(&wrong).send(world.us().addr()).await;
    let stranger = world.emulator.issuer();
    let stranger = stranger.mint(&TokenRequest::new(STRANGER, world.us().url()));
    get("/").bearer(&stranger).send(world.us().addr()).await;
    let function = world.us().function_url().trim_start_matches("https://");
    let (host, name) = function.split_once('/').unwrap();
    let on_function = get(&format!("/{name}")).header("host", host).bearer(&wrong);
    on_function.send(world.us().addr()).await;
    let calls = world.calls("verdict=refused").await;
    let explained = |index: usize| &calls[index]["explanation"];
    let own = world.us().url();
    let expected = explained(0)["expected"].as_array().unwrap();
    assert!(expected.contains(&own.into()) && expected.contains(&"https://own.example".into()));
    assert_eq!(explained(0)["received"], world.eu().url());
    assert!(explained(0)["summary"].as_str().unwrap().contains("orders in europe-west1"));
    assert_eq!(
        explained(1)["command"],
        format!(
            "gcloud run services add-iam-policy-binding orders --region=us-central1 \
             --member=serviceAccount:{STRANGER} --role=roles/run.invoker"
        )
    );
    assert_eq!(explained(2)["expected"], serde_json::json!([world.us().function_url()]));
}

#[tokio::test]
async fn calls_are_forgotten_on_demand_but_not_for_another_site_s_page() {
    let world = World::start().await;
    world.accepted("/a").await;
    let delete = || Call::of(Request::delete("/emulator/timeline"));
    let google = world.emulator.google_addr();
    let refused = delete().header("origin", "https://evil.example").send(google).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(world.calls("").await.len(), 1);
    assert_eq!(delete().send(google).await.status, StatusCode::NO_CONTENT);
    world.accepted("/b").await;
    assert_eq!(ids(&world.calls("").await), [2]);
}

#[tokio::test]
async fn nothing_is_told_to_another_site_s_page() {
    let world = World::start().await;
    let google = world.emulator.google_addr();
    for path in [
        "/emulator",
        "/emulator/page.js",
        "/emulator/overview",
        "/emulator/timeline",
        "/emulator/timeline/events",
    ] {
        for (name, value) in [
            ("host", "evil.example"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let reply = get(path).header(name, value).send(google).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
            assert!(!reply.headers.contains_key("access-control-allow-origin"));
        }
    }
}

#[tokio::test]
async fn browsers_get_the_page_at_the_root_and_metadata_clients_what_they_always_got() {
    let world = World::start().await;
    let google = world.emulator.google_addr();
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    for call in [
        get("/").header("accept", browser).header("host", "localhost"),
        get("/emulator").header("accept", browser),
        get("/emulator/"),
    ] {
        let reply = call.send(google).await;
        assert_eq!(reply.headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(!reply.headers.contains_key("metadata-flavor"));
    }
    for call in [
        get("/"),
        get("/").header("accept", "*/*"),
        get("/").header("metadata-flavor", "Google"),
        get("/").header("metadata-flavor", "Google").header(ACCEPT.as_str(), "text/html, *; q=.2"),
    ] {
        let reply = call.send(google).await;
        assert_eq!(reply.text, "computeMetadata/\n");
        assert_eq!(reply.headers["metadata-flavor"], "Google");
    }
}

#[tokio::test]
async fn the_page_allows_itself_nothing_from_elsewhere_and_nothing_inline() {
    let world = World::start().await;
    for file in ["", "/page.css", "/page.js", "/rows.js", "/icon.svg"] {
        let path = format!("/emulator{file}");
        let reply = get(&path).send(world.emulator.google_addr()).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
        let text = reply.text.replace("http://www.w3.org/2000/svg", "");
        for sign in ["http:", "https:", "<style", " style=", " onclick=", "innerHTML", "@import"] {
            assert!(!text.contains(sign), "{path}: {sign}");
        }
    }
}

#[tokio::test]
async fn what_runs_is_told_with_the_state_of_the_moment() {
    let world = World::start().await;
    world.accepted("/").await;
    world.eu().stop().await;
    let overview = get("/emulator/overview").send(world.emulator.google_addr()).await.json();
    let [us, eu] = [&overview["regions"][0], &overview["regions"][1]];
    assert_eq!(us["urls"], serde_json::json!([world.us().url(), world.us().hash_url()]));
    assert_eq!(us["address"], world.us().addr().to_string());
    assert_eq!((&us["state"], &us["accepted"]), (&"running".into(), &1.into()));
    assert_eq!(eu["state"], "stopped");
    let google = world.emulator.google_addr().to_string();
    assert_eq!(overview["environment"][0]["value"], google);
    let first = overview["try"].as_str().unwrap();
    assert!(first.contains(world.us().url()) && first.contains(&world.us().addr().to_string()));
}

#[tokio::test]
async fn events_tell_what_was_and_what_comes_by_filter() {
    let world = World::start().await;
    world.accepted("/1").await;
    get("/2").send(world.us().addr()).await;
    let mut events = world.events("?verdict=accepted", None).await;
    assert_eq!(events.status, StatusCode::OK);
    assert_eq!(events.next().await["path"], "/1");
    get("/3").send(world.us().addr()).await;
    world.accepted("/4").await;
    let next = events.next().await;
    assert_eq!((&next["path"], &next["id"]), (&"/4".into(), &4.into()));
    world.emulator.timeline().clear();
    events.until("event: cleared\n").await;
}

#[tokio::test]
async fn events_go_on_where_the_client_was_and_start_over_in_a_new_emulator() {
    let world = World::start().await;
    for path in ["/1", "/2", "/3"] {
        world.accepted(path).await;
    }
    // What the browser says counts more than the address it had to begin with.
    let mut events = world.events("?after=1", Some("2")).await;
    assert_eq!(events.next().await["path"], "/3");
    let mut events = world.events("?after=1", None).await;
    assert_eq!(events.next().await["path"], "/2");
    let mut events = world.events("", Some("4711")).await;
    events.until("event: cleared\ndata: {}\n\n").await;
    assert_eq!(events.next().await["path"], "/1");
}

#[tokio::test]
async fn a_client_that_was_away_gets_all_that_is_kept() {
    let world = World::start().await;
    let mut events = world.events("", None).await;
    for number in 0..600 {
        world.accepted(&format!("/{number}")).await;
    }
    for number in 0..600 {
        assert_eq!(events.next().await["path"], format!("/{number}"));
    }
}

#[tokio::test]
async fn no_more_than_some_clients_follow_and_each_that_goes_makes_room() {
    let world = World::start().await;
    let mut all = Vec::new();
    let refused = loop {
        let events = world.events("", None).await;
        match events.status {
            StatusCode::OK => all.push(events),
            status => break status,
        }
    };
    assert_eq!((refused, all.len()), (StatusCode::SERVICE_UNAVAILABLE, 32));
    all.clear();
    let again = async {
        let mut tick = interval(Duration::from_millis(10));
        while world.events("", None).await.status != StatusCode::OK {
            tick.tick().await;
        }
    };
    timeout(DEADLINE, again).await.expect("room again");
}

#[tokio::test]
async fn no_token_shows_wherever_a_call_has_it() {
    let world = World::start().await;
    let token = world.token(world.us().url());
    let wrong = world.token("https://wrong.example");
    let escaped = token.replace('.', "%2E");
    for carried in [&token, &wrong, &escaped] {
        for glue in ["", "id-", "a:", "b%20", "(", "Bearer%20", "x=", "_"] {
            let value = format!("{glue}{carried}");
            get(&format!("/{value}/a?t={value}"))
                .header("host", &value)
                .header("x-request-id", &value)
                .header("user-agent", &value)
                .header("x-goog-iap-jwt-assertion", &value)
                .bearer(carried)
                .send(world.us().addr())
                .await;
        }
    }
    // Claims are shown, and may be a token too.
    for name in ["aud", "email", "sub"] {
        let mut claims = serde_json::json!({
            "iss": "https://accounts.google.com", "aud": "a", "email": "b", "sub": "c",
            "iat": 0, "exp": 1,
        });
        claims[name] = token.clone().into();
        let carrier = world.emulator.issuer().sign_claims(&claims);
        get("/").bearer(&carrier).send(world.us().addr()).await;
    }
    let google = world.emulator.google_addr();
    let mut shown = get("/emulator/timeline").send(google).await.text;
    shown.push_str(&get("/emulator/overview").send(google).await.text);
    let mut events = world.events("", None).await;
    shown.push_str(&events.until("\"id\":27").await);
    assert!(shown.matches("(token)").count() > 24, "{shown}");
    for part in token.split('.').chain(wrong.split('.')) {
        let part = part.get(..24).unwrap();
        assert!(!shown.contains(part), "{part}");
    }
}
