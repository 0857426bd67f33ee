//! Where plain custom audiences would do, and no gateway would be needed.

use std::collections::BTreeSet;

use remint_idtoken::policy::{Check as Step, Outcome};
use remint_idtoken::{Authority, AwsLc, Rule, Target};

use super::{Looked, made_up, of_run};
use crate::config::{Kind, Service};
use crate::doctor::commands;
use crate::doctor::facts::{OidcToken, Place};
use crate::doctor::report::Recommendation;

/// More commands than this are no advice.
const MAX_COMMANDS: usize = 12;

/// Whether the load balancer could call a service's regions itself: each takes the
/// same custom audiences, and Cloud Run's own check of who calls says what the
/// policy says. That needs regions of Cloud Run alone, and rules that ask for one
/// token of Google's with exactly these audiences, of callers with an address,
/// and for nothing else.
pub(super) fn simpler(looked: &Looked<'_>, service: &Service) -> Option<Recommendation> {
    let all: Vec<_> = of_run(looked, service).collect();
    let minted_for: BTreeSet<&str> = all.iter().map(|(region, ..)| &*region.audience).collect();
    let is_plain = service.regions.iter().all(|it| it.kind == Kind::CloudRun)
        && all.len() == service.regions.len()
        && all.iter().all(|(_, _, run)| !run.iap_enabled && !run.invoker_iam_disabled)
        && minted_for.len() > 1
        && looked.config.assertion.is_none();
    if !is_plain {
        return None;
    }
    let (mut audiences, mut callers) = (BTreeSet::new(), BTreeSet::new());
    for route in &service.routes {
        let mut rules = looked.config.policy.rules().iter();
        let rule = rules.find(|rule| *rule.name() == route.rule)?;
        callers.extend(callers_of(looked, rule)?);
        audiences.extend(rule.audiences());
    }
    let audiences: Vec<&str> = audiences.into_iter().collect();
    let places: Vec<&Place> = all.iter().map(|(_, place, _)| *place).collect();
    let mut commands = commands::add_custom_audiences_in(&places, &audiences);
    commands.extend(callers.iter().flat_map(|caller| commands::bind_in(&places, caller)));
    (!callers.is_empty() && commands.len() <= MAX_COMMANDS).then(|| Recommendation {
        service: service.name.to_string(),
        text: format!(
            "plain custom audiences are enough: with {} in every region, the load balancer can \
             call the regions itself. What is lost is one list of callers for all regions, \
             retries in another region, and refusals that say why",
            audiences.join(" and ")
        ),
        commands,
    })
}

/// The callers of a rule as IAM writes them, if Cloud Run can ask for the same.
fn callers_of(looked: &Looked<'_>, rule: &Rule) -> Option<Vec<String>> {
    let policy = &looked.config.policy;
    let audience = rule.audiences().next()?;
    let is_one_token = rule.callers().count() == 1;
    if !is_one_token || !rule.audiences().all(|it| it.starts_with("https://")) {
        return None;
    }
    let example = rule.example()?;
    let method = example.method.as_deref().unwrap_or("POST");
    let authority = Authority::new(policy, AwsLc);
    let refused = |account: &str, audience: &str| {
        let token = OidcToken { account: account.to_owned(), audience: Some(audience.to_owned()) };
        let headers = made_up::bearer(&token, audience);
        let target = Target::parse(&example.host, &example.path, method);
        let walk = policy.walk(&authority, target, &headers, made_up::TIME);
        let steps = walk.tokens.into_iter().flat_map(|it| it.steps);
        steps.filter(|step| made_up::refused(step).is_some()).collect::<Vec<_>>()
    };
    // Whose audience counts by its origin alone has senders that choose none.
    let longer = format!("{audience}/of-a-sender-s-own");
    let is_exact = refused(made_up::STRANGER, &longer).iter().any(|it| it.check == Step::Audience);
    let of_stranger = refused(made_up::STRANGER, audience);
    let expected = of_stranger.iter().find_map(|step| match &step.outcome {
        Outcome::Failed(refusal) if step.check == Step::Caller => refusal.expectation(),
        _ => None,
    })?;
    let callers: Option<Vec<String>> =
        expected.values().iter().map(|value| made_up::member(value)).collect();
    let callers = callers.filter(|_| is_exact)?;
    // A rule that asks such a caller for more asks for what Cloud Run can't.
    let first = callers.first()?.split_once(':').map(|(_, address)| address.to_owned())?;
    refused(&first, audience).is_empty().then_some(callers)
}
