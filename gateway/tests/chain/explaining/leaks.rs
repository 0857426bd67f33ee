//! No part of a token is ever printed.

use super::*;

/// How many letters in a row of a secret part are too many.
const TOO_MANY: usize = 20;

/// Whether the text holds that much of the token's payload or signature.
fn leaks(text: &str, token: &str) -> bool {
    let parts = token.split('.').skip(1);
    let mut pieces = parts.flat_map(|part| part.as_bytes().windows(TOO_MANY));
    pieces.any(|piece| text.contains(str::from_utf8(piece).unwrap()))
}

#[tokio::test]
async fn no_part_of_a_token_is_printed_whatever_is_wrong_with_it() {
    let world = World::new().await;
    let good = world.token("https://orders.example.com");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let spoilt = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let pasted = [
        good.clone(),
        spoilt,
        format!("{good} {good}"),
        format!("{good} {good}x"),
        signed.to_owned(),
        format!("x-{signature}: {signed}"),
        format!("{{\"token\": \"{good}\", \"private_key\": 1}}"),
        format!("curl {URL}/{good} -H '{good}'"),
        format!("{good}."),
        format!("Bearer Bearer {good}"),
        good.replace('.', "%2E"),
    ];
    for input in &pasted {
        for more in [&[][..], &["--json"]] {
            let output = world.explain_token(input, more);
            assert!(!leaks(&text(&output), &good), "{}", text(&output));
        }
    }
}

#[tokio::test]
async fn a_token_in_the_wrong_place_is_not_shown_either() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let url = format!("https://orders.example.com/push/{token}?t={token}#{token}");
    let curl = format!("curl '{url}' -X '{token}' -H '{token}' {token}");
    let query = format!("curl -X POST '{url}' -H 'x: {token}' -H 'User-Agent: {token}'");
    let har = json!({"log": {"entries": [
        {"request": {"method": token, "url": url, "headers": []}},
        {"request": {"method": "POST", "url": token, "headers": []}},
    ]}});
    for output in [
        world.explain(&token, &["token", "-", "--url", &token]),
        world.explain(&token, &["token", "-", "--url", &url]),
        world.explain(&token, &["token", &token]),
        world.explain(&token, &["token", "-", &token]),
        world.explain(&token, &["token", "-", "--url", URL, "-X", &token]),
        world.explain(&token, &["token", "-", "--url", URL, "--at", &token]),
        world.explain(&token, &["token", "-", "--url", URL, "-H", &format!("x: {token}")]),
        world.explain(&token, &[&token]),
        world.explain_by(Some(Path::new(&token)), b"", &["token", "-"]),
        world.explain(&curl, &["curl", "-"]),
        world.explain(&query, &["curl", "-"]),
        world.explain(&query, &["curl", "-", "--json"]),
        world.explain(&har.to_string(), &["har", "-"]),
        world.explain(&har.to_string(), &["har", "-", "--entry", "1"]),
        world.explain(&har.to_string(), &["har", "-", "--entry", "2"]),
        world.explain(&token, &["har", "-"]),
        world.explain(&token, &["curl", "-"]),
    ] {
        assert!(!leaks(&text(&output), &token), "{}", text(&output));
    }
}
