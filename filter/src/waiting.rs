//! Requests that wait for keys.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use remint_idtoken::Refusal;

use crate::head::RequestHead;

/// How many requests of one worker may wait, and how much memory their headers
/// may take: an outage of the key server must not grow without bound.
const MOST: usize = 1000;
const MOST_BYTES: usize = 4 << 20;

/// A request that waits.
pub(crate) struct Waiting {
    /// The host's number for its stream.
    pub(crate) stream: u32,
    pub(crate) head: RequestHead,
    /// When it came, as time since 1970.
    pub(crate) since: Duration,
    /// When it is refused.
    pub(crate) deadline: Duration,
    /// With what it is refused then.
    pub(crate) refusal: Refusal,
    /// Told when it may pass: its body has to wait with it.
    pub(crate) may_pass: Rc<Cell<bool>>,
}

/// All waiting requests of a worker.
#[derive(Default)]
pub(crate) struct WaitingList {
    all: Vec<Waiting>,
    bytes: usize,
}

impl WaitingList {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a request, or gives it back if there is no room.
    pub(crate) fn push(&mut self, waiting: Waiting) -> Result<(), Waiting> {
        let bytes = self.bytes.saturating_add(waiting.head.size());
        if self.all.len() >= MOST || bytes > MOST_BYTES {
            return Err(waiting);
        }
        self.bytes = bytes;
        self.all.push(waiting);
        Ok(())
    }

    /// Forgets a request whose stream has ended.
    pub(crate) fn forget(&mut self, stream: u32) {
        self.all.retain(|waiting| waiting.stream != stream);
        self.bytes = size_of(&self.all);
    }

    /// Takes all out, to be decided again.
    pub(crate) fn take_all(&mut self) -> Vec<Waiting> {
        self.bytes = 0;
        std::mem::take(&mut self.all)
    }

    /// Takes out those whose time is over. A deadline that is further away
    /// than any can be was set by a clock that has been set back since.
    pub(crate) fn take_overdue(&mut self, now: Duration, longest: Duration) -> Vec<Waiting> {
        let latest = now.saturating_add(longest);
        let is_over = |it: &Waiting| it.deadline <= now || it.deadline > latest;
        let (overdue, rest): (Vec<_>, Vec<_>) = self.take_all().into_iter().partition(is_over);
        self.bytes = size_of(&rest);
        self.all = rest;
        overdue
    }
}

fn size_of(all: &[Waiting]) -> usize {
    all.iter().fold(0, |sum, waiting| sum.saturating_add(waiting.head.size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remint_idtoken::Reason;

    fn waiting(stream: u32, deadline: u64) -> Waiting {
        Waiting {
            stream,
            head: RequestHead::new(Vec::new()),
            since: Duration::ZERO,
            deadline: Duration::from_secs(deadline),
            refusal: Reason::KeysUnavailable.into(),
            may_pass: Rc::default(),
        }
    }

    #[test]
    fn only_those_whose_time_is_over_are_taken_out() {
        let mut list = WaitingList::default();
        for (stream, deadline) in [(1, 10), (2, 20), (3, 30)] {
            assert!(list.push(waiting(stream, deadline)).is_ok());
        }
        list.forget(1);
        let overdue = list.take_overdue(Duration::from_secs(20), Duration::from_secs(60));
        assert_eq!(overdue.iter().map(|it| it.stream).collect::<Vec<_>>(), [2]);
        assert_eq!(list.take_all().len(), 1);
        assert!(list.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_hold_anybody_longer() {
        let mut list = WaitingList::default();
        assert!(list.push(waiting(1, 1000)).is_ok());
        let overdue = list.take_overdue(Duration::from_secs(10), Duration::from_secs(60));
        assert_eq!(overdue.len(), 1);
    }

    #[test]
    fn large_headers_leave_room_for_fewer() {
        let mut list = WaitingList::default();
        let head = || RequestHead::new(vec![("cookie".to_owned(), vec![b'x'; 60_000])]);
        let mut kept = 0;
        while list.push(Waiting { head: head(), ..waiting(kept, 1) }).is_ok() {
            kept += 1;
        }
        assert_eq!(kept, 69);
        list.forget(0);
        assert!(list.push(Waiting { head: head(), ..waiting(0, 1) }).is_ok());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut list = WaitingList::default();
        let kept = (0..2000).filter(|stream| list.push(waiting(*stream, 1)).is_ok()).count();
        assert_eq!(kept, MOST);
    }
}
