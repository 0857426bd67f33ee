//! Cloud Scheduler: its API, what it sends, and when.

use std::time::Duration;

use googleapis_tonic_google_cloud_scheduler_v1::google::cloud::scheduler::v1 as proto;
use proto::cloud_scheduler_client::CloudSchedulerClient;
use proto::job::{State, Target};
use remint_emulator::{
    Agent, Clock, Config, Emulator, HttpTarget, JobConfig, OidcToken, Part, Region, Verdict,
};
use remint_idtoken::UnixTime;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::transport::Endpoint;

use crate::recorder::Recorder;
use crate::support::{NOW, PUSHER, World, get, post};

const LOCATION: &str = "projects/demo-project/locations/us-central1";
const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that goes as the runtime's does, also where that is paused.
struct TimerClock(Instant);

impl Clock for TimerClock {
    fn now(&self) -> UnixTime {
        NOW.plus(self.0.elapsed())
    }
}

async fn timed() -> Emulator {
    let clock = std::sync::Arc::new(TimerClock(Instant::now()));
    let emulator = Emulator::start(Config { clock, ..Config::demo() }).await.unwrap();
    // The paused clock would run on while a key is made.
    emulator.ready().await.unwrap();
    emulator
}

/// A target that the demo's service takes.
fn accepted(region: &Region, path: &str) -> HttpTarget {
    let audience = Some(region.url().to_owned());
    HttpTarget {
        oidc: Some(OidcToken { account: PUSHER.to_owned(), audience }),
        ..HttpTarget::new(format!("{}{path}", region.url()).parse().unwrap())
    }
}

fn target(url: &str) -> HttpTarget {
    HttpTarget::new(url.parse().unwrap())
}

fn us(emulator: &Emulator) -> &Region {
    emulator.region("orders", "us-central1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_at_each_of_its_times() {
    let emulator = timed().await;
    let job =
        JobConfig::new("tick", "us-central1", "*/5 * * * *", accepted(us(&emulator), "/tick"));
    let name = emulator.scheduler().create(&job).unwrap();
    let attempts = emulator.scheduler().attempted(&name, 3).await.unwrap();
    assert_eq!(
        attempts.iter().map(remint_emulator::Attempt::status).collect::<Vec<_>>(),
        [Some(200); 3]
    );
    let calls = emulator.timeline().calls();
    // It is 14:13:20 to begin with.
    let at: Vec<_> = calls.iter().map(|call| call.at.since(NOW).as_secs()).collect();
    assert_eq!(at, [100, 400, 700]);
}

#[tokio::test(start_paused = true)]
async fn an_execution_waits_for_the_one_before() {
    let emulator = timed().await;
    let slow = accepted(us(&emulator), "/delay/90000");
    let job = JobConfig::new("slow", "us-central1", "* * * * *", slow);
    let name = emulator.scheduler().create(&job).unwrap();
    emulator.scheduler().attempted(&name, 3).await.unwrap();
    let calls = emulator.timeline().calls();
    let at: Vec<_> = calls.iter().map(|call| call.at.since(NOW).as_secs()).collect();
    // The time 14:15 passes during the execution of 14:14, and is made up for.
    assert_eq!(at[..3], [40, 130, 220]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_retried_only_if_the_job_says_so() {
    let emulator = timed().await;
    let mut job =
        JobConfig::new("bad", "us-central1", "0 0 1 1 *", accepted(us(&emulator), "/status/503"));
    let name = emulator.scheduler().create(&job).unwrap();
    assert_eq!(emulator.scheduler().run(&name).await.unwrap().len(), 1);
    job.name = "again".into();
    job.retry.retry_count = 3;
    let name = emulator.scheduler().create(&job).unwrap();
    let started = Instant::now();
    assert_eq!(emulator.scheduler().run(&name).await.unwrap().len(), 4);
    assert_eq!(started.elapsed().as_secs(), 5 + 10 + 20);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_at_its_deadline() {
    let emulator = timed().await;
    let slow = accepted(us(&emulator), "/delay/600000");
    let job = JobConfig::new("slow", "us-central1", "0 0 1 1 *", slow);
    let name = emulator.scheduler().create(&job).unwrap();
    let started = Instant::now();
    let attempts = emulator.scheduler().run(&name).await.unwrap();
    assert!(attempts[0].to_string().contains("deadline of 180 s"), "{attempts:?}");
    assert_eq!(started.elapsed().as_secs(), 180);
}

#[tokio::test]
async fn the_schedule_follows_the_emulator_s_clock() {
    let world = World::start().await;
    let recorder = Recorder::start(&[]).await;
    let job = JobConfig::new("tick", "us-central1", "0 * * * *", target(&recorder.url("/tick")));
    let name = world.emulator.scheduler().create(&job).unwrap();
    world.clock.set(NOW.plus(Duration::from_secs(3600)));
    let attempted = world.emulator.scheduler().attempted(&name, 1);
    timeout(DEADLINE, attempted).await.unwrap().unwrap();
    assert_eq!(recorder.header(0, "x-cloudscheduler-scheduletime"), "2026-09-21T15:00:00Z");
}

#[tokio::test]
async fn the_request_is_cloud_scheduler_s() {
    let world = World::with(|config| {
        let job = JobConfig::new("tick", "us-central1", "0 0 1 1 *", target("http://localhost:1/"));
        config.scheduler = vec![job];
    })
    .await;
    let recorder = Recorder::start(&[]).await;
    let job = JobConfig {
        time_zone: "Europe/Berlin".into(),
        ..JobConfig::new(
            "report",
            "us-central1",
            "0 0 1 1 *",
            HttpTarget {
                headers: vec![("User-Agent".into(), "me".into()), ("X-Mine".into(), "1".into())],
                body: b"hi".to_vec(),
                ..target(&recorder.url("/report?a=b")).with_token_of(PUSHER)
            },
        )
    };
    let name = world.emulator.scheduler().create(&job).unwrap();
    assert_eq!(world.emulator.scheduler().run(&name).await.unwrap()[0].status(), Some(200));
    for (header, value) in [
        ("user-agent", "Google-Cloud-Scheduler"),
        ("x-cloudscheduler", "true"),
        ("x-cloudscheduler-jobname", "report"),
        ("x-cloudscheduler-scheduletime", "2026-09-21T16:13:20+02:00"),
        ("content-type", "application/octet-stream"),
        ("x-mine", "1"),
    ] {
        assert_eq!(recorder.header(0, header), value, "{header}");
    }
    let (head, body) = recorder.seen().pop().unwrap();
    assert_eq!((head.method.as_str(), head.uri.to_string()), ("POST", "/report?a=b".to_owned()));
    assert_eq!(&body[..], b"hi");
    let is_it =
        |call: &remint_emulator::timeline::Call| call.part == Part::Sender(Agent::CloudScheduler);
    let told = world.emulator.timeline().select(is_it).pop().unwrap();
    // The full URI is the default audience.
    assert_eq!(told.audience, Some(recorder.url("/report?a=b")));
}

#[tokio::test]
async fn without_its_agent_s_permission_nothing_is_sent() {
    let world = World::with(|config| config.agents = vec![Agent::CloudTasks]).await;
    let job = JobConfig::new("tick", "us-central1", "0 0 1 1 *", accepted(world.us(), "/"));
    let name = world.emulator.scheduler().create(&job).unwrap();
    let attempts = world.emulator.scheduler().run(&name).await.unwrap();
    assert!(attempts[0].to_string().contains("gcp-sa-cloudscheduler"), "{attempts:?}");
    let told = world.emulator.timeline().all();
    assert_eq!(told.iter().map(|it| it.verdict).collect::<Vec<_>>(), [Verdict::NotSent]);
}

#[tokio::test]
async fn google_s_clients_manage_jobs_by_grpc() {
    let world = World::start().await;
    let recorder = Recorder::start(&[503]).await;
    let url = format!("http://{}", world.emulator.google_addr());
    let channel = Endpoint::from_shared(url).unwrap().connect_lazy();
    let mut client = CloudSchedulerClient::new(channel);
    let name = format!("{LOCATION}/jobs/tick");
    let http = proto::HttpTarget { uri: recorder.url("/"), ..Default::default() };
    let job = proto::Job {
        name: name.clone(),
        schedule: "0 0 1 1 *".into(),
        target: Some(Target::HttpTarget(http)),
        ..Default::default()
    };
    let request = proto::CreateJobRequest { parent: LOCATION.into(), job: Some(job.clone()) };
    let created = client.create_job(request.clone()).await.unwrap().into_inner();
    assert_eq!((created.state(), created.time_zone.as_str()), (State::Enabled, "UTC"));
    assert_eq!(created.schedule_time.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(client.create_job(request).await.unwrap_err().code(), Code::AlreadyExists);

    client.run_job(proto::RunJobRequest { name: name.clone() }).await.unwrap();
    let attempted = world.emulator.scheduler().attempted(&name, 1);
    timeout(DEADLINE, attempted).await.unwrap().unwrap();
    let get = proto::GetJobRequest { name: name.clone() };
    let job_now = client.get_job(get.clone()).await.unwrap().into_inner();
    assert_eq!(job_now.status.unwrap().message, "UNAVAILABLE(14): HTTP status code 503");
    assert!(job_now.last_attempt_time.is_some());

    let pubsub = Some(Target::PubsubTarget(proto::PubsubTarget::default()));
    let changed = proto::Job { target: pubsub, ..job.clone() };
    let update = proto::UpdateJobRequest { job: Some(changed), update_mask: None };
    let refused = client.update_job(update).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("pubsubTarget is not emulated"));
    let changed = proto::Job { schedule: "0 0 2 1 *".into(), ..job };
    let update = proto::UpdateJobRequest { job: Some(changed), update_mask: None };
    let updated = client.update_job(update).await.unwrap().into_inner();
    assert_eq!(updated.schedule_time.unwrap().to_string(), "2027-01-02T00:00:00Z");

    let pause = proto::PauseJobRequest { name: name.clone() };
    let paused = client.pause_job(pause.clone()).await.unwrap().into_inner();
    assert_eq!((paused.state(), paused.schedule_time), (State::Paused, None));
    assert_eq!(client.pause_job(pause).await.unwrap_err().code(), Code::FailedPrecondition);
    client.resume_job(proto::ResumeJobRequest { name: name.clone() }).await.unwrap();
    let list = proto::ListJobsRequest { parent: LOCATION.into(), ..Default::default() };
    assert_eq!(client.list_jobs(list).await.unwrap().into_inner().jobs.len(), 1);
    client.delete_job(proto::DeleteJobRequest { name }).await.unwrap();
    assert_eq!(client.get_job(get).await.unwrap_err().code(), Code::NotFound);
}

/// A call of the REST API.
async fn rest(world: &World, method: &str, path: &str, body: Value) -> (u16, Value) {
    let call = if method == "GET" { get(path) } else { post(path, body.to_string()) };
    let reply = call.method(method).send(world.emulator.google_addr()).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test]
async fn gcloud_and_curl_manage_jobs_by_rest() {
    let world = World::start().await;
    let jobs = format!("/v1/{LOCATION}/jobs");
    let one = format!("{jobs}/tick");
    let job = json!({
        "name": format!("{LOCATION}/jobs/tick"),
        "schedule": "0 9 * * 1",
        "timeZone": "Europe/Berlin",
        "httpTarget": { "uri": "https://a.example/", "body": "aGk=", "headers": { "a": "b" } },
        "retryConfig": { "retryCount": 2 },
    });
    let (status, created) = rest(&world, "POST", &jobs, job.clone()).await;
    assert_eq!(status, 200, "{created}");
    assert_eq!(created["scheduleTime"], "2026-09-28T07:00:00Z");
    assert_eq!(created["attemptDeadline"], "180s");
    assert_eq!(created["httpTarget"]["httpMethod"], "POST");
    let (_, list) = rest(&world, "GET", &jobs, Value::Null).await;
    assert_eq!(list["jobs"][0], created);
    let change = json!({ "schedule": "0 10 * * 1", "timeZone": "Asia/Tokyo" });
    let (_, updated) = rest(&world, "PATCH", &format!("{one}?updateMask=schedule"), change).await;
    assert_eq!(updated["scheduleTime"], "2026-09-28T08:00:00Z");
    assert_eq!(updated["retryConfig"]["retryCount"], 2);
    for (path, body, code) in [
        (&jobs, job, "ALREADY_EXISTS"),
        (
            &jobs,
            json!({ "schedule": "bad", "httpTarget": { "uri": "https://a/" } }),
            "INVALID_ARGUMENT",
        ),
        (&jobs, json!({ "jobName": "a" }), "INVALID_ARGUMENT"),
        (&format!("{one}:resume"), json!({}), "FAILED_PRECONDITION"),
        (&format!("{jobs}/none:run"), json!({}), "NOT_FOUND"),
    ] {
        let (_, error) = rest(&world, "POST", path, body).await;
        assert_eq!(error["error"]["status"], code, "{path}");
    }
    let (status, _) = rest(&world, "DELETE", &one, json!({})).await;
    assert_eq!(status, 200);
    let (status, error) = rest(&world, "GET", &one, Value::Null).await;
    assert_eq!((status, &error["error"]["status"]), (404, &json!("NOT_FOUND")));
}
