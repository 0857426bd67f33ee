//! Host names: what senders call must be somebody here, and nobody twice.

use std::collections::HashSet;

use remint_idtoken::config::Reader;

use super::references::{all, members, text};
use crate::config::{Config, Kind};
use crate::endpoint::Endpoint;
use crate::google::Google;
use crate::network::is_loopback;
use crate::run::Urls;

/// The members that senders call.
const CALLED: [&[&str]; 4] = [
    &["pubsub", "subscriptions", "[]", "endpoint"],
    &["eventarc", "[]", "http"],
    &["tasks", "[]", "tasks", "[]", "url"],
    &["scheduler", "[]", "url"],
];

/// The sections that say who is here.
const KNOWN_BY: [&str; 4] = ["project", "services", "load_balancers", "hosts"];

/// Where Google has the services of a project.
const OF_SERVICES: [&str; 2] = [".run.app", ".cloudfunctions.net"];

/// Writes down endpoints that nobody answers at, and hosts that are somebody
/// else's already.
pub(super) fn check(root: &Reader<'_>, config: &Config) {
    // What could not be read would be missed below.
    if KNOWN_BY.iter().filter_map(|name| root.member(name)).any(|it| it.has_mistakes()) {
        return;
    }
    let services = Services::of(config);
    for reader in CALLED.iter().flat_map(|path| all(root, path)) {
        let endpoint = text(&reader).and_then(|text| text.parse::<Endpoint>().ok());
        if let Some(endpoint) = endpoint {
            check_called(&reader, endpoint.host_and_port().0, &services, config);
        }
    }
    let balancers = all(root, &["load_balancers", "[]", "host"]).into_iter();
    let mapped = root.member("hosts").into_iter().flat_map(|hosts| members(&hosts));
    let named = balancers.filter_map(|it| Some((text(&it)?, it))).chain(mapped);
    for (host, reader) in named {
        check_named(&reader, host, &services);
    }
}

/// The hosts of services.
struct Services {
    all: HashSet<String>,
    /// One for each region, to be named in mistakes.
    usual: Vec<String>,
}

impl Services {
    fn of(config: &Config) -> Self {
        let project = (config.project_id.as_str(), config.project_number);
        let (mut all, mut usual) = (HashSet::new(), Vec::new());
        for service in &config.services {
            for region in &service.regions {
                let urls = Urls::new(service, project, &region.name);
                all.extend(urls.hosts());
                usual.push(match service.kind {
                    Kind::CloudRun => urls.deterministic.replacen("https://", "", 1),
                    Kind::Function => urls.function_host().to_owned(),
                });
            }
        }
        Self { all, usual }
    }

    fn have(&self, host: &str) -> bool {
        self.all.contains(&host.to_ascii_lowercase())
    }
}

fn check_called(from: &Reader<'_>, host: &str, services: &Services, config: &Config) {
    let is = |name: &str| name.eq_ignore_ascii_case(host);
    let is_here = is_loopback(host)
        || services.have(host)
        || Google::NAMES.into_iter().any(is)
        || config.load_balancers.iter().any(|it| is(&it.host))
        || config.hosts.iter().any(|it| is(&it.host));
    if is_here {
        return;
    }
    if OF_SERVICES.iter().any(|end| host.ends_with(end)) {
        let known: Vec<&str> = services.usual.iter().map(String::as_str).collect();
        return from.unknown(host, "no host of a service here", &known);
    }
    from.problem(format!(
        "{host} is nobody here: add it under \"hosts\" with the address of your server, or as a load balancer's host"
    ));
}

fn check_named(from: &Reader<'_>, host: &str, services: &Services) {
    let whose = match host {
        host if services.have(host) => "a service's",
        host if Google::NAMES.iter().any(|name| name.eq_ignore_ascii_case(host)) => "Google's",
        _ => return,
    };
    from.problem(format!("{host} is {whose} host already"));
}

#[cfg(test)]
mod tests {
    use super::super::tests::mistakes;

    const WHO: &str = "\
services:
  - { name: orders, regions: [us-central1], tags: [green] }
  - { name: hello, kind: function, regions: [us-east1] }
load_balancers: [{ host: lb.example, service: orders }]
hosts: { hooks.example: 127.0.0.1:9000 }
";

    fn called(url: &str) -> Vec<String> {
        let job = format!("{{ name: a, location: b, schedule: '* * * * *', url: '{url}' }}");
        mistakes(&format!("{WHO}scheduler: [{job}]\n"))
    }

    #[test]
    fn whoever_is_here_can_be_called() {
        for url in [
            "https://orders-123456789012.us-central1.run.app/a?b=c",
            "https://green---orders-123456789012.us-central1.run.app",
            "https://us-central1-demo-project.cloudfunctions.net/orders",
            "https://us-east1-demo-project.cloudfunctions.net/hello",
            "https://LB.example/",
            "http://hooks.example:8080/",
            "http://localhost:1/",
            "http://127.0.0.2:1/",
            "http://[::1]:1/",
            "https://pubsub.googleapis.com/v1/projects/demo-project/topics/a:publish",
        ] {
            assert_eq!(called(url), [""; 0], "{url}");
        }
    }

    #[test]
    fn whoever_is_not_can_t() {
        for (url, expected) in [
            (
                "https://orders.example.com/",
                r#"orders.example.com is nobody here: add it under "hosts" with the address of your server, or as a load balancer's host"#,
            ),
            (
                "https://somebody-else-1.asia-east1.run.app/",
                r#""somebody-else-1.asia-east1.run.app" is no host of a service here; known here: orders-123456789012.us-central1.run.app, us-east1-demo-project.cloudfunctions.net"#,
            ),
            (
                "https://orders-123456789012.us-central2.run.app/",
                r#""orders-123456789012.us-central2.run.app" is no host of a service here; did you mean "orders-123456789012.us-central1.run.app"?"#,
            ),
        ] {
            assert_eq!(called(url), [format!("6:65: scheduler[0].url: {expected}")], "{url}");
        }
    }

    #[test]
    fn each_sender_s_endpoint_is_looked_at() {
        let found = mistakes(
            "\
pubsub:
  topics: [abc]
  subscriptions: [{ name: abc, topic: abc, endpoint: 'https://a.example' }]
tasks:
  - { name: q, location: l, tasks: [{ url: 'http://b.example' }] }
scheduler: [{ name: a, location: b, schedule: '* * * * *', url: 'http://c.example/' }]
eventarc: [{ name: a, location: b, filters: { type: t }, http: 'https://d.example' }]
",
        );
        let whom = [
            "3:54: pubsub.subscriptions[0].endpoint: a.example is nobody here",
            "5:44: tasks[0].tasks[0].url: b.example is nobody here",
            "6:65: scheduler[0].url: c.example is nobody here",
            "7:64: eventarc[0].http: d.example is nobody here",
        ];
        assert_eq!(found.len(), whom.len(), "{found:#?}");
        for (line, start) in found.iter().zip(whom) {
            assert!(line.starts_with(start), "{line}\nis not\n{start}");
        }
    }

    #[test]
    fn nobody_is_missed_where_services_can_t_be_read() {
        let text = "services: [{ name: A, regions: [us-east1] }]\n\
            scheduler: [{ name: a, location: b, schedule: '* * * * *', url: 'https://a-123456789012.us-east1.run.app' }]\n";
        let found = mistakes(text);
        assert!(found.len() == 1 && found[0].starts_with("1:20: services[0].name"), "{found:?}");
    }

    #[test]
    fn hosts_of_services_and_google_are_taken() {
        let found = mistakes(
            "\
services: [{ name: orders, regions: [us-east1] }]
load_balancers: [{ host: pubsub.googleapis.com, service: orders }]
hosts: { orders-123456789012.us-east1.run.app: 127.0.0.1:1, A.example: 127.0.0.1:1 }
",
        );
        assert_eq!(
            found,
            [
                "2:26: load_balancers[0].host: pubsub.googleapis.com is Google's host already",
                "3:48: hosts.orders-123456789012.us-east1.run.app: orders-123456789012.us-east1.run.app is a service's host already",
            ]
        );
        let twice = mistakes("hosts: { a.example: 127.0.0.1:1, A.example: 127.0.0.1:2 }");
        assert_eq!(twice, [r#"1:8: hosts: the host "a.example" occurs twice"#]);
    }
}
