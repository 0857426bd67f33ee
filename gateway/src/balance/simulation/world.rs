//! Regions, callers and time, as far as the choice of regions has to do with
//! them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::{Balancer, Failure, Member, Pick, Places, Probed};
use crate::config::{Outlier, Probe};

/// A request that tries an ejected region keeps others away for so long.
const TRY_MS: u64 = 10_000;
const BASE_EJECTION_MS: u64 = 10_000;
/// Who gets no answer for so long gives up.
const TIMEOUT_MS: u64 = 5_000;
const PROBE_EVERY_MS: u64 = 5_000;

/// Numbers by chance, the same for the same seed: `SplitMix64`.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        super::super::Draw(self.0).other().0 % bound
    }

    /// The place of one of so many things.
    pub(super) fn place(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap();
        usize::try_from(self.below(count)).unwrap()
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.place(things.len())]
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 32)).unwrap()) / f64::from(u32::MAX)
    }
}

/// How a region is doing, truly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition {
    Well,
    Slow,
    Dead,
    Hanging,
    Resetting,
    /// Google's front end answers 503.
    Unserved,
    /// The application answers 500, which is its own affair.
    Erring,
}

impl Condition {
    const ALL: [Self; 7] = [
        Self::Well,
        Self::Slow,
        Self::Dead,
        Self::Hanging,
        Self::Resetting,
        Self::Unserved,
        Self::Erring,
    ];

    pub(super) fn any(random: &mut Random) -> Self {
        random.one_of(&Self::ALL)
    }

    /// What comes of a request, and after how many milliseconds.
    fn outcome(self, random: &mut Random) -> (u64, Result<(), Failure>) {
        match self {
            Self::Well | Self::Erring => (10 + random.below(40), Ok(())),
            Self::Slow => (1_000 + random.below(3_000), Ok(())),
            Self::Dead => (1, Err(Failure::Unreachable)),
            Self::Hanging => (TIMEOUT_MS, Err(Failure::TimedOut)),
            Self::Resetting => (10, Err(Failure::Lost)),
            Self::Unserved => (10, Err(Failure::FrontEnd)),
        }
    }
}

/// How many attempts there may be beyond the first ones.
pub(super) trait Budget {
    fn request(&mut self);
    fn may_retry(&mut self) -> bool;
}

/// A region, and what this model knows of it without asking the balancer.
pub(super) struct Region {
    pub(super) condition: Condition,
    pub(super) weight: u32,
    pub(super) priority: u32,
    audience: String,
    token: Option<String>,
    ejection: Option<Ejection>,
    /// How many attempts it got.
    pub(super) attempts: usize,
}

struct Ejection {
    since: u64,
    by_probes: bool,
    tried_at: Option<u64>,
}

struct Request {
    tried: Places,
    /// When its attempt began.
    began: Instant,
}

enum Event {
    End { request: Request, pick: Pick, outcome: Result<(), Failure> },
    Probe(usize),
}

pub(super) struct World<B> {
    pub(super) random: Random,
    pub(super) balancer: Balancer,
    pub(super) regions: Vec<Region>,
    pub(super) budget: B,
    pub(super) requests: u64,
    pub(super) retries: u64,
    /// The region in which the gateway runs, if it is one of them.
    pub(super) local: Option<usize>,
    probe: Option<Probe>,
    epoch: Instant,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
}

impl<B: Budget> World<B> {
    pub(super) fn new(seed: u64, is_probed: bool, budget: B) -> Self {
        let mut random = Random(seed);
        let settings = Outlier {
            base_ejection_time: Duration::from_millis(BASE_EJECTION_MS),
            max_ejection_time: Duration::from_secs(10 << random.below(3)),
            consecutive_failures: 1 + u32::try_from(random.below(5)).unwrap(),
            ..Outlier::default()
        };
        let epoch = Instant::now();
        let count = 1 + random.below(8);
        let mut region = |place| Region {
            condition: Condition::Well,
            weight: random.one_of(&[0, 1, 1, 1, 2, 5]),
            priority: random.one_of(&[0, 0, 1, 2]),
            audience: format!("https://r{place}.example"),
            token: Some(format!("https://r{place}.example")),
            ejection: None,
            attempts: 0,
        };
        let regions: Vec<Region> = (0..count).map(&mut region).collect();
        let member = |(place, it): (usize, &Region)| {
            Member::new(format!("r{place}").into(), it.weight, it.priority, epoch)
        };
        let members = regions.iter().enumerate().map(member).collect();
        let balancer = Balancer::new(members, settings, seed);
        let local = random.place(12);
        let is_known = balancer.set_local(&format!("r{local}"));
        let probe = is_probed.then(|| Probe {
            path: "/".into(),
            interval: Duration::from_millis(PROBE_EVERY_MS),
            timeout: Duration::from_secs(1),
            healthy_after: 2,
            unhealthy_after: 2,
        });
        let mut world = Self {
            random,
            balancer,
            regions,
            budget,
            requests: 0,
            retries: 0,
            local: is_known.then_some(local),
            probe,
            epoch,
            now: 0,
            events: BTreeMap::new(),
            count: 0,
        };
        if world.probe.is_some() {
            (0..world.regions.len())
                .for_each(|place| world.after(PROBE_EVERY_MS, Event::Probe(place)));
        }
        world
    }

    pub(super) fn instant(&self) -> Instant {
        self.epoch + Duration::from_millis(self.now)
    }

    fn after(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now + time, self.count), event);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: u64) {
        let until = self.now + time;
        while let Some(entry) = self.events.first_entry().filter(|it| it.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            match event {
                Event::End { request, pick, outcome } => self.end(request, pick, outcome),
                Event::Probe(place) => self.probe(place),
            }
        }
        self.now = until;
    }

    pub(super) fn with_token(&self) -> Places {
        let with = self.regions.iter().enumerate().filter(|(_, it)| it.token.is_some());
        with.map(|(place, _)| place).collect()
    }

    pub(super) fn set_token(&mut self, place: usize, is_there: bool) {
        let region = &mut self.regions[place];
        region.token = is_there.then(|| region.audience.clone());
    }

    /// A request comes.
    pub(super) fn request(&mut self) {
        self.requests += 1;
        self.budget.request();
        self.attempt(Request { tried: Places::default(), began: self.instant() });
    }

    fn attempt(&mut self, mut request: Request) -> bool {
        let (with_token, now) = (self.with_token(), self.instant());
        let Some(pick) = self.balancer.pick(with_token, request.tried, now) else {
            let could = with_token.without(request.tried);
            let well = |place: usize| self.regions[place].ejection.is_none();
            assert!(!could.iter().any(well), "a region that is well was not chosen");
            return false;
        };
        self.check(&request, &pick);
        request.tried.add(pick.place);
        request.began = now;
        let region = &mut self.regions[pick.place];
        region.attempts += 1;
        let (time, outcome) = region.condition.outcome(&mut self.random);
        self.after(time, Event::End { request, pick, outcome });
        true
    }

    /// What must hold for each attempt.
    fn check(&mut self, request: &Request, pick: &Pick) {
        assert!(!request.tried.contains(pick.place), "tried twice");
        let now = self.now;
        let region = &mut self.regions[pick.place];
        let token = region.token.as_ref().expect("chosen without a token");
        assert_eq!(*token, region.audience, "another region's audience");
        if pick.panics {
            return;
        }
        if let Some(ejection) = &mut region.ejection {
            assert!(!ejection.by_probes, "only probes bring it back");
            assert!(now >= ejection.since + BASE_EJECTION_MS, "chosen while it is ejected");
            let before = ejection.tried_at.replace(now);
            assert!(before.is_none_or(|at| now >= at + TRY_MS), "tried by two at once");
        }
    }

    fn end(&mut self, request: Request, pick: Pick, outcome: Result<(), Failure>) {
        let (place, now) = (pick.place, self.instant());
        drop(pick);
        let Err(failure) = outcome else {
            if self.balancer.answered(place, request.began, now) {
                assert!(self.regions[place].ejection.take().is_some(), "it was never away");
            }
            return;
        };
        let unit = self.random.unit();
        if self.balancer.failed(place, failure, request.began, now, unit).is_some() {
            let ejection = Ejection { since: self.now, by_probes: false, tried_at: None };
            self.regions[place].ejection = Some(ejection);
        }
        if self.budget.may_retry() && self.attempt(request) {
            self.retries += 1;
        }
    }

    fn probe(&mut self, place: usize) {
        let Some(settings) = self.probe.clone() else { return };
        let condition = self.regions[place].condition;
        let is_well = matches!(condition, Condition::Well);
        match self.balancer.probed(place, is_well, &settings, self.instant()) {
            Probed::Same => {}
            Probed::Back => self.regions[place].ejection = None,
            Probed::Ejected => {
                let ejection = Ejection { since: self.now, by_probes: true, tried_at: None };
                self.regions[place].ejection = Some(ejection);
            }
        }
        self.after(PROBE_EVERY_MS, Event::Probe(place));
    }

    pub(super) fn forget_attempts(&mut self) {
        self.regions.iter_mut().for_each(|region| region.attempts = 0);
    }
}
