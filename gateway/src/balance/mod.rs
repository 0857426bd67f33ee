//! Which region is asked next, as pure logic: time and chance come from
//! outside.
//!
//! 1. Regions without a token and those that the request was tried in are out;
//!    so are ejected ones, unless there is a **panic**: too few are left.
//! 2. A **level** is chosen: priorities in their order, in each the local region
//!    first. A level that is well enough takes all; else what it can't take
//!    goes to the next one.
//! 3. In the level two regions are drawn by weight. The first one gets the
//!    request, unless the other is less busy.
//!
//! Nothing here allocates, and healthy regions cost no lock.

mod cause;
mod draws;
mod health;
mod level;
mod load;
mod places;
#[cfg(test)]
mod simulation;
mod window;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::config::{Outlier, Probe};
use draws::{Draw, Draws};
use health::Health;
use level::{Level, levels};
use load::Load;

pub(crate) use cause::{Cause, Failure, Probed};
pub(crate) use load::InFlight;
pub(crate) use places::Places;

/// A region, as far as the choice is concerned.
pub(crate) struct Member {
    name: Arc<str>,
    /// 0 means drained.
    weight: u32,
    /// 0 comes first.
    priority: u32,
    health: Health,
    load: Load,
}

impl Member {
    pub(crate) fn new(name: Arc<str>, weight: u32, priority: u32, now: Instant) -> Self {
        Self { name, weight, priority, health: Health::new(now), load: Load::default() }
    }

    /// Whether it is left alone now, or being tried.
    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        !self.health.is_available(now)
    }

    /// For how long it is still left alone, if that is known.
    pub(crate) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        self.health.ejected_for(now)
    }

    /// Why it is left alone, or being tried after that.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.health.cause()
    }

    /// One request more is under way there.
    pub(crate) fn enter(&self) -> InFlight {
        self.load.enter()
    }

    /// How many requests are under way there.
    pub(crate) fn in_flight(&self) -> u32 {
        self.load.now()
    }

    /// Drained regions are asked only among themselves: there all are alike.
    fn share(&self) -> u64 {
        self.weight.max(1).into()
    }
}

/// The regions of a service, and how one is chosen.
pub(crate) struct Balancer {
    members: Vec<Member>,
    /// The ones that are not drained.
    active: Places,
    levels: Vec<Level>,
    /// The levels once it is known where the gateway runs.
    local_levels: OnceLock<Vec<Level>>,
    settings: Outlier,
    draws: Draws,
}

/// What was chosen.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) place: usize,
    /// Held until the answer has ended.
    pub(crate) in_flight: InFlight,
    /// Whether ejections were ignored.
    pub(crate) panics: bool,
}

/// Who can be asked.
struct Candidates {
    places: Places,
    panics: bool,
}

impl Balancer {
    pub(crate) fn new(members: Vec<Member>, settings: Outlier, seed: u64) -> Self {
        let numbered = || members.iter().enumerate();
        let active = numbered().filter(|(_, it)| it.weight > 0).map(|(place, _)| place).collect();
        Self {
            active,
            levels: levels(&members, None),
            local_levels: OnceLock::new(),
            settings,
            draws: Draws::new(seed),
            members,
        }
    }

    /// Tells where the gateway runs. True if the service has a region there;
    /// only the first time counts.
    pub(crate) fn set_local(&self, name: &str) -> bool {
        let is_known = self.members.iter().any(|member| *member.name == *name);
        is_known && self.local_levels.set(levels(&self.members, Some(name))).is_ok()
    }

    pub(crate) fn member(&self, place: usize) -> Option<&Member> {
        self.members.get(place)
    }

    /// Chooses a region for an attempt, among those that there are tokens for
    /// and that were not tried.
    pub(crate) fn pick(&self, with_token: Places, tried: Places, now: Instant) -> Option<Pick> {
        let draw = self.draws.next();
        // Whoever takes the one try of an ejected region makes it unavailable
        // for the others, who then look again.
        loop {
            let Candidates { places, panics } = self.candidates(with_token, tried, now);
            let pool = match panics {
                true => Some((places, draw)),
                false => self.level(places, tried, draw),
            };
            let (pool, draw) = pool?;
            let place = self.less_busy_of_two(pool, draw)?;
            let member = self.members.get(place)?;
            if member.health.take(now) || panics {
                return Some(Pick { place, in_flight: member.load.enter(), panics });
            }
        }
    }

    /// Whether [`pick`](Self::pick) would choose any, which this does not do.
    pub(crate) fn has_pick(&self, with_token: Places, tried: Places, now: Instant) -> bool {
        !self.candidates(with_token, tried, now).places.is_empty()
    }

    /// Whether ejections are ignored.
    pub(crate) fn is_panicking(&self, with_token: Places, now: Instant) -> bool {
        self.candidates(with_token, Places::default(), now).panics
    }

    /// Drained regions are candidates only for an attempt that has nothing else
    /// left, and where nothing else has a token.
    fn candidates(&self, with_token: Places, tried: Places, now: Instant) -> Candidates {
        let known = with_token.and(self.active).or_else(with_token);
        let available = self.available(known, now);
        let panics = self.too_few(available, known);
        let places = if panics { known } else { available };
        let left = places.without(tried);
        if left.is_empty() {
            let drained = with_token.without(known).without(tried);
            return Candidates { places: self.available(drained, now), panics: false };
        }
        Candidates { places: left, panics }
    }

    fn available(&self, places: Places, now: Instant) -> Places {
        let is_available = |place: &usize| {
            let member = self.members.get(*place);
            member.is_some_and(|it| it.health.is_available(now))
        };
        places.iter().filter(is_available).collect()
    }

    /// Whether those that are available are so few that they could be crushed
    /// by the requests of all: fewer than the threshold, and no level, nor
    /// several together, well enough to take everything.
    fn too_few(&self, available: Places, known: Places) -> bool {
        if available == known {
            return false;
        }
        let [have, all] = [available, known].map(|places| self.shares(places));
        let is_below =
            have.saturating_mul(100) < all.saturating_mul(self.settings.panic_threshold.into());
        available.is_empty() || (is_below && self.capacity(available, known) < Level::WHOLE)
    }

    /// What all levels together can take.
    fn capacity(&self, available: Places, known: Places) -> u64 {
        let levels = self.levels().iter();
        let of_level = |level: &Level| self.capacity_of(level, available, known);
        levels.map(of_level).fold(0, u64::saturating_add)
    }

    fn capacity_of(&self, level: &Level, available: Places, known: Places) -> u64 {
        let [have, all] = [available, known].map(|places| self.shares(places.and(level.places)));
        Level::capacity(have, all)
    }

    /// The candidates of one level, and what is left of the draw: each level
    /// gets what it can take of what those before it could not.
    fn level(&self, candidates: Places, tried: Places, draw: Draw) -> Option<(Places, Draw)> {
        let all = match candidates.and(self.active).is_empty() {
            true => candidates,
            false => self.active.without(tried),
        };
        let loads = self.levels().iter().scan(Level::WHOLE, move |left, level| {
            let takes = self.capacity_of(level, candidates, all).min(*left);
            *left = left.saturating_sub(takes);
            Some((candidates.and(level.places), takes))
        });
        draw.pick(loads)
    }

    /// Two are drawn by weight. The first one is meant to get the request; the
    /// other one gets it if even with it that would be no busier than the
    /// first one is now ("the power of two choices"). Idle regions thus get
    /// their weights' shares, and a slow one gets less.
    fn less_busy_of_two(&self, places: Places, draw: Draw) -> Option<usize> {
        let weighted = |places: Places| {
            places.iter().map(|place| (place, self.members.get(place).map_or(0, Member::share)))
        };
        let (first, _) = draw.pick(weighted(places))?;
        let others = places.without([first].into_iter().collect());
        let Some((second, _)) = draw.other().pick(weighted(others)) else {
            return Some(first);
        };
        let [one, other] = [self.members.get(first)?, self.members.get(second)?];
        let one_is_busy = u64::from(one.load.now()).saturating_mul(other.share());
        let other_would_be = u64::from(other.load.now()).saturating_add(1);
        let is_better = one_is_busy >= other_would_be.saturating_mul(one.share());
        Some(if is_better { second } else { first })
    }

    fn shares(&self, places: Places) -> u64 {
        let shares = places.iter().filter_map(|place| self.members.get(place)).map(Member::share);
        shares.fold(0, u64::saturating_add)
    }

    fn levels(&self) -> &[Level] {
        self.local_levels.get().unwrap_or(&self.levels)
    }

    /// The region answered an attempt that began then, whatever it says. True
    /// if it had been ejected until now.
    pub(crate) fn answered(&self, place: usize, began: Instant, now: Instant) -> bool {
        let member = self.members.get(place);
        member.is_some_and(|it| it.health.answered(&self.settings, began, now))
    }

    /// An attempt that began then failed by the region's doing. Why it is ejected for that, if
    /// it is. `unit` is a number from 0 to 1, drawn for this.
    pub(crate) fn failed(
        &self,
        place: usize,
        failure: Failure,
        began: Instant,
        now: Instant,
        unit: f64,
    ) -> Option<Cause> {
        self.members.get(place)?.health.failed(failure, &self.settings, (began, now), unit)
    }

    /// A probe of the gateway's own has ended.
    pub(crate) fn probed(
        &self,
        place: usize,
        is_well: bool,
        settings: &Probe,
        now: Instant,
    ) -> Probed {
        let member = self.members.get(place);
        member.map_or(Probed::Same, |it| it.health.probed(is_well, settings, now))
    }
}

#[cfg(test)]
mod tests;
