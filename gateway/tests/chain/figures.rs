//! Figures that tell a time.

use crate::client::get;
use crate::support::{Chain, eventually};

#[tokio::test]
async fn the_end_of_each_token_and_the_age_of_keys_are_told() {
    let chain = Chain::start().await;
    let admin = chain.gateway.admin_address();
    let value = |text: &str, name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    eventually("tokens and keys are there", async || {
        let text = get(admin, "/metrics").await.text();
        let ends = value(&text, "remint_token_expiry_timestamp_seconds{");
        let fetched = value(&text, "remint_keys_fetch_timestamp_seconds{");
        ends > fetched && fetched > 0
    })
    .await;
}
