//! `remint-emulator mint`: a token from a running emulator, for testing.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use http::Request;
use remint_idtoken::{Clock, SystemClock};
use serde_json::{Map, Value, json};

use super::client::Running;
use super::print;

/// What `remint-emulator mint --help` says.
const HELP: &str = "\
Print a token that a running emulator's Google signs, for testing only.

    remint-emulator mint --audience https://orders.example.com
    curl -H \"Authorization: Bearer $(remint-emulator mint --audience A)\" ...

It is for any account and any claims, right or wrong. Only those believe it who
take the emulator's keys for Google's. Nothing but the token is printed.

    remint-emulator mint --audience A --email pusher@demo-project.iam.gserviceaccount.com
    remint-emulator mint --audience A --claims '{\"hd\": \"example.com\"}'
    remint-emulator mint --audience A --flaw expired";

/// Print a token of a running emulator, for testing only.
#[derive(Args)]
#[command(long_about = HELP)]
pub(super) struct Arguments {
    /// The token's audience.
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    /// Whose it is [default: the metadata server's default account]
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// Further claims, or others in place of the usual ones, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = object, default_value = "{}")]
    claims: Map<String, Value>,
    /// A member of the token's header; may be repeated. The value is JSON, or
    /// else a text.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = member)]
    headers: Vec<(String, Value)>,
    /// What is to be wrong with it, such as expired; the emulator names those
    /// that it knows.
    #[arg(long, value_name = "NAME")]
    flaw: Option<String>,
    /// How long it lives from now on, such as 30s or 5m [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    #[command(flatten)]
    emulator: Running,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}

fn member(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let emulator = &arguments.emulator;
    let email = match &arguments.email {
        Some(email) => email.clone(),
        None => emulator.metadata("instance/service-accounts/default/email").await?,
    };
    let body = arguments.body(email.trim());
    let request = Request::post("/emulator/mint").body(body.to_string().into())?;
    let token = emulator.ask(request).await?;
    Ok(print(&format!("{}\n", token.trim()))?)
}

impl Arguments {
    /// What is asked for: claims, and around them what is odd.
    fn body(&self, email: &str) -> Value {
        let mut claims = Map::new();
        claims.insert("aud".to_owned(), self.audience.clone().into());
        claims.insert("email".to_owned(), email.into());
        if let Some(time) = self.expires_in {
            claims.insert("exp".to_owned(), SystemClock.now().plus(time).0.into());
        }
        claims.extend(self.claims.clone());
        if self.headers.is_empty() && self.flaw.is_none() {
            return claims.into();
        }
        let headers: Map<String, Value> = self.headers.iter().cloned().collect();
        let mut body = json!({ "claims": claims, "header": headers });
        if let (Some(body), Some(flaw)) = (body.as_object_mut(), &self.flaw) {
            body.insert("flaw".to_owned(), flaw.clone().into());
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn body(words: &[&str]) -> Value {
        let words = ["mint", "--audience", "https://a.example"].iter().chain(words);
        Program::try_parse_from(words).unwrap().arguments.body("a@b")
    }

    #[test]
    fn claims_are_asked_for_plainly() {
        assert_eq!(body(&[]), json!({ "aud": "https://a.example", "email": "a@b" }));
        let claims = body(&["--claims", r#"{"aud": 7, "hd": "x"}"#]);
        assert_eq!(claims, json!({ "aud": 7, "email": "a@b", "hd": "x" }));
        let soon = SystemClock.now().plus(Duration::from_secs(300)).0;
        let claims = body(&["--expires-in", "5m"]);
        assert!(claims["exp"].as_u64().unwrap().abs_diff(soon) < 60);
    }

    #[test]
    fn what_is_odd_about_a_token_stands_around_its_claims() {
        let asked = body(&["--flaw", "expired", "--header", "kid=x", "--header", "typ=null"]);
        assert_eq!(
            asked,
            json!({
                "claims": { "aud": "https://a.example", "email": "a@b" },
                "header": { "kid": "x", "typ": null },
                "flaw": "expired",
            })
        );
        assert!(Program::try_parse_from(["mint", "--audience", "a", "--claims", "[]"]).is_err());
        assert!(Program::try_parse_from(["mint", "--audience", "a", "--header", "x"]).is_err());
    }
}
