//! The newest calls, in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use tokio::sync::watch;

use super::{Call, Filter, Part, Verdict};
use crate::sync::lock;

/// How many calls are kept; older ones are forgotten.
pub const KEPT: usize = 10_000;

/// A call with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Grows by one with each call, from 1 on, also when calls are forgotten.
    pub id: u64,
    /// The call.
    #[serde(flatten)]
    pub call: Call,
}

/// How far the timeline has come, for those who wait for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The newest call's number, 0 before the first.
    pub(crate) newest: u64,
    /// How often all calls were forgotten on demand.
    pub(crate) clears: u64,
}

/// The newest calls, oldest first.
#[derive(Debug, Default)]
pub struct Timeline {
    entries: Mutex<VecDeque<Entry>>,
    mark: watch::Sender<Mark>,
}

impl Timeline {
    pub(crate) fn add(&self, call: Call) {
        let mut entries = lock(&self.entries);
        if entries.len() >= KEPT {
            entries.pop_front();
        }
        // Within the lock, so that numbers stand in order.
        self.mark.send_modify(|mark| mark.newest = mark.newest.saturating_add(1));
        let id = self.mark.borrow().newest;
        entries.push_back(Entry { id, call });
    }

    /// What front ends have seen, oldest first. The newest [`KEPT`] calls of all
    /// parts are kept.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.select(|call| call.part == Part::FrontEnd)
    }

    /// What all parts have seen and made, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Call> {
        self.select(|_| true)
    }

    /// The kept calls that are like this, oldest first.
    #[must_use]
    pub fn select(&self, like: impl Fn(&Call) -> bool) -> Vec<Call> {
        let entries = lock(&self.entries);
        entries.iter().map(|entry| &entry.call).filter(|call| like(call)).cloned().collect()
    }

    /// The kept calls that a filter lets through, oldest first.
    pub(crate) fn entries(&self, filter: &Filter) -> Vec<Entry> {
        filter.newest(lock(&self.entries).iter())
    }

    /// The oldest calls after the one of that number that a filter lets through,
    /// at most `most`, and the number up to which there are no others.
    pub(crate) fn next(&self, after: u64, filter: &Filter, most: usize) -> (Vec<Entry>, u64) {
        let entries = lock(&self.entries);
        let start = entries.partition_point(|entry| entry.id <= after);
        let found = entries.range(start..).filter(|entry| filter.lets_through(entry));
        let found: Vec<_> = found.take(most).cloned().collect();
        let looked_at = match found.last() {
            Some(last) if found.len() >= most => last.id,
            _ => self.mark.borrow().newest,
        };
        (found, looked_at)
    }

    /// Wakes whoever waits for further calls.
    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// How far it has come.
    pub(crate) fn mark(&self) -> Mark {
        *self.mark.borrow()
    }

    /// How many of the kept calls that front ends have seen are like this.
    #[must_use]
    pub fn count(&self, like: impl Fn(&Call) -> bool) -> usize {
        let entries = lock(&self.entries);
        let calls = entries.iter().map(|entry| &entry.call);
        calls.filter(|call| call.part == Part::FrontEnd && like(call)).count()
    }

    /// Looks at all kept calls, oldest first.
    pub(crate) fn each(&self, look: impl FnMut(&Call)) {
        lock(&self.entries).iter().map(|entry| &entry.call).for_each(look);
    }

    /// How many calls a region has accepted.
    #[must_use]
    pub fn accepted(&self, region: &str) -> usize {
        self.count(|call| call.region == region && call.verdict == Verdict::Accepted)
    }

    /// How many calls a region has refused.
    #[must_use]
    pub fn refused(&self, region: &str) -> usize {
        let is_refusal = |call: &Call| matches!(call.verdict, Verdict::Refused { .. });
        self.count(|call| call.region == region && is_refusal(call))
    }

    /// Forgets all calls. Later ones have higher numbers still.
    pub fn clear(&self) {
        let mut entries: MutexGuard<'_, _> = lock(&self.entries);
        entries.clear();
        self.mark.send_modify(|mark| mark.clears = mark.clears.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::tests::{REFUSED, call};

    fn ids(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn calls_are_counted_by_region_and_verdict() {
        let timeline = Timeline::default();
        for (region, verdict) in
            [("a", Verdict::Accepted), ("a", REFUSED), ("b", Verdict::Accepted)]
        {
            timeline.add(call(region, verdict));
        }
        assert_eq!((timeline.accepted("a"), timeline.refused("a")), (1, 1));
        assert_eq!((timeline.accepted("b"), timeline.refused("b")), (1, 0));
        timeline.clear();
        assert!(timeline.calls().is_empty());
    }

    #[test]
    fn the_oldest_calls_are_forgotten_first() {
        let timeline = Timeline::default();
        timeline.add(call("first", REFUSED));
        for _ in 0..KEPT {
            timeline.add(call("later", REFUSED));
        }
        assert_eq!(timeline.calls().len(), KEPT);
        assert_eq!(timeline.refused("first"), 0);
    }

    #[test]
    fn numbers_grow_also_over_a_clearing() {
        let timeline = Timeline::default();
        timeline.add(call("a", REFUSED));
        timeline.clear();
        timeline.add(call("b", REFUSED));
        assert_eq!(ids(&timeline.entries(&Filter::default())), [2]);
        assert_eq!(timeline.mark(), Mark { newest: 2, clears: 1 });
    }

    #[test]
    fn further_calls_come_in_portions_and_none_is_left_out() {
        let timeline = Timeline::default();
        for region in ["a", "b", "a", "a", "b"] {
            timeline.add(call(region, REFUSED));
        }
        let filter = Filter { region: Some("a".into()), ..Filter::default() };
        let (first, at) = timeline.next(0, &filter, 2);
        assert_eq!((ids(&first), at), (vec![1, 3], 3));
        let (second, at) = timeline.next(at, &filter, 2);
        assert_eq!((ids(&second), at), (vec![4], 5));
        assert_eq!(timeline.next(at, &filter, 2), (Vec::new(), 5));
    }

    #[tokio::test]
    async fn who_waits_for_calls_is_woken() {
        let timeline = Timeline::default();
        let mut watch = timeline.watch();
        timeline.add(call("a", REFUSED));
        watch.changed().await.unwrap();
        assert_eq!(watch.borrow_and_update().newest, 1);
    }
}
