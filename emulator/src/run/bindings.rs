//! Who may invoke a service, and how long it takes until everybody knows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remint_idtoken::{Claims, UnixTime};

use super::members::Members;
use crate::issuer::Issuer;
use crate::sync::lock;

/// After how many quarters of the propagation time each of four front ends
/// knows a change. Calls go to them in turn, and no neighbours in time, so that
/// answers alternate.
const LEARNS_AFTER_QUARTERS: [u32; 4] = [2, 4, 1, 3];

/// What can be changed of the check while it runs.
///
/// "Changes to allow or deny policies typically propagate in 2 minutes, but
/// could potentially take 7 minutes or longer", and meanwhile both the old and
/// the new state may be met with
/// (<https://cloud.google.com/iam/docs/access-change-propagation>).
pub(crate) struct Bindings {
    issuer: Arc<Issuer>,
    propagation: Duration,
    invokers: Mutex<Invokers>,
    /// Tokens that were issued earlier are not believed.
    believed_from: AtomicU64,
}

/// The invokers that all front ends know, and the changes that they learn of.
#[derive(Debug)]
struct Invokers {
    settled: Arc<Members>,
    changes: VecDeque<Change>,
    /// How many calls have come.
    calls: u64,
}

#[derive(Debug)]
struct Change {
    at: UnixTime,
    members: Arc<Members>,
}

/// What one call meets with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The invokers that its front end knows.
    pub(super) members: Arc<Members>,
    /// Those that others know.
    pub(super) others: Vec<Arc<Members>>,
    /// When all know the last change, if not all do now.
    pub(super) settled_at: Option<UnixTime>,
}

impl Bindings {
    pub(super) fn new<'m>(
        issuer: Arc<Issuer>,
        propagation: Duration,
        invokers: impl IntoIterator<Item = &'m str>,
    ) -> Self {
        let settled = Arc::new(Members::new(invokers));
        let invokers = Mutex::new(Invokers { settled, changes: VecDeque::new(), calls: 0 });
        Self { issuer, propagation, invokers, believed_from: AtomicU64::new(0) }
    }

    pub(crate) fn set_invokers<'m>(&self, members: impl IntoIterator<Item = &'m str>) {
        let members = Arc::new(Members::new(members));
        let at = self.issuer.now();
        lock(&self.invokers).changes.push_back(Change { at, members });
    }

    pub(crate) fn believe_from(&self, at: UnixTime) {
        self.believed_from.store(at.0, Ordering::SeqCst);
    }

    pub(crate) fn believed_from(&self) -> UnixTime {
        UnixTime(self.believed_from.load(Ordering::SeqCst))
    }

    pub(super) fn believes(&self, claims: &Claims) -> bool {
        let from = self.believed_from.load(Ordering::SeqCst);
        claims.issued_at.is_some_and(|at| at.0 >= from)
    }

    /// Who may call once all front ends know of it, as IAM writes members.
    pub(crate) fn invokers(&self) -> Vec<String> {
        let invokers = lock(&self.invokers);
        let newest = invokers.changes.back().map_or(&invokers.settled, |it| &it.members);
        newest.shown()
    }

    /// What the next call meets with.
    pub(super) fn view(&self) -> View {
        lock(&self.invokers).view(self.issuer.now(), self.propagation)
    }
}

impl Invokers {
    fn view(&mut self, now: UnixTime, propagation: Duration) -> View {
        let call = self.calls;
        self.calls = call.wrapping_add(1);
        while let Some(change) = self.changes.pop_front_if(|it| now.since(it.at) >= propagation) {
            self.settled = change.members;
        }
        let learns_after = learns_after(call, propagation);
        let knows = |change: &&Change| now.since(change.at) >= learns_after;
        let known = self.changes.iter().rev().find(knows).map(|change| &change.members);
        let members = Arc::clone(known.unwrap_or(&self.settled));
        let all = [&self.settled].into_iter().chain(self.changes.iter().map(|it| &it.members));
        View {
            others: all.filter(|it| !Arc::ptr_eq(it, &members)).map(Arc::clone).collect(),
            members,
            settled_at: self.changes.back().map(|it| it.at.plus(propagation)),
        }
    }
}

/// How long after a change the front end of that call knows it.
fn learns_after(call: u64, propagation: Duration) -> Duration {
    let turn = usize::try_from(call % 4).unwrap_or_default();
    let quarters = LEARNS_AFTER_QUARTERS.get(turn).copied().unwrap_or(4);
    propagation.saturating_mul(quarters).checked_div(4).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixTime = UnixTime(1000);
    const PROPAGATION: Duration = Duration::from_secs(120);

    fn changed(from: &str, to: &[&str]) -> Invokers {
        let members = |name: &str| Arc::new(Members::new([name]));
        let changes = to.iter().map(|to| Change { at: AT, members: members(to) }).collect();
        Invokers { settled: members(from), changes, calls: 0 }
    }

    /// Whether each of the next eight calls meets with `new`.
    fn new_ones(invokers: &mut Invokers, seconds: u64, new: &str) -> Vec<bool> {
        let now = AT.plus(Duration::from_secs(seconds));
        let new = Members::new([new]);
        (0..8).map(|_| *invokers.view(now, PROPAGATION).members == new).collect()
    }

    #[test]
    fn a_change_spreads_from_nobody_to_everybody() {
        for (seconds, knowing) in [(0, 0), (29, 0), (30, 2), (60, 4), (90, 6), (119, 6), (120, 8)] {
            let mut invokers = changed("old", &["new"]);
            let found = new_ones(&mut invokers, seconds, "new");
            assert_eq!(found.iter().filter(|it| **it).count(), knowing, "{seconds}");
        }
    }

    #[test]
    fn half_way_the_answers_alternate_and_are_the_same_each_time() {
        let found = || new_ones(&mut changed("old", &["new"]), 60, "new");
        assert_eq!(found(), [true, false, true, false, true, false, true, false]);
        assert_eq!(found(), found());
    }

    #[test]
    fn the_last_of_several_changes_counts_in_the_end() {
        let mut invokers = changed("old", &["first", "second"]);
        let view = invokers.view(AT, PROPAGATION);
        assert_eq!((view.others.len(), view.settled_at), (2, Some(AT.plus(PROPAGATION))));
        assert_eq!(new_ones(&mut invokers, 120, "second"), [true; 8]);
        let view = invokers.view(AT.plus(PROPAGATION), PROPAGATION);
        assert_eq!((view.others.len(), view.settled_at), (0, None));
    }

    #[test]
    fn without_a_propagation_time_a_change_counts_at_once() {
        let mut invokers = changed("old", &["new"]);
        let view = invokers.view(AT, Duration::ZERO);
        assert_eq!((&*view.members, view.settled_at), (&Members::new(["new"]), None));
    }
}
