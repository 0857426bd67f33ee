use super::*;
use crate::config::{Agent, Backend, Ingress, Kind, ServiceRegion};
use crate::forward::Protocol;

const EVERYTHING: &str = include_str!("../../../tests/tests/configuration/emulator.yaml");
const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";

/// A section of its own, or its mistakes.
pub(super) fn section<T>(
    text: &str,
    read: impl FnOnce(&Reader<'_>) -> Option<T>,
) -> Result<T, Vec<String>> {
    yaml::read(text, read).map_err(|all| all.iter().map(ToString::to_string).collect())
}

pub(super) fn mistakes(text: &str) -> Vec<String> {
    let problems = parse(text).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_member_is_read() {
    let config = parse(EVERYTHING).unwrap();
    assert_eq!((&*config.region, &*config.default_account), ("europe-west1", PUSHER));
    let [orders, hello] = config.services.as_slice() else { panic!("two services") };
    let europe = ServiceRegion {
        name: "europe-west1".to_owned(),
        invokers: Some(vec![PUSHER.to_owned()]),
        custom_audiences: Some(vec!["https://orders.eu.example.com".to_owned()]),
        ingress: Some(Ingress::Internal),
        backend: Some(Backend::h2c(([127, 0, 0, 1], 9001).into())),
        port: 8811,
    };
    assert_eq!(orders.regions, [ServiceRegion::new("us-central1"), europe]);
    assert_eq!(
        orders.invokers,
        [
            "serviceAccount:gateway@demo-project.iam.gserviceaccount.com",
            "domain:example.com",
            "allUsers"
        ]
    );
    assert_eq!(orders.custom_audiences, ["https://orders.example.com"]);
    assert_eq!(orders.ingress, Ingress::InternalAndLoadBalancing);
    assert_eq!(
        (orders.tags.as_slice(), orders.concurrency),
        (["green".to_owned()].as_slice(), Some(80))
    );
    let words = ["python3", "app.py"].map(str::to_owned).into();
    assert_eq!(orders.backend, Backend::Command { words, protocol: Protocol::Http1 });
    assert_eq!((hello.kind, &hello.backend), (Kind::Function, &Backend::Echo));
    assert_eq!(config.hosts[0].addr, ([127, 0, 0, 1], 9000).into());
    assert_eq!((config.grants.len(), config.providers.len(), config.users.len()), (1, 1, 1));
    assert_eq!(config.agents, Agent::ALL);
    assert_eq!(config.iam_propagation.as_secs(), 120);
    assert_eq!((config.keys_max_age, config.token_lifetime.as_secs()), (21_600, 3600));
    let rotation = config.key_rotation.unwrap();
    assert_eq!((rotation.every.as_secs(), rotation.overlap.as_secs()), (600, 300));
    assert_eq!((config.load_balancers.len(), config.pubsub.subscriptions.len()), (2, 1));
    assert_eq!((config.eventarc.len(), config.tasks[0].tasks.len()), (2, 1));
    assert_eq!((config.scheduler.len(), config.faults.len()), (1, 7));
    assert_eq!(config.control_hosts, ["host.docker.internal"]);
    assert_eq!(config.account_keys[0].file, Path::new("gateway-key.json"));
    let config = config.in_folder(Path::new("/folder"));
    assert_eq!(config.account_keys[0].file, Path::new("/folder/gateway-key.json"));
    assert_eq!(config.ca_file.as_deref(), Some(Path::new("/folder/ca.pem")));
}

#[test]
fn what_is_not_said_is_as_usual_and_nobody_may_call() {
    let config = parse(
        "project: { id: my-project, number: \"42\" }\n\
         services: [{ name: a, regions: [asia-east1] }]\nagents: []\n",
    )
    .unwrap();
    assert_eq!(config.accounts, Config::usual_accounts("my-project"));
    assert_eq!(config.default_account, "gateway@my-project.iam.gserviceaccount.com");
    assert_eq!((config.project_number, &*config.region), (42, "asia-east1"));
    assert!(config.services[0].invokers.is_empty() && config.agents.is_empty());
    assert_eq!(config.services[0].backend, Backend::Echo);
    assert_eq!((config.google_port, config.vpc_port), (8800, 8801));
    assert!(config.host.is_loopback());
    assert_eq!(parse("region: us-east1\n").unwrap().region, "us-east1");
}

/// What stands in a file, and what is said about it.
const MISTAKES: &[(&str, &[&str])] = &[
    // Names.
    ("servces: []", &[r#"1:1: servces: is not a setting; did you mean "services"?"#]),
    ("proyect: {}", &[r#"1:1: proyect: is not a setting; did you mean "project"?"#]),
    (
        "services: [{ name: a, regions: [us-east1], invoker: [] }]",
        &[r#"1:44: services[0].invoker: is not a setting; did you mean "invokers"?"#],
    ),
    (
        "services: [{ name: a, regions: [{ name: us-east1, zone: b }] }]",
        &["1:51: services[0].regions[0].zone: is not a setting; known here: name, invokers, \
             custom_audiences, ingress, backend, port"],
    ),
    ("region: us-east1\nregion: us-east1", &["2:1: region: occurs twice: keep one"]),
    // Parts that are missing, and types.
    ("", &["1:1: expected a mapping, found nothing"]),
    ("services: [{ regions: [us-east1] }]", &[r#"1:12: services[0]: "name" is missing"#]),
    ("services: [{ name: a }]", &[r#"1:12: services[0]: "regions" is missing"#]),
    ("services: [{ name: a, regions: [] }]", &["1:32: services[0].regions: must not be empty"]),
    ("services: { name: a }", &["1:11: services: expected a list, found a mapping"]),
    (
        "services: [{ name: a, regions: us-east1 }]",
        &["1:32: services[0].regions: expected a list, found a text"],
    ),
    // Services.
    (
        "services: [{ name: My_Service, regions: [us-east1] }]",
        &[
            r#"1:20: services[0].name: "My_Service" is no name: use a-z, 0-9 and -, with a letter first and no - last, 49 at most"#,
        ],
    ),
    (
        "services: [{ name: a, regions: [us-east1, us-east1] }]",
        &[r#"1:32: services[0].regions: the region "us-east1" occurs twice"#],
    ),
    (
        "services: [{ name: a, regions: [us-east1] }, { name: a, regions: [us-west1] }]",
        &[r#"1:11: services: the service "a" occurs twice"#],
    ),
    (
        "services: [{ name: a, regions: [us-east1], invokers: ['serviceAccount:a@b', everybody] }]",
        &[
            r#"1:77: services[0].invokers[1]: "everybody" is no invoker: write an address, serviceAccount:ADDRESS, user:ADDRESS, domain:DOMAIN, allAuthenticatedUsers or allUsers"#,
        ],
    ),
    (
        "services: [{ name: a, regions: [us-east1], ingress: internal_only }]",
        &[
            r#"1:53: services[0].ingress: "internal_only" is not one of: all, internal, internal-and-cloud-load-balancing"#,
        ],
    ),
    (
        "services: [{ name: a, regions: [us-east1], kind: gke }]",
        &[r#"1:50: services[0].kind: "gke" is not one of: cloud_run, function"#],
    ),
    (
        "services: [{ name: a, regions: [us-east1], concurrency: 0 }]",
        &["1:57: services[0].concurrency: 0 is out of bounds: a whole number from 1 to 1000000"],
    ),
    (
        "services: [{ name: a, regions: [us-east1], tags: [a---b] }]",
        &[
            r#"1:51: services[0].tags[0]: "a---b" is no tag: use a-z, 0-9 and -, with a letter first and no - last"#,
        ],
    ),
    // Backends and hosts.
    (
        "services: [{ name: a, regions: [us-east1], backend: { command: python3 app.py } }]",
        &["1:64: services[0].backend.command: expected a list, found a text"],
    ),
    (
        "services: [{ name: a, regions: [us-east1], backend: { address: '127.0.0.1:80', command: [x] } }]",
        &[
            r#"1:53: services[0].backend: takes one of "address" (a server that runs) and "command" (a program to start)"#,
        ],
    ),
    (
        "services: [{ name: a, regions: [us-east1], backend: 127.0.0.1:80 }]",
        &[r#"1:53: services[0].backend: "127.0.0.1:80" is not one of: echo"#],
    ),
    (
        "hosts: { api.example.com: 'api:80', 'http://x': '127.0.0.1:80', y: '192.168.0.7:80' }",
        &[
            r#"1:27: hosts.api.example.com: "api:80" is no address of a server: expected 127.0.0.1:PORT"#,
            r#"1:49: hosts.http://x: "http://x" is no host name, which has no port and no scheme"#,
            r#"1:68: hosts.y: "192.168.0.7:80" is not on this machine: the emulator calls loopback addresses alone, such as 127.0.0.1:9000"#,
        ],
    ),
    // Listeners.
    (
        "listen: { address: 0.0.0.0 }",
        &[
            "1:20: listen.address: 0.0.0.0 can be reached from elsewhere, and whoever reaches the emulator can have tokens minted for anybody: listen on 127.0.0.1 or ::1",
        ],
    ),
    (
        "listen: { address: eth0, google_port: 70000 }",
        &[
            r#"1:20: listen.address: "eth0" is no IP address: expected 127.0.0.1 or ::1"#,
            "1:39: listen.google_port: 70000 is out of bounds: a whole number from 0 to 65535",
        ],
    ),
    (
        "listen: { vpc_port: 8800 }",
        &["1:21: listen.vpc_port: port 8800 is taken already, by listen.google_port (by default)"],
    ),
    (
        "services: [{ name: a, regions: [{ name: us-east1, port: 9000 }, { name: us-west1, port: 9000 }] }]",
        &[
            "1:89: services[0].regions[1].port: port 9000 is taken already, by services[0].regions[0].port",
        ],
    ),
    // The project, and who is who.
    (
        "project: { id: Demo, number: demo }",
        &[
            r#"1:16: project.id: "Demo" is no id of a project: 6 to 30 of a-z, 0-9 and -, with a letter first and no - last"#,
            r#"1:30: project.number: "demo" is no number of Google's: up to 19 digits"#,
        ],
    ),
    (
        "accounts: [gateway]",
        &[
            r#"1:12: accounts[0]: "gateway" is no address of an account, such as NAME@PROJECT.iam.gserviceaccount.com"#,
        ],
    ),
    (
        "accounts: [gateway@x, pusher@x]\ndefault_account: gatway@x",
        &[
            r#"2:18: default_account: "gatway@x" is no account of "accounts"; did you mean "gateway@x"?"#,
        ],
    ),
    (
        "accounts: [a@x]\naccount_keys: [{ account: someone@else.example, file: k.json }]",
        &[
            r#"2:27: account_keys[0].account: "someone@else.example" is no account of "accounts"; known here: a@x"#,
        ],
    ),
    (
        "accounts: [a@x]\ngrants: [{ member: b@x, role: tokenCreator, account: a@x }]",
        &[
            r#"2:20: grants[0].member: "b@x" is no member: expected serviceAccount:EMAIL, user:EMAIL, principal://… or principalSet://…"#,
            r#"2:31: grants[0].role: "tokenCreator" is no role: expected roles/…, such as roles/iam.serviceAccountTokenCreator"#,
        ],
    ),
    (
        "agents: [cloudtasks]",
        &[
            r#"1:10: agents[0]: "cloudtasks" is not one of: pubsub, cloud_tasks, cloud_scheduler, eventarc"#,
        ],
    ),
    (
        "providers: [{ pool: p, id: azure, issuer: sts.windows.net }]",
        &[
            r#"1:21: providers[0].pool: "p" is no id of a pool or provider: 4 to 32 of a-z, 0-9 and -"#,
            r#"1:43: providers[0].issuer: "sts.windows.net" is no issuer of tokens: expected https://…"#,
        ],
    ),
    // What senders have.
    (
        "pubsub:\n  topics: [ab, orders]\n  subscriptions: [{ name: abc, topic: ordrs, service_account: pushr@demo-project.iam.gserviceaccount.com, endpoint: 'http://a.example', dead_letter: { topic: dead } }]",
        &[
            r#"2:12: pubsub.topics[0]: "ab" is no name of one of topics: 3 to 255 letters, digits and -_.~+%, with a letter first, and not goog"#,
            r#"3:39: pubsub.subscriptions[0].topic: "ordrs" is no topic of "pubsub.topics"; did you mean "orders"?"#,
            r#"3:63: pubsub.subscriptions[0].service_account: "pushr@demo-project.iam.gserviceaccount.com" is no account of "accounts"; did you mean "pusher@demo-project.iam.gserviceaccount.com"?"#,
            r#"3:117: pubsub.subscriptions[0].endpoint: "http://a.example" is in clear text: Pub/Sub pushes to https:// alone, and here to http:// on this machine"#,
            r#"3:117: pubsub.subscriptions[0].endpoint: a.example is nobody here: add it under "hosts" with the address of your server, or as a load balancer's host"#,
            r#"3:159: pubsub.subscriptions[0].dead_letter.topic: "dead" is no topic of "pubsub.topics"; known here: ab, orders"#,
        ],
    ),
    (
        "pubsub:\n  topics: [abc, projects/demo-project/topics/abc]\n  subscriptions: [{ name: abc, topic: abc }, { name: abc, topic: projects/demo-project/topics/abc, max_backoff: 5s }]",
        &[
            r#"2:11: pubsub.topics: the topic "abc" occurs twice"#,
            r#"3:18: pubsub.subscriptions: the subscription "abc" occurs twice"#,
            "3:46: pubsub.subscriptions[1]: min_backoff, 10s by default, is above max_backoff",
        ],
    ),
    (
        "tasks: [{ name: a, location: b, tasks: [{ id: c, url: 'http://localhost:1' }, { id: c, url: 'http://localhost:1', token: { service_account: a@x } }] }, { name: a, location: b }]\naccounts: [b@x]",
        &[
            r#"1:8: tasks: the queue "b/a" occurs twice"#,
            r#"1:40: tasks[0].tasks: the task "c" occurs twice"#,
            r#"1:141: tasks[0].tasks[1].token.service_account: "a@x" is no account of "accounts"; did you mean "b@x"?"#,
        ],
    ),
    (
        "scheduler:\n  - { name: a, location: b, schedule: '* * * * *', url: 'http://localhost:1' }\n  - { name: a, location: b, schedule: '* * * * *', url: 'http://localhost:1', token: { service_account: b@x } }",
        &[
            r#"2:3: scheduler: the job "b/a" occurs twice"#,
            r#"3:105: scheduler[1].token.service_account: "b@x" is no account of "accounts"; known here: gateway@demo-project.iam.gserviceaccount.com, pusher@demo-project.iam.gserviceaccount.com"#,
        ],
    ),
    (
        "services: [{ name: a, regions: [us-east1] }, { name: f, kind: function, regions: [us-east1] }]\n\
         eventarc:\n\
         \x20 - { name: t, location: us-west1, filters: { type: t }, cloud_run: { service: a } }\n\
         \x20 - { name: t, location: us-west1, filters: { type: t }, cloud_run: { service: f, region: us-east1 }, topic: abc }\n\
         \x20 - { name: u, location: us-east1, filters: { type: t }, cloud_run: { service: b } }\n",
        &[
            r#"3:3: eventarc: the trigger "us-west1/t" occurs twice"#,
            r#"3:26: eventarc[0].location: "us-west1" is no region of "a"; did you mean "us-east1"?"#,
            "4:80: eventarc[1].cloud_run.service: is a function of the first generation, which no trigger leads to",
            r#"4:110: eventarc[1].topic: "abc" is no topic of "pubsub.topics"; there is none"#,
            r#"5:80: eventarc[2].cloud_run.service: "b" is no service of "services"; known here: a, f"#,
        ],
    ),
    // Faults.
    (
        "services: [{ name: a, regions: [us-east1] }]\nfaults:\n  - { what: { service: a, region: us-west1 }, how: hang }\n  - { what: { service: orders, region: us-west1 }, how: hang }",
        &[
            r#"3:35: faults[0].what.region: "us-west1" is no region of "a"; did you mean "us-east1"?"#,
            r#"4:24: faults[1].what.service: "orders" is no service of "services"; known here: a"#,
        ],
    ),
    // Keys.
    (
        "keys: { rotation: { every: 10s, overlap: 41s } }",
        &[r#"1:19: keys.rotation: "overlap" must not be more than 4 times "every""#],
    ),
    (
        "keys: { rotation: { every: 0s } }",
        &[
            r#"1:19: keys.rotation: "overlap" is missing"#,
            "1:28: keys.rotation.every: 0s is out of bounds: from 1s to 30days",
        ],
    ),
    (
        "control_hosts: ['http://a']",
        &[r#"1:17: control_hosts[0]: "http://a" is no host name, which has no port and no scheme"#],
    ),
    // Times.
    (
        "token_lifetime: 3600",
        &["1:17: token_lifetime: expected a time span such as 30s, 5m or 1h, found a number"],
    ),
    ("keys: { max_age: 2days }", &["1:18: keys.max_age: 2days is out of bounds: from 0s to 1day"]),
];

#[test]
fn each_mistake_is_told_with_its_place_and_what_was_expected() {
    for (text, expected) in MISTAKES {
        assert_eq!(mistakes(text), *expected, "{text}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_from_its_top_to_its_end() {
    let text = "\
project: { id: x }
services:
  - name: orders
    regions: [us-central1, { name: europe-west1, port: 8800 }]
    invoker: [a@b]
  - name: Orders
    regions: [us-central1]
    backend: { adress: 127.0.0.1:9000 }
default_account: nobody@nowhere.example
token_lifetime: soon
";
    let found = mistakes(text);
    let starts = [
        "1:16: project.id: ",
        "4:56: services[0].regions[1].port: port 8800 is taken already",
        "5:5: services[0].invoker: is not a setting",
        "6:11: services[1].name: ",
        "8:14: services[1].backend: takes one of",
        "8:16: services[1].backend.adress: is not a setting; did you mean \"address\"?",
        "9:18: default_account: ",
        "10:17: token_lifetime: ",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (line, start) in found.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
    }
}

#[test]
fn a_refresh_token_is_shown_in_no_mistake() {
    let text =
        "users: [{ email: e, refresh_token: hush }, { email: a@b, refresh_token: hush, x: 1 }]";
    let found = mistakes(text).join("\n");
    assert!(!found.is_empty() && !found.contains("hush"), "{found}");
}
