//! A program with Google's Rust library, of which `tests/libraries` runs one for
//! each language. What it prints is JSON.
//!
//! ```text
//! google_cloud_auth fetch_id_token AUDIENCE     an ID token from where it runs
//! google_cloud_auth impersonate ACCOUNT AUDIENCE
//! google_cloud_auth verify                      < [{"token", "audience"}]
//! ```

#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::error::Error;
use std::io;

use google_cloud_auth::credentials;
use google_cloud_auth::credentials::idtoken::{self, verifier};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["fetch_id_token", audience, ..] => {
            let credentials = idtoken::Builder::new(*audience).with_include_email().build()?;
            json!({ "token": credentials.id_token().await? })
        }
        ["impersonate", account, audience, ..] => {
            json!({ "token": impersonated(account, audience).await? })
        }
        ["verify"] => verified(serde_json::from_reader(io::stdin())?).await,
        _ => return Err("no such command".into()),
    };
    println!("{answer}");
    Ok(())
}

/// The default credentials may be of any kind that can impersonate.
async fn impersonated(account: &str, audience: &str) -> Result<String, Box<dyn Error>> {
    let source = credentials::Builder::default().build()?;
    let builder =
        idtoken::impersonated::Builder::from_source_credentials(audience, account, source);
    Ok(builder.with_include_email().build()?.id_token().await?)
}

/// The claims, or the words of the refusal.
async fn verified(cases: Vec<Value>) -> Value {
    let mut results = Vec::new();
    for case in cases {
        let text = |name| case.get(name).and_then(Value::as_str).unwrap_or_default();
        let verifier = verifier::Builder::new([text("audience")]).build();
        results.push(match verifier.verify(text("token")).await {
            Ok(claims) => json!({ "claims": claims }),
            Err(error) => json!({ "message": error.to_string() }),
        });
    }
    results.into()
}
