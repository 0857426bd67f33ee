//! How many requests are forwarded at a time; a bounded number of others wait
//! for their turn, in the order in which they came.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::InFlightLimits;

/// The places for requests under way, under whatever limits hold: those who
/// have one keep it when the limits change, and count.
pub(crate) struct InFlight {
    places: Arc<Semaphore>,
    limits: Mutex<InFlightLimits>,
    /// Places that are still taken, and will be no more once they are free.
    surplus: AtomicUsize,
    queued: AtomicUsize,
}

/// A place, for as long as its request and the answer to it are under way.
pub(crate) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    of: Arc<InFlight>,
}

/// There is no place, and none in the queue or not in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

impl InFlight {
    pub(crate) fn new(limits: &InFlightLimits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.max)),
            limits: Mutex::new(limits.clone()),
            surplus: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
        }
    }

    /// From now on these limits hold.
    pub(crate) fn keep_to(&self, limits: &InFlightLimits) {
        let mut now = self.limits();
        if let Some(fewer) = now.max.checked_sub(limits.max) {
            let taken = fewer.saturating_sub(self.places.forget_permits(fewer));
            self.surplus.fetch_add(taken, Ordering::Relaxed);
        }
        let mut more = limits.max.saturating_sub(now.max);
        while more > 0 && self.settle() {
            more = more.saturating_sub(1);
        }
        self.places.add_permits(more);
        *now = limits.clone();
    }

    /// Takes a place, if need be after those who came before. Whoever waits
    /// already comes first: the semaphore is fair.
    pub(crate) async fn enter(self: &Arc<Self>) -> Result<Place, Overloaded> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(self.place(permit));
        }
        let InFlightLimits { max_queued, queue_timeout, .. } = self.limits().clone();
        let _queued = Queued::enter(&self.queued, max_queued)?;
        let turn = Arc::clone(&self.places).acquire_owned();
        match timeout(queue_timeout, turn).await {
            Ok(Ok(permit)) => Ok(self.place(permit)),
            _ => Err(Overloaded),
        }
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        Place { permit: Some(permit), of: Arc::clone(self) }
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> usize {
        let places = self.limits().max.saturating_add(self.surplus.load(Ordering::Relaxed));
        places.saturating_sub(self.places.available_permits())
    }

    /// Requests that wait for their turn.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Counts one place less as surplus. False if there is none.
    fn settle(&self) -> bool {
        let less = |surplus: usize| surplus.checked_sub(1);
        self.surplus.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn limits(&self) -> MutexGuard<'_, InFlightLimits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.of.settle()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
        }
    }
}

/// A place in the queue, which is left also by whoever hangs up.
struct Queued<'q>(&'q AtomicUsize);

impl<'q> Queued<'q> {
    fn enter(queued: &'q AtomicUsize, most: usize) -> Result<Self, Overloaded> {
        let more = |queued: usize| (queued < most).then(|| queued.wrapping_add(1));
        match queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Self(queued)),
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

    fn limits(max: usize, max_queued: usize) -> InFlightLimits {
        InFlightLimits { max, max_queued, queue_timeout: Duration::from_secs(1) }
    }

    fn places(max: usize, max_queued: usize) -> Arc<InFlight> {
        Arc::new(InFlight::new(&limits(max, max_queued)))
    }

    async fn is_full(places: &Arc<InFlight>) -> bool {
        places.enter().await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn places_that_are_taken_count_when_there_are_fewer_and_when_there_are_more_again() {
        let places = places(3, 0);
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(places.enter().await.ok());
        }
        places.keep_to(&limits(1, 0));
        assert_eq!(places.under_way(), 2);
        assert!(is_full(&places).await);
        taken.pop();
        assert_eq!(places.under_way(), 1);
        assert!(is_full(&places).await, "one was too many");
        taken.pop();
        taken.push(places.enter().await.ok());
        assert!(is_full(&places).await && places.under_way() == 1);
        places.keep_to(&limits(2, 0));
        taken.push(places.enter().await.ok());
        assert!(is_full(&places).await && places.under_way() == 2);
        // Fewer and more again before anybody has left.
        places.keep_to(&limits(1, 0));
        places.keep_to(&limits(2, 0));
        assert!(is_full(&places).await && places.under_way() == 2);
        taken.clear();
        assert_eq!(places.under_way(), 0);
        let _both = (places.enter().await.ok(), places.enter().await.ok());
        assert!(is_full(&places).await && places.under_way() == 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_in_the_queue_is_turned_away_at_once() {
        let places = places(1, 1);
        let first = places.enter().await.ok().unwrap();
        let began = Instant::now();
        let waiting = places.enter();
        let mut waiting = std::pin::pin!(waiting);
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        assert_eq!((places.under_way(), places.queued()), (1, 1));
        assert_eq!(places.enter().await.err(), Some(Overloaded));
        assert_eq!(began.elapsed().as_millis(), 0);
        drop(first);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_queue_allows_or_keeps_a_place_there() {
        let places = places(1, 1);
        let _first = places.enter().await.ok().unwrap();
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(places.enter().await.err(), Some(Overloaded));
            assert_eq!(began.elapsed(), Duration::from_secs(1));
            assert_eq!(places.queued(), 0);
        }
        assert!(timeout(Duration::ZERO, places.enter()).await.is_err(), "hangs up");
        assert_eq!(places.queued(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_given_in_the_order_of_arrival() {
        let places = places(1, 2);
        let first = places.enter().await.ok().unwrap();
        let (mut second, mut third) =
            (std::pin::pin!(places.enter()), std::pin::pin!(places.enter()));
        assert!(timeout(Duration::ZERO, &mut second).await.is_err());
        assert!(timeout(Duration::ZERO, &mut third).await.is_err());
        drop(first);
        assert_eq!(places.enter().await.err(), Some(Overloaded), "two were here before");
        assert!(timeout(Duration::ZERO, &mut third).await.is_err());
        drop(second.await.ok().unwrap());
        assert!(third.await.is_ok());
    }
}
