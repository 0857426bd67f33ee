//! Other configurations while requests come.

use std::time::Duration;

use remint_emulator::{Emulator, Fault};
use serde_json::json;

use crate::client::get;
use crate::identity::with_identity;
use crate::load::Load;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Folder, Google, eventually};

const OFTEN: &str = "reload_interval: 20ms\n";

async fn following(change: impl FnOnce(String) -> String) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let chain = Chain::before(google, &regions, |text| change(text) + OFTEN).await;
    chain.ready().await;
    chain
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_configuration_changes_again_and_again() {
    let chain = following(|text| text).await;
    let load = Load::start(&chain, 4, 2);
    let second = chain.text.lines().find(|line| line.contains("name: r1")).unwrap();
    for round in 1..=6 {
        let before = load.answered();
        let other_times =
            chain.text.replace("connect_timeout: 5s", &format!("connect_timeout: {round}1s"));
        chain.rewrite(&other_times, "applied").await;
        chain.rewrite(&other_times.replace("orders", "{"), "rejected").await;
        chain.rewrite(&chain.text.replace(second, ""), "applied").await;
        chain.rewrite(&chain.text, "applied").await;
        eventually("requests come through", async || load.answered() > before + 10).await;
    }
    assert!(load.finish().await > 60);
    assert_eq!(chain.figure("remint_config_reloads_total", "applied").await, 18);
    assert_eq!(chain.figure("remint_config_reloads_total", "rejected").await, 6);
}

#[tokio::test]
async fn tokens_keys_connections_and_figures_are_kept_by_what_does_not_change() {
    let region = RawRegion::start(Habit::Answer).await;
    let google = Google::start().await;
    let chain = Chain::before(google, &[region.entry()], |text| text + OFTEN).await;
    chain.ready().await;
    let before = (chain.emulator.identity_fetches(), chain.emulator.jwks_fetches());
    assert_eq!(chain.get("/").await.status, 200);
    for round in 1..=5 {
        let text = chain.text.replace("drain_timeout: 20s", &format!("drain_timeout: 2{round}s"));
        chain.rewrite(&text, "applied").await;
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!((region.requests(), region.connections()), (6, 1));
    let after = (chain.emulator.identity_fetches(), chain.emulator.jwks_fetches());
    assert_eq!(after, before);
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"2xx\"").await, 6);
    // Another way to the region is another connection.
    let text = chain.text.replace("connect_timeout: 5s", "connect_timeout: 6s");
    chain.rewrite(&text, "applied").await;
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(region.connections(), 2);
}

/// Google's services fail, the way to them changes, and nobody notices.
async fn survives(fault: Fault) {
    let chain = following(|text| text).await;
    assert_eq!(chain.get("/").await.status, 200);
    chain.emulator.faults().set_metadata(Some(fault));
    chain.emulator.faults().set_keys(Some(fault));
    // Twice: what the second begins with came to the first in the same way.
    for time in ["6s", "7s"] {
        let text = chain.text.replace("connect_timeout: 5s", &format!("connect_timeout: {time}"));
        chain.rewrite(&text, "applied").await;
        assert_eq!(get(chain.gateway.admin_address(), "/readyz").await.status, 200);
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn tokens_and_keys_outlive_another_way_to_where_they_come_from() {
    let down = Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE);
    tokio::join!(survives(Fault::Hang), survives(down));
}

#[tokio::test]
async fn the_token_of_an_account_outlives_its_key() {
    let (google, folder) = (Google::start().await, Folder::new());
    let account = "gateway@demo-project.iam.gserviceaccount.com";
    let write_key = |emulator: &Emulator| {
        let key = emulator.new_account_key(account).unwrap();
        folder.write("key.json", &key.file("https://oauth2.googleapis.com/token"))
    };
    let file = write_key(&google.emulator);
    let identity = json!({ "service_account_key": { "file": file } });
    let regions = google.regions();
    let change = |text: String| with_identity(&text, &identity) + OFTEN;
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain.emulator.faults().set_token_endpoint(Some(Fault::Hang));
    write_key(&chain.emulator);
    eventually("the change is noticed", async || {
        chain.figure("remint_config_reloads_total", "applied").await > 0
    })
    .await;
    assert_eq!(chain.get("/").await.status, 200);
    // Another account's token is not this one's.
    let other = json!({ "impersonate": { "service_account": "other@p", "source": identity } });
    let text = chain.text.replace(&identity.to_string(), &other.to_string());
    chain.rewrite(&text, "applied").await;
    assert_eq!(chain.get("/").await.status, 503);
}

#[tokio::test]
async fn keys_that_come_later_reach_the_configuration_that_holds_then() {
    let chain = following(|text| text).await;
    chain.rewrite(&chain.text.replace("20s", "21s"), "applied").await;
    chain.emulator.issuer().rotate().unwrap();
    chain.clock.jump(Duration::from_secs(31));
    let answer = chain.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_new_rule_holds_at_once_and_a_gone_region_is_called_no_more() {
    let chain = following(|text| text).await;
    let other = chain.text.replace("orders.example.com/push", "other.example.com/push");
    chain.rewrite(&other, "applied").await;
    assert_eq!(chain.get("/").await.status, 401, "the audience is another one");
    let second = chain.text.lines().find(|line| line.contains("name: r1")).unwrap();
    chain.rewrite(&chain.text.replace(second, ""), "applied").await;
    let gone = chain.emulator.regions()[1].url();
    for _ in 0..6 {
        assert_ne!(chain.get("/").await.json()["audience"], gone);
    }
    let page = get(chain.gateway.admin_address(), "/metrics").await.text();
    assert!(!page.contains(r#"region_ejected{service="orders",region="r1"}"#), "{page}");
}

#[tokio::test]
async fn a_wrong_configuration_is_told_once_and_changes_nothing() {
    let chain = following(|text| text).await;
    let wrong = chain.text.replace("connect_timeout", "conect_timeout") + "extra: 1\n";
    chain.rewrite(&wrong, "rejected").await;
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(chain.figure("remint_config_last_reload_successful", "").await, 0);
    let status = get(chain.gateway.admin_address(), "/status").await.json();
    let error = status["configuration"]["last_error"].as_str().unwrap().to_owned();
    for mistake in ["conect_timeout", "extra: is not a setting"] {
        assert!(error.contains(mistake), "{error}");
    }
    // It looks several times, and at another file that it names.
    chain.folder.write("ca.pem", "no certificate");
    eventually("the change is noticed", async || {
        chain.figure("remint_config_reloads_total", "rejected").await == 2
    })
    .await;
    chain.folder.write("ca.pem", chain.emulator.ca_pem());
    chain.rewrite(&chain.text, "applied").await;
    assert_eq!(chain.figure("remint_config_last_reload_successful", "").await, 1);
    let status = get(chain.gateway.admin_address(), "/status").await.json();
    assert!(status["configuration"]["last_error"].is_null());
}

#[tokio::test]
async fn another_address_to_listen_on_is_said_to_need_a_restart() {
    let chain = following(|text| text).await;
    chain
        .rewrite(&chain.text.replace("listen: 127.0.0.1:0", "listen: 127.0.0.2:0"), "applied")
        .await;
    assert_eq!(chain.get("/").await.status, 200);
    let status = get(chain.gateway.admin_address(), "/status").await.json();
    assert_eq!(status["configuration"]["needs_restart"], serde_json::json!(["listen"]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_is_turned_elsewhere_is_a_change() {
    let chain = following(|text| text).await;
    let file = chain.folder.path().join("remint.yaml");
    chain.folder.write("other.yaml", &chain.text.replace("20s", "21s"));
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("other.yaml", &file).unwrap();
    eventually("the change is noticed", async || {
        chain.figure("remint_config_reloads_total", "applied").await == 1
    })
    .await;
}

#[tokio::test]
async fn a_region_that_is_left_alone_stays_so() {
    let chain = following(|text| text).await;
    chain.emulator.regions()[0].stop().await;
    for _ in 0..4 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!(chain.figure("remint_region_ejected", "").await, 1);
    chain.rewrite(&chain.text.replace("20s", "21s"), "applied").await;
    assert_eq!(chain.figure("remint_region_ejected", "").await, 1);
    assert_eq!(chain.figure("remint_attempts_total", "unreachable").await, 1);
}

#[tokio::test]
async fn a_region_that_probes_have_ejected_comes_back_when_there_are_no_probes_any_more() {
    let probe = "    probe: { path: /status/500, interval: 10ms, unhealthy_after: 1 }\n";
    let chain =
        following(|text| text.replace("    regions:\n", &format!("{probe}    regions:\n"))).await;
    let is_ejected = async || chain.figure("remint_region_ejected", "r0").await == 1;
    eventually("probes have ejected it", is_ejected).await;
    chain.rewrite(&chain.text.replace(probe, ""), "applied").await;
    eventually("it is back", async || chain.figure("remint_region_ejected", "r0").await == 0).await;
}

#[tokio::test]
async fn no_figure_of_now_tells_of_a_service_that_is_gone() {
    let chain = following(|text| text).await;
    let tells_of = async |service: &str| {
        let page = get(chain.gateway.admin_address(), "/metrics").await.text();
        let label = format!("service=\"{service}\"");
        let of_counters = ["_total{", "_bucket{", "_sum{", "_count{"];
        let is_gauge =
            |line: &&str| line.contains(&label) && !of_counters.iter().any(|it| line.contains(it));
        page.lines().filter(is_gauge).count()
    };
    assert_eq!(tells_of("orders").await, 7);
    chain.rewrite(&chain.text.replace("name: orders", "name: bills"), "applied").await;
    assert_eq!((tells_of("orders").await, tells_of("bills").await), (0, 7));
}

#[tokio::test]
async fn nothing_is_minted_any_more_for_a_region_that_is_gone() {
    let chain = following(|text| text).await;
    assert_eq!(chain.emulator.identity_fetches(), 2);
    let second = chain.text.lines().find(|line| line.contains("name: r1")).unwrap();
    chain.rewrite(&chain.text.replace(second, ""), "applied").await;
    chain.clock.jump(Duration::from_secs(5 * 3600));
    for _ in 0..3 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!(chain.emulator.identity_fetches(), 3);
}
