//! From what was read to what is said of it.

mod hosts;
mod iap;
mod made_up;
mod regions;
mod sender_settings;
mod senders;
mod simpler;
mod surroundings;

use std::collections::HashSet;

use super::catalogue::Check;
use super::commands;
use super::facts::{Facts, Gap, Lack, Place, Reader, RunService};
use super::finding::Finding;
use super::policy::{Held, Policy};
use super::report::{LookedAt, Report};
use crate::config::{Config, Region, Service};
use regions::Site;
pub(crate) use sender_settings::let_mint;

/// A configuration, and what was read for it.
pub(super) struct Looked<'a> {
    pub(super) config: &'a Config,
    pub(super) facts: &'a Facts,
    /// Where the gateway's own calls come from.
    pub(super) is_gateway_in_vpc: bool,
    /// Senders that nothing is said of, by name.
    pub(super) ignored: &'a [String],
}

/// Makes all checks: what everything rests on comes first.
pub(super) fn report(looked: &Looked<'_>) -> Report {
    let (mut findings, mut subjects) = surroundings::check(looked);
    for (service, facts) in looked.config.services.iter().zip(&looked.facts.services) {
        subjects.push(format!("identity of {}", service.name));
        findings.extend(surroundings::mint(service, facts));
        for (region, its) in service.regions.iter().zip(&facts.regions) {
            let subject = subject_of(service, region);
            subjects.push(subject.clone());
            let account = facts.account.as_deref();
            findings.extend(Site { subject, region, facts: its, account, looked }.findings());
        }
        findings.extend(twice(looked, service));
        findings.extend(differing(looked, service));
    }
    for (of_them, their_subjects) in [iap::check(looked), senders::check(looked)] {
        findings.extend(of_them);
        subjects.extend(their_subjects);
    }
    let with_findings: HashSet<&str> = findings.iter().map(|it| &*it.subject).collect();
    subjects.retain(|subject| !with_findings.contains(subject.as_str()));
    let services = looked.config.services.iter();
    let recommendations = services.filter_map(|it| simpler::simpler(looked, it)).collect();
    let facts = looked.facts;
    let looked_at = LookedAt {
        project: facts.project.name.clone(),
        reader: match &facts.reader {
            Reader::Account(account) => Some(account.clone()),
            Reader::Person | Reader::Unknown => None,
        },
    };
    Report { looked_at, findings, passed: subjects, recommendations }
}

/// Roles by which a service may be called (Cloud Run, "IAM roles" and "Managing
/// access": owners and editors may, developers may not).
const INVOKERS: [&str; 5] = [
    "roles/run.invoker",
    "roles/run.servicesInvoker",
    "roles/run.admin",
    "roles/editor",
    "roles/owner",
];

/// Who is to call a service, and who may.
struct Call<'a> {
    subject: &'a str,
    place: &'a Place,
    policy: &'a Policy,
    member: &'a str,
}

impl Looked<'_> {
    /// Something could not be read; with the command that lets it be read.
    fn unread(&self, subject: &str, what: &str, gap: &Gap) -> Finding {
        let found = Finding::new(Check::Unread, subject, format!("{what}{}", gap.why));
        let project = self.facts.project.name.as_deref().unwrap_or("PROJECT");
        match gap.lack {
            None => found,
            Some(Lack::Api(api)) => found.mended_by(commands::enable(api, project)),
            Some(Lack::Role(role)) => {
                found.mended_by(commands::let_read(role, project, &self.facts.reader))
            }
        }
    }

    /// Somebody has no role by which to call a service: neither there nor by the
    /// project's policy, which may not be known.
    fn lacking(&self, check: Check, call: &Call<'_>) -> Option<Finding> {
        let Call { subject, place, policy, member } = *call;
        let held = policy.held(&INVOKERS, member);
        let project = self.facts.project(&place.project);
        let of_project = project
            .and_then(|it| it.policy.is())
            .map(|it| it.without_sets().held(&INVOKERS, member));
        let who = member.split_once(':').map_or(member, |(_, name)| name);
        let unclear = |why: &str| Finding::new(Check::Unread, subject, why);
        let found = match (held, of_project) {
            (Held::Yes, _) | (_, Some(Held::Yes)) => return None,
            (Held::Unclear(why), _) | (_, Some(Held::Unclear(why))) => {
                let cause = format!("whether {who} may call it can't be told from here: {why}");
                return Some(unclear(&cause).advised("find it out with --probe"));
            }
            (Held::No, Some(Held::No)) => {
                let cause = format!("{who} has no role that lets it call the service");
                Finding::new(check, subject, cause)
            }
            (Held::No, None) => unclear(&format!(
                "{who} has no role that lets it call the service, unless the project's IAM \
                 policy grants it, which could not be read"
            )),
        };
        Some(found.mended_by(commands::bind(place, true, member)))
    }
}

fn subject_of(service: &Service, region: &Region) -> String {
    format!("region {}/{}", service.name, region.name)
}

/// The regions of a service that are Cloud Run services, as far as they were
/// read.
fn of_run<'a>(
    looked: &'a Looked<'_>,
    service: &'a Service,
) -> impl Iterator<Item = (&'a Region, &'a Place, &'a RunService)> {
    let at = looked.config.services.iter().position(|it| it.name == service.name);
    let facts = at.and_then(|at| looked.facts.services.get(at));
    let regions = facts.map(|it| it.regions.as_slice()).unwrap_or_default();
    service
        .regions
        .iter()
        .zip(regions)
        .filter_map(|(region, facts)| Some((region, facts.place.as_ref()?, facts.run.is()?)))
}

/// Two regions that are one: only their URLs differ.
fn twice(looked: &Looked<'_>, service: &Service) -> Vec<Finding> {
    let all: Vec<_> = of_run(looked, service).collect();
    let mut found = Vec::new();
    for (number, (region, place, run)) in all.iter().enumerate() {
        let is_same = |it: &&(&Region, &Place, &RunService)| {
            it.1.service == place.service
                && it.1.location == place.location
                && it.2.urls == run.urls
        };
        if let Some((first, ..)) = all.iter().take(number).find(is_same) {
            let cause = format!(
                "it is {} in {}, as the region {} is",
                place.service, place.location, first.name
            );
            let finding = Finding::new(Check::RegionTwice, &subject_of(service, region), cause);
            found.push(finding.mended_by(commands::describe(place)));
        }
    }
    found
}

/// Custom audiences that some regions have and others lack. One that is minted
/// for is a finding of the region's own.
fn differing(looked: &Looked<'_>, service: &Service) -> Vec<Finding> {
    let all: Vec<_> = of_run(looked, service).collect();
    let mut found = Vec::new();
    for (region, place, run) in &all {
        let others = all.iter().flat_map(|(_, _, other)| &other.custom_audiences);
        let mut lacking: Vec<&String> = others
            .filter(|it| !run.custom_audiences.contains(it) && **it != *region.audience)
            .collect();
        lacking.sort();
        lacking.dedup();
        for audience in lacking {
            let cause =
                format!("it lacks the custom audience {audience}, which another region has");
            let subject = subject_of(service, region);
            let finding = Finding::new(Check::CustomAudiencesDiffer, &subject, cause);
            found.push(finding.mended_by(commands::add_custom_audiences(place, &[audience])));
        }
    }
    found
}

#[cfg(test)]
mod tests;
