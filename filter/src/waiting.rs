//! Requests that wait for keys.

use std::time::Duration;

use remint_idtoken::Refusal;

use crate::head::RequestHead;

/// How many requests of one worker may wait. Each holds its headers, so an
/// outage of the key server must not grow without bound.
const MOST: usize = 1000;

/// A request that waits.
pub(crate) struct Waiting {
    /// The host's number for its stream.
    pub(crate) stream: u32,
    pub(crate) head: RequestHead,
    /// When it is refused, as time since 1970.
    pub(crate) deadline: Duration,
    /// With what it is refused then.
    pub(crate) refusal: Refusal,
}

/// All waiting requests of a worker.
#[derive(Default)]
pub(crate) struct WaitingList(Vec<Waiting>);

impl WaitingList {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a request, or gives it back if too many wait already.
    pub(crate) fn push(&mut self, waiting: Waiting) -> Result<(), Waiting> {
        if self.0.len() >= MOST {
            return Err(waiting);
        }
        self.0.push(waiting);
        Ok(())
    }

    /// Forgets a request whose stream has ended.
    pub(crate) fn forget(&mut self, stream: u32) {
        self.0.retain(|waiting| waiting.stream != stream);
    }

    /// Takes all out, to be decided again.
    pub(crate) fn take_all(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.0)
    }

    /// Takes out those whose time is over.
    pub(crate) fn take_overdue(&mut self, now: Duration) -> Vec<Waiting> {
        let (overdue, rest) = self.take_all().into_iter().partition(|it| it.deadline <= now);
        self.0 = rest;
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remint_idtoken::Reason;

    fn waiting(stream: u32, deadline: u64) -> Waiting {
        Waiting {
            stream,
            head: RequestHead::new(Vec::new()),
            deadline: Duration::from_secs(deadline),
            refusal: Reason::KeysUnavailable.into(),
        }
    }

    #[test]
    fn only_those_whose_time_is_over_are_taken_out() {
        let mut list = WaitingList::default();
        for (stream, deadline) in [(1, 10), (2, 20), (3, 30)] {
            assert!(list.push(waiting(stream, deadline)).is_ok());
        }
        list.forget(1);
        let overdue = list.take_overdue(Duration::from_secs(20));
        assert_eq!(overdue.iter().map(|it| it.stream).collect::<Vec<_>>(), [2]);
        assert_eq!(list.take_all().len(), 1);
        assert!(list.is_empty());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut list = WaitingList::default();
        let kept = (0..2000).filter(|stream| list.push(waiting(*stream, 1)).is_ok()).count();
        assert_eq!(kept, MOST);
    }
}
