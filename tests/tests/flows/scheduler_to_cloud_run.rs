//! Cloud Scheduler to a service of Cloud Run.

use std::time::Duration;

use remint_emulator::scheduler::JobRetry;
use remint_emulator::{Attempt, HttpTarget, JobConfig, OidcToken};
use remint_tests::chain::PUSHER;
use remint_tests::process::PATIENCE;

use crate::flow::{Flow, URL};

/// A job that calls this path with a token for that audience, and once more if
/// that fails.
pub(crate) fn job(name: &str, path: &str, audience: Option<&str>) -> JobConfig {
    let oidc = OidcToken { account: PUSHER.to_owned(), audience: audience.map(str::to_owned) };
    let target = HttpTarget {
        headers: vec![("X-Report".to_owned(), "sales".to_owned())],
        body: b"last night".to_vec(),
        oidc: Some(oidc),
        ..HttpTarget::new(format!("{URL}{path}").parse().unwrap())
    };
    let mut job = JobConfig::new(name, "us-central1", "0 3 * * *", target);
    job.retry = JobRetry { retry_count: 1, ..JobRetry::default() };
    job.retry.backoff.min = Duration::from_millis(10);
    job
}

/// Creates a job and runs it now: the statuses of its attempts.
pub(crate) async fn run(flow: &Flow, job: &JobConfig) -> Vec<Attempt> {
    let scheduler = flow.emulator.scheduler();
    let name = scheduler.create(job).unwrap();
    tokio::time::timeout(PATIENCE, scheduler.run(&name)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reaches_cloud_run_and_one_with_the_default_audience_is_refused() {
    let mut flow = Flow::start(|_| {}).await;
    let refused = run(&flow, &job("default", "/reports", None)).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    flow.refused(&["aud_has_path", "aud_has_path"]).await;
    flow.untouched();

    let answered = run(&flow, &job("nightly", "/reports?of=sales", Some(URL))).await;
    assert_eq!(answered, [Attempt::Answered(200)]);
    let call = flow.calls().pop().unwrap();
    let region = flow.emulator.region("orders", &call.region).unwrap().url();
    let (got, _) = flow.accepted(region);
    let target = got.head.uri.to_string();
    assert_eq!((got.head.method.as_str(), target.as_str()), ("POST", "/reports?of=sales"));
    assert_eq!(&*got.body, b"last night");
    for (name, value) in [
        ("x-cloudscheduler", "true"),
        ("x-cloudscheduler-jobname", "nightly"),
        ("user-agent", "Google-Cloud-Scheduler"),
        ("x-report", "sales"),
        ("host", region.trim_start_matches("https://")),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let tokens = got.tokens();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(tokens[0].1, "SIGNATURE_REMOVED_BY_GOOGLE");
    flow.stop().await;
}
