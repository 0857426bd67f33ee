//! A region goes out of order while many requests are under way, in one way
//! after the other, and comes back each time.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use remint_emulator::{Region, RegionFault, Verdict};
use remint_idtoken::UnixTime;

use crate::load::Load;
use crate::regions::run;
use crate::support::{Chain, Google, eventually};

const REGIONS: [&str; 3] = ["us-central1", "europe-west1", "asia-east1"];
const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
/// Requests that are answered before it is the turn of the next outage.
const ENOUGH: usize = 100;

/// A region whose answers take longer than a try may.
const SLOW: RegionFault = RegionFault::Latency(Duration::from_secs(2));
const UNSERVED: RegionFault = RegionFault::FrontEnd(StatusCode::SERVICE_UNAVAILABLE);

/// What happens to the region.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Dies,
    Fails(RegionFault),
    /// It believes no token any more.
    BelievesNothing,
    /// The gateway is not one of its invokers any more.
    ForbidsTheGateway,
}

impl Outage {
    /// The refusals are last: they cost no service a request, but count among
    /// the retries of their ten seconds.
    const ALL: [Self; 7] = [
        Self::Dies,
        Self::Fails(RegionFault::Hang),
        Self::Fails(SLOW),
        Self::Fails(RegionFault::Reset),
        Self::Fails(UNSERVED),
        Self::BelievesNothing,
        Self::ForbidsTheGateway,
    ];

    async fn begin(self, region: &Region) {
        match self {
            Self::Dies => region.stop().await,
            Self::Fails(fault) => region.set_fault(Some(fault)),
            Self::BelievesNothing => region.refuse_tokens_before(UnixTime(u64::MAX)),
            Self::ForbidsTheGateway => region.set_invokers([]),
        }
    }

    async fn end(self, region: &Region) {
        match self {
            Self::Dies => region.start().await.unwrap(),
            Self::Fails(_) => region.set_fault(None),
            Self::BelievesNothing => region.refuse_tokens_before(UnixTime(0)),
            Self::ForbidsTheGateway => region.set_invokers([GATEWAY]),
        }
    }

    /// The figure that grows with it, and a part of its labels.
    fn figure(self) -> (&'static str, &'static str) {
        let attempts = "remint_attempts_total";
        match self {
            Self::Dies => (attempts, "outcome=\"unreachable\""),
            Self::Fails(RegionFault::Reset) => (attempts, "outcome=\"connection_lost\""),
            Self::Fails(RegionFault::FrontEnd(_)) => (attempts, "outcome=\"front_end\""),
            Self::Fails(_) => (attempts, "outcome=\"timeout\""),
            Self::BelievesNothing => ("remint_front_end_refusals_total", "status=\"401\""),
            Self::ForbidsTheGateway => ("remint_front_end_refusals_total", "status=\"403\""),
        }
    }
}

/// Three regions alike, which are asked in that protocol.
async fn three(protocol: &str) -> Chain {
    let add = |it: &mut remint_emulator::Config| {
        it.services[0].regions = REGIONS.map(remint_emulator::ServiceRegion::new).into();
    };
    let google = Google::with(add).await;
    let own = REGIONS.map(|it| run(&google.emulator, it, &format!("protocol: {protocol}")));
    let regions: String = own.iter().map(|it| format!("      - {{ {it} }}\n")).collect();
    let service = "rules: [{ rule: push, sender: pubsub, per_try_timeout: 500ms }]\n    \
                   outlier_detection: { base_ejection_time: 50ms, max_ejection_time: 200ms }";
    let change = |text: String| {
        text.replace("rules: [push]", service)
            .replace("    regions:\n", &format!("    regions:\n{regions}"))
    };
    let chain = Chain::before(google, &[], change).await;
    chain.ready().await;
    let minted = ("remint_mints_total", "outcome=\"minted\"");
    let all_have_tokens = async || chain.figure(minted.0, minted.1).await == 3;
    eventually("each region has its token", all_have_tokens).await;
    chain
}

/// Goes through one outage, and through what must hold meanwhile.
async fn survive(chain: &Chain, load: &Load, outage: Outage) {
    let (timeline, region) = (chain.emulator.timeline(), &chain.emulator.regions()[0]);
    let (name, labels) = outage.figure();
    let of_region = format!("region=\"{}\"", REGIONS[0]);
    let met = async || chain.figure(name, &format!("{of_region},{labels}")).await;
    let (met_before, answered) = (met().await, load.answered());
    outage.begin(region).await;
    eventually(&format!("requests meet it: {outage:?}"), async || met().await > met_before).await;
    let enough = async || load.answered() >= answered + ENOUGH;
    eventually(&format!("the others serve: {outage:?}"), enough).await;
    check_calls(chain);
    timeline.clear();
    outage.end(region).await;
    // Not one or two that try whether it is well.
    let is_back = async || timeline.accepted(REGIONS[0]) >= ENOUGH / 5;
    eventually(&format!("the region is used again: {outage:?}"), is_back).await;
}

/// Whatever came of it, each attempt had its own region's audience, and the
/// other regions had nothing to complain of.
fn check_calls(chain: &Chain) {
    for call in chain.emulator.timeline().calls() {
        let own = chain.emulator.region("orders", &call.region).unwrap().url();
        assert_eq!(call.audience.as_deref(), Some(own), "{call:?}");
        assert!(call.region == REGIONS[0] || call.verdict == Verdict::Accepted, "{call:?}");
    }
}

async fn nothing_is_lost(protocol: &str) {
    let chain = three(protocol).await;
    let load = Load::with_bodies(&chain, 4, 4, Bytes::from(vec![7; 20_000]));
    for outage in Outage::ALL {
        survive(&chain, &load, outage).await;
    }
    let answered = load.finish().await;
    assert!(answered >= Outage::ALL.len() * ENOUGH);
    assert!(chain.figure("remint_retries_total", "").await > 0);
    check_calls(&chain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_a_region_fails_in_any_way_and_returns() {
    nothing_is_lost("http1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_a_region_fails_in_any_way_over_http_2_and_returns() {
    nothing_is_lost("http2").await;
}
