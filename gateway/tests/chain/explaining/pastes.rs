//! What people paste as a token, right or wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[tokio::test]
async fn a_token_is_found_in_what_stands_around_it() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let lines: Vec<_> = token.as_bytes().chunks(76).map(|it| str::from_utf8(it).unwrap()).collect();
    for pasted in [
        format!("Bearer {token}"),
        format!("\"{token}\","),
        lines.join("\n"),
        format!("Authorization: Bearer {token}\r\n"),
        json!({"token": token}).to_string(),
        json!({"access_token": "ya29.x", "id_token": token}).to_string(),
    ] {
        let output = world.explain_token(&pasted, &[]);
        assert_eq!(output.status.code(), ADMITTED, "{}", text(&output));
    }
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(token.encode_utf16().flat_map(u16::to_le_bytes));
    let arguments = ["token", "-", "--url", URL];
    let output = world.explain_by(Some(Path::new(SHIPPED)), &utf16, &arguments);
    assert_eq!(output.status.code(), ADMITTED, "{}", text(&output));
}

#[tokio::test]
async fn what_is_no_id_token_is_named_in_the_first_lines() {
    let world = World::new().await;
    let good = world.token("https://orders.example.com");
    let (signed, _) = good.rsplit_once('.').unwrap();
    let header = signed.split_once('.').unwrap().0;
    for (pasted, said) in [
        ("ya29.a0AbCdEf".to_owned(), "an OAuth access token of Google's"),
        ("0123456789abcdef".to_owned(), "an opaque text"),
        (header.to_owned(), "the first part of a token alone"),
        (signed.to_owned(), "a token without its signature"),
        (STANDARD.encode(&good), "encoded in base64 once more"),
        (format!("{signed}.SIGNATURE_REMOVED_BY_GOOGLE"), "sig_removed_by_google"),
        ("x".repeat(100_000), "an opaque text"),
    ] {
        let output = world.explain_token(&pasted, &[]);
        assert_eq!(output.status.code(), REFUSED, "{}", text(&output));
        begins(&output, &[said]);
    }
}

#[tokio::test]
async fn what_holds_no_token_is_told_as_such() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let other = world.token("https://other.example.com");
    for (pasted, said) in [
        (format!("{token}\n{other}"), "there are 2 tokens: keep one"),
        (format!("curl {URL} -H 'Authorization: Bearer {token}'"), "say curl in place of token"),
        ("{\"log\": {\"entries\": []}}".to_owned(), "say har in place of token"),
        ("ERROR: (gcloud.auth) no account".to_owned(), "a message of gcloud's"),
        (String::new(), "there is no token, but nothing"),
    ] {
        let output = world.explain_token(&pasted, &[]);
        assert_eq!(output.status.code(), UNREADABLE, "{}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    }
    let arguments = ["token", "-", "--url", URL];
    let output = world.explain_by(Some(Path::new(SHIPPED)), &[0xc0, 0xaf, 0x00], &arguments);
    assert!(text(&output).contains("no text in UTF-8 or UTF-16"), "{}", text(&output));
}

#[tokio::test]
async fn tokens_of_others_are_named_with_what_to_do_about_them() {
    let world = World::new().await;
    let account = "sa@p.iam.gserviceaccount.com";
    let token_endpoint = "https://oauth2.googleapis.com/token";
    for (iss, aud, said) in [
        (account, token_endpoint, "an assertion by which a service account asks Google's token"),
        (
            account,
            "https://orders.example.com",
            "a token that sa@p.iam.gserviceaccount.com signed itself",
        ),
        (
            "https://securetoken.google.com/my-app",
            "my-app",
            "Firebase or Identity Platform in the project my-app",
        ),
        (
            "https://container.googleapis.com/v1/projects/p",
            "x",
            "token of a GKE cluster: exchange it",
        ),
        ("https://token.actions.githubusercontent.com", "x", "a token of GitHub Actions"),
        ("https://sts.windows.net/t/", "api://x", "a token of Microsoft Entra ID"),
        (
            "https://cloud.google.com/iap",
            "/projects/1/global/backendServices/2",
            "an assertion of IAP's",
        ),
    ] {
        let token = world.claims(&json!({"iss": iss, "aud": aud}));
        let output = world.explain_token(&format!("Authorization: Bearer {token}"), &[]);
        begins(&output, &["REFUSED with 401: iss_unknown", said]);
    }
}

#[tokio::test]
async fn the_signature_s_key_and_the_token_s_fingerprint_are_told() {
    let world = World::new().await;
    let good = world.token("https://orders.example.com");
    let other = world.token("https://x");
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let forged = world.explain_token(&format!("{signed}.{signature}"), &[]);
    begins(&forged, &["REFUSED with 401: sig_bad"]);
    let print = remint_idtoken::Fingerprint::of(good.as_bytes()).to_string();
    let told = text(&world.explain_token(&good, &[]));
    assert!(told.contains(&format!("\n  fingerprint {print}\n")), "{told}");
    let rotated = Google::start().await.emulator.issuer().jwks().to_string();
    world.folder.write("google.json", &rotated);
    let unknown = world.explain_token(&good, &[]);
    begins(&unknown, &["REFUSED with 401: kid_unknown", "--fetch gets those of now"]);
    let keys = json!({"keys": []}).to_string();
    let unusable = world.folder.write("google.json", &keys);
    let output = world.explain_token(&good, &[]);
    assert_eq!(output.status.code(), UNREADABLE, "{}", text(&output));
    assert!(text(&output).contains("the keys of \"google\" are no key set"), "{unusable:?}");
}
