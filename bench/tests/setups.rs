//! Every setup of the benchmark starts in a real Envoy and answers as it must,
//! so that the benchmark does not rot. Nothing is measured here.

#![allow(clippy::unwrap_used, reason = "tests")]

use remint_bench::run::Stage;
use remint_bench::setup::{CACHED, OPEN, OURS, POLICY, Setup, UNCACHED};
use remint_bench::tokens::Load;

#[tokio::test(flavor = "multi_thread")]
async fn every_setup_starts_and_answers_each_of_its_loads_as_it_must() {
    let stage = Stage::start(2).await.unwrap();
    let (some, others) = stage.setups().split_at(stage.setups().len() / 2);
    tokio::join!(all_answer(&stage, some), all_answer(&stage, others));
    stage.stop().await;
}

async fn all_answer(stage: &Stage, setups: &[Setup]) {
    for setup in setups {
        let envoy = stage.envoy(setup, None).await.unwrap();
        for load in &setup.loads {
            stage.check(setup, *load, &envoy).await.unwrap();
        }
        envoy.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_page_compares_is_measured() {
    let stage = Stage::start(2).await.unwrap();
    let measures = |name: &str, load: Load| {
        stage.setups().iter().any(|setup| setup.name == name && setup.loads.contains(&load))
    };
    for load in Load::GOOD {
        for name in [OPEN, UNCACHED, CACHED, POLICY, OURS] {
            assert!(measures(name, load), "{name}, {load:?}");
        }
    }
    for load in Load::BAD.into_iter().chain([Load::Bodiless]) {
        assert!(measures(POLICY, load) && measures(OURS, load), "{load:?}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn every_proxy_before_the_region_sends_requests_on_with_a_token_for_it() {
    let stage = remint_bench::gateway::run::Stage::start(3).await.unwrap();
    assert!(stage.setups().len() > 3);
    for setup in stage.setups() {
        let checked = stage.check(setup).await;
        assert!(checked.is_ok(), "{}: {checked:?}", setup.name);
    }
    stage.stop().await;
}
