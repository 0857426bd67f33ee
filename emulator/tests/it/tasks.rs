//! Cloud Tasks: its API, what it sends, when it sends again.

use std::time::Duration;

use googleapis_tonic_google_cloud_tasks_v2::google::cloud::tasks::v2 as proto;
use proto::cloud_tasks_client::CloudTasksClient;
use proto::http_request::AuthorizationHeader;
use proto::task::MessageType;
use remint_emulator::tasks::{RateLimits, RetryConfig, TaskOutcome};
use remint_emulator::{
    Agent, Backoff, HttpTarget, OidcToken, Part, QueueConfig, TaskConfig, Verdict,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::recorder::Recorder;
use crate::support::{NOW, PUSHER, World, get, post};

const LOCATION: &str = "projects/demo-project/locations/us-central1";
const DEADLINE: Duration = Duration::from_secs(20);

fn queue(name: &str) -> QueueConfig {
    let [min, max] = [1, 4].map(Duration::from_millis);
    QueueConfig {
        retry: RetryConfig {
            backoff: Backoff { min, max, max_doublings: 2 },
            ..RetryConfig::default()
        },
        ..QueueConfig::new(name, "us-central1")
    }
}

fn target(url: &str) -> HttpTarget {
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
async fn run(world: &World, queue: &str, task: TaskConfig) -> (TaskOutcome, Vec<Option<u16>>) {
    let name = world.emulator.tasks().add(queue, &task).unwrap();
    let finished = timeout(DEADLINE, world.emulator.tasks().finished(&name)).await;
    let report = finished.expect("an end in time").unwrap();
    (report.outcome, report.attempts.iter().map(|it| it.status()).collect())
}

fn client(world: &World) -> CloudTasksClient<Channel> {
    let url = format!("http://{}", world.emulator.google_addr());
    CloudTasksClient::new(Endpoint::from_shared(url).unwrap().connect_lazy())
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

#[tokio::test]
async fn google_s_clients_create_tasks_by_grpc() {
    let world = World::start().await;
    let recorder = Recorder::start(&[500]).await;
    let mut client = client(&world);
    let name = format!("{LOCATION}/queues/orders");
    let queue = proto::Queue { name: name.clone(), ..proto::Queue::default() };
    let request = proto::CreateQueueRequest { parent: LOCATION.into(), queue: Some(queue) };
    let created = client.create_queue(request.clone()).await.unwrap().into_inner();
    assert_eq!(created.state(), proto::queue::State::Running);
    assert_eq!(created.rate_limits.unwrap().max_dispatches_per_second, 500.0);
    assert_eq!(created.retry_config.unwrap().max_attempts, 100);
    assert_eq!(client.create_queue(request).await.unwrap_err().code(), Code::AlreadyExists);
    client.pause_queue(proto::PauseQueueRequest { name: name.clone() }).await.unwrap();

    let oidc = proto::OidcToken { service_account_email: PUSHER.into(), ..Default::default() };
    let request = proto::HttpRequest {
        url: recorder.url("/work"),
        body: b"hi".to_vec(),
        authorization_header: Some(AuthorizationHeader::OidcToken(oidc)),
        ..Default::default()
    };
    let message_type = Some(MessageType::HttpRequest(request));
    let task = proto::Task { message_type, ..Default::default() };
    let request =
        proto::CreateTaskRequest { parent: name.clone(), task: Some(task), ..Default::default() };
    let created = client.create_task(request).await.unwrap().into_inner();
    assert!(created.name.starts_with(&format!("{name}/tasks/")));
    let Some(MessageType::HttpRequest(shown)) = &created.message_type else { panic!() };
    assert!(shown.body.is_empty(), "the basic view has no body");
    let full = proto::task::View::Full.into();
    let request = proto::GetTaskRequest { name: created.name.clone(), response_view: full };
    let task = client.get_task(request).await.unwrap().into_inner();
    let Some(MessageType::HttpRequest(shown)) = &task.message_type else { panic!() };
    assert_eq!((&*shown.body, shown.http_method()), (&b"hi"[..], proto::HttpMethod::Post));

    let list = proto::ListTasksRequest { parent: name.clone(), ..Default::default() };
    assert_eq!(client.list_tasks(list.clone()).await.unwrap().into_inner().tasks.len(), 1);
    let run = proto::RunTaskRequest { name: created.name.clone(), ..Default::default() };
    client.run_task(run.clone()).await.unwrap();
    let task = timeout(DEADLINE, async {
        loop {
            let list = client.list_tasks(list.clone()).await.unwrap().into_inner();
            let task = list.tasks.into_iter().next().unwrap();
            if task.response_count == 1 {
                return task;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(task.dispatch_count, 1);
    let status = task.last_attempt.unwrap().response_status.unwrap();
    assert_eq!(status.message, "INTERNAL(13): HTTP status code 500");
    client.run_task(run.clone()).await.unwrap();
    let report = world.emulator.tasks().finished(&created.name).await.unwrap();
    assert_eq!(report.outcome, TaskOutcome::Succeeded);
    assert!(recorder.header(0, "authorization").starts_with("Bearer "));
    assert_eq!(client.run_task(run).await.unwrap_err().code(), Code::NotFound);
    client.delete_queue(proto::DeleteQueueRequest { name: name.clone() }).await.unwrap();
    let missing = client.get_queue(proto::GetQueueRequest { name }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

/// A call of the REST API.
async fn rest(world: &World, method: &str, path: &str, body: Value) -> (u16, Value) {
    let call = if method == "GET" { get(path) } else { post(path, body.to_string()) };
    let reply = call.method(method).send(world.emulator.google_addr()).await;
    (reply.status.as_u16(), reply.json())
}

#[tokio::test]
async fn gcloud_and_curl_manage_queues_and_tasks_by_rest() {
    let world = World::start().await;
    let queues = format!("/v2/{LOCATION}/queues");
    let name = format!("{LOCATION}/queues/orders");
    let one = format!("/v2/{name}");
    let (status, created) = rest(
        &world,
        "POST",
        &queues,
        json!({ "name": name, "rateLimits": { "maxDispatchesPerSecond": 10 }, "retryConfig": { "maxAttempts": 7 } }),
    )
    .await;
    assert_eq!((status, &created["state"]), (200, &json!("RUNNING")));
    assert_eq!(created["rateLimits"]["maxConcurrentDispatches"], 1000);
    let (_, list) = rest(&world, "GET", &queues, Value::Null).await;
    assert_eq!(list["queues"][0], created);
    let change = json!({ "rateLimits": { "maxDispatchesPerSecond": 20 }, "retryConfig": { "maxAttempts": 9 } });
    let masked = format!("{one}?updateMask=rateLimits.maxDispatchesPerSecond");
    let (_, updated) = rest(&world, "PATCH", &masked, change).await;
    assert_eq!(updated["rateLimits"]["maxDispatchesPerSecond"], 20.0);
    assert_eq!(updated["retryConfig"]["maxAttempts"], 7);
    let (_, paused) = rest(&world, "POST", &format!("{one}:pause"), json!({})).await;
    assert_eq!(paused["state"], "PAUSED");

    let task = json!({ "task": {
        "name": format!("{name}/tasks/t1"),
        "httpRequest": { "url": "https://a.example/", "body": "aGk=", "httpMethod": "PUT" },
        "scheduleTime": "2030-01-01T00:00:00.5Z",
        "dispatchDeadline": "20.5s",
    } });
    let (status, created) = rest(&world, "POST", &format!("{one}/tasks"), task.clone()).await;
    assert_eq!(status, 200, "{created}");
    assert_eq!(created["scheduleTime"], "2030-01-01T00:00:00.500Z");
    assert_eq!(created["dispatchDeadline"], "20.500s");
    assert_eq!(created["httpRequest"]["body"], Value::Null);
    let (_, full) =
        rest(&world, "GET", &format!("{one}/tasks/t1?responseView=FULL"), Value::Null).await;
    assert_eq!(full["httpRequest"]["body"], "aGk=");
    let (status, _) = rest(&world, "DELETE", &format!("{one}/tasks/t1"), json!({})).await;
    assert_eq!(status, 200);
    let (status, error) = rest(&world, "POST", &format!("{one}/tasks"), task).await;
    assert_eq!((status, &error["error"]["status"]), (409, &json!("ALREADY_EXISTS")));

    let (_, purged) = rest(&world, "POST", &format!("{one}:purge"), json!({})).await;
    assert_eq!(purged["purgeTime"], "2026-09-21T14:13:20Z");
    let (_, resumed) = rest(&world, "POST", &format!("{one}:resume"), json!({})).await;
    assert_eq!(resumed["state"], "RUNNING");
    rest(&world, "DELETE", &one, json!({})).await;
    let (status, error) = rest(&world, "GET", &one, Value::Null).await;
    assert_eq!((status, &error["error"]["status"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn what_the_api_refuses_is_refused_with_its_code() {
    let world = World::start().await;
    world.emulator.tasks().create(&queue("orders")).unwrap();
    let queues = format!("/v2/{LOCATION}/queues");
    let tasks = format!("{queues}/orders/tasks");
    let http = json!({ "url": "https://a.example/" });
    for (path, body, code) in [
        (&queues, json!({ "name": format!("{LOCATION}/queues/a_b") }), "INVALID_ARGUMENT"),
        (&queues, json!({ "name": "projects/other/locations/l/queues/a" }), "INVALID_ARGUMENT"),
        (&queues, json!({ "nam": "a" }), "INVALID_ARGUMENT"),
        (&queues, json!({ "name": format!("{LOCATION}/queues/orders") }), "ALREADY_EXISTS"),
        (&tasks, json!({}), "INVALID_ARGUMENT"),
        (&tasks, json!({ "task": { "httpRequest": http, "name": "t1" } }), "INVALID_ARGUMENT"),
        (&tasks, json!({ "task": { "appEngineHttpRequest": {} } }), "INVALID_ARGUMENT"),
        (&format!("{queues}/none/tasks"), json!({ "task": { "httpRequest": http } }), "NOT_FOUND"),
        (&format!("{tasks}/none:run"), json!({}), "NOT_FOUND"),
        (&format!("{queues}/none:pause"), json!({}), "NOT_FOUND"),
        (&format!("{queues}/orders:explode"), json!({}), "NOT_FOUND"),
    ] {
        let (_, error) = rest(&world, "POST", path, body.clone()).await;
        assert_eq!(error["error"]["status"], code, "{path} {body}");
    }
}

#[tokio::test]
async fn a_queue_s_own_target_wins_over_its_tasks() {
    let world = World::start().await;
    let recorder = Recorder::start(&[]).await;
    let name = format!("{LOCATION}/queues/orders");
    let queue = json!({ "name": name, "httpTarget": {
        "uriOverride": {
            "scheme": "HTTP", "host": "127.0.0.1", "port": recorder.addr.port().to_string(),
            "pathOverride": { "path": "/all" },
        },
        "httpMethod": "PUT",
        "headerOverrides": [{ "header": { "key": "X-Mine", "value": "queue" } }],
    } });
    let (status, created) =
        rest(&world, "POST", &format!("/v2/{LOCATION}/queues"), queue.clone()).await;
    assert_eq!((status, &created["httpTarget"]), (200, &queue["httpTarget"]));
    run(&world, &name, TaskConfig::new(target("https://a.example/one?q"))).await;
    let (head, _) = recorder.seen().pop().unwrap();
    assert_eq!((head.method.as_str(), head.uri.to_string()), ("PUT", "/all?q".to_owned()));
    assert_eq!(head.headers["x-mine"], "queue");
}
