//! How much of a subscription's messages is kept.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Message;

/// How many bytes a subscription keeps. Pub/Sub keeps what is not acknowledged for
/// as long as its retention says, and has no such bound: this one keeps a
/// subscription that nobody takes anything of from filling the memory.
const MOST: usize = 256 << 20;

/// What a message takes beside its payload and attributes: its task.
const EACH: usize = 2048;

/// The room that a subscription has.
pub(super) struct Backlog(Arc<Semaphore>);

/// Room that is taken until the last part of this is gone.
pub(super) type Held = Arc<OwnedSemaphorePermit>;

impl Default for Backlog {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Backlog {
    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Room for these messages, which are published together; None if there is no
    /// more.
    pub(super) fn hold(&self, messages: &[Message]) -> Option<Held> {
        let bytes = messages.iter().map(size).fold(0, usize::saturating_add);
        let permit = Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(bytes).ok()?);
        permit.ok().map(Arc::new)
    }
}

fn size(message: &Message) -> usize {
    let attributes =
        message.attributes.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    attributes.fold(EACH.saturating_add(message.data.len()), usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_what_was_held_is_gone() {
        let backlog = Backlog::of(3 * EACH);
        let messages = ["a", "b"].map(Message::from);
        let held = backlog.hold(&messages).unwrap();
        assert!(backlog.hold(&messages).is_none());
        assert!(backlog.hold(&[Message::default()]).is_none(), "payloads count too");
        let part = Arc::clone(&held);
        drop(held);
        assert!(backlog.hold(&messages).is_none(), "one message is still there");
        drop(part);
        assert!(backlog.hold(&messages).is_some());
    }
}
