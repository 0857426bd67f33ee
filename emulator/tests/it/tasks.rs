//! Cloud Tasks: what it sends, when it sends again.

use std::time::Duration;

use remint_emulator::tasks::{RateLimits, RetryConfig, TaskOutcome};
use remint_emulator::{
    Agent, Backoff, HttpTarget, OidcToken, Part, QueueConfig, TaskConfig, Verdict,
};
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::recorder::Recorder;
use crate::support::{NOW, PUSHER, World};

pub(crate) const LOCATION: &str = "projects/demo-project/locations/us-central1";
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn queue(name: &str) -> QueueConfig {
    let [min, max] = [1, 4].map(Duration::from_millis);
    QueueConfig {
        retry: RetryConfig {
            backoff: Backoff { min, max, max_doublings: 2 },
            ..RetryConfig::default()
        },
        ..QueueConfig::new(name, "us-central1")
    }
}

pub(crate) fn target(url: &str) -> HttpTarget {
    HttpTarget::new(url.parse().unwrap())
}

/// A task that the demo's service takes.
fn accepted(world: &World, path: &str) -> TaskConfig {
    let audience = Some(world.us().url().to_owned());
    TaskConfig::new(HttpTarget {
        oidc: Some(OidcToken { account: PUSHER.to_owned(), audience }),
        ..target(&format!("{}{path}", world.us().url()))
    })
}

/// Runs a task to its end: how it ended, and its statuses.
pub(crate) async fn run(
    world: &World,
    queue: &str,
    task: TaskConfig,
) -> (TaskOutcome, Vec<Option<u16>>) {
    let name = world.emulator.tasks().add(queue, &task).unwrap();
    let finished = timeout(DEADLINE, world.emulator.tasks().finished(&name)).await;
    let report = finished.expect("an end in time").unwrap();
    (report.outcome, report.attempts.iter().map(remint_emulator::Attempt::status).collect())
}

#[tokio::test]
async fn a_task_of_the_configuration_reaches_its_service() {
    let recorder = Recorder::start(&[]).await;
    let url = recorder.url("/work?a=b");
    let world = World::with(|config| {
        let task = TaskConfig { id: Some("first".into()), ..TaskConfig::new(target(&url)) };
        config.tasks = vec![QueueConfig { tasks: vec![task], ..queue("orders") }];
    })
    .await;
    let name = format!("{LOCATION}/queues/orders/tasks/first");
    let report = world.emulator.tasks().finished(&name).await.unwrap();
    assert_eq!(report.outcome, TaskOutcome::Succeeded);
    let (head, _) = recorder.seen().pop().unwrap();
    assert_eq!((head.method.as_str(), head.uri.to_string()), ("POST", "/work?a=b".to_owned()));
}

#[tokio::test]
async fn the_default_audience_is_the_full_uri_and_another_can_be_set() {
    let world = World::start().await;
    let name = world.emulator.tasks().create(&queue("orders")).unwrap();
    let url = format!("{}/work?a=b", world.us().url());
    let mut task = TaskConfig::new(target(&url).with_token_of(PUSHER));
    let report = run(&world, &name, accepted(&world, "/work?a=b")).await;
    assert_eq!(report, (TaskOutcome::Succeeded, vec![Some(200)]));
    task.id = Some("default".into());
    world.emulator.tasks().add(&name, &task).unwrap();
    world.emulator.tasks().run(&format!("{name}/tasks/default")).unwrap();
    timeout(DEADLINE, async {
        while world.emulator.timeline().refused("us-central1") == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let refused = world.emulator.timeline().calls().pop().unwrap();
    assert_eq!(refused.audience, Some(url));
    assert_eq!(refused.caller.as_deref(), Some(PUSHER));
}

#[tokio::test]
async fn a_failure_is_retried_and_the_headers_tell_its_history() {
    let world = World::start().await;
    let recorder = Recorder::start(&[404, 503, 301]).await;
    let name = world.emulator.tasks().create(&queue("orders")).unwrap();
    let task = TaskConfig {
        id: Some("t1".into()),
        ..TaskConfig::new(HttpTarget {
            headers: vec![
                ("X-Mine".into(), "1".into()),
                ("User-Agent".into(), "me".into()),
                ("X-CloudTasks-TaskName".into(), "forged".into()),
            ],
            body: b"hi".to_vec(),
            ..target(&recorder.url("/work"))
        })
    };
    let report = run(&world, &name, task).await;
    assert_eq!(report.1, [404, 503, 301, 200].map(Some));
    let history: Vec<_> = (0..4)
        .map(|n| {
            [
                "x-cloudtasks-taskretrycount",
                "x-cloudtasks-taskexecutioncount",
                "x-cloudtasks-taskpreviousresponse",
            ]
            .map(|header| recorder.header(n, header))
        })
        .collect();
    // What ended with 5xx does not count as executed.
    assert_eq!(history, [["0", "0", ""], ["1", "1", "404"], ["2", "1", "503"], ["3", "2", "301"]]);
    for (header, value) in [
        ("host", recorder.addr.to_string().as_str()),
        ("user-agent", "Google-Cloud-Tasks"),
        ("x-cloudtasks-queuename", "orders"),
        ("x-cloudtasks-taskname", "t1"),
        ("x-cloudtasks-tasketa", &format!("{}.000000", NOW.0)),
        ("x-cloudtasks-taskretryreason", "NOT_FOUND(5): HTTP status code 404"),
        ("content-type", "application/octet-stream"),
        ("content-length", "2"),
        ("x-mine", "1"),
        ("authorization", ""),
    ] {
        assert_eq!(recorder.header(1, header), value, "{header}");
    }
    assert_eq!(&recorder.seen()[0].1[..], b"hi");
}

#[tokio::test]
async fn a_task_is_not_attempted_again_before_its_target_wants_it() {
    let world = World::start().await;
    let recorder = Recorder::telling(&[503], Some(1)).await;
    let name = world.emulator.tasks().create(&queue("orders")).unwrap();
    let started = Instant::now();
    let report = run(&world, &name, TaskConfig::new(target(&recorder.url("/")))).await;
    assert_eq!(report.1, [503, 200].map(Some));
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_task_is_given_up_after_the_last_attempt() {
    let world = World::start().await;
    let recorder = Recorder::start(&[500, 500, 500]).await;
    let mut config = queue("orders");
    config.retry.max_attempts = Some(3);
    let name = world.emulator.tasks().create(&config).unwrap();
    let report = run(&world, &name, TaskConfig::new(target(&recorder.url("/")))).await;
    assert_eq!(report, (TaskOutcome::GivenUp, vec![Some(500); 3]));
}

#[tokio::test]
async fn without_its_agent_s_permission_nothing_is_sent_and_the_timeline_says_so() {
    let world = World::with(|config| config.agents = vec![Agent::PubSub]).await;
    let recorder = Recorder::start(&[]).await;
    let mut config = queue("orders");
    config.retry.max_attempts = Some(2);
    let name = world.emulator.tasks().create(&config).unwrap();
    let task = TaskConfig::new(target(&recorder.url("/")).with_token_of(PUSHER));
    assert_eq!(run(&world, &name, task).await, (TaskOutcome::GivenUp, vec![None; 2]));
    assert!(recorder.seen().is_empty());
    let told =
        world.emulator.timeline().select(|call| call.part == Part::Sender(Agent::CloudTasks));
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].verdict, Verdict::NotSent);
    let note = told[0].note.as_deref().unwrap();
    assert!(note.contains("gcp-sa-cloudtasks") && note.contains("TokenCreator"), "{note}");
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_at_its_time() {
    let world = World::start().await;
    let name = world.emulator.tasks().create(&queue("orders")).unwrap();
    let schedule_time = Some(NOW.plus(Duration::from_secs(3600)));
    let task = TaskConfig { schedule_time, ..accepted(&world, "/") };
    let started = Instant::now();
    let name = world.emulator.tasks().add(&name, &task).unwrap();
    let report = world.emulator.tasks().finished(&name).await.unwrap();
    assert_eq!(report.outcome, TaskOutcome::Succeeded);
    assert_eq!(started.elapsed().as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn rate_and_concurrency_are_the_queue_s() {
    let world = World::start().await;
    let tasks = world.emulator.tasks();
    for (name, rate, concurrent, path, count, seconds) in
        [("slow", 2.0, 1000, "/", 16, 3), ("narrow", 500.0, 2, "/delay/10000", 6, 30)]
    {
        let rate_limits =
            RateLimits { max_dispatches_per_second: rate, max_concurrent_dispatches: concurrent };
        let queue = tasks.create(&QueueConfig { rate_limits, ..queue(name) }).unwrap();
        let started = Instant::now();
        let names: Vec<_> =
            (0..count).map(|_| tasks.add(&queue, &accepted(&world, path)).unwrap()).collect();
        for name in &names {
            assert_eq!(tasks.finished(name).await.unwrap().outcome, TaskOutcome::Succeeded);
        }
        assert_eq!(started.elapsed().as_secs(), seconds, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_at_its_deadline_and_backs_off() {
    let world = World::start().await;
    let mut config = QueueConfig::new("orders", "us-central1");
    config.retry.max_attempts = Some(3);
    config.retry.backoff.min = Duration::from_secs(10);
    let name = world.emulator.tasks().create(&config).unwrap();
    let dispatch_deadline = Duration::from_secs(15);
    let task = TaskConfig { dispatch_deadline, ..accepted(&world, "/delay/60000") };
    let started = Instant::now();
    let name = world.emulator.tasks().add(&name, &task).unwrap();
    let report = world.emulator.tasks().finished(&name).await.unwrap();
    assert_eq!(report.outcome, TaskOutcome::GivenUp);
    assert!(report.attempts[0].to_string().contains("deadline of 15 s"));
    assert_eq!(started.elapsed().as_secs(), 15 + 10 + 15 + 20 + 15);
}

#[tokio::test]
async fn a_name_can_be_used_again_an_hour_after_its_task_is_gone() {
    let world = World::start().await;
    let recorder = Recorder::start(&[]).await;
    let name = world.emulator.tasks().create(&queue("orders")).unwrap();
    let task =
        TaskConfig { id: Some("once".into()), ..TaskConfig::new(target(&recorder.url("/"))) };
    run(&world, &name, task.clone()).await;
    for (later, is_taken) in [(0, true), (3599, true), (3600, false)] {
        world.clock.set(NOW.plus(Duration::from_secs(later)));
        let added = world.emulator.tasks().add(&name, &task);
        assert_eq!(added.err().map(|it| it.code()), is_taken.then_some(Code::AlreadyExists));
    }
}
