//! Regions, callers and time, as far as the choice of regions has to do with
//! them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::{HeaderMap, HeaderValue};

use super::super::{Balancer, InFlight, Member, Places, Probed};
use super::condition::{Condition, Outcome, Random};
use super::parts::{Parts, START, bearer, host, slot};
use super::retries::Retries;
use crate::config::{Outlier, Probe};
use crate::headers::{Address, TokenHeader, address};
use crate::retry::Case;
use crate::service::Service;

/// A request that tries an ejected region keeps others away for so long.
const TRY_MS: u64 = 10_000;
const BASE_EJECTION_MS: u64 = 10_000;
const PROBE_EVERY_MS: u64 = 5_000;

/// A region, and what this model knows of it without asking the balancer.
pub(super) struct Region {
    pub(super) condition: Condition,
    pub(super) weight: u32,
    pub(super) priority: u32,
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
    made: usize,
    is_harmless: bool,
    is_held: bool,
    /// As they were sent the last time.
    headers: HeaderMap,
}

enum Event {
    End { request: Request, place: usize, in_flight: InFlight, outcome: Outcome },
    Probe(usize),
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) service: Service,
    pub(super) regions: Vec<Region>,
    pub(super) retries: Retries,
    /// The tokens of all regions, by their places.
    bearers: Vec<HeaderValue>,
    /// The most attempts of a request.
    attempts: usize,
    /// The region in which the gateway runs, if it is one of them.
    pub(super) local: Option<usize>,
    probe: Option<Probe>,
    epoch: Instant,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
}

impl World {
    pub(super) fn new(parts: &Parts, seed: u64, is_probed: bool) -> Self {
        let mut random = Random(seed);
        let settings = Outlier {
            base_ejection_time: Duration::from_millis(BASE_EJECTION_MS),
            max_ejection_time: Duration::from_secs(10 << random.below(3)),
            consecutive_failures: 1 + u32::try_from(random.below(5)).unwrap(),
            ..Outlier::default()
        };
        let epoch = Instant::now();
        let count = 1 + random.below(8);
        let mut region = |_| Region {
            condition: Condition::Well,
            weight: random.one_of(&[0, 1, 1, 1, 2, 5]),
            priority: random.one_of(&[0, 0, 1, 2]),
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
        let headers = [
            TokenHeader::XServerlessAuthorization,
            TokenHeader::Authorization,
            TokenHeader::ProxyAuthorization,
        ];
        let token_headers: Vec<_> = regions.iter().map(|_| random.one_of(&headers)).collect();
        let per_second = u32::try_from(random.below(3)).unwrap();
        let retries = Retries::new(random.one_of(&[0, 1, 2, 4, 8]), per_second);
        let service = parts.service(balancer, &token_headers, (retries.settings(), epoch));
        let bearers = (0..regions.len()).map(|it| HeaderValue::try_from(bearer(it)).unwrap());
        let bearers = bearers.collect();
        let probe = is_probed.then(|| Probe {
            path: "/".into(),
            interval: Duration::from_millis(PROBE_EVERY_MS),
            timeout: Duration::from_secs(1),
            healthy_after: 2,
            unhealthy_after: 2,
        });
        let mut world = Self {
            service,
            regions,
            bearers,
            attempts: 1 + random.place(4),
            retries,
            local: is_known.then_some(local),
            probe,
            epoch,
            now: 0,
            events: BTreeMap::new(),
            count: 0,
            random,
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
                Event::End { request, place, in_flight, outcome } => {
                    drop(in_flight);
                    self.end(request, place, &outcome);
                }
                Event::Probe(place) => self.probe(place),
            }
        }
        self.now = until;
    }

    pub(super) fn with_token(&self) -> Places {
        self.service.with_token(START)
    }

    pub(super) fn set_token(&mut self, place: usize, is_there: bool) {
        self.service.regions[place].token = slot(place, is_there);
    }

    /// The moment, for the budget and for who checks it.
    fn moment(&self) -> (Instant, u64) {
        (self.instant(), self.now / 1_000)
    }

    /// A request comes.
    pub(super) fn request(&mut self) {
        self.retries.request(&self.service.budget, self.moment());
        let (is_harmless, is_held) = (self.random.one_in(2), !self.random.one_in(8));
        let (tried, headers) = (Places::default(), HeaderMap::new());
        let began = self.instant();
        self.attempt(Request { tried, began, made: 0, is_harmless, is_held, headers });
    }

    fn attempt(&mut self, mut request: Request) {
        let (with_token, panics) = (self.with_token(), self.service.counters.panics.get());
        let choice = self.service.choose_at(request.tried, START, self.instant());
        let Some(choice) = choice else {
            let could = with_token.without(request.tried);
            let well = |place: usize| self.regions[place].ejection.is_none();
            assert!(!could.iter().any(well), "a region that is well was not chosen");
            return;
        };
        let to = Address {
            host: Some(&choice.region.host),
            token_header: choice.region.token_header,
            token: choice.token.header(),
            assertion: None,
        };
        address(&mut request.headers, &self.service.token_headers, to);
        let (place, in_flight) = (choice.place, choice.in_flight);
        let panics = self.service.counters.panics.get() > panics;
        self.check(&request, place, panics);
        request.tried.add(place);
        request.made += 1;
        request.began = self.instant();
        let region = &mut self.regions[place];
        region.attempts += 1;
        let (time, outcome) = region.condition.outcome(&mut self.random);
        self.after(time, Event::End { request, place, in_flight, outcome });
    }

    /// What must hold for each attempt.
    fn check(&mut self, request: &Request, place: usize, panics: bool) {
        assert!(!request.tried.contains(place), "tried twice");
        let tokens: Vec<_> = request.headers.iter().filter(|(name, _)| *name != HOST).collect();
        let own = self.service.regions[place].token_header.name();
        assert_eq!(tokens, [(&own, &self.bearers[place])], "another region's audience");
        assert_eq!(request.headers[HOST], host(place));
        let now = self.now;
        if panics {
            return;
        }
        if let Some(ejection) = &mut self.regions[place].ejection {
            assert!(!ejection.by_probes, "only probes bring it back");
            assert!(now >= ejection.since + BASE_EJECTION_MS, "chosen while it is ejected");
            let before = ejection.tried_at.replace(now);
            assert!(before.is_none_or(|at| now >= at + TRY_MS), "tried by two at once");
        }
    }

    fn end(&mut self, request: Request, place: usize, outcome: &Outcome) {
        let (now, unit) = (self.instant(), self.random.unit());
        let balancer = &self.service.balancer;
        match outcome.failure {
            None if balancer.answered(place, request.began, now) => {
                assert!(self.regions[place].ejection.take().is_some(), "it was never away");
            }
            None => {}
            Some(failure)
                if balancer.failed(place, failure, request.began, now, unit).is_some() =>
            {
                let ejection = Ejection { since: self.now, by_probes: false, tried_at: None };
                self.regions[place].ejection = Some(ejection);
            }
            Some(_) => {}
        }
        let Some(cause) = outcome.cause else { return };
        let case = Case {
            cause,
            is_harmless: request.is_harmless,
            is_held: request.is_held,
            made: request.made,
            attempts: self.attempts,
            has_place: request.made < self.regions.len(),
        };
        let moment = self.moment();
        if self.retries.may_retry(case, &self.service.budget, moment) {
            self.attempt(request);
        }
    }

    fn probe(&mut self, place: usize) {
        let Some(settings) = self.probe.clone() else { return };
        let condition = self.regions[place].condition;
        let is_well = matches!(condition, Condition::Well);
        match self.service.balancer.probed(place, is_well, &settings, self.instant()) {
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
