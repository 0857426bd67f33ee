//! How many requests of a rule look like whose.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use remint_idtoken::Sender;

/// Counts requests by the sender that they look like, refused ones too. A guess
/// decides nothing: it is for people who want to see what flows.
#[derive(Debug, Default)]
pub(crate) struct SenderCounts {
    known: [AtomicU64; Sender::ALL.len()],
    others: AtomicU64,
}

impl SenderCounts {
    /// Counts a request.
    pub(crate) fn count(&self, headers: &HeaderMap) {
        let sender = Sender::guess(headers);
        let known = Sender::ALL.iter().zip(&self.known);
        let counter = known.into_iter().find(|(it, _)| Some(**it) == sender);
        counter.map_or(&self.others, |(_, counter)| counter).fetch_add(1, Ordering::Relaxed);
    }

    /// By the senders' names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = Sender::ALL.iter().map(|it| it.name()).zip(&self.known);
        let all = known.chain([("others", &self.others)]);
        all.map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_counted_once_for_the_sender_that_it_looks_like() {
        let counts = SenderCounts::default();
        for agent in ["CloudPubSub-Google", "CloudPubSub-Google", "Google-Cloud-Tasks", "curl"] {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static(agent));
            counts.count(&headers);
        }
        let all: Vec<_> = counts.all().filter(|(_, count)| *count > 0).collect();
        assert_eq!(all, [("Pub/Sub push", 2), ("Cloud Tasks", 1), ("others", 1)]);
    }
}
