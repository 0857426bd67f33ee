//! Between those who need something fresh and the one task that fetches it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use remint_idtoken::UnixTime;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

/// A task looks at the time of day at least this often: it may jump.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// Wakes the one task that keeps something fresh, and tells those who wait
/// for it when that task has finished an attempt. One task means one fetch at
/// a time, however many wait.
pub(crate) struct Doorbell {
    ring: Notify,
    news: Arc<News>,
}

/// Where ends of attempts are announced; several doorbells may share it.
#[derive(Default)]
pub(crate) struct News(watch::Sender<()>);

impl News {
    /// Attempts that end from now on.
    pub(crate) fn watch(&self) -> Attempts {
        Attempts(self.0.subscribe())
    }
}

impl Doorbell {
    pub(crate) fn new(news: Arc<News>) -> Self {
        let ring = Notify::new();
        Self { ring, news }
    }

    /// Has the task look at once whether there is something to do.
    pub(crate) fn ring(&self) {
        self.ring.notify_one();
    }

    /// For the task: an attempt has ended, well or not.
    pub(crate) fn attempt_ended(&self) {
        self.news.0.send_replace(());
    }

    /// For the task: waits for the ring, at most until `due`.
    pub(crate) async fn nap(&self, now: UnixTime, due: UnixTime) {
        let nap = due.since(now).min(LONGEST_NAP);
        tokio::select! {
            () = self.ring.notified() => {}
            () = sleep(nap) => {}
        }
    }
}

/// Attempts, as they end.
pub(crate) struct Attempts(watch::Receiver<()>);

impl Attempts {
    /// Waits for the end of the next one, at most until `deadline`. False if
    /// it did not come.
    pub(crate) async fn next_end(&mut self, deadline: Instant) -> bool {
        matches!(timeout_at(deadline, self.0.changed()).await, Ok(Ok(())))
    }
}

/// Stops a task when its owner goes.
pub(crate) struct Task(tokio::task::JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
