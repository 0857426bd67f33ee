//! Regions that fail while they run, and come back.

use std::time::Duration;

use http::StatusCode;
use remint_emulator::{RegionFault, Verdict};

use crate::raw_http_2_region;
use crate::raw_region::{Habit, RawRegion};
use crate::regions::{chain, chain_within, counts, run};
use crate::support::{Chain, Google, eventually};
use crate::wire::Wire;

const US: &str = "us-central1";
const EU: &str = "europe-west1";

/// Two regions alike. A connection may take its time here, an answer not.
async fn two(service: &str) -> Chain {
    let google = Google::start().await;
    let regions = [run(&google.emulator, US, ""), run(&google.emulator, EU, "")];
    chain(google, &regions, service).await
}

fn fail(chain: &Chain, fault: impl Into<Option<RegionFault>>) {
    chain.emulator.region("orders", US).unwrap().set_fault(fault.into());
}

/// Nothing is wrong with the first region any more: it is used again.
async fn comes_back(chain: &Chain) {
    fail(chain, None);
    let is_back = async || counts(chain, 1).await.contains_key(US);
    eventually("the region is used again", is_back).await;
    assert_eq!(ejected(chain).await, 0);
}

async fn ejected(chain: &Chain) -> u64 {
    chain.figure("remint_region_ejected", US).await
}

async fn ejections(chain: &Chain, cause: &str) -> u64 {
    chain.figure("remint_ejections_total", &format!("region=\"{US}\",cause=\"{cause}\"")).await
}

const FRONT_END_503: RegionFault = RegionFault::FrontEnd(StatusCode::SERVICE_UNAVAILABLE);

#[tokio::test]
async fn a_region_that_resets_or_can_not_serve_is_left_alone_until_a_request_finds_it_well() {
    for (fault, cause) in [(RegionFault::Reset, "connection_lost"), (FRONT_END_503, "front_end")] {
        let settings = "outlier_detection: { consecutive_failures: 3, base_ejection_time: 300ms }";
        let chain = two(settings).await;
        counts(&chain, 2).await;
        fail(&chain, fault);
        let is_ejected = async || {
            chain.get("/").await;
            ejections(&chain, cause).await >= 1
        };
        eventually("the region is ejected", is_ejected).await;
        comes_back(&chain).await;
    }
}

#[tokio::test]
async fn a_region_that_hangs_is_left_alone_until_a_request_finds_it_well() {
    let google = Google::start().await;
    let regions = [run(&google.emulator, US, ""), run(&google.emulator, EU, "")];
    let settings = "outlier_detection: { consecutive_failures: 2, base_ejection_time: 500ms }";
    let chain = chain_within(google, &regions, settings, "1s").await;
    fail(&chain, RegionFault::Hang);
    let is_ejected = async || {
        tokio::join!(chain.get("/"), chain.get("/"), chain.get("/"));
        ejections(&chain, "timeout").await >= 1
    };
    eventually("the region is ejected", is_ejected).await;
    comes_back(&chain).await;
}

#[tokio::test]
async fn answers_that_break_off_count_against_a_region_and_one_alone_ejects_nobody() {
    let one = RawRegion::start(Habit::Half).await;
    let other = raw_http_2_region::Region::start(raw_http_2_region::Habit::Half).await;
    for (url, protocol) in [(one.entry().0, "http1"), (other.entry().0, "http2")] {
        let region =
            format!("name: r0, kind: other, url: \"{url}\", audience: raw, protocol: {protocol}");
        let settings = "outlier_detection: { minimum_requests: 20, failure_percent: 50 }";
        let chain = chain(Google::start().await, &[region], settings).await;
        let begins = async || {
            let mut caller = Wire::connect(chain.gateway.address()).await;
            caller.say(&Wire::head(&chain, "content-length: 0\r\n")).await;
            assert!(caller.is_closed().await);
        };
        let broken = async || chain.figure("remint_answers_broken_off_total", "r0").await;
        let ejections = async || chain.figure("remint_ejections_total", "").await;
        begins().await;
        assert_eq!((broken().await, ejections().await), (1, 0), "{protocol}");
        // Each counts as an answer and as a failure.
        for count in 2..=10 {
            begins().await;
            assert_eq!(broken().await, count, "{protocol}");
        }
        let rate = chain.figure("remint_ejections_total", "cause=\"failure_rate\"").await;
        assert_eq!((rate, ejections().await), (1, 1), "{protocol}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_caller_is_nobody_s_failure() {
    let chain = two("").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "x-echo-stream: 1\r\ntransfer-encoding: chunked\r\n")).await;
    caller.say("3\r\nabc\r\n").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    caller.say("no chunk\r\n").await;
    assert!(caller.is_closed().await);
    let is_idle = async || chain.figure("remint_region_in_flight", "").await == 0;
    eventually("nothing is under way any more", is_idle).await;
    assert_eq!(chain.figure("remint_answers_broken_off_total", "").await, 0);
}

#[tokio::test]
async fn nobody_meets_a_region_while_it_is_ejected() {
    let settings = "outlier_detection: { consecutive_failures: 2, base_ejection_time: 1h }";
    let chain = two(settings).await;
    fail(&chain, FRONT_END_503);
    let mut failed = 0;
    for _ in 0..30 {
        let answer = chain.get("/").await;
        if answer.status == 503 {
            failed += 1;
            let page = answer.text();
            assert!(page.starts_with("<html>") && page.ends_with("</html>\n"), "{page}");
        }
    }
    assert_eq!((failed, ejections(&chain, "front_end").await), (0, 1), "the other one answers");
    assert_eq!(counts(&chain, 20).await, [(EU.to_owned(), 20)].into());
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"front_end\"").await, 2);
    assert_eq!(chain.figure("remint_service_panic", "").await, 0, "half of them are well");
}

#[tokio::test]
async fn whatever_an_application_answers_its_region_stays() {
    let chain = two("outlier_detection: { consecutive_failures: 1, minimum_requests: 1 }").await;
    for status in [400, 401, 403, 404, 429, 500, 502, 503, 504] {
        for _ in 0..4 {
            assert_eq!(chain.get(&format!("/status/{status}")).await.status, status);
        }
    }
    assert_eq!(chain.figure("remint_ejections_total", "").await, 0);
    assert_eq!(counts(&chain, 10).await.len(), 2);
    fail(&chain, RegionFault::FrontEnd(StatusCode::TOO_MANY_REQUESTS));
    for _ in 0..8 {
        chain.get("/").await;
    }
    assert_eq!(chain.figure("remint_ejections_total", "").await, 0, "429 asks for less, not none");
}

#[tokio::test]
async fn a_region_that_hangs_is_left_alone_and_returns_without_any_request_when_it_is_probed() {
    let settings = "probe: { path: /probe, interval: 50ms, timeout: 1s, healthy_after: 2, \
                    unhealthy_after: 1 }";
    for fault in [RegionFault::Hang, RegionFault::Reset, FRONT_END_503] {
        let chain = two(settings).await;
        fail(&chain, fault);
        eventually("probes eject it", async || ejections(&chain, "probes").await == 1).await;
        assert_eq!(ejected(&chain).await, 1);
        assert_eq!(counts(&chain, 20).await, [(EU.to_owned(), 20)].into());
        fail(&chain, None);
        eventually("probes bring it back", async || ejected(&chain).await == 0).await;
        assert_eq!(counts(&chain, 10).await.len(), 2);
        let calls = chain.emulator.timeline().calls();
        let probes = calls.iter().filter(|call| call.path == "/probe");
        for probe in probes {
            let own = chain.emulator.region("orders", &probe.region).unwrap().url();
            assert_eq!(probe.audience.as_deref(), Some(own), "each has its region's token");
        }
    }
}

#[tokio::test]
async fn a_probe_that_is_answered_badly_closes_no_connection() {
    let region = RawRegion::start(Habit::Page).await;
    let own = format!("name: r0, kind: other, url: \"{}\", audience: raw", region.entry().0);
    let settings = "probe: { path: /, interval: 20ms, unhealthy_after: 1 }";
    let chain = chain(Google::start().await, &[own], settings).await;
    eventually("it was probed", async || region.requests() >= 5).await;
    assert_eq!(ejections_of_all(&chain).await, 1);
    assert_eq!(region.connections(), 1);
}

async fn ejections_of_all(chain: &Chain) -> u64 {
    chain.figure("remint_ejections_total", "cause=\"probes\"").await
}

#[tokio::test]
async fn a_region_that_died_returns_without_any_request_when_it_is_probed() {
    let settings = "probe: { path: /, interval: 50ms, healthy_after: 1 }\n    \
                    outlier_detection: { base_ejection_time: 200ms }";
    let chain = two(settings).await;
    let us = chain.emulator.region("orders", US).unwrap();
    us.stop().await;
    eventually("it is left alone", async || ejected(&chain).await == 1).await;
    assert_eq!(counts(&chain, 10).await, [(EU.to_owned(), 10)].into());
    us.start().await.unwrap();
    eventually("it is back", async || ejected(&chain).await == 0).await;
}

#[tokio::test]
async fn when_too_few_regions_are_left_all_are_used_and_the_figures_say_so() {
    let settings = "outlier_detection: { panic_threshold: 60, base_ejection_time: 1h }";
    let chain = two(settings).await;
    chain.emulator.region("orders", US).unwrap().stop().await;
    for _ in 0..20 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!(chain.figure("remint_service_panic", "").await, 1);
    assert!(chain.figure("remint_panic_choices_total", "").await > 0);
    let unreachable = chain.figure("remint_attempts_total", "outcome=\"unreachable\"").await;
    assert!(unreachable > 1, "it was tried again although it is ejected: {unreachable}");
}

#[tokio::test]
async fn a_slow_region_gets_fewer_requests() {
    let chain = two("").await;
    counts(&chain, 2).await;
    fail(&chain, RegionFault::Latency(Duration::from_millis(500)));
    let worker = async || counts(&chain, 10).await.get(US).copied().unwrap_or_default();
    let slow = tokio::join!(worker(), worker(), worker(), worker());
    let slow = slow.0 + slow.1 + slow.2 + slow.3;
    assert!(slow < 16, "{slow} of 40, which would be 20 in turns");
    let is_idle = async || chain.figure("remint_region_in_flight", "").await == 0;
    eventually("nothing is under way any more", is_idle).await;
}

#[tokio::test]
async fn a_page_of_an_application_s_own_is_no_failure_and_arrives_whole() {
    let region = RawRegion::start(Habit::Page).await;
    let own = format!("name: r0, kind: other, url: \"{}\", audience: raw", region.entry().0);
    let settings = "outlier_detection: { consecutive_failures: 1 }";
    let chain = chain(Google::start().await, &[own], settings).await;
    for _ in 0..3 {
        let answer = chain.get("/").await;
        assert_eq!((answer.status.as_u16(), &*answer.text()), (503, "Whoops!"));
    }
    assert_eq!(chain.figure("remint_ejections_total", "").await, 0);
    assert_eq!(region.connections(), 1, "and is read to its end");
}

#[tokio::test]
async fn whatever_becomes_of_regions_each_attempt_has_its_own_region_s_token() {
    let settings = "outlier_detection: { consecutive_failures: 2, base_ejection_time: 50ms }";
    let chain = two(settings).await;
    let burst = async || {
        for _ in 0..6 {
            chain.get("/").await;
        }
    };
    let us = chain.emulator.region("orders", US).unwrap();
    for round in 0..3 {
        us.stop().await;
        tokio::join!(burst(), burst(), burst());
        us.start().await.unwrap();
        let faults = [RegionFault::Reset, FRONT_END_503, RegionFault::Latency(Duration::ZERO)];
        for fault in faults {
            fail(&chain, fault);
            tokio::join!(burst(), burst(), burst());
        }
        fail(&chain, None);
        let is_back = async || counts(&chain, 1).await.contains_key(US);
        eventually(&format!("the region is back from round {round}"), is_back).await;
    }
    for call in chain.emulator.timeline().calls() {
        let own = chain.emulator.region("orders", &call.region).unwrap().url();
        assert_eq!(call.audience.as_deref(), Some(own));
        assert!(matches!(call.verdict, Verdict::Accepted | Verdict::Failed), "{call:?}");
    }
}
