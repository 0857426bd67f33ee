//! Cloud Tasks: its API, by gRPC and REST.

use googleapis_tonic_google_cloud_tasks_v2::google::cloud::tasks::v2 as proto;
use proto::cloud_tasks_client::CloudTasksClient;
use proto::http_request::AuthorizationHeader;
use proto::task::MessageType;
use remint_emulator::TaskConfig;
use remint_emulator::tasks::TaskOutcome;
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::recorder::Recorder;
use crate::support::{PUSHER, World, get, post};
use crate::tasks::{DEADLINE, LOCATION, queue, run, target};

fn client(world: &World) -> CloudTasksClient<Channel> {
    let url = format!("http://{}", world.emulator.google_addr());
    CloudTasksClient::new(Endpoint::from_shared(url).unwrap().connect_lazy())
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
