//! What senders have from the start, in short.

use std::fmt;

use serde::Serialize;

use super::{Config, Destination, Trigger};

/// Something that a sender has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sending {
    /// What it is, such as `Pub/Sub subscription`.
    pub what: &'static str,
    /// Its name, as the configuration has it.
    pub name: String,
    /// What it calls; a topic, a queue and a subscription that does not push
    /// call nothing by themselves.
    pub to: Option<String>,
}

impl fmt::Display for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, to } = self;
        match to {
            Some(to) => write!(f, "{what} {name} to {to}"),
            None => write!(f, "{what} {name}"),
        }
    }
}

impl Config {
    /// What senders have from the start.
    #[must_use]
    pub fn sending(&self) -> Vec<Sending> {
        let topics = self.pubsub.topics.iter().map(|name| ("Pub/Sub topic", name, None));
        let subscriptions = self.pubsub.subscriptions.iter();
        let subscriptions =
            subscriptions.map(|it| ("Pub/Sub subscription", &it.name, it.endpoint.clone()));
        let triggers = self.eventarc.iter();
        let triggers = triggers.map(|it| ("Eventarc trigger", &it.name, Some(destination(it))));
        let queues = self.tasks.iter().map(|it| ("Cloud Tasks queue", &it.name, None));
        let jobs = self
            .scheduler
            .iter()
            .map(|it| ("Cloud Scheduler job", &it.name, Some(it.target.endpoint.to_string())));
        let all = topics.chain(subscriptions).chain(triggers).chain(queues).chain(jobs);
        all.map(|(what, name, to)| Sending { what, name: name.clone(), to }).collect()
    }
}

fn destination(trigger: &Trigger) -> String {
    match &trigger.destination {
        Destination::CloudRun { service, region, path } => {
            format!("{service} in {region} at {path}")
        }
        Destination::Http { uri } => uri.clone(),
    }
}
