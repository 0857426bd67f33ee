//! Several workers with one shared record, at chosen times.

use std::rc::Rc;

use remint_emulator::{Issuer, ManualClock};
use remint_idtoken::policy::Issuer as PolicyIssuer;
use remint_idtoken::{Algorithm, AwsLc, Timing};

use super::*;

const NOW: UnixTime = UnixTime(1_790_000_000);

fn later(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

fn source() -> KeySource {
    KeySource {
        issuer: "google".to_owned(),
        cluster: "google_keys".to_owned(),
        scheme: "https",
        authority: "keys.example".to_owned(),
        path: "/keys".to_owned(),
        timeout: Duration::from_secs(5),
    }
}

struct Worker {
    shared: Rc<FakeSharedData>,
    authority: Authority<AwsLc>,
    state: KeyState,
}

impl Worker {
    fn of(shared: &Rc<FakeSharedData>, times: KeyTimes) -> Self {
        let authority = Authority::of(&[PolicyIssuer::google()], Timing::default(), AwsLc);
        Self { shared: Rc::clone(shared), authority, state: KeyState::new(source(), times) }
    }

    /// Returns whether it has to fetch.
    fn tick(&mut self, now: UnixTime) -> bool {
        self.state.look(&*self.shared, &mut self.authority, now).must_fetch
    }

    fn fetched(&mut self, body: &str, now: UnixTime) -> Result<Vec<String>, String> {
        let answer = KeyAnswer {
            status: Some("200".to_owned()),
            cache_control: Some("max-age=1000".to_owned()),
            body: body.as_bytes().to_vec(),
        };
        self.state.answered(&*self.shared, &mut self.authority, &answer, now, 0.5)
    }

    fn failed(&mut self, now: UnixTime, jitter: f64) {
        self.state.failed(&*self.shared, &mut self.authority, now, jitter);
    }

    fn has_keys(&self) -> bool {
        self.authority.has_all_keys()
    }
}

fn workers(count: usize) -> (Rc<FakeSharedData>, Vec<Worker>) {
    let shared = Rc::default();
    let workers = (0..count).map(|_| Worker::of(&shared, KeyTimes::default())).collect();
    (shared, workers)
}

fn document() -> String {
    let issuer = Issuer::new(Algorithm::Es256, std::sync::Arc::new(ManualClock::new(NOW)));
    issuer.unwrap().jwks().to_string()
}

/// Lets all look and gives back those that have to fetch.
fn tick(workers: &mut [Worker], now: UnixTime) -> Vec<usize> {
    let all = workers.iter_mut().enumerate();
    all.filter_map(|(place, worker)| worker.tick(now).then_some(place)).collect()
}

#[test]
fn one_worker_fetches_and_all_have_its_keys() {
    let (shared, mut workers) = workers(4);
    assert_eq!(tick(&mut workers, NOW), [0]);
    assert_eq!(tick(&mut workers, later(1)), [0; 0]);
    workers[0].fetched(&document(), later(1)).unwrap();
    assert_eq!(tick(&mut workers, later(1)), [0; 0]);
    assert!(workers.iter().all(Worker::has_keys));
    let mut late = Worker::of(&shared, KeyTimes::default());
    late.state.adopt(&*shared, &mut late.authority, later(2));
    assert!(late.has_keys(), "a worker that starts later fetches nothing");
    assert_eq!(tick(&mut workers, later(900)), [0; 0]);
    assert_eq!(tick(&mut workers, later(901)), [0], "ten percent ahead");
    assert!(!late.tick(later(901)));
    assert_eq!(workers[3].state.fetched_at(), Some(later(1)));
}

#[test]
fn two_that_find_nothing_at_the_same_moment_do_not_both_get_the_lease() {
    let (shared, mut workers) = workers(2);
    let (_, nothing) = shared.get(&workers[0].state.place);
    assert!(workers[0].state.take_lease(&*shared, nothing, NOW));
    assert!(!workers[1].state.take_lease(&*shared, nothing, NOW));
}

#[test]
fn a_lease_that_nothing_comes_of_is_taken_over_once() {
    let (_, mut workers) = workers(3);
    assert_eq!(tick(&mut workers, NOW), [0]);
    workers[0].state.started(7);
    assert!(workers[0].state.is_call(7));
    let mut rest = workers.split_off(1);
    assert_eq!(tick(&mut rest, later(7)), [0; 0]);
    assert_eq!(tick(&mut rest, later(8)), [0]);
    assert_eq!(tick(&mut rest, later(9)), [0; 0]);
    workers[0].tick(later(9));
    assert!(!workers[0].state.is_call(7), "its answer comes too late");
}

#[test]
fn failures_count_for_all_and_keep_the_last_good_keys() {
    let (_, mut workers) = workers(2);
    tick(&mut workers, NOW);
    workers[0].fetched(&document(), NOW).unwrap();
    let mut attempts = Vec::new();
    for second in 900..1100 {
        for place in tick(&mut workers, later(second)) {
            attempts.push(second - 900);
            workers[place].failed(later(second), 0.0);
        }
    }
    assert_eq!(attempts, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    assert!(workers.iter().all(Worker::has_keys));
    assert!(workers.iter().all(|worker| worker.state.last_failed()));
    tick(&mut workers, later(24 * 3600 + 1));
    assert!(!workers.iter().any(Worker::has_keys));
}

#[test]
fn retries_are_spread() {
    let next = |jitter| {
        let (_, mut workers) = workers(1);
        tick(&mut workers, NOW);
        (0..7).for_each(|_| workers[0].failed(NOW, jitter));
        workers[0].state.schedule.next_at().since(NOW).as_secs()
    };
    assert_eq!((next(0.0), next(1.0)), (60, 90));
}

#[test]
fn an_unknown_key_is_asked_for_once_by_all_workers_together() {
    let (_, mut workers) = workers(3);
    tick(&mut workers, NOW);
    workers[0].fetched(&document(), NOW).unwrap();
    tick(&mut workers, later(1));
    assert!(!workers[1].state.unknown_key(later(20)), "just fetched");
    let fetches = |workers: &mut Vec<Worker>, from: u64, to: u64| -> usize {
        let mut count = 0;
        for second in from..to {
            for worker in workers.iter_mut() {
                worker.state.unknown_key(later(second));
            }
            for place in tick(workers, later(second)) {
                count += 1;
                workers[place].fetched(&document(), later(second)).unwrap();
            }
        }
        count
    };
    assert_eq!(fetches(&mut workers, 30, 60), 1);
    assert_eq!(fetches(&mut workers, 60, 240), 6);
    assert!(workers.iter().all(|worker| worker.state.wanted_at.is_none()));
}

#[test]
fn an_unknown_key_that_has_come_is_not_asked_for_again_however_long_it_took() {
    let times = KeyTimes { unknown_key_interval: Duration::from_secs(1), ..KeyTimes::default() };
    let shared = Rc::default();
    let mut workers = [Worker::of(&shared, times), Worker::of(&shared, times)];
    tick(&mut workers, NOW);
    workers[0].fetched(&document(), NOW).unwrap();
    tick(&mut workers, later(1));
    assert!(workers.iter_mut().all(|worker| worker.state.unknown_key(later(9))));
    assert_eq!(tick(&mut workers, later(9)), [0]);
    workers[0].fetched(&document(), later(12)).unwrap();
    assert_eq!(tick(&mut workers, later(13)), [0; 0]);
}

#[test]
fn whoever_waits_for_an_unknown_key_is_told_when_another_worker_has_asked() {
    let (shared, mut workers) = workers(2);
    let keys = document();
    tick(&mut workers, NOW);
    workers[0].fetched(&keys, NOW).unwrap();
    tick(&mut workers, later(1));
    assert!(workers.iter_mut().all(|worker| worker.state.unknown_key(later(40))));
    assert_eq!(tick(&mut workers, later(40)), [0]);
    workers[0].fetched(&keys, later(40)).unwrap();
    let Worker { state, authority, .. } = &mut workers[1];
    let look = state.look(&*shared, authority, later(41));
    assert_eq!(look, Look { is_new: true, must_fetch: false });
    assert!(!state.unknown_key(later(41)));
}

#[test]
fn the_same_document_again_leaves_verified_tokens_verified() {
    let (_, mut workers) = workers(2);
    let issuer = Issuer::new(Algorithm::Rs256, std::sync::Arc::new(ManualClock::new(NOW))).unwrap();
    let keys = issuer.jwks().to_string();
    tick(&mut workers, NOW);
    workers[0].fetched(&keys, NOW).unwrap();
    tick(&mut workers, NOW);
    let token = issuer.mint(&remint_emulator::TokenRequest::new("a@b.example", "here"));
    let token = remint_idtoken::UnverifiedToken::parse(token.as_bytes()).unwrap();
    let token = workers[1].authority.authenticate(token, NOW).unwrap();
    tick(&mut workers, later(900));
    workers[0].fetched(&keys, later(900)).unwrap();
    tick(&mut workers, later(901));
    assert_eq!(workers[1].state.fetched_at(), Some(later(900)));
    assert!(workers[1].authority.still_vouches_for(&token, later(901)));
}

#[test]
fn what_is_left_out_is_said_by_one_worker_and_once() {
    let (_, mut workers) = workers(2);
    let mut keys: serde_json::Value = serde_json::from_str(&document()).unwrap();
    keys["keys"].as_array_mut().unwrap().push(serde_json::json!({"kty": "oct", "kid": "weak"}));
    let keys = keys.to_string();
    tick(&mut workers, NOW);
    let notes = workers[0].fetched(&keys, NOW).unwrap();
    assert!(notes[0].contains("\"weak\" is left out"), "{notes:?}");
    tick(&mut workers, later(900));
    assert_eq!(workers[0].fetched(&keys, later(900)).unwrap(), [""; 0]);
}

#[test]
fn a_record_that_is_lost_or_overwritten_is_mended_without_a_fetch() {
    let (shared, mut workers) = workers(2);
    tick(&mut workers, NOW);
    workers[0].fetched(&document(), NOW).unwrap();
    tick(&mut workers, later(1));
    let empty = Record::default().encode();
    let past = remint_idtoken::keys::KeyPast { fetched_at: Some(NOW), ..Default::default() };
    let other = Record { past, document: b"{}".to_vec(), lease: Lease::default() }.encode();
    for bad in [&b""[..], b"another plugin's", &empty, &other] {
        shared.overwrite_all(bad);
        assert_eq!(tick(&mut workers, later(2)), [0; 0], "{bad:?}");
        assert!(workers.iter().all(Worker::has_keys), "{bad:?}");
        let mut late = Worker::of(&shared, KeyTimes::default());
        assert!(!late.tick(later(3)) && late.has_keys(), "{bad:?}");
    }
    shared.lose_all();
    assert_eq!(tick(&mut workers, later(4)), [0; 0]);
    let mut late = Worker::of(&shared, KeyTimes::default());
    assert!(!late.tick(later(5)) && late.has_keys());
}

/// Then each worker is on its own, as if there were no shared data.
#[test]
fn a_host_that_forgets_everything_at_once_leaves_each_worker_its_own_keys() {
    let (shared, mut workers) = workers(2);
    let mut fetches = [0, 0];
    for second in 0..3000 {
        for (place, worker) in workers.iter_mut().enumerate() {
            if worker.tick(later(second)) {
                fetches[place] += 1;
                shared.lose_all();
                worker.fetched(&document(), later(second)).unwrap();
            }
            shared.lose_all();
        }
        assert!(second < 1 || workers.iter().all(Worker::has_keys), "at {second}");
    }
    assert_eq!(fetches, [4, 4]);
}

#[test]
fn a_worker_that_knows_nothing_takes_a_corrupt_record_for_none() {
    let (shared, mut workers) = workers(2);
    tick(&mut workers[..1], NOW);
    shared.overwrite_all(b"another plugin's");
    assert!(workers[1].tick(later(1)));
    workers[1].fetched(&document(), later(1)).unwrap();
    assert_eq!(tick(&mut workers, later(2)), [0; 0]);
    assert!(workers.iter().all(Worker::has_keys));
}

#[test]
fn a_clock_that_is_set_back_leads_to_one_fetch_and_no_refusal() {
    let (_, mut workers) = workers(3);
    tick(&mut workers, NOW);
    workers[0].fetched(&document(), NOW).unwrap();
    tick(&mut workers, later(1));
    let earlier = NOW.minus(Duration::from_secs(86_400 * 365));
    assert_eq!(tick(&mut workers, earlier), [0]);
    assert!(workers.iter().all(Worker::has_keys));
    assert_eq!(tick(&mut workers, earlier), [0; 0]);
    workers[0].fetched(&document(), earlier).unwrap();
    assert_eq!(tick(&mut workers, earlier.plus(Duration::from_secs(800))), [0; 0]);
    assert!(workers.iter().all(Worker::has_keys));
}

#[test]
fn configurations_with_other_times_share_keys_and_keep_their_own_times() {
    let (shared, mut workers) = workers(1);
    tick(&mut workers, NOW);
    workers[0].fetched(&document(), NOW).unwrap();
    let times = KeyTimes { max_refresh: Duration::from_secs(100), ..KeyTimes::default() };
    let mut eager = Worker::of(&shared, times);
    assert!(!eager.tick(later(89)) && eager.has_keys());
    assert!(eager.tick(later(90)));
    assert!(!workers[0].tick(later(90)));
}

proptest::proptest! {
    /// Whatever happens in whatever order: never two leases at once, and once
    /// all is well again, all workers have the keys that were published last.
    #[test]
    fn workers_agree(steps in proptest::collection::vec((0_usize..4, 0_u8..8, 0_u64..20), 1..120)) {
        let (shared, mut workers) = workers(4);
        let documents = [document(), document()];
        let (mut now, mut holders) = (NOW, Vec::<(usize, UnixTime)>::new());
        for (place, what, pause) in steps {
            now = now.plus(Duration::from_secs(pause));
            holders.retain(|(_, until)| now < *until);
            match what {
                0 => drop(workers[place].fetched(&documents[0], now)),
                1 => drop(workers[place].fetched(&documents[1], now)),
                2 => workers[place].failed(now, 0.5),
                3 => workers[place] = Worker::of(&shared, KeyTimes::default()),
                4 => drop(workers[place].state.unknown_key(now)),
                _ => {}
            }
            if what <= 2 {
                holders.retain(|(holder, _)| *holder != place);
            }
            if workers[place].tick(now) {
                proptest::prop_assert!(holders.is_empty(), "{} at {}", place, now);
                holders.push((place, now.plus(Duration::from_secs(8))));
            }
        }
        // Long enough for every lease and every retry.
        now = now.plus(Duration::from_secs(200));
        workers[0].state.unknown_key(now);
        let fetchers = tick(&mut workers, now);
        proptest::prop_assert!(fetchers.len() <= 1);
        for place in fetchers {
            workers[place].fetched(&documents[0], now).unwrap();
        }
        proptest::prop_assert_eq!(tick(&mut workers, now), Vec::<usize>::new());
        for worker in &workers {
            proptest::prop_assert!(worker.has_keys());
            proptest::prop_assert_eq!(&worker.state.known.document, documents[0].as_bytes());
        }
    }
}
