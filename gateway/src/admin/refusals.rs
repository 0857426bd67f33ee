//! The newest refusals, for people who ask why.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remint_idtoken::UnixTime;
use serde_json::{Value, json};

/// How many are kept.
const KEPT: usize = 200;

/// The newest refusals that the log had a line for: under a flood they are as
/// few as its lines, and cost no more than these. Outlives configurations.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the newest; the first is 1.
    newest: u64,
    /// How many had no line, and are known by their number alone.
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    at: UnixTime,
    request_id: String,
    is_reported: bool,
    /// Claims, cut where they are long, and never a token.
    refusal: Value,
}

/// Refusals of one rule for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) rule: Option<String>,
    pub(crate) reason: String,
    /// The reason in words.
    pub(crate) message: String,
    pub(crate) count: usize,
    /// What may mend the newest of them, for a shell.
    pub(crate) command: Option<String>,
}

impl Refusals {
    /// Keeps a refusal as the log has it, and counts those before it that had no
    /// line. `is_reported` if the request passed all the same.
    pub(crate) fn add(
        &self,
        at: UnixTime,
        request_id: &str,
        is_reported: bool,
        left_out: u64,
        refusal: Value,
    ) {
        let mut ring = self.ring();
        ring.newest = ring.newest.saturating_add(1);
        ring.left_out = ring.left_out.saturating_add(left_out);
        if ring.entries.len() >= KEPT {
            ring.entries.pop_front();
        }
        let (number, request_id) = (ring.newest, request_id.to_owned());
        ring.entries.push_back(Entry { number, at, request_id, is_reported, refusal });
    }

    /// Those with higher numbers than `after`, the oldest first.
    pub(crate) fn to_json(&self, after: u64) -> Value {
        let ring = self.ring();
        let recent = ring.entries.iter().filter(|entry| entry.number > after).map(Entry::to_json);
        json!({
            "newest": ring.newest,
            "left_out": ring.left_out,
            "recent": recent.collect::<Vec<_>>(),
        })
    }

    /// What was refused within that time, the most frequent first. What was only
    /// reported passed; what a region's front end refused may have been served
    /// elsewhere, and is that region's trouble.
    pub(crate) fn groups(&self, now: UnixTime, within: Duration) -> Vec<Group> {
        let ring = self.ring();
        let mut groups: Vec<Group> = Vec::new();
        let from = now.minus(within);
        let is_refused = |it: &&Entry| !it.is_reported && !it.is_of_front_end();
        let recent = ring.entries.iter().filter(|it| it.at >= from).filter(is_refused);
        for entry in recent {
            let text = |name| entry.refusal.get(name).and_then(Value::as_str);
            let (rule, reason) = (text("rule"), text("reason").unwrap_or_default());
            let same =
                groups.iter_mut().find(|it| it.rule.as_deref() == rule && it.reason == reason);
            let command = text("command").map(str::to_owned);
            match same {
                Some(group) => {
                    group.count = group.count.saturating_add(1);
                    group.command = command.or(group.command.take());
                }
                None => groups.push(Group {
                    rule: rule.map(str::to_owned),
                    reason: reason.to_owned(),
                    message: text("message").unwrap_or_default().to_owned(),
                    count: 1,
                    command,
                }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether it is a region's refusal of the gateway.
    fn is_of_front_end(&self) -> bool {
        self.refusal.get("region").is_some()
    }

    fn to_json(&self) -> Value {
        json!({
            "number": self.number,
            "at": self.at.to_string(),
            "request_id": self.request_id,
            "reported": self.is_reported,
            "refusal": self.refusal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(rule: &str, reason: &str) -> Value {
        json!({"rule": rule, "reason": reason})
    }

    fn numbers(of: &Value) -> Vec<u64> {
        let recent = of["recent"].as_array().unwrap();
        recent.iter().map(|entry| entry["number"].as_u64().unwrap()).collect()
    }

    #[test]
    fn the_newest_are_kept_and_those_that_had_no_line_are_counted() {
        let refusals = Refusals::default();
        for at in 0..1000 {
            refusals.add(UnixTime(at), "id", false, u64::from(at == 500) * 7, refusal("r", "x"));
        }
        let all = refusals.to_json(0);
        assert_eq!(numbers(&all), (801..=1000).collect::<Vec<_>>());
        assert_eq!((&all["newest"], &all["left_out"]), (&json!(1000), &json!(7)));
        assert_eq!(numbers(&refusals.to_json(998)), [999, 1000]);
        assert_eq!(numbers(&refusals.to_json(1000)), [0; 0]);
    }

    #[test]
    fn what_was_refused_lately_is_grouped_by_rule_and_reason() {
        let refusals = Refusals::default();
        refusals.add(UnixTime(10), "old", false, 0, refusal("r", "expired"));
        for (reason, is_reported) in
            [("expired", false), ("aud_mismatch", false), ("aud_mismatch", false), ("x", true)]
        {
            refusals.add(UnixTime(100), "id", is_reported, 0, refusal("r", reason));
        }
        let of_region = json!({"rule": "r", "reason": "region_full", "region": "eu"});
        refusals.add(UnixTime(100), "id", false, 0, of_region);
        let groups = refusals.groups(UnixTime(100), Duration::from_secs(60));
        let groups: Vec<_> = groups.iter().map(|it| (it.reason.as_str(), it.count)).collect();
        assert_eq!(groups, [("aud_mismatch", 2), ("expired", 1)]);
    }
}
