//! An emulator described by flags: a small configuration is written from them
//! and read as if it stood in a file, so that the same is right and wrong in
//! both.

use std::path::PathBuf;

use clap::Args;
use remint_emulator::Config;
use remint_idtoken::config::{Source, Written, list, member, quoted};

/// The flags.
#[derive(Args, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Without a configuration")]
pub(super) struct Flags {
    /// A Cloud Run service; may be repeated [default: orders]
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,

    /// A region that all services run in; may be repeated
    /// [default: us-central1 europe-west1]
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<String>,

    /// An account that may invoke all services; may be repeated
    /// [default: all accounts]
    #[arg(long = "invoker", value_name = "EMAIL")]
    invokers: Vec<String>,

    /// A custom audience of all services; may be repeated
    #[arg(long = "custom-audience", value_name = "AUDIENCE")]
    custom_audiences: Vec<String>,

    /// A server of yours that gets the accepted requests of all services, in
    /// place of the built-in container
    #[arg(long, value_name = "ADDRESS")]
    backend: Option<String>,

    /// A program that is started with $PORT set, to get the accepted requests
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "backend")]
    command: Vec<String>,

    /// What your server or program speaks: http1, or h2c for gRPC
    /// [default: http1]
    #[arg(long, value_name = "PROTOCOL")]
    backend_protocol: Option<String>,

    /// The host of a load balancer in front of the first service; may be
    /// repeated
    #[arg(long = "load-balancer", value_name = "HOST")]
    load_balancers: Vec<String>,

    /// A Pub/Sub topic whose messages are pushed to a URL, as the last account;
    /// may be repeated
    #[arg(long = "push", value_name = "TOPIC=URL", value_parser = push)]
    pushes: Vec<Push>,

    /// A service account of the project; may be repeated, and the first is the
    /// metadata server's default account [default: gateway@ and pusher@ of the
    /// project]
    #[arg(long = "account", value_name = "EMAIL")]
    accounts: Vec<String>,

    /// The project's id [default: demo-project]
    #[arg(long, value_name = "ID")]
    project: Option<String>,

    /// The project's number, which is part of the services' URLs
    /// [default: 123456789012]
    #[arg(long, value_name = "NUMBER")]
    project_number: Option<String>,

    /// How many seconds tokens of service accounts live [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    token_lifetime: Option<u64>,

    /// The port of everything of Google's; 0 takes a free one [default: 8800]
    #[arg(long)]
    port: Option<u16>,

    /// The port for calls from the project's VPC network; 0 takes a free one
    /// [default: 8801]
    #[arg(long, value_name = "PORT")]
    vpc_port: Option<u16>,

    /// Where to write the certificate (PEM) that TLS clients must trust
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
}

impl Flags {
    /// The configuration that they amount to.
    pub(super) fn written(&self) -> Written {
        Written { text: self.text(), sources: self.sources() }
    }

    fn text(&self) -> String {
        let accounts = list(&self.accounts());
        [
            "# Written by `remint-emulator --print-config`.\n".to_owned(),
            self.project_member(),
            format!("accounts: {accounts}\nservices:\n"),
            self.service_names().iter().map(|name| self.service(name)).collect(),
            self.balancers(),
            self.pubsub(),
            self.token_lifetime.map(|it| format!("token_lifetime: {it}s\n")).unwrap_or_default(),
            self.listen(),
            self.tls(),
        ]
        .concat()
    }

    fn project_member(&self) -> String {
        let number = self.project_number.as_deref();
        let members = member("  id", self.project.as_deref()) + &member("  number", number);
        if members.is_empty() { members } else { format!("project:\n{members}") }
    }

    fn service(&self, name: &str) -> String {
        let audiences = &self.custom_audiences;
        let audiences =
            (!audiences.is_empty()).then(|| format!("    custom_audiences: {}\n", list(audiences)));
        [
            format!("  - name: {}\n", quoted(name)),
            format!("    regions: {}\n", list(&self.regions())),
            format!("    invokers: {}\n", list(&self.invokers())),
            audiences.unwrap_or_default(),
            self.backend_member(),
        ]
        .concat()
    }

    fn backend_member(&self) -> String {
        let protocol = self.backend_protocol.as_deref();
        let protocol = protocol.map(|it| format!("protocol: {}", quoted(it)));
        let place = match (&self.backend, self.command.as_slice()) {
            (Some(addr), _) => Some(format!("address: {}", quoted(addr))),
            (None, []) => None,
            (None, words) => Some(format!("command: {}", list(words))),
        };
        let members: Vec<String> = place.into_iter().chain(protocol).collect();
        match members.is_empty() {
            true => String::new(),
            false => format!("    backend: {{ {} }}\n", members.join(", ")),
        }
    }

    fn balancers(&self) -> String {
        let service = self.service_names().into_iter().next().unwrap_or_default();
        let balancer = |host: &String| {
            format!("  - {{ host: {}, service: {} }}\n", quoted(host), quoted(&service))
        };
        match self.load_balancers.as_slice() {
            [] => String::new(),
            hosts => format!("load_balancers:\n{}", hosts.iter().map(balancer).collect::<String>()),
        }
    }

    /// A topic may have several subscriptions, which are numbered.
    fn pubsub(&self) -> String {
        if self.pushes.is_empty() {
            return String::new();
        }
        let account = quoted(self.accounts().last().map_or("", String::as_str));
        let mut topics: Vec<String> = Vec::new();
        let mut subscriptions = String::new();
        for (number, Push { topic, url }) in (1..).zip(&self.pushes) {
            if !topics.contains(topic) {
                topics.push(topic.clone());
            }
            let lines = [
                format!("    - name: {}\n", quoted(&format!("{topic}-push-{number}"))),
                format!("      topic: {}\n", quoted(topic)),
                format!("      endpoint: {}\n", quoted(url)),
                format!("      service_account: {account}\n"),
            ];
            subscriptions += &lines.concat();
        }
        format!("pubsub:\n  topics: {}\n  subscriptions:\n{subscriptions}", list(&topics))
    }

    fn listen(&self) -> String {
        let ports = [("google_port", self.port), ("vpc_port", self.vpc_port)];
        let given = ports.iter().filter_map(|(name, port)| Some(format!("{name}: {}", (*port)?)));
        let given: Vec<String> = given.collect();
        match given.is_empty() {
            true => String::new(),
            false => format!("listen: {{ {} }}\n", given.join(", ")),
        }
    }

    /// Paths in a configuration count from its folder, which may be another
    /// than the flags' one.
    fn tls(&self) -> String {
        let Some(file) = &self.ca_file else { return String::new() };
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        format!("tls: {{ ca_file: {} }}\n", quoted(&absolute.to_string_lossy()))
    }

    fn accounts(&self) -> Vec<String> {
        let project = self.project.clone().unwrap_or_else(|| Config::demo().project_id);
        or_else(&self.accounts, || Config::usual_accounts(&project))
    }

    fn invokers(&self) -> Vec<String> {
        or_else(&self.invokers, || self.accounts())
    }

    fn service_names(&self) -> Vec<String> {
        let demo = || Config::demo().services.into_iter().map(|it| it.name).collect();
        or_else(&self.services, demo)
    }

    fn regions(&self) -> Vec<String> {
        let demo = || {
            let regions = Config::demo().services.into_iter().flat_map(|it| it.regions);
            regions.map(|region| region.name).collect()
        };
        or_else(&self.regions, demo)
    }

    /// Which flag each part comes from; items of lists with their values.
    fn sources(&self) -> Vec<Source> {
        let mut all = vec![
            Source::of("project.id", "--project"),
            Source::of("project.number", "--project-number"),
            Source::of("services", "--service"),
            Source::of("token_lifetime", "--token-lifetime"),
            Source::of("listen.google_port", "--port"),
            Source::of("listen.vpc_port", "--vpc-port"),
            Source::of("tls.ca_file", "--ca-file"),
        ];
        for place in 0..self.load_balancers.len() {
            all.push(Source::of(format!("load_balancers[{place}]"), "--load-balancer"));
        }
        all.push(Source::of("pubsub", "--push"));
        all.extend(Source::of_each("accounts", "--account", &self.accounts));
        for place in 0..self.service_names().len() {
            let path = |member: &str| format!("services[{place}].{member}");
            for (member, flag, values) in [
                ("regions", "--region", &self.regions),
                ("invokers", "--invoker", &self.invokers),
                ("custom_audiences", "--custom-audience", &self.custom_audiences),
            ] {
                all.extend(Source::of_each(&path(member), flag, values));
            }
            all.push(Source::of(path("backend"), "--backend-protocol"));
            all.push(Source::of(path("backend.address"), "--backend"));
            all.push(Source::of(path("backend.command"), "--"));
        }
        all
    }
}

/// A topic and where its messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Push {
    topic: String,
    url: String,
}

fn push(text: &str) -> Result<Push, String> {
    let both = text.split_once('=').ok_or("expected TOPIC=URL")?;
    Ok(Push { topic: both.0.to_owned(), url: both.1.to_owned() })
}

fn or_else(given: &[String], default: impl FnOnce() -> Vec<String>) -> Vec<String> {
    match given {
        [] => default(),
        given => given.to_vec(),
    }
}

#[cfg(test)]
mod tests;
