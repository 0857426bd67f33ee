//! Checks of what sends requests: each one is held against the policy, by the
//! same code that decides about requests, as if its token had come.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use remint_idtoken::policy::{Example, Outcome};
use remint_idtoken::{Authority, AwsLc, Reason, Refusal, Rule, Sender, Target};

use super::hosts::{Host, Hosts};
use super::{Looked, iap, made_up};
use crate::doctor::catalogue::Check;
use crate::doctor::commands::{self, Wanted};
use crate::doctor::facts::{OidcToken, SenderFacts};
use crate::doctor::finding::Finding;

/// Findings of all senders, and who was looked at.
pub(super) fn check(looked: &Looked<'_>) -> (Vec<Finding>, Vec<String>) {
    let hosts = Hosts::of(looked.config);
    let (mut found, mut subjects, mut used) = (Vec::new(), Vec::new(), Vec::new());
    for sender in &looked.facts.senders {
        if looked.ignored.contains(&sender.name) {
            continue;
        }
        let one = One { sender, looked, subject: subject_of(sender) };
        let Some(host) = one.uri().as_ref().and_then(Uri::host).map(|host| hosts.find(host)) else {
            continue;
        };
        match host {
            Host::Foreign => continue,
            Host::Region(name) => found.push(one.past(&name)),
            Host::Near(near) => found.push(one.misspelt(&near)),
            Host::Own => {
                let (findings, rule) = one.served();
                found.extend(findings);
                used.extend(rule.map(|rule| rule.name().to_string()));
            }
        }
        subjects.push(one.subject);
    }
    found.extend(unused(looked, &used));
    (found, subjects)
}

fn subject_of(sender: &SenderFacts) -> String {
    let what = match sender.kind {
        Sender::PubSub | Sender::Eventarc => "subscription",
        Sender::Tasks => "queue",
        Sender::Scheduler => "job",
    };
    format!("{what} {}", sender.name)
}

/// Rules that say who sends, and nobody does; nothing is said of lists that
/// could not be read.
fn unused(looked: &Looked<'_>, used: &[String]) -> Vec<Finding> {
    if !looked.facts.unread.is_empty() {
        return Vec::new();
    }
    let routes = looked.config.services.iter().flat_map(|service| &service.routes);
    let unused = routes.filter_map(|route| {
        // Single tasks have what their queue does not: nobody can tell.
        let sender = route.attempts.sender.filter(|it| *it != Sender::Tasks)?;
        let is_used = used.iter().any(|it| **it == *route.rule);
        (!is_used).then(|| {
            let cause = format!("it is for {}, and none was found that calls it", sender.name());
            let found = Finding::new(Check::RuleUnused, &format!("rule {}", route.rule), cause);
            found.advised("look in another project or location: --project, --location")
        })
    });
    unused.collect()
}

pub(super) struct One<'a> {
    pub(super) sender: &'a SenderFacts,
    pub(super) looked: &'a Looked<'a>,
    pub(super) subject: String,
}

impl<'a> One<'a> {
    fn uri(&self) -> Option<Uri> {
        self.sender.url.parse().ok()
    }

    pub(super) fn project(&self) -> Option<&'a str> {
        self.looked.facts.project.name.as_deref()
    }

    pub(super) fn found(&self, check: Check, cause: impl Into<String>) -> Finding {
        Finding::new(check, &self.subject, cause)
    }

    pub(super) fn set(&self, wanted: &Wanted<'_>) -> String {
        commands::set(self.sender, self.project(), wanted)
    }

    fn past(&self, region: &str) -> Finding {
        let cause = format!("it calls {}, which is the region {region} itself", self.sender.url);
        let found = self.found(Check::SenderGoesPast, cause);
        if self.sender.kind == Sender::Eventarc {
            let advice = "have the events come by a topic with a push subscription of your own; or \
                          leave it out, with --ignore";
            return found.advised(advice);
        }
        let rule = self.looked.config.policy.rules().iter().find_map(|rule| rule.example());
        match rule {
            Some(example) => {
                let url = format!("https://{}{}", example.host, example.path);
                found.mended_by(self.set(&Wanted { url: Some(&url), ..Wanted::default() }))
            }
            None => found,
        }
    }

    /// Its host is almost one of the gateway's.
    fn misspelt(&self, near: &str) -> Finding {
        let path = self.uri().map(|uri| uri.path().to_owned()).unwrap_or_default();
        let url = format!("https://{near}{path}");
        let cause = format!("it calls {}; the policy has {near}", self.sender.url);
        let found = self.found(Check::SenderNoRule, cause);
        found.mended_by(self.set(&Wanted { url: Some(&url), ..Wanted::default() }))
    }

    /// What the policy would say to its requests.
    fn served(&self) -> (Vec<Finding>, Option<&'a Rule>) {
        let policy = &self.looked.config.policy;
        let Some(uri) = self.uri() else { return (Vec::new(), None) };
        let (host, method) = (uri.host().unwrap_or_default(), self.sender.method.as_str());
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        let target = Target::parse(host, path, method);
        let authority = Authority::new(policy, AwsLc);
        let headers = self.headers();
        let walk = policy.walk(&authority, target, &headers, made_up::TIME);
        let failed = walk.steps.iter().find_map(|step| match &step.outcome {
            Outcome::Failed(refusal) => Some(refusal.reason),
            _ => None,
        });
        if let Some(reason) = failed {
            return (vec![self.no_rule(host, &uri).because(reason)], None);
        }
        let rule = policy
            .rules()
            .iter()
            .find(|rule| walk.rule.as_ref().is_some_and(|found| found.name() == rule.name()));
        let Some(rule) = rule else { return (Vec::new(), None) };
        let mut found: Vec<Finding> = self.deadline(rule).into_iter().collect();
        if rule.is_anonymous() {
            return (found, Some(rule));
        }
        found.extend(iap::in_front_of_sender(self, rule));
        // Of a queue each task may have a token of its own.
        let has_to = self.sender.kind != Sender::Tasks && takes_bearers(rule);
        match &self.sender.token {
            None if has_to => found.push(self.no_token(rule)),
            None => {}
            Some(token) => {
                let failed = walk.tokens.iter().filter(|it| it.claims.is_some());
                let failed = failed.flat_map(|it| &it.steps).find_map(made_up::refused);
                let finding = failed.and_then(|refusal| self.refused(rule, token, refusal));
                found.extend(finding);
                found.extend(self.minting(token));
            }
        }
        (found, Some(rule))
    }

    /// The headers that it would send.
    fn headers(&self) -> HeaderMap {
        let token = self.sender.token.as_ref();
        token.map(|token| made_up::bearer(token, &self.sender.url)).unwrap_or_default()
    }

    fn no_rule(&self, host: &str, uri: &Uri) -> Finding {
        let (method, path) = (&self.sender.method, uri.path());
        let cause = format!("no rule is for {method} {path} on {host}");
        let found = self.found(Check::SenderNoRule, cause);
        let rules = self.looked.config.policy.rules();
        let examples = || rules.iter().filter_map(|rule| rule.example());
        let is_here = |it: &Example| it.host.eq_ignore_ascii_case(host);
        let by_method = examples().find(|it| {
            is_here(it) && self.is_served(it.method.as_deref().unwrap_or(method), host, path)
        });
        if let Some(Example { method: Some(method), .. }) = &by_method {
            let wanted = Wanted { method: Some(method), ..Wanted::default() };
            return found.mended_by(self.set(&wanted));
        }
        match examples().find(is_here).or_else(|| examples().next()) {
            Some(example) => {
                let url = format!("https://{}{}", example.host, example.path);
                found.mended_by(self.set(&Wanted { url: Some(&url), ..Wanted::default() }))
            }
            None => found,
        }
    }

    fn is_served(&self, method: &str, host: &str, path: &str) -> bool {
        let target = Target::parse(host, path, method).ok();
        target.is_some_and(|target| self.looked.config.policy.rule_for(&target).is_some())
    }

    fn no_token(&self, rule: &Rule) -> Finding {
        let cause = format!("it sends no OIDC token, and the rule {} asks for one", rule.name());
        let account = self.callers_of(rule);
        let wanted = Wanted {
            account: Some(account.as_deref().unwrap_or("SERVICE_ACCOUNT_EMAIL")),
            audience: rule.audiences().next(),
            ..Wanted::default()
        };
        self.found(Check::SenderNoToken, cause).mended_by(self.set(&wanted))
    }

    /// An account that the rule takes: what it says it expected of another.
    fn callers_of(&self, rule: &Rule) -> Option<String> {
        let audience = rule.audiences().next().map(str::to_owned);
        let token = OidcToken { account: made_up::STRANGER.to_owned(), audience };
        let stranger = SenderFacts { token: Some(token), ..self.sender.clone() };
        let one = One { sender: &stranger, looked: self.looked, subject: String::new() };
        let uri = one.uri()?;
        let target = Target::parse(uri.host()?, uri.path(), &stranger.method);
        made_up::expected(&self.looked.config.policy, target, &one.headers())
    }

    fn refused(&self, rule: &Rule, token: &OidcToken, refusal: &Refusal) -> Option<Finding> {
        let audience = token.audience.as_deref().unwrap_or(&self.sender.url);
        if refusal.reason.is_about_audience() {
            let whose = match token.audience {
                Some(_) => "its audience is",
                None => "without an audience of its own it is the URL that is called:",
            };
            let expected: Vec<&str> = rule.audiences().collect();
            let cause = format!(
                "{whose} {audience}; the rule {} takes {}",
                rule.name(),
                expected.join(" or ")
            );
            let wanted = Wanted {
                audience: expected.first().copied(),
                account: Some(&token.account),
                ..Wanted::default()
            };
            let found = self.found(Check::SenderAudience, cause).because(refusal.reason);
            return Some(found.mended_by(self.set(&wanted)));
        }
        if refusal.reason == Reason::CallerNotAllowed {
            let expected = refusal.expectation().map(|it| it.values().to_vec()).unwrap_or_default();
            // An account's number stands in its tokens, not in its sender's settings.
            if expected.iter().any(|it| it.starts_with("subject ")) {
                return None;
            }
            let cause = format!(
                "it sends tokens of {}; the rule {} takes {}",
                token.account,
                rule.name(),
                expected.join(" or ")
            );
            let account = made_up::address(refusal);
            let wanted = Wanted {
                account: Some(account.as_deref().unwrap_or("SERVICE_ACCOUNT_EMAIL")),
                audience: Some(audience),
                ..Wanted::default()
            };
            return Some(self.found(Check::SenderCaller, cause).mended_by(self.set(&wanted)));
        }
        let code = refusal.reason.code();
        let found = self.found(Check::SenderRefused, refusal.to_string()).because(refusal.reason);
        Some(found.mended_by(format!("remint reasons {code}")))
    }
}

/// Whether a rule looks where senders put their tokens. Behind IAP it looks for
/// IAP's assertion instead.
fn takes_bearers(rule: &Rule) -> bool {
    let some = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer some"))]);
    rule.places().any(|place| place.token(&some).is_ok())
}
