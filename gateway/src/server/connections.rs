//! How many connections there are, and when they are to end.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts the connections of a listener.
#[derive(Clone, Default)]
pub(crate) struct Connections(Arc<watch::Sender<usize>>);

/// One connection. Whoever keeps using what was a connection after HTTP is
/// over, as tunnels do, holds a clone: it counts until all are dropped.
#[derive(Clone)]
pub(crate) struct Open(#[expect(dead_code, reason = "it counts when it is dropped")] Arc<One>);

struct One(Connections);

impl Connections {
    pub(crate) fn open(&self) -> Open {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        Open(Arc::new(One(self.clone())))
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there are few enough.
    pub(crate) async fn until(&self, are_few: impl Fn(usize) -> bool) {
        // It fails only when the sender is gone, which is here.
        let _ = self.0.subscribe().wait_for(|count| are_few(*count)).await;
    }
}

/// The connections of a listener that accepts no more.
pub(crate) struct Rest(watch::Sender<bool>);

impl Rest {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Tells a connection when it is to end. It counts as busy for as long as
    /// it holds this.
    pub(super) fn end(&self) -> End {
        End(self.0.subscribe())
    }

    /// Has all end once what is under way is finished, and waits for that.
    pub(crate) async fn finish(self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

/// Held by a connection until its end.
pub(super) struct End(watch::Receiver<bool>);

impl End {
    /// Waits until it is time, as it is also when nobody is there to tell.
    pub(super) async fn is_near(&mut self) {
        let _ = self.0.wait_for(|is_near| *is_near).await;
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
