//! Checks of one region: its URL, its audience, who may call it, from where.

use remint_idtoken::Reason;
use remint_idtoken::policy::audience_miss;

use super::{Call, INVOKERS, Looked, iap};
use crate::config::{Kind, Region};
use crate::doctor::catalogue::Check;
use crate::doctor::commands;
use crate::doctor::facts::{Gap, Ingress, Place, Probe, Probed, Read, RegionFacts, RunService};
use crate::doctor::finding::{Finding, Level};
use crate::doctor::policy::{Held, Policy};
use crate::doctor::protected::is_client;
use crate::iam::iap_agent;

/// What is looked at, with all that is known of it.
pub(super) struct Site<'a> {
    pub(super) subject: String,
    pub(super) region: &'a Region,
    pub(super) facts: &'a RegionFacts,
    pub(super) account: Option<&'a str>,
    pub(super) looked: &'a Looked<'a>,
}

impl Site<'_> {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found = self.of_settings();
        // What a setting explains is not said twice.
        let is_explained = found.iter().any(|it| it.level() == Level::Red);
        found.extend(self.probe().filter(|it| !(is_explained && it.level() == Level::Red)));
        found
    }

    fn of_settings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let Some(place) = &self.facts.place else {
            let why = format!("{} does not tell which service it is", self.region.url());
            found.extend(self.is_of_run().then(|| self.unread(&why.into())));
            found.extend(iap::in_front_of_region(self));
            return found;
        };
        match &self.facts.run {
            Read::Is(run) if self.region.kind == Kind::CloudFunction => {
                found.extend(self.function(place, run));
            }
            Read::Is(run) => found.extend(self.service(place, run)),
            Read::Missing if self.region.kind == Kind::CloudFunction => {
                found.push(self.unread(&"functions of the first generation are not read".into()));
            }
            Read::Missing => found.push(self.missing(place)),
            Read::Unread(gap) => found.push(self.unread(gap)),
        }
        found
    }

    fn is_of_run(&self) -> bool {
        matches!(self.region.kind, Kind::CloudRun | Kind::CloudFunction)
    }

    pub(super) fn found(&self, check: Check, cause: impl Into<String>) -> Finding {
        Finding::new(check, &self.subject, cause)
    }

    pub(super) fn unread(&self, gap: &Gap) -> Finding {
        self.looked.unread(&self.subject, "", gap)
    }

    fn missing(&self, place: &Place) -> Finding {
        let Place { service, location, project } = place;
        match &self.facts.elsewhere {
            Some((elsewhere, run)) => {
                let own = run.urls.first().map_or("", String::as_str);
                let cause = format!(
                    "there is no service {service} in {location}; in {}, it is at {own}",
                    elsewhere.location
                );
                self.found(Check::WrongRegion, cause)
                    .advised(format!("write url: {own}"))
                    .mended_by(commands::describe(elsewhere))
            }
            None => {
                let cause = format!("there is no service {service} in {location} of {project}");
                self.found(Check::ServiceMissing, cause).mended_by(commands::list(place))
            }
        }
    }

    fn function(&self, place: &Place, run: &RunService) -> Vec<Finding> {
        let url = self.region.url();
        if run.urls.contains(&url) {
            return self.access(place, run);
        }
        let own = run.urls.first().map_or("", String::as_str);
        let cause = format!("{} is a Cloud Run service at {own}, not a function", place.service);
        let found = self.found(Check::FunctionIsService, cause);
        let advice = format!("leave kind out and write url: {own}");
        vec![found.advised(advice).mended_by(commands::describe(place))]
    }

    fn service(&self, place: &Place, run: &RunService) -> Vec<Finding> {
        let url = self.region.origin.audience();
        let is_run_app = self.region.origin.host().ends_with(".run.app");
        if is_run_app && !run.urls.contains(&url) {
            let own = run.urls.first().map_or("", String::as_str);
            let cause = format!("{url} is none of its URLs, which are {}", run.urls.join(", "));
            let found = self.found(Check::WrongUrl, cause).advised(format!("write url: {own}"));
            return vec![found.mended_by(commands::describe(place))];
        }
        let mut found = Vec::new();
        if is_run_app && run.default_uri_disabled {
            let cause = "its run.app URLs are turned off";
            let found_one = self.found(Check::DefaultUrlDisabled, cause);
            found.push(found_one.mended_by(commands::update(place, "--default-url")));
        }
        if self.region.kind == Kind::Other {
            // It checks tokens itself, for an audience of its own.
            found.extend(self.ingress(place, run));
            return found;
        }
        found.extend(self.audience(place, run));
        found.extend(self.access(place, run));
        found
    }

    fn audience(&self, place: &Place, run: &RunService) -> Option<Finding> {
        let (audience, accepted) = (&*self.region.audience, run.audiences());
        let is_client = is_client(audience);
        if run.iap_enabled && (is_client || self.region.kind == Kind::Iap) {
            return None;
        }
        if is_client || self.region.kind == Kind::Iap {
            let cause =
                format!("tokens are minted for {audience}, and the service is not behind IAP");
            return Some(self.found(Check::IapOff, cause).mended_by(commands::describe(place)));
        }
        if accepted.iter().any(|it| it == audience) {
            return None;
        }
        let host = self.region.origin.host();
        let reason = audience_miss(&[audience.to_owned()], &accepted, host);
        let own = run.urls.first().map_or("", String::as_str);
        let is_custom = matches!(reason, Reason::AudienceMismatch | Reason::AudienceIsLoadBalancer);
        if is_custom {
            let cause = format!(
                "tokens are minted for {audience}, which is no audience of the service here"
            );
            let found = self.found(Check::CustomAudienceMissing, cause).because(reason);
            return Some(found.mended_by(commands::add_custom_audiences(place, &[audience])));
        }
        let cause = format!("tokens are minted for {audience}; it takes {}", accepted_shown(run));
        let found = self.found(Check::AudienceRefused, cause).because(reason);
        let advice = format!("leave audience out, or write audience: {own}");
        Some(found.advised(advice).mended_by(commands::describe(place)))
    }

    /// Who may call, and from where.
    fn access(&self, place: &Place, run: &RunService) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.ingress(place, run).into_iter().collect();
        if run.invoker_iam_disabled {
            let cause = "nobody's right to call it is checked (invokerIamDisabled)";
            let off = self.found(Check::InvokerCheckOff, cause);
            found.push(off.mended_by(commands::update(place, "--invoker-iam-check")));
            return found;
        }
        match &self.facts.policy {
            Read::Is(policy) => found.extend(self.invokers(place, run, policy)),
            Read::Missing => {}
            Read::Unread(gap) => {
                found.push(self.looked.unread(&self.subject, "its IAM policy: ", gap));
            }
        }
        found
    }

    fn invokers(&self, place: &Place, run: &RunService, policy: &Policy) -> Vec<Finding> {
        if let Some(member) = policy.everybody(&INVOKERS) {
            let open = self.found(Check::OpenToAll, format!("{member} may call it"));
            return vec![open.mended_by(commands::bind(place, false, member))];
        }
        if run.iap_enabled {
            return iap::agent(self.looked, &self.subject, place, policy).into_iter().collect();
        }
        let Some(account) = self.account else {
            let why = "who the gateway is could not be found out, so its role is not looked for";
            let unread = self.unread(&why.into());
            return vec![unread.advised("say --account EMAIL")];
        };
        let member = format!("serviceAccount:{account}");
        let call = Call { subject: &self.subject, place, policy, member: &member };
        let lacking = self.looked.lacking(Check::InvokerMissing, &call);
        // Whoever got an answer of the application's may call it.
        let outcome = self.facts.probe.as_ref().map(|probe| &probe.outcome);
        let is_let_in = matches!(outcome, Some(Probed::Answered(_)));
        lacking.into_iter().filter(|it| !(is_let_in && it.check == Check::Unread)).collect()
    }

    /// Whether whoever calls is known to have a role by which it may: the gateway,
    /// or the IAP in front.
    fn is_granted(&self) -> bool {
        let project =
            self.facts.place.as_ref().and_then(|it| self.looked.facts.project(&it.project));
        let is_behind_iap = self.facts.run.is().is_some_and(|run| run.iap_enabled);
        let member = match is_behind_iap {
            true => project.and_then(|it| it.number).map(iap_agent),
            false => self.account.map(|account| format!("serviceAccount:{account}")),
        };
        let policies = [self.facts.policy.is(), project.and_then(|it| it.policy.is())];
        let has = |member: String| {
            let held = |policy: &Policy| policy.held(&INVOKERS, &member) == Held::Yes;
            policies.into_iter().flatten().any(held)
        };
        member.is_some_and(has)
    }

    fn ingress(&self, place: &Place, run: &RunService) -> Option<Finding> {
        let (shown, only) = match run.ingress {
            Ingress::All => ("all", None),
            Ingress::InternalOnly => ("internal", Some("the VPC network")),
            Ingress::InternalAndLoadBalancing => {
                ("internal-and-cloud-load-balancing", Some("the VPC network and load balancers"))
            }
            Ingress::Nobody => ("none", Some("nobody")),
        };
        let is_in_vpc = self.looked.is_gateway_in_vpc;
        match only {
            Some(only) if !is_in_vpc || run.ingress == Ingress::Nobody => {
                let cause = format!(
                    "its ingress is {shown}: {only} may call, and the gateway comes from the internet"
                );
                let refuses = self.found(Check::IngressRefuses, cause);
                Some(refuses.mended_by(commands::update(place, "--ingress=all")))
            }
            None if is_in_vpc => {
                let cause = "its ingress is all, and the gateway comes from the VPC network";
                let open = self.found(Check::IngressOpen, cause);
                Some(open.mended_by(commands::update(place, "--ingress=internal")))
            }
            _ => None,
        }
    }

    fn probe(&self) -> Option<Finding> {
        let Probe { url, outcome } = self.facts.probe.as_ref()?;
        let refused =
            |cause: &str| self.found(Check::ProbeRefused, format!("{url} answers {cause}"));
        let found = match outcome {
            Probed::Answered(status) if *status >= 500 => {
                self.found(Check::ProbeError, format!("{url}: the application answers {status}"))
            }
            Probed::Answered(_) => return None,
            Probed::TokenRefused => refused("401: not its audience, or no token that it believes")
                .because(Reason::AudienceMismatch),
            Probed::CallerRefused if self.is_granted() => refused(
                "403, and the role that it takes is granted: that has not arrived everywhere yet",
            )
            .because(Reason::IamPropagating)
            .advised("wait seven minutes and look again"),
            Probed::CallerRefused => {
                refused("403: the gateway may not call it").because(Reason::InvokerMissing)
            }
            Probed::NotFound => refused("404: no such service, or ingress keeps this machine out")
                .because(Reason::IngressRefused),
            Probed::FrontEnd(status) => refused(&format!("{status}, by Google's front end")),
            Probed::Failed(why) => self.found(Check::ProbeFailed, format!("{url}: {why}")),
        };
        Some(found.mended_by(commands::try_it(url, &self.region.audience, self.account)))
    }
}

/// Each URL once, without the spelling with a slash.
fn accepted_shown(run: &RunService) -> String {
    let all: Vec<&str> = run.urls.iter().chain(&run.custom_audiences).map(String::as_str).collect();
    all.join(", ")
}
