//! Part 4: whoever should not get in.

use std::io;

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::{Issuer, SystemClock};
use remint_idtoken::Algorithm;
use serde_json::Value;

use super::{Part, Table};
use crate::attack::{self, Attack};
use crate::chain::{Chain, DOMAIN};
use crate::client::{Answer, send};

/// Sends every attack to Envoy, and looks who saw it.
///
/// # Errors
/// If there is no answer, or no log line.
pub async fn attackers(chain: &mut Chain) -> io::Result<Part> {
    let story = "Everybody can reach the domain. Whoever should not get in is refused by the \
                 filter in Envoy: neither gateway nor region sees the request.";
    let columns = ["attack", "status", "reason in the operator's log", "backends that saw it"];
    let mut part = Part::new("4. Attackers", story, Table::new(&columns));
    let issuer = std::sync::Arc::clone(chain.emulator.issuer());
    let impostor = Issuer::new(Algorithm::Rs256, std::sync::Arc::new(SystemClock))
        .map_err(io::Error::other)?;
    for attack in attack::all(&issuer, &impostor, issuer.now().0) {
        let (answer, refusal, seen) = attempt(chain, &attack).await?;
        let reason = refusal["reason"].as_str().unwrap_or("none").to_owned();
        let status = answer.status.as_u16();
        part.table.row(&[&attack.name, &status, &reason, &seen]);
        let is_refused = status == attack.status && reason == attack.reason;
        let tells_nothing = answer.header("www-authenticate").starts_with("Bearer")
            && !answer.text().contains(&reason)
            && !answer.text().contains("https://");
        part.expect(
            format!(
                "{}: {} {}, reaches nobody and is told nothing",
                attack.name, attack.status, attack.reason
            ),
            is_refused && seen == 0 && tells_nothing,
        );
    }
    Ok(part)
}

/// Sends one attack. Returns the answer, the operator's line, and how many
/// backends saw it.
async fn attempt(chain: &mut Chain, attack: &Attack) -> io::Result<(Answer, Value, u64)> {
    let seen_before = seen(chain).await?;
    let refusals_before = chain.envoy.refusals().len();
    let mut request =
        Request::post("/push").header(header::HOST, DOMAIN).body(Bytes::from_static(b"{}"));
    if let Ok(request) = &mut request {
        for value in &attack.authorization {
            request.headers_mut().append(header::AUTHORIZATION, value.clone());
        }
    }
    let answer = send(chain.edge(), request.map_err(io::Error::other)?).await?;
    let refusal = chain.envoy.refusal_number(refusals_before).await?;
    Ok((answer, refusal, seen(chain).await? - seen_before))
}

/// How many requests gateway and regions have seen so far.
async fn seen(chain: &Chain) -> io::Result<u64> {
    let at_gateway = chain.gateway.counter("remint_requests_total").await?;
    Ok(at_gateway + chain.emulator.timeline().calls().len() as u64)
}
