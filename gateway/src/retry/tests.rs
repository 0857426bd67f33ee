use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::config::RetryBudget;

fn budget(min_per_second: u32) -> (Budget, Instant) {
    let began = Instant::now();
    (Budget::new(RetryBudget { ratio: 0.2, min_per_second }, began), began)
}

const CASE: Case = Case {
    cause: Cause::Lost,
    is_harmless: true,
    is_held: true,
    made: 1,
    attempts: 3,
    has_place: true,
};

#[derive(Debug, PartialEq)]
enum Sent {
    Again,
    Not(Verdict),
}

fn verdict(case: Case) -> Sent {
    let (budget, now) = budget(10);
    sent(decide(case, &budget, now))
}

fn sent(verdict: Verdict) -> Sent {
    match verdict {
        Verdict::Again(_) => Sent::Again,
        other => Sent::Not(other),
    }
}

#[test]
fn what_may_have_been_processed_is_sent_again_only_where_that_does_no_harm() {
    for cause in [Cause::Lost, Cause::TimedOut, Cause::FrontEndFailed] {
        assert_eq!(verdict(Case { cause, ..CASE }), Sent::Again, "{cause:?}");
        let case = Case { cause, is_harmless: false, ..CASE };
        assert_eq!(verdict(case), Sent::Not(Verdict::Over), "{cause:?}");
    }
}

#[test]
fn what_no_service_has_seen_is_sent_again_whatever_it_is() {
    for cause in [Cause::Unsent, Cause::Refused, Cause::TokenRefused, Cause::CallerRefused] {
        let case = Case { cause, is_harmless: false, ..CASE };
        assert_eq!(verdict(case), Sent::Again, "{cause:?}");
    }
}

#[test]
fn a_body_that_is_not_held_matters_unless_it_came_back() {
    for cause in Cause::ALL {
        let expected = match cause {
            Cause::Unsent => Sent::Again,
            _ => Sent::Not(Verdict::NotHeld),
        };
        assert_eq!(verdict(Case { cause, is_held: false, ..CASE }), expected, "{cause:?}");
    }
}

#[test]
fn a_dead_region_loses_nothing_when_the_budget_is_spent() {
    let (budget, now) = budget(0);
    assert_eq!(decide(CASE, &budget, now), Verdict::OverBudget);
    for _ in 0..1_000 {
        budget.note_request(now);
        let case = Case { cause: Cause::Unsent, ..CASE };
        assert_eq!(sent(decide(case, &budget, now)), Sent::Again);
    }
    assert_eq!(decide(CASE, &budget, now), Verdict::OverBudget, "it has used up all of it");
}

fn cases() -> impl Strategy<Value = Case> {
    let flags = any::<[bool; 3]>();
    (prop::sample::select(&Cause::ALL[..]), flags, 1_usize..6, 1_usize..5).prop_map(
        |(cause, [is_harmless, is_held, has_place], made, attempts)| Case {
            cause,
            is_harmless,
            is_held,
            made,
            attempts,
            has_place,
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_sent_again_against_a_rule(cases in prop::collection::vec(cases(), 1..200)) {
        let (budget, now) = budget(1);
        let mut processed_again = 0;
        for case in cases {
            if sent(decide(case, &budget, now)) != Sent::Again {
                continue;
            }
            prop_assert!(case.made < case.attempts && case.has_place);
            prop_assert!(case.is_held || case.cause == Cause::Unsent);
            if !case.cause.is_unprocessed() {
                prop_assert!(case.is_harmless);
                processed_again += 1;
            }
        }
        // Ten for the ten seconds; no request was counted.
        prop_assert!(processed_again <= 10);
    }

    #[test]
    fn causes_know_their_places(place in 0_usize..Cause::ALL.len()) {
        prop_assert_eq!(Cause::ALL[place].place(), place);
    }
}
