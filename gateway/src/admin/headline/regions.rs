//! What is wrong with the regions of a service.

use std::time::Duration;

use remint_idtoken::Reason;

use super::{
    Facts, Level, RefusalFacts, RegionFacts, ServiceFacts, Trouble, listed, rounded, trouble,
};

/// A refusal that is older is told with its age.
const LATELY: Duration = Duration::from_secs(120);

impl ServiceFacts {
    pub(super) fn look(&self, facts: &Facts, found: &mut Vec<Trouble>) {
        if !self.has_keys {
            let text = "no rule of it can let anybody in: there are no keys of its issuers";
            let error = facts.keys.iter().find_map(|keys| keys.error.as_deref());
            let (level, _) = facts.missing(error);
            found.push(self.trouble(level, text));
        }
        found.extend(self.without_tokens(facts));
        found.extend(self.refused(facts));
        found.extend(self.ejected());
        found.extend(self.unrenewed(facts));
    }

    fn trouble(&self, level: Level, text: &str) -> Trouble {
        let text = format!("{}: {text}", self.name);
        Trouble { service: Some(self.name.clone()), ..trouble(level, text) }
    }

    fn like(&self, is: impl Fn(&RegionFacts) -> bool) -> Vec<&RegionFacts> {
        self.regions.iter().filter(|region| is(region)).collect()
    }

    /// Some of its regions or all of them, as the subject of a sentence.
    fn share(&self, some: &[&RegionFacts]) -> String {
        match (some.len(), self.regions.len()) {
            (1, 1) => "its only region".to_owned(),
            (some, all) if some == all => format!("all {all} regions"),
            (some, all) => format!("{some} of {all} regions"),
        }
    }

    /// One makes up for another, as long as there is one.
    fn level(&self, some: &[&RegionFacts]) -> Level {
        if some.len() == self.regions.len() { Level::Broken } else { Level::Warning }
    }

    fn without_tokens(&self, facts: &Facts) -> Option<Trouble> {
        let without = self.like(|it| it.token_ends.is_none());
        let error = without.iter().find_map(|it| it.token_error.as_deref());
        let (level, why) = facts.missing(error);
        let text = match self.level(&without) {
            _ if without.is_empty() => return None,
            Level::Broken => {
                format!(
                    "no token for {}, so none of its requests can be served{why}",
                    self.share(&without)
                )
            }
            _ => format!("no token for {} ({}){why}", self.share(&without), names(&without)),
        };
        Some(self.trouble(level.max(self.level(&without)), &text))
    }

    /// The word of a front end stands until it says another.
    fn refused(&self, facts: &Facts) -> Option<Trouble> {
        let refusing = self.like(|it| it.refused.is_some());
        let RefusalFacts { status, reason, at, command } =
            refusing.iter().find_map(|it| it.refused.clone())?;
        let verb = if refusing.len() == 1 { "refuses" } else { "refuse" };
        // Nobody may have called it since.
        let since = facts.now.since(at);
        let ago = match since < LATELY {
            true => String::new(),
            false => format!(", as of {} ago", rounded(since)),
        };
        let why = match reason {
            Reason::InvokerMissing => "its account may not call it",
            Reason::IapInvokerMissing => "IAP's agent may not call what is behind it",
            Reason::IapAccessMissing => "IAP does not let its account in",
            Reason::IapTokenRefused => "IAP does not take its token",
            Reason::IngressRefused => "its ingress setting keeps the gateway out",
            Reason::RegionFull => "no instance is free",
            _ => "its token is not taken",
        };
        let text = format!(
            "{} {verb} the gateway ({status}): {}; {why}{ago}",
            self.share(&refusing),
            names(&refusing),
        );
        Some(Trouble { command, ..self.trouble(self.level(&refusing), &text) })
    }

    fn ejected(&self) -> Option<Trouble> {
        let ejected = self.like(|it| it.ejected.is_some());
        let cause = in_words(ejected.first()?.ejected?);
        let out: Vec<&RegionFacts> = ejected.iter().copied().filter(|it| !it.is_on_trial).collect();
        if out.is_empty() {
            let (share, names) = (self.share(&ejected), names(&ejected));
            let text = format!("{share} on trial after failures ({cause}): {names}");
            return Some(self.trouble(Level::Warning, &text));
        }
        let is = if out.len() == 1 { "is" } else { "are" };
        let level = self.level(&out);
        let end = if level == Level::Broken { "; they are tried all the same" } else { "" };
        let text = format!("{} {is} left alone ({cause}): {}{end}", self.share(&out), names(&out));
        Some(self.trouble(level, &text))
    }

    fn unrenewed(&self, facts: &Facts) -> Option<Trouble> {
        let stale = self.like(|it| it.token_ends.is_some() && it.token_error.is_some());
        let soonest = stale.iter().min_by_key(|it| it.token_ends)?;
        let (ends, error) = (soonest.token_ends?, soonest.token_error.as_deref()?);
        let left = rounded(ends.since(facts.now));
        let text = format!(
            "the tokens of {} can't be renewed, the first ends in {left}: {error}",
            self.share(&stale),
        );
        Some(self.trouble(Level::Warning, &text))
    }
}

fn names(regions: &[&RegionFacts]) -> String {
    listed(regions.iter().map(|region| region.name.as_str()))
}

/// A cause of ejection.
fn in_words(cause: &str) -> &str {
    match cause {
        "unreachable" => "no connection",
        "refused_stream" => "it takes no more requests",
        "connection_lost" => "connections broke",
        "timeout" => "no answer in time",
        "front_end" => "its front end could not serve",
        "failure_rate" => "too many failures",
        "probes" => "probes failed",
        other => other,
    }
}
