//! What the Cloud Run Admin API, Compute Engine, IAM and IAP tell of how things are
//! set up.

use http::Method;
use remint_emulator::{
    Agent, Config, Fault, Grant, Iap, IapIdentity, Ingress, LoadBalancer, Picking, Server,
};
use serde_json::{Value, json};

use crate::support::{GATEWAY, PUSHER, Reply, World, call, get, post};

const ORDERS: &str = "/v2/projects/demo-project/locations/us-central1/services/orders";

async fn access_token(world: &World) -> String {
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let reply = get(path).header("metadata-flavor", "Google").send(google(world)).await;
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

fn google(world: &World) -> std::net::SocketAddr {
    world.emulator.google_addr()
}

async fn asked(world: &World, method: Method, path: &str, body: &Value) -> Reply {
    let token = access_token(world).await;
    call(method, path, body.to_string()).bearer(&token).send(google(world)).await
}

async fn read(world: &World, path: &str) -> Value {
    let reply = asked(world, Method::GET, path, &json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

#[tokio::test]
async fn a_service_tells_its_urls_and_settings_of_that_region() {
    let world = World::with(|config: &mut Config| {
        let service = &mut config.services[0];
        service.custom_audiences = vec!["https://orders.example.com".to_owned()];
        service.regions[1].custom_audiences = Some(Vec::new());
        service.regions[1].ingress = Some(Ingress::Internal);
    })
    .await;
    let us = read(&world, ORDERS).await;
    assert_eq!(us["name"], ORDERS.trim_start_matches("/v2/"));
    assert_eq!(us["urls"], json!([world.us().url(), world.us().hash_url()]));
    assert_eq!(us["uri"], world.us().hash_url());
    assert_eq!(us["ingress"], "INGRESS_TRAFFIC_ALL");
    assert_eq!(us["customAudiences"], json!(["https://orders.example.com"]));
    let eu = read(&world, &ORDERS.replace("us-central1", "europe-west1")).await;
    assert_eq!(eu["ingress"], "INGRESS_TRAFFIC_INTERNAL_ONLY");
    assert_eq!(eu["customAudiences"], Value::Null);
    let by_number = read(&world, &ORDERS.replace("demo-project", "123456789012")).await;
    assert_eq!(by_number, us);
    let list = read(&world, ORDERS.trim_end_matches("/orders")).await;
    assert_eq!(list, json!({ "services": [us] }));
}

#[tokio::test]
async fn who_has_no_token_or_asks_for_another_project_or_a_service_that_is_not_there_is_refused() {
    let world = World::start().await;
    assert_eq!(get(ORDERS).send(google(&world)).await.status, 401);
    for (path, status) in [
        (ORDERS.replace("demo-project", "other"), 403),
        (ORDERS.replace("us-central1", "us-east1"), 404),
        (ORDERS.replace("orders", "users"), 404),
    ] {
        let reply = asked(&world, Method::GET, &path, &json!({})).await;
        assert_eq!(reply.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_policy_that_is_set_is_the_one_that_counts_and_is_read() {
    let world = World::start().await;
    let path = format!("{ORDERS}:getIamPolicy");
    let members = |policy: Value| policy["bindings"][0]["members"].clone();
    let both = [GATEWAY, PUSHER].map(|it| format!("serviceAccount:{it}"));
    assert_eq!(members(read(&world, &path).await), json!(both));
    let policy = |role: &str| json!({ "policy": { "bindings": [{ "role": role, "members": ["allUsers"] }] } });
    let set = format!("{ORDERS}:setIamPolicy");
    let refused = asked(&world, Method::POST, &set, &policy("roles/owner")).await;
    assert_eq!(refused.status, 400);
    let reply = asked(&world, Method::POST, &set, &policy("roles/run.invoker")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(members(read(&world, &path).await), json!(["allUsers"]));
    assert_eq!(get("/").send(world.us().addr()).await.status, 200);
}

#[tokio::test]
async fn without_the_invoker_check_everybody_gets_through_and_the_api_says_so() {
    let world = World::with(|config| config.services[0].invoker_iam_disabled = true).await;
    assert_eq!(get("/").send(world.us().addr()).await.status, 200);
    assert_eq!(read(&world, ORDERS).await["invokerIamDisabled"], true);
}

#[tokio::test]
async fn policies_of_accounts_and_of_the_project_tell_grants_and_agents() {
    let grant = Grant {
        member: "user:dev@example.com".to_owned(),
        role: "roles/iam.serviceAccountTokenCreator".to_owned(),
        account: PUSHER.to_owned(),
    };
    let world = World::with(|config| {
        config.grants = vec![grant.clone()];
        config.agents = vec![Agent::PubSub];
    })
    .await;
    let policy = async |path: &str| asked(&world, Method::POST, path, &json!({})).await;
    let account = |name: &str| format!("/v1/projects/-/serviceAccounts/{name}:getIamPolicy");
    let found = policy(&account(PUSHER)).await.json();
    assert_eq!(found["bindings"], json!([{ "role": grant.role, "members": [grant.member] }]));
    assert_eq!(policy(&account(GATEWAY)).await.json()["bindings"], json!([]));
    assert_eq!(policy(&account("nobody@x.example")).await.status, 404);
    let found = policy("/v1/projects/demo-project:getIamPolicy").await.json();
    let agent = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com";
    assert_eq!(
        found["bindings"],
        json!([{ "role": "roles/pubsub.serviceAgent", "members": [agent] }])
    );
    assert_eq!(post(&account(PUSHER), "{}").send(google(&world)).await.status, 401);
}

/// Two load balancers, one of them with IAP, which is off.
fn balancers(config: &mut Config) {
    let plain = LoadBalancer {
        host: "orders.example.com".to_owned(),
        port: 0,
        service: "orders".to_owned(),
        picking: Picking::Nearest,
        iap: None,
    };
    let iap = Iap {
        enabled: false,
        client_id: "1-a.apps.googleusercontent.com".to_owned(),
        backend_service: 42,
        users: vec!["dev@example.com".to_owned(), GATEWAY.to_owned()],
        identity: IapIdentity::ServiceAgent,
    };
    let host = "admin.example.com".to_owned();
    config.load_balancers = vec![plain.clone(), LoadBalancer { host, iap: Some(iap), ..plain }];
}

#[tokio::test]
async fn backend_services_tell_their_iap_and_their_groups_the_service_behind() {
    let world = World::with(balancers).await;
    let list = "/compute/v1/projects/demo-project/aggregated/backendServices?maxResults=200";
    let services = read(&world, list).await["items"]["global"]["backendServices"].clone();
    assert_eq!(services[0]["iap"], json!({ "enabled": false }));
    let client = "1-a.apps.googleusercontent.com";
    assert_eq!(services[1]["iap"], json!({ "enabled": false, "oauth2ClientId": client }));
    assert_eq!(services[1]["id"], "42");
    let list = "/compute/v1/projects/123456789012/aggregated/networkEndpointGroups";
    let groups = read(&world, list).await["items"].clone();
    let group = &groups["regions/us-central1"]["networkEndpointGroups"][1];
    assert_eq!(group["selfLink"], services[1]["backends"][0]["group"]);
    assert_eq!(group["cloudRun"], json!({ "service": "orders" }));
    let other = list.replace("123456789012", "other");
    assert_eq!(asked(&world, Method::GET, &other, &json!({})).await.status, 403);
    assert_eq!(get(list).send(google(&world)).await.status, 401);
}

#[tokio::test]
async fn iap_s_policies_tell_who_is_let_through() {
    let world = World::with(balancers).await;
    let policy = async |name: &str| {
        let path = format!("/v1/projects/demo-project/iap_web{name}:getIamPolicy");
        asked(&world, Method::POST, &path, &json!({})).await
    };
    let members = [format!("serviceAccount:{GATEWAY}")];
    let members = ["user:dev@example.com".to_owned()].into_iter().chain(members);
    let role = "roles/iap.httpsResourceAccessor";
    let expected = json!([{ "role": role, "members": members.collect::<Vec<_>>() }]);
    for name in ["/compute/services/admin-example-com", "/compute/services/42"] {
        assert_eq!(policy(name).await.json()["bindings"], expected, "{name}");
    }
    for name in ["", "/compute", "/compute/services/orders-example-com"] {
        assert_eq!(policy(name).await.json()["bindings"], json!([]), "{name}");
    }
    assert_eq!(policy("/compute/services/nobody").await.status, 404);
}

#[tokio::test]
async fn iap_that_is_off_asks_nobody() {
    let world = World::with(balancers).await;
    let addr = world.emulator.load_balancer("admin.example.com").unwrap();
    let reply = get("/").header("host", "admin.example.com").send(addr).await;
    assert!(reply.headers.get("x-goog-iap-generated-response").is_none(), "{}", reply.text);
}

#[tokio::test]
async fn an_api_that_is_off_and_a_role_that_is_missing_are_told_apart() {
    let world = World::start().await;
    world.emulator.faults().set(Server::RunAdmin, Some(Fault::PermissionDenied));
    world.emulator.faults().set(Server::ResourceManager, Some(Fault::ApiDisabled));
    let denied = asked(&world, Method::GET, ORDERS, &json!({})).await;
    assert_eq!(denied.status, 403);
    assert_eq!(denied.json()["error"]["details"], json!([]));
    let off = asked(&world, Method::GET, "/v1/projects/demo-project", &json!({})).await;
    assert_eq!(off.status, 403);
    assert_eq!(off.json()["error"]["details"][0]["reason"], "SERVICE_DISABLED");
    world.emulator.faults().clear();
    assert_eq!(asked(&world, Method::GET, ORDERS, &json!({})).await.status, 200);
}
