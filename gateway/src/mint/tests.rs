use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use tokio::sync::Notify;
use tokio::time::{Instant, advance, timeout};

use super::error::{Refused, Remedy, Said};
use super::*;
use crate::clock::test::{START, TestClock};
use crate::clock::{self, Clock};
use crate::doorbell::News;

const AUDIENCE: &str = "https://orders.example";
const HOUR: u64 = 3600;

fn later(seconds: u64) -> UnixTime {
    START.plus(Duration::from_secs(seconds))
}

/// A well-formed token; `id` tells two apart.
fn token(audience: &str, expires_at: UnixTime, id: u32) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"RS256","kid":"k"}"#);
    let exp = expires_at.0;
    let claims = encode(&format!(
        r#"{{"iss":"i","aud":"{audience}","exp":{exp},"jti":"{id}","email":"g@p","email_verified":true}}"#
    ));
    format!("{header}.{claims}.{}", encode("secret-signature"))
}

fn read(text: &str) -> Result<MintedToken, MintError> {
    MintedToken::read(text.as_bytes(), &Arc::from(AUDIENCE), START)
}

fn good(expires_at: UnixTime, id: u32) -> Result<MintedToken, MintError> {
    Ok(read(&token(AUDIENCE, expires_at, id)).unwrap())
}

fn refused(status: u16, retry_after: Option<Duration>) -> Result<MintedToken, MintError> {
    Err(MintError::Refused(Box::new(Refused {
        server: "a server",
        status: StatusCode::from_u16(status).unwrap(),
        retry_after,
        said: Said::default(),
        remedy: Remedy::default(),
    })))
}

fn error(status: u16) -> Result<MintedToken, MintError> {
    refused(status, None)
}

#[test]
fn only_a_token_for_the_audience_asked_for_and_with_time_left_is_taken() {
    let taken = read(&format!(" {}\n", token(AUDIENCE, later(HOUR), 1))).unwrap();
    assert_eq!((taken.audience(), taken.account()), (AUDIENCE, Some("g@p")));
    assert_eq!(taken.expires_at(), later(HOUR));
    let other = read(&token("https://other.example", later(HOUR), 1));
    assert!(matches!(other, Err(MintError::Audience { .. })));
    let ended = read(&token(AUDIENCE, START, 1));
    assert!(matches!(ended, Err(MintError::Expired(_))));
    for junk in ["", "<html>", "a.b.c", "{}"] {
        assert!(matches!(read(junk), Err(MintError::Token(_))), "{junk}");
    }
}

#[test]
fn a_minted_token_is_shown_to_nobody() {
    let text = token(AUDIENCE, later(HOUR), 1);
    let taken = read(&text).unwrap();
    let shown = format!("{taken:?} {:?}", taken.header());
    let secret = text.rsplit('.').next().unwrap();
    assert!(!shown.contains(secret), "{shown}");
    assert!(shown.contains(AUDIENCE) && shown.contains("Sensitive"), "{shown}");
}

/// Gives the answers it was made with, one after the other; then waits for
/// ever.
struct Scripted {
    answers: Mutex<VecDeque<Result<MintedToken, MintError>>>,
    asked_at: Mutex<Vec<UnixTime>>,
    asked: Notify,
}

impl TokenSource for Arc<Scripted> {
    async fn mint(&self, _: &Arc<str>, now: UnixTime) -> Result<MintedToken, MintError> {
        self.asked_at.lock().unwrap().push(now);
        self.asked.notify_one();
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

struct Bench {
    slot: Arc<Slot>,
    news: Arc<News>,
    source: Arc<Scripted>,
    clock: Arc<TestClock>,
    _task: crate::doorbell::Task,
}

impl Bench {
    fn start(answers: impl IntoIterator<Item = Result<MintedToken, MintError>>) -> Self {
        let news = Arc::new(News::default());
        let slot = Arc::new(Slot::new(Arc::from(AUDIENCE), None, Arc::clone(&news)));
        let source = Arc::new(Scripted {
            answers: Mutex::new(answers.into_iter().collect()),
            asked_at: Mutex::default(),
            asked: Notify::new(),
        });
        let clock = Arc::new(TestClock::new());
        let shared: Arc<dyn clock::Clock> = clock.clone();
        let task = keep_fresh(Arc::clone(&slot), Arc::new(Arc::clone(&source)), shared, |_| {});
        Self { slot, news, source, clock, _task: crate::doorbell::Task::spawn(task) }
    }

    /// Waits until the source has been asked that often; paused time runs on.
    async fn asked(&self, times: usize) -> Vec<u64> {
        let asked_often = async {
            while self.source.asked_at.lock().unwrap().len() < times {
                self.source.asked.notified().await;
            }
        };
        timeout(Duration::from_secs(2 * HOUR), asked_often).await.unwrap();
        let asked_at = self.source.asked_at.lock().unwrap();
        asked_at.iter().map(|at| at.since(START).as_secs()).collect()
    }

    fn now(&self) -> UnixTime {
        self.clock.now()
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_its_end_and_used_meanwhile() {
    let bench = Bench::start([good(later(HOUR), 1), good(later(2 * HOUR), 2)]);
    let asked = bench.asked(2).await;
    assert_eq!(asked[0], 0);
    assert!((HOUR - 225..=HOUR - 195).contains(&asked[1]), "{asked:?}");
    assert!(bench.slot.token(bench.now()).is_some());
    advance(Duration::from_secs(1)).await;
    assert_eq!(bench.slot.token(bench.now()).unwrap().expires_at(), later(2 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn failures_leave_the_last_good_token_until_it_ends_and_no_longer() {
    let answers = std::iter::once(good(later(HOUR), 1)).chain((0..20).map(|_| error(500)));
    let bench = Bench::start(answers);
    bench.asked(8).await;
    assert!(bench.now() < later(HOUR));
    assert_eq!(bench.slot.token(bench.now()).unwrap().expires_at(), later(HOUR));
    bench.clock.jump(Duration::from_secs(HOUR));
    assert!(bench.slot.token(bench.now()).is_none());
    assert!(!bench.slot.has_token(bench.now()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_permission_is_asked_for_again() {
    let bench = Bench::start([error(403), error(429), good(later(HOUR), 1)]);
    bench.asked(3).await;
    let mut attempts = bench.news.watch();
    assert!(bench.slot.has_token(bench.now()) || attempts.next_end(soon()).await);
    assert!(bench.slot.has_token(bench.now()));
}

#[tokio::test(start_paused = true)]
async fn the_same_token_again_is_asked_for_less_and_less_often() {
    let again = (0..4).map(|_| good(later(HOUR), 1));
    let bench = Bench::start(again);
    let asked = bench.asked(5).await;
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((HOUR - 225..=HOUR - 195).contains(&gaps[0]), "{gaps:?}");
    assert!((5..=8).contains(&gaps[1]), "{gaps:?}");
    assert!((10..=15).contains(&gaps[2]) && (20..=30).contains(&gaps[3]), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_frozen_renews_on_the_first_request() {
    let bench = Bench::start([good(later(HOUR), 1), good(later(9 * HOUR), 2)]);
    bench.asked(1).await;
    bench.clock.jump(Duration::from_secs(5 * HOUR));
    let before = Instant::now();
    let mut attempts = bench.news.watch();
    assert!(bench.slot.token(bench.now()).is_none());
    assert!(bench.slot.hurry(bench.now(), Duration::ZERO));
    assert!(attempts.next_end(soon()).await);
    assert!(bench.slot.token(bench.now()).is_some());
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody waited for a timer");
}

/// A source in the middle of whose first answers the process is frozen.
struct Interrupted {
    clock: Arc<TestClock>,
    times: std::sync::atomic::AtomicU32,
}

impl TokenSource for Interrupted {
    async fn mint(&self, _: &Arc<str>, now: UnixTime) -> Result<MintedToken, MintError> {
        if self.times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 10 {
            self.clock.jump(Duration::from_secs(600));
            return error(500);
        }
        good(now.plus(Duration::from_secs(HOUR)), 1)
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_were_frozen_are_made_again_without_a_back_off() {
    let clock = Arc::new(TestClock::new());
    let slot = Arc::new(Slot::new(Arc::from(AUDIENCE), None, Arc::default()));
    let source = Arc::new(Interrupted { clock: Arc::clone(&clock), times: 0.into() });
    let before = Instant::now();
    let shared: Arc<dyn clock::Clock> = clock.clone();
    let task = keep_fresh(Arc::clone(&slot), source, shared, |_| {});
    let _task = crate::doorbell::Task::spawn(task);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(slot.has_token(clock.now()));
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody waited for a timer");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_right_again_mints_with_the_next_request() {
    let expired = Err(MintError::Expired(later(HOUR)));
    let bench = Bench::start([expired, good(later(HOUR), 1)]);
    bench.clock.jump(Duration::from_secs(6 * HOUR));
    bench.asked(1).await;
    bench.clock.set_back(Duration::from_secs(6 * HOUR));
    let before = Instant::now();
    let mut attempts = bench.news.watch();
    assert!(bench.slot.hurry(bench.now(), Duration::from_secs(5)));
    assert!(attempts.next_end(soon()).await);
    assert!(bench.slot.has_token(bench.now()));
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody waited for a timer");
}

#[tokio::test(start_paused = true)]
async fn who_hurries_a_source_that_backs_off_is_told_not_to_wait() {
    let slow_down = refused(429, Some(Duration::from_secs(120)));
    let bench = Bench::start([slow_down, good(later(HOUR), 1)]);
    let mut attempts = bench.news.watch();
    assert!(attempts.next_end(soon()).await);
    assert!(!bench.slot.hurry(bench.now(), Duration::from_secs(5)));
    assert!(bench.slot.hurry(bench.now(), Duration::from_secs(121)));
    assert_eq!(bench.asked(2).await, [0, 120], "hurrying changes nothing");
}

#[tokio::test(start_paused = true)]
async fn many_who_hurry_cause_one_attempt() {
    let bench = Bench::start([]);
    for _ in 0..100 {
        assert!(bench.slot.hurry(bench.now(), Duration::ZERO));
    }
    bench.asked(1).await;
    advance(Duration::from_secs(60)).await;
    assert_eq!(bench.asked(1).await, [0]);
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}
