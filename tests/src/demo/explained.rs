//! Part 5: what the operator is told.

use std::io;

use remint_emulator::Message;
use serde_json::Value;

use super::{Part, Table, subscription};
use crate::chain::Chain;

/// Lets a subscription push with its default audience, which no rule accepts,
/// and shows what the filter wrote about it into Envoy's log.
///
/// # Errors
/// If there is no such line.
pub async fn explained(chain: &mut Chain) -> io::Result<Part> {
    let story = "A subscription without an audience of its own pushes: Pub/Sub then uses the \
                 endpoint's URL, path included. The sender sees 401; the operator sees this.";
    let mut part = Part::new("5. Explained", story, Table::new(&["", ""]));
    let before = chain.envoy.refusals().len();
    let subscription = subscription(chain.edge(), None)?;
    let report = chain.emulator.push(&subscription, vec![Message::new("order")]).await;
    let refusal = chain.envoy.refusal_number(before).await?;
    let text = |name: &str| match &refusal[name] {
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for name in
        ["reason", "message", "rule", "expected", "received", "caller", "looks_like", "remedy"]
    {
        part.table.row(&[&name, &text(name)]);
    }
    let command = text("command");
    part.notes.push(format!("$ {command}"));
    part.expect("the sender sees 401", report.first_statuses().contains_key(&401));
    part.expect("the reason is the audience", text("reason") == "aud_has_path");
    part.expect("the rule is named", text("rule") == "orders-push");
    part.expect(
        "all accepted audiences are listed",
        refusal["expected"].as_array().is_some_and(|list| list.len() == 3),
    );
    part.expect(
        "the received audience is shown",
        text("received") == subscription.endpoint.to_string(),
    );
    part.expect(
        "the command sets the subscription's audience to an accepted one",
        command.starts_with("gcloud pubsub subscriptions modify-push-config ")
            && command.contains("--push-auth-token-audience=https://orders.example.com"),
    );
    Ok(part)
}
