//! Which region gets a request.

use std::sync::Mutex;

use super::BalancerError;
use crate::config::Picking;
use crate::sync::lock;

/// Picks regions by their place in the service.
pub(crate) enum Picker {
    /// The first, or the one that is named.
    Nearest(Vec<String>),
    /// By weight.
    Weighted(Mutex<Vec<Share>>),
}

/// A region's part in the smooth weighted round robin that nginx describes
/// (<https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1>):
/// each turn adds every weight to its region's credit; who has most is picked
/// and pays the sum. So no region gets its requests all in a row, and always the
/// same ones come next.
pub(crate) struct Share {
    weight: i64,
    credit: i64,
}

impl Picker {
    pub(super) fn new(picking: &Picking, regions: &[&str]) -> Result<Self, BalancerError> {
        let Picking::Weighted(weights) = picking else {
            return Ok(Self::Nearest(regions.iter().map(|&name| name.to_owned()).collect()));
        };
        if let Some((name, _)) = weights.iter().find(|(name, _)| !regions.contains(&&**name)) {
            return Err(BalancerError::Region(name.clone()));
        }
        let weight_of = |region: &&str| {
            let named = weights.iter().find(|(name, _)| name == region);
            Share { weight: named.map_or(0, |(_, weight)| i64::from(*weight)), credit: 0 }
        };
        let shares: Vec<_> = regions.iter().map(weight_of).collect();
        match shares.iter().any(|share| share.weight > 0) {
            true => Ok(Self::Weighted(Mutex::new(shares))),
            false => Err(BalancerError::Weights),
        }
    }

    /// The place of the region for the next request. `wanted` is where its
    /// client is, if it says so; a region that the service does not have is as
    /// good as none.
    pub(super) fn pick(&self, wanted: Option<&str>) -> usize {
        match self {
            Self::Nearest(regions) => {
                wanted.and_then(|name| regions.iter().position(|it| it == name)).unwrap_or(0)
            }
            Self::Weighted(shares) => next(&mut lock(shares)),
        }
    }
}

fn next(shares: &mut [Share]) -> usize {
    let sum: i64 = shares.iter().map(|share| share.weight).sum();
    for share in shares.iter_mut() {
        share.credit = share.credit.saturating_add(share.weight);
    }
    let weighty = shares.iter_mut().enumerate().filter(|(_, share)| share.weight > 0);
    // Of equals the last is found first by `max_by_key`, but the first is nearer.
    let Some((place, share)) = weighty.rev().max_by_key(|(_, share)| share.credit) else {
        return 0;
    };
    share.credit = share.credit.saturating_sub(sum);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGIONS: [&str; 3] = ["us", "eu", "asia"];

    fn weighted(weights: &[(&str, u32)]) -> Result<Picker, BalancerError> {
        let weights = weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight));
        Picker::new(&Picking::Weighted(weights.collect()), &REGIONS)
    }

    #[test]
    fn the_first_region_is_nearest_unless_the_client_is_in_another() {
        let picker = Picker::new(&Picking::Nearest, &REGIONS).unwrap();
        for (wanted, place) in [(None, 0), (Some("asia"), 2), (Some("mars"), 0)] {
            assert_eq!(picker.pick(wanted), place);
        }
    }

    #[test]
    fn weights_are_kept_in_any_run_and_spread_smoothly() {
        let picker = weighted(&[("us", 5), ("asia", 1), ("eu", 1)]).unwrap();
        let picks: Vec<_> = (0..14).map(|_| picker.pick(Some("asia"))).collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_region_without_weight_gets_nothing() {
        let picker = weighted(&[("eu", 1), ("us", 0)]).unwrap();
        assert!((0..10).all(|_| picker.pick(None) == 1));
        let extreme = weighted(&[("eu", u32::MAX), ("us", u32::MAX)]).unwrap();
        assert_eq!((0..4).map(|_| extreme.pick(None)).collect::<Vec<_>>(), [0, 1, 0, 1]);
    }

    #[test]
    fn weights_must_be_for_regions_and_not_all_zero() {
        assert!(matches!(weighted(&[("mars", 1)]), Err(BalancerError::Region(it)) if it == "mars"));
        assert!(matches!(weighted(&[("us", 0)]), Err(BalancerError::Weights)));
        assert!(matches!(weighted(&[]), Err(BalancerError::Weights)));
    }
}
