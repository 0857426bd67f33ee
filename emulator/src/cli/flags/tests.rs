use clap::Parser;
use remint_emulator::{Backend, Protocol, ServiceRegion, file};

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    flags: Flags,
}

fn flags(line: &str) -> Flags {
    let words = std::iter::once("remint-emulator").chain(line.split_whitespace());
    Program::try_parse_from(words).unwrap().flags
}

fn config(line: &str) -> Config {
    file::parse(&flags(line).written().text).unwrap()
}

fn mistakes(line: &str) -> String {
    let written = flags(line).written();
    let problems = file::parse(&written.text).err().unwrap();
    written.mistakes(&problems).to_string()
}

#[test]
fn without_flags_it_is_the_demo_at_the_usual_ports() {
    let (config, demo) = (config(""), Config::demo());
    assert_eq!(config.services, demo.services);
    assert_eq!(config.accounts, demo.accounts);
    assert_eq!(config.default_account, demo.default_account);
    assert_eq!(config.project_id, demo.project_id);
    assert_eq!(config.project_number, demo.project_number);
    assert_eq!(config.region, demo.region);
    assert_eq!(config.agents, demo.agents);
    assert_eq!(config.keys_max_age, demo.keys_max_age);
    assert_eq!((config.google_port, config.vpc_port), (8800, 8801));
}

#[test]
fn flags_amount_to_a_configuration() {
    let flags = flags(
        "--project my-project --project-number 42 --service a --service b --region us-east1 \
         --invoker i@x --custom-audience https://a.example --backend 127.0.0.1:50051 \
         --backend-protocol h2c --token-lifetime 60 --port 0 --vpc-port 7 --ca-file /tmp/ca.pem",
    );
    let expected = r#"# Written by `remint-emulator --print-config`.
project:
  id: "my-project"
  number: "42"
accounts: ["gateway@my-project.iam.gserviceaccount.com", "pusher@my-project.iam.gserviceaccount.com"]
services:
  - name: "a"
    regions: ["us-east1"]
    invokers: ["i@x"]
    custom_audiences: ["https://a.example"]
    backend: { address: "127.0.0.1:50051", protocol: "h2c" }
  - name: "b"
    regions: ["us-east1"]
    invokers: ["i@x"]
    custom_audiences: ["https://a.example"]
    backend: { address: "127.0.0.1:50051", protocol: "h2c" }
token_lifetime: 60s
listen: { google_port: 0, vpc_port: 7 }
tls: { ca_file: "/tmp/ca.pem" }
"#;
    assert_eq!(flags.written().text, expected);
    let config = file::parse(expected).unwrap();
    assert_eq!(config.services[1].regions, [ServiceRegion::new("us-east1")]);
    assert_eq!(config.services[1].backend, Backend::h2c(([127, 0, 0, 1], 50051).into()));
    assert_eq!(config.default_account, "gateway@my-project.iam.gserviceaccount.com");
    assert_eq!(config.region, "us-east1");
    assert_eq!(config.project_number, 42);
    assert_eq!((config.google_port, config.vpc_port), (0, 7));
}

#[test]
fn what_follows_two_hyphens_is_a_program_to_start() {
    let config = config("--service a -- sh -c run --port 1");
    let words = ["sh", "-c", "run", "--port", "1"].map(str::to_owned).into();
    let backend = Backend::Command { words, protocol: Protocol::Http1 };
    assert_eq!(config.services[0].backend, backend);
    let both = "remint-emulator --backend 127.0.0.1:1 -- sh";
    assert!(Program::try_parse_from(both.split_whitespace()).is_err());
}

#[test]
fn a_mistake_names_its_flag_and_which_one_if_there_are_several_and_is_told_once() {
    let said = mistakes(
        "--project p --project-number x --service a --service a --region EU --region us-east1 \
         --invoker nobody --backend 10.0.0.1:80 --backend-protocol spdy --token-lifetime 0 \
         --port 9 --vpc-port 9 --account me",
    );
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"--account: "me" is no address of an account, such as NAME@PROJECT.iam.gserviceaccount.com"#,
            r#"--backend-protocol: "spdy" is not one of: http1, h2c"#,
            r#"--backend: "10.0.0.1:80" is not on this machine: the emulator calls loopback addresses alone, such as 127.0.0.1:9000"#,
            r#"--invoker: "nobody" is no invoker: write an address, serviceAccount:ADDRESS, user:ADDRESS, domain:DOMAIN, allAuthenticatedUsers or allUsers"#,
            r#"--project-number: "x" is no number of Google's: up to 19 digits"#,
            r#"--project: "p" is no id of a project: 6 to 30 of a-z, 0-9 and -, with a letter first and no - last"#,
            r#"--region: "EU" is no name: use a-z, 0-9 and -, with a letter first and no - last, 49 at most"#,
            r#"--token-lifetime: 0s is out of bounds: from 1s to 1day"#,
            r#"--vpc-port: port 9 is taken already, by listen.google_port"#,
        ]
    );
    assert_eq!(mistakes("--service a --service a"), r#"--service: the service "a" occurs twice"#);
    let one = mistakes("--backend-protocol h2c");
    assert!(one.starts_with("--backend-protocol: takes one of \"address\""), "{one}");
}

#[test]
fn a_load_balancer_and_pushes_are_a_flag_each() {
    let flags = flags(
        "--service a --region us-east1 --account me@x --invoker me@x --load-balancer lb.example \
         --push orders=https://lb.example/push --push orders=http://localhost:9000/?a=b",
    );
    let expected = r#"# Written by `remint-emulator --print-config`.
accounts: ["me@x"]
services:
  - name: "a"
    regions: ["us-east1"]
    invokers: ["me@x"]
load_balancers:
  - { host: "lb.example", service: "a" }
pubsub:
  topics: ["orders"]
  subscriptions:
    - name: "orders-push-1"
      topic: "orders"
      endpoint: "https://lb.example/push"
      service_account: "me@x"
    - name: "orders-push-2"
      topic: "orders"
      endpoint: "http://localhost:9000/?a=b"
      service_account: "me@x"
"#;
    assert_eq!(flags.written().text, expected);
    let config = file::parse(expected).unwrap();
    assert_eq!(config.load_balancers[0].host, "lb.example");
    let endpoints = config.pubsub.subscriptions.iter().map(|it| it.endpoint.as_deref().unwrap());
    let expected = ["https://lb.example/push", "http://localhost:9000/?a=b"];
    assert_eq!(endpoints.collect::<Vec<_>>(), expected);
}

#[test]
fn mistakes_of_load_balancers_and_pushes_name_their_flags() {
    let said = mistakes("--load-balancer http://a --push orders=ftp://a");
    let lines = [
        r#"--load-balancer: "http://a" is no host name, which has no port and no scheme"#,
        r#"--push: "ftp://a" is no endpoint: expected https://HOST/PATH"#,
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), lines);
    let nobody = mistakes("--push orders=https://a.example/");
    assert!(nobody.starts_with("--push: a.example is nobody here"), "{nobody}");
    assert!(Program::try_parse_from(["remint-emulator", "--push", "orders"]).is_err());
}
