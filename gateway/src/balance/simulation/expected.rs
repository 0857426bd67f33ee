//! Who ought to get how much, found by another way than the balancer's.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::world::World;

impl World {
    /// Levels in their order.
    fn levels(&self) -> Vec<Vec<usize>> {
        let is_active = |place: &usize| self.regions[*place].weight > 0;
        let mut places: Vec<usize> = (0..self.regions.len()).collect();
        if places.iter().any(is_active) {
            places.retain(is_active);
        }
        let mut levels = BTreeMap::<_, Vec<usize>>::new();
        for place in places {
            let is_local = self.local == Some(place);
            levels.entry((self.regions[place].priority, !is_local)).or_default().push(place);
        }
        levels.into_values().collect()
    }

    fn weight(&self, places: &[usize]) -> f64 {
        places.iter().map(|place| f64::from(self.regions[*place].weight.max(1))).sum()
    }

    /// The level that takes everything when all regions are well.
    pub(super) fn first_level(&self) -> Vec<usize> {
        self.levels().swap_remove(0)
    }

    /// The share of the requests of each region, when the dead ones are known.
    pub(super) fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.regions.len()];
        let (mut left, mut loads) = (1.0_f64, Vec::new());
        for level in self.levels() {
            let is_well = |place: &usize| self.regions[*place].condition == Condition::Well;
            let well: Vec<usize> = level.iter().copied().filter(is_well).collect();
            let takes = (1.4 * self.weight(&well) / self.weight(&level)).min(left);
            left -= takes;
            loads.push((well, takes));
        }
        for (well, takes) in loads {
            for place in &well {
                let own = self.weight(&[*place]) / self.weight(&well);
                shares[*place] = own * takes / (1.0 - left);
            }
        }
        shares
    }
}
