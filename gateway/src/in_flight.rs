//! How many requests are forwarded at a time; a bounded number of others wait
//! for their turn, in the order in which they came.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::InFlightLimits;

/// The places for requests under way.
pub(crate) struct InFlight {
    limits: InFlightLimits,
    places: Arc<Semaphore>,
    queued: AtomicUsize,
}

/// A place, for as long as its request and the answer to it are under way.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// There is no place, and none in the queue or not in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

impl InFlight {
    pub(crate) fn new(limits: &InFlightLimits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.max)),
            limits: limits.clone(),
            queued: AtomicUsize::new(0),
        }
    }

    /// Takes a place, if need be after those who came before. Whoever waits
    /// already comes first: the semaphore is fair.
    pub(crate) async fn enter(&self) -> Result<Place, Overloaded> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let _queued = Queued::enter(self)?;
        let turn = Arc::clone(&self.places).acquire_owned();
        match timeout(self.limits.queue_timeout, turn).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _ => Err(Overloaded),
        }
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> usize {
        self.limits.max.saturating_sub(self.places.available_permits())
    }

    /// Requests that wait for their turn.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

/// A place in the queue, which is left also by whoever hangs up.
struct Queued<'q>(&'q AtomicUsize);

impl<'q> Queued<'q> {
    fn enter(of: &'q InFlight) -> Result<Self, Overloaded> {
        let more = |queued: usize| (queued < of.limits.max_queued).then(|| queued.wrapping_add(1));
        match of.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Self(&of.queued)),
            Err(_) => Err(Overloaded),
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;

    fn places(max: usize, max_queued: usize) -> InFlight {
        InFlight::new(&InFlightLimits { max, max_queued, queue_timeout: Duration::from_secs(1) })
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_in_the_queue_is_turned_away_at_once() {
        let places = places(1, 1);
        let first = places.enter().await.unwrap();
        let began = Instant::now();
        let waiting = places.enter();
        let mut waiting = std::pin::pin!(waiting);
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        assert_eq!((places.under_way(), places.queued()), (1, 1));
        assert_eq!(places.enter().await.unwrap_err(), Overloaded);
        assert_eq!(began.elapsed().as_millis(), 0);
        drop(first);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_queue_allows_or_keeps_a_place_there() {
        let places = places(1, 1);
        let _first = places.enter().await.unwrap();
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(places.enter().await.unwrap_err(), Overloaded);
            assert_eq!(began.elapsed(), Duration::from_secs(1));
            assert_eq!(places.queued(), 0);
        }
        assert!(timeout(Duration::ZERO, places.enter()).await.is_err(), "hangs up");
        assert_eq!(places.queued(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_given_in_the_order_of_arrival() {
        let places = places(1, 2);
        let first = places.enter().await.unwrap();
        let (mut second, mut third) =
            (std::pin::pin!(places.enter()), std::pin::pin!(places.enter()));
        assert!(timeout(Duration::ZERO, &mut second).await.is_err());
        assert!(timeout(Duration::ZERO, &mut third).await.is_err());
        drop(first);
        assert_eq!(places.enter().await.unwrap_err(), Overloaded, "two were here before");
        assert!(timeout(Duration::ZERO, &mut third).await.is_err());
        drop(second.await.unwrap());
        assert!(third.await.is_ok());
    }
}
