//! Whether all is well, in words: what is wrong first, worst first. Pure: what is
//! the case comes from outside.

mod regions;
#[cfg(test)]
mod tests;
mod traffic;

use std::time::Duration;

use remint_idtoken::{Reason, UnixTime};
use serde_json::{Value, json};

use super::lately::{Count, FAILURES};
use super::refusals::Group;
use crate::reasons::capital;

/// A certificate that ends sooner is mentioned.
const CERTIFICATE_SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// So many names stand in a sentence; the rest is counted.
const NAMED: usize = 3;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Requests that should be served are not.
    Broken,
    /// Something fails, and something else makes up for it, so far; or much is
    /// refused or not served that may be meant to be.
    Warning,
    /// Worth knowing.
    Notice,
    /// Nothing.
    Well,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Well => "well",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) level: Level,
    /// One sentence without a full stop.
    pub(crate) text: String,
    /// The service that has it, if one has.
    pub(crate) service: Option<String>,
    /// What would mend it, for a shell.
    pub(crate) command: Option<String>,
    /// The code of its reason, if the catalogue has it.
    pub(crate) reason: Option<String>,
}

impl Trouble {
    /// As a sentence begins. Names stay as they are.
    fn as_start(&self) -> String {
        match &self.service {
            None => capital(&self.text),
            Some(_) => self.text.clone(),
        }
    }
}

/// What is the case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) now: UnixTime,
    pub(crate) is_draining: bool,
    /// Whether it was ready once.
    pub(crate) was_ready: bool,
    pub(crate) services: Vec<ServiceFacts>,
    pub(crate) keys: Vec<KeyFacts>,
    /// The mistakes of the newest configuration.
    pub(crate) configuration_error: Option<String>,
    pub(crate) needs_restart: Vec<&'static str>,
    pub(crate) certificate_ends: Option<UnixTime>,
    /// What became of requests within the last minute.
    pub(crate) rules: Vec<RuleFacts>,
}

/// What became of the requests of one rule within the last minute; without a
/// name, of those that no rule is for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleFacts {
    pub(crate) name: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) count: Count,
    /// The refusals that were written down, the most frequent first.
    pub(crate) groups: Vec<Group>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceFacts {
    pub(crate) name: String,
    /// Whether any rule of it can admit somebody with the keys that there are.
    pub(crate) has_keys: bool,
    pub(crate) regions: Vec<RegionFacts>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RegionFacts {
    pub(crate) name: String,
    /// When its token ends; none if there is none.
    pub(crate) token_ends: Option<UnixTime>,
    /// Why there is no newer token.
    pub(crate) token_error: Option<String>,
    /// Why it is left alone, if it is, or was until nobody knows that it is back.
    pub(crate) ejected: Option<&'static str>,
    /// Whether it is tried again.
    pub(crate) is_on_trial: bool,
    /// How its front end refused the gateway last.
    pub(crate) refused: Option<RefusalFacts>,
}

#[derive(Clone, Debug)]
pub(crate) struct RefusalFacts {
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    pub(crate) at: UnixTime,
    /// What may mend it, for a shell.
    pub(crate) command: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFacts {
    pub(crate) issuer: String,
    pub(crate) is_usable: bool,
    pub(crate) error: Option<String>,
}

/// All that is wrong, the worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Headline {
    pub(crate) level: Level,
    /// One sentence.
    pub(crate) text: String,
    pub(crate) troubles: Vec<Trouble>,
}

impl Headline {
    pub(crate) fn of(facts: &Facts) -> Self {
        let mut troubles = facts.troubles();
        // Stable: what comes first among its equals stays first.
        troubles.sort_by_key(|it| it.level);
        let (level, text) = match troubles.as_slice() {
            [] => (Level::Well, format!("All is well: {}.", facts.extent())),
            [only] if only.level == Level::Notice => {
                (Level::Notice, format!("All is well, but {}.", only.text))
            }
            [first, rest @ ..] => {
                let more = match rest.len() {
                    0 => ".".to_owned(),
                    1 => ". And one thing more.".to_owned(),
                    more => format!(". And {more} things more."),
                };
                (first.level, format!("{}{more}", first.as_start()))
            }
        };
        Self { level, text, troubles }
    }

    pub(crate) fn to_json(&self) -> Value {
        let trouble = |it: &Trouble| {
            json!({
                "level": it.level.name(),
                "text": it.text,
                "service": it.service,
                "command": it.command,
                "reason": it.reason,
            })
        };
        json!({
            "level": self.level.name(),
            "text": self.text,
            "troubles": self.troubles.iter().map(trouble).collect::<Vec<_>>(),
        })
    }
}

impl Facts {
    fn extent(&self) -> String {
        let regions =
            self.services.iter().map(|it| it.regions.len()).fold(0, usize::saturating_add);
        let (services, regions) =
            (counted(self.services.len(), "service"), counted(regions, "region"));
        format!("{services} in {regions}, with fresh tokens and keys")
    }

    fn troubles(&self) -> Vec<Trouble> {
        let mut found = Vec::new();
        if self.is_draining {
            found.push(trouble(
                Level::Warning,
                "the gateway is stopping: not ready any more, it finishes the requests under way"
                    .to_owned(),
            ));
        }
        self.look_at_keys(&mut found);
        for service in &self.services {
            service.look(self, &mut found);
        }
        self.look_at_certificate(&mut found);
        if let Some(error) = &self.configuration_error {
            let text = format!("the newest configuration is wrong, so the old one stays: {error}");
            found.push(trouble(Level::Warning, text));
        }
        if !self.needs_restart.is_empty() {
            let names = self.needs_restart.join(", ");
            found.push(trouble(Level::Notice, format!("a restart is needed for {names}")));
        }
        self.look_at_traffic(&mut found);
        found
    }

    /// While it starts, what is not there yet is on its way, unless an attempt
    /// came to nothing.
    fn missing(&self, error: Option<&str>) -> (Level, String) {
        match error {
            Some(error) => (Level::Broken, format!(": {error}")),
            None if self.was_ready => (Level::Broken, String::new()),
            None => (Level::Warning, ", but it may be on its way: the gateway starts".to_owned()),
        }
    }

    fn look_at_keys(&self, found: &mut Vec<Trouble>) {
        for keys in &self.keys {
            let (issuer, error) = (&keys.issuer, keys.error.as_deref());
            if !keys.is_usable {
                let (level, why) = self.missing(error);
                let text =
                    format!("no keys of the issuer {issuer}, so its tokens are refused{why}");
                found.push(of_keys(level, text));
            } else if let Some(error) = error {
                let text = format!("the keys of {issuer} can't be renewed: {error}");
                found.push(of_keys(Level::Warning, text));
            }
        }
    }

    fn look_at_certificate(&self, found: &mut Vec<Trouble>) {
        let Some(ends) = self.certificate_ends else { return };
        if ends <= self.now {
            let text = format!("the certificate that callers see has expired at {ends}");
            found.push(trouble(Level::Broken, text));
        } else if ends <= self.now.plus(CERTIFICATE_SOON) {
            let left = rounded(ends.since(self.now));
            let text = format!("the certificate that callers see ends in {left}, at {ends}");
            found.push(trouble(Level::Warning, text));
        }
    }
}

fn of_keys(level: Level, text: String) -> Trouble {
    let reason = Some(Reason::KeysUnavailable.code().to_owned());
    Trouble { reason, ..trouble(level, text) }
}

/// Something wrong that no service has for itself.
fn trouble(level: Level, text: String) -> Trouble {
    Trouble { level, text, service: None, command: None, reason: None }
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// The first few, and how many more there are.
fn listed<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names.take(NAMED).collect::<Vec<_>>().join(", ");
    match more {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A time as people say it.
fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let whole = |unit: u64| seconds.checked_div(unit).unwrap_or_default();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", whole(60)),
        7_200..=172_799 => format!("{} h", whole(3_600)),
        _ => format!("{} days", whole(86_400)),
    }
}
