//! Requests as browsers and people capture them.

use super::*;

fn entry(url: &str, token: Option<&str>, status: u16) -> Value {
    let mut headers = vec![
        json!({"name": ":authority", "value": "orders.example.com"}),
        json!({"name": ":method", "value": "POST"}),
    ];
    headers
        .extend(token.map(|it| json!({"name": "authorization", "value": format!("Bearer {it}")})));
    json!({"startedDateTime": "2020-01-31T12:00:00Z",
        "request": {"method": "POST", "url": url, "headers": headers}, "response": {"status": status}})
}

fn har(entries: &[Value]) -> String {
    json!({"log": {"creator": {"name": "WebInspector"}, "entries": entries}}).to_string()
}

#[tokio::test]
async fn a_curl_command_and_a_har_entry_are_the_same_request() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com:443");
    let curl =
        format!("curl -X POST '{URL}?a=b' \\\n -H 'Authorization: Bearer {token}' -d '{{}}'");
    let har = json!({"log": {"entries": [{"request": {"method": "POST", "url": URL,
        "headers": [{"name": "authorization", "value": format!("Bearer {token}")}]}}]}});
    // What is left of the token's time must not change from one to the other.
    let at = remint_idtoken::UnixTime(now()).to_string();
    let by_curl = world.explain(&curl, &["curl", "-", "--json", "--at", &at]);
    let by_har = world.explain(&har.to_string(), &["har", "-", "--json", "--at", &at]);
    let [curl, har]: [Value; 2] =
        [&by_curl, &by_har].map(|it| serde_json::from_slice(&it.stdout).unwrap());
    assert_eq!(curl["refusal"]["reason"], "aud_has_port");
    assert_eq!(curl["rule"], "orders-push");
    assert_eq!(curl["admitted"], false);
    for member in ["rule", "checks", "tokens", "admitted", "request"] {
        assert_eq!(curl[member], har[member], "{member}");
    }
}

#[tokio::test]
async fn every_browser_s_quotes_lead_to_the_same_request() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    for command in [
        format!("curl '{URL}' -H 'authorization: Bearer {token}' --data-raw '{{}}' --compressed"),
        format!("curl $'{URL}' -H $'authorization: Bearer {token}' --data-raw $'it\\'s'"),
        format!("curl \"{URL}\" -X POST -H \"authorization: Bearer {token}\""),
        format!(
            "curl ^\"{URL}^\" ^\r\n  -H ^\"authorization: Bearer {token}^\" ^\r\n  -d ^\"^{{^}}^\""
        ),
        format!("curl.exe -sSX POST `\n  -H 'authorization: Bearer {token}' `\n  '{URL}'"),
    ] {
        let output = world.explain(&command, &["curl", "-"]);
        assert_eq!(output.status.code(), ADMITTED, "{command}\n{}", text(&output));
    }
}

#[tokio::test]
async fn a_command_whose_token_the_shell_would_have_made_says_so() {
    let world = World::new().await;
    for (authorization, said) in [
        ("Bearer $TOKEN", "It is a placeholder"),
        ("Bearer $(gcloud auth print-identity-token)", "It is a placeholder"),
        ("Bearer", "says Bearer without a token"),
        ("Basic bWU6c2VjcmV0", "with the scheme Basic"),
        ("eyJhbGciOi.eyJh.c2ln", "without \"Bearer \" before it"),
    ] {
        let command = format!("curl -X POST {URL} -H \"Authorization: {authorization}\"");
        let output = world.explain(&command, &["curl", "-"]);
        assert_eq!(output.status.code(), REFUSED);
        begins(&output, &[said]);
    }
}

#[tokio::test]
async fn an_entry_is_held_against_its_own_time_and_its_answer_is_compared() {
    let world = World::new().await;
    let old = world.claims(&json!({"iat": 1_580_470_000, "exp": 1_580_473_600}));
    let file = har(&[entry(URL, Some(&old), 403)]);
    let output = world.explain(&file, &["har", "-"]);
    assert_eq!(output.status.code(), ADMITTED, "{}", text(&output));
    begins(&output, &["LET THROUGH", "It was answered with 403 all the same", "remint doctor"]);
    assert!(text(&output).contains("at 2020-01-31T12:00:00Z"), "{}", text(&output));
}

#[tokio::test]
async fn of_several_entries_the_only_refused_one_is_meant_or_people_choose() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let one = har(&[entry(URL, None, 200), entry(URL, None, 401), entry(URL, Some(&token), 204)]);
    let output = world.explain(&one, &["har", "-"]);
    assert_eq!(output.status.code(), REFUSED);
    let told = text(&output);
    assert!(told.contains("note: this is entry 2 of 3"), "{told}");
    assert!(told.contains("note: Chrome leaves Authorization out of HAR files"), "{told}");
    let several = har(&[entry(URL, None, 401), entry("https://orders.example.com/b", None, 403)]);
    let output = world.explain(&several, &["har", "-"]);
    assert_eq!(output.status.code(), UNREADABLE);
    let told = text(&output);
    assert!(told.contains("say which with --entry"), "{told}");
    assert!(told.contains("\n    2  403  POST   https://orders.example.com/b"), "{told}");
}

#[test]
fn what_can_not_be_read_is_told_in_one_line() {
    for (arguments, why) in [
        (&["token", "-", "--url", URL][..], "no token, but nothing"),
        (&["token", "/nowhere"], "/nowhere can't be read"),
        (&["curl", "-"], "the command does not begin with curl: it is nothing"),
        (&["curl", "/nowhere"], "/nowhere can't be read"),
        (&["har", "-"], "not JSON"),
    ] {
        let mut command = remint();
        let command = command.arg("explain").arg(SHIPPED).args(arguments).stdin(Stdio::null());
        let output = said(command);
        assert_eq!(output.status.code(), UNREADABLE);
        let text = text(&output);
        assert!(text.contains(why) && text.trim_end().lines().count() == 1, "{text}");
    }
}
