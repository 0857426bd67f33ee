//! A deployment as it should be, and what is changed of it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remint_emulator::scheduler::JobConfig;
use remint_emulator::tasks::{HttpOverrides, QueueConfig};
use remint_emulator::{Config as Google, Emulator, Subscription};
use remint_emulator::{HttpTarget, OidcToken};
use remint_gateway::clock::SystemClock;
use remint_gateway::config::{Config, Environment};
use remint_gateway::doctor::{Level, Options, Report, examine};
use remint_kept::{keep, source};

use crate::kept;

pub(crate) const US: &str = "https://orders-123456789012.us-central1.run.app";
pub(crate) const EU: &str = "https://orders-123456789012.europe-west1.run.app";
pub(crate) const AUDIENCE: &str = "https://orders.example.com";
pub(crate) const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
pub(crate) const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";
pub(crate) const CRON: &str = "cron@demo-project.iam.gserviceaccount.com";
pub(crate) const TASKS: &str = "tasks@demo-project.iam.gserviceaccount.com";

/// A folder that is gone when the test is.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("doctor-{}-{count}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Google, set up right.
pub(crate) fn google() -> Google {
    let mut google = Google::demo();
    google.accounts = [GATEWAY, PUSHER, CRON, TASKS].map(str::to_owned).to_vec();
    google.services[0].invokers = vec![GATEWAY.to_owned()];
    google.pubsub.topics = vec!["orders".to_owned()];
    google.pubsub.subscriptions = vec![Subscription {
        audience: Some(AUDIENCE.to_owned()),
        ..Subscription::new("push", "orders").pushing("https://orders.example.com/push", PUSHER)
    }];
    let oidc = |account: &str| OidcToken {
        account: account.to_owned(),
        audience: Some(AUDIENCE.to_owned()),
    };
    let mut target = HttpTarget::new("https://orders.example.com/cron".parse().unwrap());
    target.oidc = Some(oidc(CRON));
    google.scheduler = vec![JobConfig::new("nightly", "us-central1", "0 3 * * *", target)];
    let mut queue = QueueConfig::new("work", "europe-west1");
    queue.http = HttpOverrides {
        host: Some("orders.example.com".to_owned()),
        path: Some("/tasks".to_owned()),
        oidc: Some(oidc(TASKS)),
        ..HttpOverrides::default()
    };
    google.tasks = vec![queue];
    google
}

/// The configuration that is right for it.
pub(crate) fn configuration(emulator: &Emulator) -> String {
    let google = emulator.google_addr();
    let mut connect_to = String::new();
    let apis = [
        "run",
        "pubsub",
        "cloudtasks",
        "cloudscheduler",
        "iam",
        "iamcredentials",
        "cloudresourcemanager",
        "www",
        "compute",
        "iap",
    ];
    for name in apis {
        let _ = writeln!(connect_to, "    \"{name}.googleapis.com:443\": \"{google}\"");
    }
    let _ = writeln!(connect_to, "    \"www.gstatic.com:443\": \"{google}\"");
    for region in emulator.regions() {
        for url in [region.url(), region.hash_url()] {
            let host = url.trim_start_matches("https://");
            let _ = writeln!(connect_to, "    \"{host}:443\": \"{}\"", region.addr());
        }
    }
    format!(
        r#"
listen: 127.0.0.1:0
admin: 127.0.0.1:0
policy:
  rules:
    - name: push
      match: {{ hosts: [orders.example.com], paths: [{{ prefix: /push }}], methods: [POST] }}
      audiences: ["{AUDIENCE}"]
      callers: {{ emails: ["{PUSHER}"] }}
    - name: cron
      match: {{ hosts: [orders.example.com], paths: [{{ exact: /cron }}], methods: [POST] }}
      audiences: ["{AUDIENCE}"]
      callers: {{ emails: ["{CRON}"] }}
    - name: tasks
      match: {{ hosts: [orders.example.com], paths: [{{ exact: /tasks }}], methods: [POST] }}
      audiences: ["{AUDIENCE}"]
      callers: {{ emails: ["{TASKS}"] }}
identity: {{ metadata: {{ host: "{google}" }} }}
services:
  - name: orders
    rules:
      - {{ rule: push, sender: pubsub }}
      - {{ rule: cron, sender: scheduler }}
      - {{ rule: tasks, sender: tasks }}
    regions:
      - {{ name: us-central1, url: "{US}" }}
      - {{ name: europe-west1, url: "{EU}" }}
upstream:
  ca_file: ca.pem
  connect_to:
{connect_to}
"#
    )
}

/// What is made of a configuration.
type Rewrite = dyn FnOnce(String, &Emulator) -> String + Send;

/// A deployment in which one thing is wrong, and what is to be said of it.
pub(crate) struct Case {
    name: &'static str,
    google: Box<dyn FnOnce(&mut Google) + Send>,
    after: Box<dyn FnOnce(&Emulator) + Send>,
    text: Box<Rewrite>,
    options: Box<dyn FnOnce(&mut Options) + Send>,
}

impl Case {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            google: Box::new(|_| {}),
            after: Box::new(|_| {}),
            text: Box::new(|text, _| text),
            options: Box::new(|_| {}),
        }
    }

    /// Google is set up differently, after what was said before.
    pub(crate) fn google(self, change: impl FnOnce(&mut Google) + Send + 'static) -> Self {
        let before = self.google;
        let google = Box::new(move |google: &mut Google| {
            before(google);
            change(google);
        });
        Self { google, ..self }
    }

    /// Something happens while it runs.
    pub(crate) fn after(self, change: impl FnOnce(&Emulator) + Send + 'static) -> Self {
        Self { after: Box::new(change), ..self }
    }

    /// The configuration says `to` instead of `from`.
    pub(crate) fn says(self, from: &'static str, to: &'static str) -> Self {
        self.text(move |text, _| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        })
    }

    pub(crate) fn text(
        self,
        change: impl FnOnce(String, &Emulator) -> String + Send + 'static,
    ) -> Self {
        let before = self.text;
        let text =
            Box::new(move |text, emulator: &Emulator| change(before(text, emulator), emulator));
        Self { text, ..self }
    }

    pub(crate) fn options(self, change: impl FnOnce(&mut Options) + Send + 'static) -> Self {
        Self { options: Box::new(change), ..self }
    }

    pub(crate) async fn report(self) -> Report {
        kept::log();
        let mut google = google();
        (self.google)(&mut google);
        let emulator = Emulator::start(google).await.unwrap();
        (self.after)(&emulator);
        let text = (self.text)(configuration(&emulator), &emulator);
        let folder = Folder::new();
        std::fs::write(folder.0.join("ca.pem"), emulator.ca_pem()).unwrap();
        let config = Config::read(&text, &folder.0, &Environment::default())
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", self.name));
        let mut options = Options::default();
        (self.options)(&mut options);
        let report = examine(&config, &options, Arc::new(SystemClock)).await.unwrap();
        keep(source::DOCTOR, format!("{report}\n{report:?}"));
        report
    }

    /// This is the only thing that is red, with its check, reason, subject and
    /// command.
    pub(crate) async fn turns_red(self, [check, reason, subject, command]: [&str; 4]) {
        let name = self.name;
        let report = self.report().await;
        let red: Vec<_> = report.findings.iter().filter(|it| it.level() == Level::Red).collect();
        assert_eq!(red.len(), 1, "{name}:\n{report}");
        let found = red[0];
        let code = found.reason.map_or("", |reason| reason.code());
        assert_eq!((found.check.entry().code, code), (check, reason), "{name}:\n{report}");
        assert_eq!(found.subject, subject, "{name}:\n{report}");
        assert_eq!(found.command.as_deref(), Some(command), "{name}:\n{report}");
    }

    /// Nothing is red, and this is amber.
    pub(crate) async fn turns_amber(self, [check, subject, command]: [&str; 3]) {
        let name = self.name;
        let report = self.report().await;
        assert_eq!(report.level(), Level::Amber, "{name}:\n{report}");
        let is_it = |it: &&remint_gateway::doctor::Finding| {
            it.check.entry().code == check && it.subject == subject
        };
        let found = report.findings.iter().find(is_it);
        let found = found.unwrap_or_else(|| panic!("{name}:\n{report}"));
        assert_eq!(found.command.as_deref().unwrap_or_default(), command, "{name}:\n{report}");
    }
}

pub(crate) fn subscription(
    change: impl FnOnce(&mut Subscription) + Send + 'static,
) -> impl FnOnce(&mut Google) + Send {
    move |google| change(&mut google.pubsub.subscriptions[0])
}

pub(crate) fn job(
    change: impl FnOnce(&mut JobConfig) + Send + 'static,
) -> impl FnOnce(&mut Google) + Send {
    move |google| change(&mut google.scheduler[0])
}

pub(crate) fn queue(
    change: impl FnOnce(&mut HttpOverrides) + Send + 'static,
) -> impl FnOnce(&mut Google) + Send {
    move |google| change(&mut google.tasks[0].http)
}

/// Some seconds.
pub(crate) fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
