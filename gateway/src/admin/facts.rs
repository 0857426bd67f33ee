//! What is the case, gathered from a gateway at work.

use std::sync::atomic::Ordering;
use std::time::Instant;

use remint_idtoken::{Reason, UnixTime};

use super::headline::{Facts, KeyFacts, RefusalFacts, RegionFacts, RuleFacts, ServiceFacts};
use super::lately::{LATELY, counts};
use super::refusals::Group;
use crate::balance::{Cause, Member};
use crate::gateway::Gateway;
use crate::iam;
use crate::instance::Instance;
use crate::service::{Region, Service};

impl Facts {
    pub(super) fn of(instance: &Instance) -> Self {
        let (now, gateway) = (instance.kept.clock.now(), instance.gateway());
        let history = instance.history();
        let keyring = &gateway.proxy.keyring;
        let without_keys = keyring.without_keys();
        let keys = keyring.status().map(|(issuer, status)| KeyFacts {
            issuer: issuer.to_owned(),
            is_usable: !without_keys.contains(&issuer),
            error: status.last_error,
        });
        let service = |service: &Service| ServiceFacts {
            name: service.name.to_string(),
            has_keys: has_keys(&gateway, service, &without_keys),
            regions: service.regions.iter().map(|region| of_region(region, now)).collect(),
        };
        Self {
            now,
            is_draining: instance.is_draining(),
            was_ready: instance.was_ready.load(Ordering::Relaxed),
            services: gateway.services.iter().map(|it| service(it)).collect(),
            keys: keys.collect(),
            configuration_error: history.last_error,
            needs_restart: history.needs_restart,
            certificate_ends: gateway.certificate_ends,
            rules: rules(instance, &gateway, now),
        }
    }
}

/// The rules that refused something lately, or by which something failed.
fn rules(instance: &Instance, gateway: &Gateway, now: UnixTime) -> Vec<RuleFacts> {
    let mut groups = instance.kept.refusals.groups(now, LATELY);
    let mut grown: Vec<_> = instance.kept.lately.grown(counts(gateway)).into_iter().collect();
    grown.sort_by(|(one, _), (other, _)| one.cmp(other));
    let facts = grown.into_iter().map(|(rule, mut count)| {
        let own = |group: &mut Group| group.rule.as_deref() == rule.as_deref();
        let groups: Vec<_> = groups.extract_if(.., own).collect();
        // They are written down a moment before they are counted.
        let written = groups.iter().map(|it| it.count).fold(0, usize::saturating_add);
        count.refused = count.refused.max(u64::try_from(written).unwrap_or(u64::MAX));
        let route = rule.as_deref().and_then(|rule| gateway.proxy.routes.get(rule));
        RuleFacts {
            name: rule.as_deref().map(str::to_owned),
            service: route.map(|route| route.service.name.to_string()),
            count,
            groups,
        }
    });
    facts.collect()
}

/// Whether a rule of the service can admit somebody.
fn has_keys(gateway: &Gateway, service: &Service, without_keys: &[&str]) -> bool {
    let proxy = &gateway.proxy;
    let mut rules = proxy.policy.rules().iter();
    rules.any(|rule| {
        let route = proxy.routes.get(rule.name());
        route.is_some_and(|route| route.service.name == service.name)
            && rule.can_admit(|issuer| !without_keys.contains(&issuer))
    })
}

fn of_region(region: &Region, now: UnixTime) -> RegionFacts {
    let (instant, member) = (Instant::now(), region.member());
    let token = region.token.token(now);
    RegionFacts {
        name: region.name.to_string(),
        token_ends: token.as_ref().map(|it| it.expires_at()),
        token_error: region.token.last_error(),
        ejected: member.and_then(Member::cause).map(Cause::name),
        is_on_trial: member.is_some_and(|it| !it.is_ejected(instant)),
        refused: region.last_refusal.get(now).map(|word| RefusalFacts {
            status: word.status,
            reason: word.reason,
            at: word.at,
            command: command(region, word.reason, now),
        }),
    }
}

/// What may make a front end that refused the gateway let it in, if that is known.
pub(super) fn command(region: &Region, reason: Reason, now: UnixTime) -> Option<String> {
    let token = region.token.token(now);
    let place = iam::Place {
        kind: region.kind,
        host: region.host.to_str().unwrap_or_default(),
        path: &region.base_path,
        account: token.as_ref().and_then(|it| it.account()),
        audience: region.token.audience(),
    };
    iam::remedy(&place, reason)
}
