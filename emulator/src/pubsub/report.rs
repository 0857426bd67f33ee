//! What became of pushed messages.

use std::collections::BTreeMap;

use super::Attempt;

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message's id.
    pub message_id: String,
    /// All attempts, in their order.
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// Whether the endpoint acknowledged it.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.attempts.last().is_some_and(Attempt::is_ack)
    }
}

/// What became of all messages of one push, in the order of publishing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushReport {
    /// One entry per message.
    pub deliveries: Vec<Delivery>,
}

impl PushReport {
    /// How many messages were delivered.
    #[must_use]
    pub fn delivered(&self) -> usize {
        let delivered = self.deliveries.iter().filter(|it| it.is_delivered());
        delivered.count()
    }

    /// Whether all messages were delivered.
    #[must_use]
    pub fn all_delivered(&self) -> bool {
        self.deliveries.iter().all(Delivery::is_delivered)
    }

    /// How many attempts ended with each status; without an answer, 0.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        tally(self.deliveries.iter().flat_map(|it| &it.attempts))
    }

    /// The same for the first attempts alone: what callers see who do not
    /// retry.
    #[must_use]
    pub fn first_statuses(&self) -> BTreeMap<u16, usize> {
        tally(self.deliveries.iter().filter_map(|it| it.attempts.first()))
    }
}

fn tally<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for attempt in attempts {
        let count: &mut usize = counts.entry(attempt.status().unwrap_or(0)).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_tallied_by_status() {
        let delivery = |statuses: &[u16]| Delivery {
            message_id: String::new(),
            attempts: statuses.iter().map(|it| Attempt::Answered(*it)).collect(),
        };
        let report = PushReport {
            deliveries: vec![delivery(&[401, 200]), delivery(&[200]), delivery(&[401])],
        };
        assert_eq!(report.statuses(), BTreeMap::from([(200, 2), (401, 2)]));
        assert_eq!(report.first_statuses(), BTreeMap::from([(200, 1), (401, 2)]));
        assert_eq!((report.delivered(), report.all_delivered()), (2, false));
    }
}
