//! A subscription and the task that delivers its messages.

use std::sync::{Arc, Mutex, Weak};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::Subscription;
use http::Method;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::Status;

use super::Message;
use super::backlog::{Backlog, Held};
use super::broker::Broker;
use super::counters::{Counters, Deliveries};
use super::lanes::Lanes;
use super::message::{Form, Published};
use super::names::Collection;
use super::settings::{DeadLetter, Settings, complete};
use super::target::Target;
use crate::attempt::Attempt;
use crate::config::Agent;
use crate::redact::shown;
use crate::senders::Senders;
use crate::sync::lock;
use crate::timeline::{Call, Part, Verdict};

/// How many messages of a subscription are under way at once. Pub/Sub begins
/// with few and learns how many an endpoint takes ("slow start"); this is fixed.
const OUTSTANDING: usize = 100;

/// A subscription. Its task, and whatever is under way, ends with it.
pub(super) struct Queue {
    resource: Mutex<Subscription>,
    form: Option<Form>,
    senders: Arc<Senders>,
    settings: watch::Sender<Arc<Settings>>,
    messages: mpsc::UnboundedSender<(Published, Held)>,
    backlog: Backlog,
    counters: Arc<watch::Sender<Counters>>,
}

impl Queue {
    /// Starts its task. `form` is what messages are sent as whatever the
    /// resource says.
    pub(super) fn start(
        resource: Subscription,
        form: Option<Form>,
        senders: &Arc<Senders>,
        broker: Weak<Broker>,
    ) -> Result<Self, Status> {
        let settings = Settings::of(&resource, senders, form.as_ref())?;
        let (settings, changes) = watch::channel(Arc::new(settings));
        let (messages, published) = mpsc::unbounded_channel();
        let counters = Arc::new(watch::Sender::new(Counters::default()));
        let worker = Worker {
            name: resource.name.clone(),
            broker,
            senders: Arc::clone(senders),
            settings: changes,
            counters: Arc::clone(&counters),
            slots: Semaphore::new(OUTSTANDING),
        };
        tokio::spawn(Arc::new(worker).run(published));
        let (resource, backlog) = (Mutex::new(resource), Backlog::default());
        Ok(Self {
            resource,
            form,
            senders: Arc::clone(senders),
            settings,
            messages,
            backlog,
            counters,
        })
    }

    pub(super) fn resource(&self) -> Subscription {
        lock(&self.resource).clone()
    }

    pub(super) fn is_of(&self, topic: &str) -> bool {
        lock(&self.resource).topic == topic
    }

    /// Changes the resource, unless it would be one that can't be.
    pub(super) fn update(
        &self,
        change: impl FnOnce(&mut Subscription) -> Result<(), Status>,
    ) -> Result<Subscription, Status> {
        let mut resource = lock(&self.resource);
        let mut changed = resource.clone();
        change(&mut changed)?;
        complete(&mut changed);
        let settings = Settings::of(&changed, &self.senders, self.form.as_ref())?;
        self.settings.send_replace(Arc::new(settings));
        changed.clone_into(&mut resource);
        Ok(changed)
    }

    /// Only the resource tells of the topic; its messages stay.
    pub(super) fn lose_topic(&self, name: &str) {
        name.clone_into(&mut lock(&self.resource).topic);
    }

    /// Room for messages that are to be added; None if it keeps too many already.
    pub(super) fn room(&self, messages: &[Message]) -> Option<Held> {
        self.backlog.hold(messages)
    }

    /// `held` is the room that the message takes.
    pub(super) fn add(&self, message: Message, id: &str, held: Held) {
        let subscription = lock(&self.resource).name.clone();
        let at = self.senders.issuer.now();
        let published = Published { message, id: id.to_owned(), at, subscription, attempt: None };
        self.counters.send_modify(Counters::publish);
        // Refused only when the task has ended, which it does with this.
        let _ = self.messages.send((published, held));
    }

    pub(super) fn deliveries(&self) -> Deliveries {
        Deliveries::new(self.counters.subscribe())
    }
}

struct Worker {
    name: String,
    broker: Weak<Broker>,
    senders: Arc<Senders>,
    settings: watch::Receiver<Arc<Settings>>,
    counters: Arc<watch::Sender<Counters>>,
    slots: Semaphore,
}

/// What becomes of a message after an attempt.
enum Next {
    End,
    Retry { sent: bool },
}

impl Worker {
    /// Ends, with all deliveries, when the subscription is gone.
    async fn run(self: Arc<Self>, mut messages: mpsc::UnboundedReceiver<(Published, Held)>) {
        let mut under_way = JoinSet::new();
        let mut lanes = Lanes::default();
        loop {
            tokio::select! {
                message = messages.recv() => {
                    let Some((message, held)) = message else { return };
                    let is_ordered = self.settings.borrow().ordered;
                    let key = Some(&message.message.ordering_key);
                    let turn = lanes.turn(key.filter(|key| is_ordered && !key.is_empty()));
                    let worker = Arc::clone(&self);
                    under_way.spawn(async move {
                        let _turn = turn.begin().await;
                        worker.deliver(message).await;
                        drop(held);
                    });
                }
                Some(_) = under_way.join_next() => {}
            }
        }
    }

    async fn deliver(&self, mut message: Published) {
        let mut settings = self.settings.clone();
        let (mut failures, mut sent) = (0_u32, 0_u32);
        loop {
            let current = Arc::clone(&settings.borrow_and_update());
            let left =
                current.retention.saturating_sub(self.senders.issuer.now().since(message.at));
            if left.is_zero() {
                return self.drop_expired(&message, &current);
            }
            let Some(target) = &current.target else {
                tokio::select! {
                    changed = settings.changed() => if changed.is_err() { return },
                    () = sleep(left) => {}
                }
                continue;
            };
            message.attempt = current.dead_letter.as_ref().map(|_| sent.saturating_add(1));
            match self.attempt(&current, target, &message, sent.saturating_add(1)).await {
                Next::End => return,
                Next::Retry { sent: was_sent } => {
                    failures = failures.saturating_add(1);
                    sent = sent.saturating_add(u32::from(was_sent));
                }
            }
            sleep(current.backoff(failures).min(left)).await;
        }
    }

    async fn attempt(
        &self,
        settings: &Settings,
        target: &Target,
        message: &Published,
        number: u32,
    ) -> Next {
        let attempt = {
            // A message that waits for its next attempt makes room for others.
            let _slot = self.slots.acquire().await;
            target.push(message, settings.ack_deadline).await
        };
        let is_sent = !matches!(attempt, Attempt::NotSent(_));
        if attempt.is_ack() {
            self.counters.send_modify(Counters::deliver);
            return Next::End;
        }
        self.counters.send_modify(Counters::fail);
        match &settings.dead_letter {
            // What is not sent is no delivery that the endpoint failed.
            Some(dead) if is_sent && number >= dead.attempts => {
                match self.bury(dead, message, number) {
                    true => Next::End,
                    false => Next::Retry { sent: true },
                }
            }
            _ => Next::Retry { sent: is_sent },
        }
    }

    /// Sends the message to the dead-letter topic. If there is none, it is tried
    /// further, as Pub/Sub does when it can't publish there.
    fn bury(&self, dead: &DeadLetter, message: &Published, attempts: u32) -> bool {
        let Some(broker) = self.broker.upgrade() else {
            return false;
        };
        let moved = self.dead_letter(message, attempts);
        match broker.publish_to(&dead.topic, vec![moved]) {
            Ok(_) => {
                let note = format!(
                    "message {}: sent to {} after {attempts} attempts",
                    message.id, dead.topic
                );
                self.tell(Verdict::Accepted, &note);
                self.counters.send_modify(Counters::bury);
                true
            }
            Err(status) => {
                let note = format!(
                    "message {}: not sent to {}: {}",
                    message.id,
                    dead.topic,
                    status.message()
                );
                self.tell(Verdict::NotSent, &note);
                false
            }
        }
    }

    /// The message with the attributes that tell where it comes from (Pub/Sub,
    /// "Dead-letter topics").
    fn dead_letter(&self, message: &Published, attempts: u32) -> Message {
        let parsed = Collection::Subscriptions.parse(&self.name);
        let (project, name) = parsed.unwrap_or_default();
        let at = message.at.to_string();
        let at = format!("{}.000+00:00", at.trim_end_matches('Z'));
        let prefix = "CloudPubSubDeadLetterSource";
        message
            .message
            .clone()
            .with(format!("{prefix}DeliveryCount"), attempts.to_string())
            .with(format!("{prefix}Subscription"), name)
            .with(format!("{prefix}SubscriptionProject"), project)
            .with(format!("{prefix}TopicPublishTime"), at)
    }

    fn drop_expired(&self, message: &Published, settings: &Settings) {
        let (id, kept) = (&message.id, settings.retention.as_secs());
        let note = format!("message {id}: dropped, nobody took it in the {kept} s that it is kept");
        self.tell(Verdict::NotSent, &note);
        self.counters.send_modify(Counters::expire);
    }

    fn tell(&self, verdict: Verdict, note: &str) {
        self.senders.timeline.add(Call {
            at: self.senders.issuer.now(),
            part: Part::Sender(Agent::PubSub),
            service: shown(&self.name),
            region: String::new(),
            method: Method::POST.to_string(),
            path: String::new(),
            host: None,
            audience: None,
            caller: None,
            origin: None,
            verdict,
            note: Some(shown(note)),
            request_id: None,
        });
    }
}
