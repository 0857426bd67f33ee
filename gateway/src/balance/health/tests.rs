use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Outlier {
    Outlier::default()
}

fn probe() -> Probe {
    Probe {
        path: "/".into(),
        interval: SECOND,
        timeout: SECOND,
        healthy_after: 2,
        unhealthy_after: 3,
    }
}

struct Region(Health);

impl Region {
    fn new(now: Instant) -> Self {
        Self(Health::new(now))
    }

    fn fails(&self, failure: Failure, now: Instant) -> Option<Cause> {
        self.fails_late(failure, now, now)
    }

    /// After an attempt that began earlier.
    fn fails_late(&self, failure: Failure, began: Instant, now: Instant) -> Option<Cause> {
        self.0.failed(failure, &settings(), (began, now), 0.0)
    }

    fn unreachable(&self, now: Instant) -> bool {
        self.fails(Failure::Unreachable, now).is_some()
    }

    fn answers(&self, now: Instant) -> bool {
        self.0.answered(&settings(), now, now)
    }

    fn probed(&self, is_well: bool, now: Instant) -> Probed {
        self.0.probed(is_well, &probe(), now)
    }

    fn is_out(&self, now: Instant) -> bool {
        !self.0.is_available(now)
    }
}

#[test]
fn ejections_grow_up_to_a_limit_and_start_small_again_after_a_good_time() {
    let mut now = Instant::now();
    let region = Region::new(now);
    let mut times = Vec::new();
    for _ in 0..8 {
        assert!(region.unreachable(now));
        let mut seconds = 0;
        while region.is_out(now) {
            now += SECOND;
            seconds += 1;
        }
        times.push(seconds);
        assert!(region.0.take(now));
    }
    assert_eq!(times, [10, 20, 40, 80, 160, 300, 300, 300]);
    assert!(region.answers(now));
    assert!(region.unreachable(now));
    assert!(region.is_out(now + SECOND * 299), "it is known to flap");
    now += SECOND * 300;
    assert!(region.0.take(now) && region.answers(now) && !region.answers(now));
    now += SECOND * 600;
    assert!(region.unreachable(now));
    assert!(!region.is_out(now + SECOND * 10));
}

#[test]
fn an_ejection_is_longer_by_no_more_than_a_tenth() {
    let now = Instant::now();
    let health = Health::new(now);
    health.failed(Failure::Unreachable, &settings(), (now, now), 1.0);
    assert!(!health.is_available(now + Duration::from_millis(10_999)));
    assert!(health.is_available(now + SECOND * 11));
}

#[test]
fn failures_of_requests_that_were_under_way_together_count_once() {
    let now = Instant::now();
    let region = Region::new(now);
    assert!(region.unreachable(now));
    for _ in 0..5 {
        assert!(!region.unreachable(now));
    }
    assert!(!region.is_out(now + SECOND * 10));
}

#[test]
fn failures_in_a_row_eject_and_an_answer_between_them_starts_over() {
    let now = Instant::now();
    for failure in [Failure::Lost, Failure::TimedOut, Failure::FrontEnd] {
        let region = Region::new(now);
        for _ in 0..3 {
            assert!((0..4).all(|_| region.fails(failure, now).is_none()));
            assert!(!region.is_out(now) && !region.answers(now), "it was never away");
        }
        let region = Region::new(now);
        let outcomes: Vec<_> = (0..7).map(|_| region.fails(failure, now).is_some()).collect();
        assert_eq!(outcomes, [false, false, false, false, true, false, false]);
        assert!(region.is_out(now + SECOND * 9) && !region.is_out(now + SECOND * 10));
    }
}

#[test]
fn a_share_of_failures_ejects_once_there_were_enough_requests() {
    let now = Instant::now();
    let region = Region::new(now);
    for _ in 0..9 {
        assert_eq!(region.fails(Failure::Lost, now), None);
        region.answers(now);
    }
    region.answers(now);
    assert_eq!(region.fails(Failure::Lost, now), Some(Cause::FailureRate), "10 of 20");
    let region = Region::new(now);
    for request in 0..100 {
        match request % 3 {
            0 => assert_eq!(region.fails(Failure::Lost, now), None),
            _ => assert!(!region.answers(now)),
        }
    }
}

#[test]
fn a_region_that_is_tried_and_fails_is_ejected_again_for_longer() {
    let now = Instant::now();
    let region = Region::new(now);
    region.unreachable(now);
    let now = now + SECOND * 10;
    assert!(region.0.take(now) && !region.0.take(now));
    assert!(region.fails(Failure::TimedOut, now).is_some());
    assert!(region.is_out(now + SECOND * 19) && !region.is_out(now + SECOND * 20));
}

#[test]
fn an_answer_to_a_request_from_before_its_ejection_brings_no_region_back() {
    let now = Instant::now();
    let region = Region::new(now);
    region.unreachable(now);
    assert!(!region.answers(now + SECOND * 5) && region.is_out(now + SECOND * 5));
    assert!(region.answers(now + SECOND * 10));
}

#[test]
fn attempts_from_before_an_ejection_say_nothing_new_after_it() {
    let began = Instant::now();
    let region = Region::new(began);
    let ejected = began + SECOND;
    assert!(region.unreachable(ejected));
    let back = ejected + SECOND * 10;
    assert_eq!(region.fails_late(Failure::TimedOut, began, back), None);
    assert!(!region.is_out(back), "it is not ejected for the same again");
    assert!(!region.0.answered(&settings(), began, back));
    assert!(region.0.take(back), "it is still to be tried");
    assert_eq!(region.fails_late(Failure::TimedOut, began, back), None);
    assert!(region.answers(back));
    for _ in 0..50 {
        assert_eq!(region.fails_late(Failure::TimedOut, began, back), None);
    }
    assert!(!region.is_out(back));
    assert!(region.fails_late(Failure::Unreachable, back, back + SECOND).is_some());
    let again = back + SECOND;
    assert!(region.is_out(again + SECOND * 19) && !region.is_out(again + SECOND * 20));
}

#[test]
fn one_that_tries_and_never_reports_makes_room_for_another() {
    let now = Instant::now();
    let region = Region::new(now);
    region.unreachable(now);
    let now = now + SECOND * 10;
    assert!(region.0.take(now) && !region.0.take(now + SECOND * 9));
    assert!(region.0.take(now + SECOND * 10));
}

#[test]
fn probes_eject_and_bring_back_without_any_request() {
    let now = Instant::now();
    let region = Region::new(now);
    let steps: Vec<_> = (0..4).map(|_| region.probed(false, now)).collect();
    assert_eq!(steps, [Probed::Same, Probed::Same, Probed::Ejected, Probed::Same]);
    let later = now + SECOND * 10_000;
    assert!(region.is_out(later) && !region.0.take(later));
    assert!(!region.answers(later), "only probes bring it back");
    assert_eq!(region.probed(true, later), Probed::Same);
    assert_eq!(region.probed(true, later), Probed::Back);
    assert!(!region.is_out(later));
    assert_eq!(region.probed(true, later), Probed::Same);
}

#[test]
fn good_probes_do_not_shorten_an_ejection_that_requests_have_caused() {
    let now = Instant::now();
    let region = Region::new(now);
    region.unreachable(now);
    assert!((0..5).all(|_| region.probed(true, now) == Probed::Same));
    assert!(region.is_out(now));
    assert_eq!(region.probed(true, now + SECOND * 10), Probed::Back);
}
