//! Order: what has the same key goes one after the other.

use std::collections::HashMap;

use tokio::sync::oneshot;

/// The last in each line.
#[derive(Default)]
pub(super) struct Lanes(HashMap<String, oneshot::Receiver<()>>);

/// A place in a line.
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    done: Option<oneshot::Sender<()>>,
}

/// What comes next begins when this is dropped.
pub(super) struct Begun {
    _done: Option<oneshot::Sender<()>>,
}

impl Lanes {
    /// The next place in the line of that key; without one there is no line.
    pub(super) fn turn(&mut self, key: Option<&String>) -> Turn {
        let Some(key) = key else {
            return Turn { before: None, done: None };
        };
        let waits = |it: &mut oneshot::Receiver<()>| {
            matches!(it.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        };
        self.0.retain(|_, last| waits(last));
        let (done, last) = oneshot::channel();
        Turn { before: self.0.insert(key.clone(), last), done: Some(done) }
    }
}

impl Turn {
    pub(super) async fn begin(self) -> Begun {
        if let Some(before) = self.before {
            // An error says that the one before is gone: that is its end.
            let _ = before.await;
        }
        Begun { _done: self.done }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_ready(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_turn_begins_when_the_one_before_is_over_and_other_keys_do_not_wait() {
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let mut lanes = Lanes::default();
        let first = lanes.turn(Some(&a)).begin().await;
        let second = lanes.turn(Some(&a));
        assert!(is_ready(lanes.turn(Some(&b)).begin()));
        assert!(is_ready(lanes.turn(None).begin()));
        let mut second = pin!(second.begin());
        assert!(!is_ready(second.as_mut()));
        drop(first);
        drop(second.await);
        assert!(is_ready(lanes.turn(Some(&a)).begin()));
        assert_eq!(lanes.0.len(), 1);
    }
}
