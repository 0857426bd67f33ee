//! Checks of IAP on load balancers: in front of the gateway, whose rules take its
//! assertions, and in front of regions, which take tokens for its OAuth client.

use remint_idtoken::Rule;

use super::regions::Site;
use super::senders::One;
use super::{Call, Looked, made_up};
use crate::doctor::catalogue::Check;
use crate::doctor::commands::{self, Wanted};
use crate::doctor::facts::{BackendService, Behind, Gap, Place, Read};
use crate::doctor::finding::Finding;
use crate::doctor::policy::{Held, Policy};
use crate::doctor::protected::{Protected, What, audience, is_client, protected};
use crate::iam::iap_agent;

/// Who has it is let through (IAP, "Managing access").
const ACCESSORS: [&str; 1] = ["roles/iap.httpsResourceAccessor"];

/// What is found of the rules that take IAP's assertions, and what was looked at.
pub(super) fn check(looked: &Looked<'_>) -> (Vec<Finding>, Vec<String>) {
    let (mut found, mut subjects) = (Vec::new(), Vec::new());
    for rule in looked.config.policy.rules() {
        let named: Vec<_> = rule.audiences().filter_map(|it| Some((it, protected(it)?))).collect();
        if named.is_empty() {
            continue;
        }
        let subject = format!("IAP of rule {}", rule.name());
        let caller = made_up::caller_through_iap(&looked.config.policy, rule);
        let guard = Guard { subject: &subject, looked, caller };
        for (audience, Protected { project, what }) in named {
            found.extend(match what {
                What::Backend(id) => guard.named(project, id),
                What::Run { .. } => guard.direct(audience),
            });
        }
        subjects.push(subject);
    }
    (found, subjects)
}

/// What is found of IAP in front of a region that is behind a load balancer.
pub(super) fn in_front_of_region(site: &Site<'_>) -> Vec<Finding> {
    let client = &*site.region.audience;
    if !is_client(client) {
        return Vec::new();
    }
    let caller = site.account.map(|account| format!("serviceAccount:{account}"));
    let guard = Guard { subject: &site.subject, looked: site.looked, caller };
    let all = match guard.backends() {
        Ok(all) => all,
        Err(gap) => return vec![site.unread(&gap)],
    };
    let Some(backend) = all.iter().find(|it| it.client_id.as_deref() == Some(client)) else {
        return vec![guard.no_such_client(client, all)];
    };
    let mut found = guard.of(backend);
    if let (true, Some(account)) = (backend.iap_enabled, site.account) {
        found.extend(guard.access(backend, account));
    }
    found
}

/// What is found of a sender that calls through IAP.
pub(super) fn in_front_of_sender(one: &One<'_>, rule: &Rule) -> Vec<Finding> {
    let guard = Guard { subject: &one.subject, looked: one.looked, caller: None };
    let Ok(all) = guard.backends() else { return Vec::new() };
    let named: Vec<_> = rule.audiences().filter_map(protected).map(|it| it.what).collect();
    let is_it = |it: &&BackendService| it.iap_enabled && named.contains(&What::Backend(&it.id));
    let Some(backend) = all.iter().find(is_it) else { return Vec::new() };
    // What Google manages has no client whose tokens programs could send.
    let Some(client) = backend.client_id.as_deref() else { return Vec::new() };
    let Some(token) = &one.sender.token else {
        let cause = format!("it sends no OIDC token, and IAP asks for one for {client}");
        let wanted = Wanted {
            account: Some("SERVICE_ACCOUNT_EMAIL"),
            audience: Some(client),
            ..Wanted::default()
        };
        return vec![one.found(Check::SenderNoToken, cause).mended_by(one.set(&wanted))];
    };
    let mut found: Vec<Finding> = guard.access(backend, &token.account).into_iter().collect();
    let given = token.audience.as_deref().unwrap_or(&one.sender.url);
    if given != client {
        let cause = format!("the audience of its tokens is {given}; IAP takes {client}");
        let wanted =
            Wanted { account: Some(&token.account), audience: Some(client), ..Wanted::default() };
        found.push(one.found(Check::SenderAudience, cause).mended_by(one.set(&wanted)));
    }
    found
}

/// Whether IAP's service agent may call a service of Cloud Run.
pub(super) fn agent(
    looked: &Looked<'_>,
    subject: &str,
    place: &Place,
    policy: &Policy,
) -> Option<Finding> {
    let member = iap_agent(looked.facts.project(&place.project)?.number?);
    let call = Call { subject, place, policy, member: &member };
    looked.lacking(Check::IapInvokerMissing, &call)
}

/// What IAP is looked at for.
struct Guard<'a> {
    subject: &'a str,
    looked: &'a Looked<'a>,
    /// Somebody who is to be let through, if one is known.
    caller: Option<String>,
}

impl<'a> Guard<'a> {
    fn found(&self, check: Check, cause: impl Into<String>) -> Finding {
        Finding::new(check, self.subject, cause)
    }

    fn project(&self) -> Option<&'a str> {
        self.looked.facts.project.name.as_deref()
    }

    /// All backend services of the project, or why they are not known.
    fn backends(&self) -> Result<&'a [BackendService], Gap> {
        match &self.looked.facts.backends {
            Some(Read::Is(all)) => Ok(all),
            Some(Read::Unread(gap)) => Err(gap.clone()),
            Some(Read::Missing) => Err("there is no such project".into()),
            None => Err("load balancers were not read".into()),
        }
    }

    /// The backend service of that number.
    fn named(&self, project: &str, id: &str) -> Vec<Finding> {
        let all = match self.backends() {
            Ok(all) => all,
            Err(gap) => return vec![self.looked.unread(self.subject, "load balancers: ", &gap)],
        };
        let number = self.looked.facts.project.number;
        let is_own = |number: u64| number.to_string() == project;
        match (all.iter().find(|it| it.id == id), number) {
            (Some(backend), Some(number)) if !is_own(number) => {
                let cause = format!(
                    "the backend service {id} is {} of the project {number}, and not of {project}",
                    backend.name
                );
                vec![self.wrong_audience(cause, &[backend])]
            }
            (Some(backend), _) => self.of(backend),
            (None, Some(number)) if !is_own(number) => {
                let why = format!(
                    "the backend service {id} is one of the project {project}, which was not \
                     looked at"
                );
                let unread = self.looked.unread(self.subject, "", &why.into());
                vec![unread.advised(format!("look at it with --project {project}"))]
            }
            (None, _) => {
                let cause = format!("the project has no backend service {id}");
                let with_iap: Vec<_> = all.iter().filter(|it| it.iap_enabled).collect();
                vec![self.wrong_audience(cause, &with_iap)]
            }
        }
    }

    /// A service of Cloud Run on which IAP is to be.
    fn direct(&self, audience: &str) -> Vec<Finding> {
        let Some(Behind { place, run, policy }) = self.looked.facts.direct.get(audience) else {
            return Vec::new();
        };
        let Place { service, location, project } = place;
        let found = match run {
            Read::Missing => {
                let cause = format!("there is no service {service} in {location} of {project}");
                self.found(Check::IapAudience, cause).mended_by(commands::list(place))
            }
            Read::Unread(gap) => self.looked.unread(self.subject, "", gap),
            Read::Is(run) if !run.iap_enabled => {
                let cause = format!("IAP is off on the service {service} in {location}");
                self.found(Check::IapBackendOff, cause).mended_by(commands::update(place, "--iap"))
            }
            Read::Is(_) => {
                let policy = policy.is();
                let found = policy.and_then(|it| agent(self.looked, self.subject, place, it));
                return found.into_iter().collect();
            }
        };
        vec![found]
    }

    /// With the audiences of those that may be meant.
    fn wrong_audience(&self, cause: String, meant: &[&BackendService]) -> Finding {
        let number = self.looked.facts.project.number;
        let global = meant.iter().filter(|it| it.location.is_none());
        let written = global.filter_map(|it| Some(audience(number?, &it.id)));
        let written: Vec<String> = written.collect();
        let found = self.found(Check::IapAudience, cause);
        let found = found.mended_by(commands::list_backends(self.project()));
        match written.is_empty() {
            true => found,
            false => found.advised(format!("write audiences: [\"{}\"]", written.join("\" or \""))),
        }
    }

    /// The number of its project stands before an OAuth client's ID.
    fn no_such_client(&self, client: &str, all: &[BackendService]) -> Finding {
        let number = self.looked.facts.project.number.map(|it| it.to_string());
        let of_project = client.split('-').next().map(str::to_owned);
        if number.is_none() || number != of_project {
            let why = format!("no backend service of the project has the OAuth client {client}");
            let unread = self.looked.unread(self.subject, "", &why.into());
            return unread.advised("look at the project that has it, with --project");
        }
        let others: Vec<&str> = all
            .iter()
            .filter(|it| it.iap_enabled)
            .filter_map(|it| it.client_id.as_deref())
            .collect();
        let cause = match others.is_empty() {
            true => format!("no backend service has the OAuth client {client}"),
            false => format!(
                "no backend service has the OAuth client {client}; they have {}",
                others.join(", ")
            ),
        };
        self.found(Check::IapClient, cause).mended_by(commands::list_backends(self.project()))
    }

    /// Whether IAP is on, lets anybody through, and may call what is behind.
    fn of(&self, backend: &BackendService) -> Vec<Finding> {
        if !backend.iap_enabled {
            let cause = format!("IAP is off on the backend service {}", backend.name);
            let off = self.found(Check::IapBackendOff, cause);
            return vec![off.mended_by(commands::enable_iap(backend, self.project()))];
        }
        let mut found = Vec::new();
        match &backend.let_through {
            Read::Is(policy) if !policy.has_any(&ACCESSORS) => {
                let cause = format!("IAP lets nobody through to {}", backend.name);
                let nobody = self.found(Check::IapAccessMissing, cause);
                let member = self.caller.as_deref().unwrap_or("user:EMAIL");
                found.push(nobody.mended_by(commands::let_through(
                    backend,
                    self.project(),
                    member,
                )));
            }
            Read::Is(_) | Read::Missing => {}
            Read::Unread(gap) => {
                found.push(self.looked.unread(self.subject, "IAP's policy: ", gap));
            }
        }
        for behind in &backend.behind {
            let Read::Is(policy) = &behind.policy else { continue };
            let is_checked = behind.run.is().is_none_or(|run| !run.invoker_iam_disabled);
            if is_checked {
                found.extend(agent(self.looked, self.subject, &behind.place, policy));
            }
        }
        found
    }

    /// Whether IAP lets an account through.
    fn access(&self, backend: &BackendService, account: &str) -> Option<Finding> {
        let policy = backend.let_through.is()?;
        let member = format!("serviceAccount:{account}");
        let of_project = self.looked.facts.project.policy.is();
        let is_inherited = of_project.is_some_and(|it| it.held(&ACCESSORS, &member) != Held::No);
        // That nobody is let through is said already.
        let is_said = !policy.has_any(&ACCESSORS);
        if is_said || is_inherited || policy.held(&ACCESSORS, &member) != Held::No {
            return None;
        }
        let cause = format!("IAP does not let {account} through to {}", backend.name);
        let found = self.found(Check::IapAccessMissing, cause);
        Some(found.mended_by(commands::let_through(backend, self.project(), &member)))
    }
}
