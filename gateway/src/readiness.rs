//! Whether the gateway can do its work.
//!
//! While it starts, it waits a moment for all keys and tokens, and then for
//! what each service needs at least: who replaces an instance by one that
//! can't serve notices. Once it was ready it stays so for as long as one
//! service can be served: what ails the others, such as the key server of one
//! issuer, ails all instances, and to take this one out would help nobody.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use remint_idtoken::UnixTime;

use crate::gateway::Gateway;
use crate::instance::Instance;
use crate::service::Service;

/// How long after its start the gateway waits for the keys of all issuers and
/// the tokens of all regions before it is ready with those that it has.
const WAIT_FOR_ALL: Duration = Duration::from_secs(5);

/// What there is not.
#[derive(Default)]
struct Lacks {
    /// For people, one line each.
    lines: Vec<String>,
    /// How many services can't be served at all.
    services: usize,
}

impl Instance {
    /// What keeps the gateway from being ready, one line each. When that is
    /// nothing for the first time, its start is over.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let gateway = self.gateway();
        let lacks = Lacks::of(&gateway, self.kept.clock.now());
        let is_ready = match self.was_ready.load(Ordering::Relaxed) {
            true => lacks.services < gateway.services.len(),
            false if self.started_at.elapsed() < WAIT_FOR_ALL => lacks.lines.is_empty(),
            false => lacks.services == 0,
        };
        if self.is_draining() {
            return [vec!["stopping".to_owned()], lacks.lines].concat();
        }
        self.was_ready.fetch_or(is_ready, Ordering::Relaxed);
        if is_ready { Vec::new() } else { lacks.lines }
    }

    /// All that there is not, whether it matters or not.
    pub(crate) fn lacking(&self) -> Vec<String> {
        Lacks::of(&self.gateway(), self.kept.clock.now()).lines
    }
}

impl Lacks {
    fn of(gateway: &Gateway, now: UnixTime) -> Self {
        let mut lacks = Self::default();
        let proxy = &gateway.proxy;
        let without_keys = proxy.keyring.without_keys();
        for issuer in &without_keys {
            lacks.lines.push(format!("no keys of the issuer {issuer}"));
        }
        let rules = proxy.policy.rules().iter();
        let admitting = rules.filter(|it| it.can_admit(|issuer| !without_keys.contains(&issuer)));
        let routes = admitting.filter_map(|rule| proxy.routes.get(rule.name()));
        let reachable: HashSet<&str> = routes.map(|route| &*route.service.name).collect();
        for service in &gateway.services {
            let has_keys = reachable.contains(&*service.name);
            if !has_keys {
                lacks.lines.push(format!("no keys for any rule of {}", service.name));
            }
            let has_token = lacks.look_for_tokens(service, now);
            lacks.services = lacks.services.saturating_add(usize::from(!has_keys || !has_token));
        }
        lacks
    }

    /// Whether there is a token for any region.
    fn look_for_tokens(&mut self, service: &Service, now: UnixTime) -> bool {
        let without = service.regions.iter().filter(|it| !it.token.has_token(now));
        let without: Vec<&str> = without.map(|region| &*region.name).collect();
        let has_any = without.len() < service.regions.len();
        if !has_any {
            self.lines.push(format!("no token for any region of {}", service.name));
        } else if !without.is_empty() {
            let names = without.join(", ");
            self.lines.push(format!("no token yet for {names} of {}", service.name));
        }
        has_any
    }
}
