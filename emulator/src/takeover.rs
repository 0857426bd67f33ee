//! What becomes of a connection that stops speaking HTTP: after a 101, or after
//! the 200 to a `CONNECT`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use crate::sync::lock;

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;
type Then = Box<dyn FnOnce(TokioIo<Upgraded>) -> Ending + Send>;

/// An extension of an answer. The listener runs it when the answer is out, and
/// ends it when it closes, as everything else on its connections.
#[derive(Clone)]
pub(crate) struct Takeover(Arc<Mutex<Option<(OnUpgrade, Then)>>>);

impl Takeover {
    /// Hands the connection to `then`.
    pub(crate) fn new<F>(
        upgrade: OnUpgrade,
        then: impl FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let then: Then = Box::new(move |stream| Box::pin(then(stream)));
        Self(Arc::new(Mutex::new(Some((upgrade, then)))))
    }

    /// Keeps something until the connection ends.
    pub(crate) fn hold(&self, held: impl Send + 'static) {
        let mut taken = lock(&self.0);
        if let Some((upgrade, then)) = taken.take() {
            let then: Then = Box::new(move |stream| {
                Box::pin(async move {
                    then(stream).await;
                    drop(held);
                })
            });
            *taken = Some((upgrade, then));
        }
    }

    /// Waits until the connection is free and uses it until it ends.
    pub(crate) async fn run(&self) {
        let Some((upgrade, then)) = lock(&self.0).take() else {
            return;
        };
        if let Ok(upgraded) = upgrade.await {
            then(TokioIo::new(upgraded)).await;
        }
    }
}
