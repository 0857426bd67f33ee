//! A process that has slept for long, as those do that get a processor only
//! for requests: its tasks have not run, and its timers have not either.

use std::time::Duration;

use crate::client::get;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google};

/// Keys are used for a day at most, and this is more.
const LONG: Duration = Duration::from_secs(40 * 3600);

#[tokio::test]
async fn keys_that_grew_too_old_meanwhile_admit_nobody() {
    let chain = Chain::start().await;
    let before = chain.token();
    assert_eq!(chain.get("/").await.status, 200);
    chain.emulator.faults().keys_down();
    chain.clock.jump(LONG);
    let answer = chain.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    assert_eq!(chain.emulator.timeline().calls().len(), 1);
    let page = get(chain.gateway.admin_address(), "/readyz").await.text();
    assert!(page.contains("no keys of the issuer google"), "{page}");
    chain.emulator.faults().clear();
    chain.clock.jump(Duration::from_secs(120));
    assert_ne!(chain.token(), before);
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn keys_and_tokens_that_ended_meanwhile_are_fetched_once_and_nobody_is_refused() {
    let chain = Chain::start().await;
    for round in 1..=3 {
        chain.clock.jump(LONG);
        let all = tokio::join!(chain.get("/"), chain.get("/"), chain.get("/"));
        for answer in [all.0, all.1, all.2] {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        assert_eq!(chain.emulator.jwks_fetches(), 1 + round);
    }
    assert_eq!(chain.figure("remint_refusals_total", "").await, 0);
}

#[tokio::test]
async fn a_connection_that_waited_meanwhile_gets_no_request() {
    let region = RawRegion::start(Habit::Answer).await;
    let google = Google::start().await;
    let chain = Chain::before(google, &[region.entry()], |text| text).await;
    chain.ready().await;
    for _ in 0..2 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!(region.connections(), 1);
    chain.clock.jump(Duration::from_secs(60));
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!((region.connections(), region.requests()), (2, 3));
}
