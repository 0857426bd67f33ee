//! Which calls somebody wants to see.

use super::{Call, Entry, Part, Verdict};
use crate::google::query;

/// What a call must be like; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The call of that number alone.
    pub(crate) id: Option<u64>,
    /// Calls with a higher number.
    pub(crate) after: Option<u64>,
    /// A part by its name, in any case.
    pub(crate) part: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) region: Option<String>,
    /// A verdict's [kind](Verdict::kind), its status or its code.
    pub(crate) verdict: Option<String>,
    pub(crate) request_id: Option<String>,
    /// Something that one of the call's values contains, in any case.
    pub(crate) text: Option<String>,
    /// How many at most: the newest.
    pub(crate) limit: Option<usize>,
}

/// Why a query is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "there is no filter {0:?}: there are id, after, part, service, region, verdict, request_id, text and limit"
    )]
    Name(String),
    #[error("{0} is a number, not {1:?}")]
    Number(&'static str, String),
}

impl Filter {
    /// Reads it from a query: `part=front+end&verdict=refused&limit=100`. An
    /// empty value is none.
    ///
    /// # Errors
    /// [`FilterError`] for the first pair that can't be read: a misspelt filter
    /// must not look like one that lets everything through.
    pub(crate) fn from_query(query: Option<&str>) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (name, value) in query::pairs(query).filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "id" => filter.id = Some(number("id", &value)?),
                "after" => filter.after = Some(number("after", &value)?),
                "limit" => filter.limit = Some(number("limit", &value)?),
                "part" => filter.part = Some(value),
                "service" => filter.service = Some(value),
                "region" => filter.region = Some(value),
                "verdict" => filter.verdict = Some(value),
                "request_id" => filter.request_id = Some(value),
                "text" => filter.text = Some(value.to_lowercase()),
                _ => return Err(FilterError::Name(name)),
            }
        }
        Ok(filter)
    }

    /// Those of the entries that it lets through, at most its limit: then the
    /// newest. Entries come and go oldest first.
    pub(super) fn newest<'e>(
        &self,
        entries: impl DoubleEndedIterator<Item = &'e Entry>,
    ) -> Vec<Entry> {
        let wanted = entries.rev().filter(|entry| self.lets_through(entry));
        let mut found: Vec<_> = wanted.take(self.limit.unwrap_or(usize::MAX)).cloned().collect();
        found.reverse();
        found
    }

    /// Whether it lets that call through.
    pub(super) fn lets_through(&self, entry: &Entry) -> bool {
        let call = &entry.call;
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|it| it == value);
        self.id.is_none_or(|id| id == entry.id)
            && self.after.is_none_or(|after| entry.id > after)
            && self.part.as_deref().is_none_or(|part| is_part(part, call.part))
            && is(&self.service, &call.service)
            && is(&self.region, &call.region)
            && self.verdict.as_deref().is_none_or(|it| is_verdict(it, call.verdict))
            && is(&self.request_id, call.request_id.as_deref().unwrap_or_default())
            && self.text.as_deref().is_none_or(|text| mentions(call, text))
    }
}

fn number<N: std::str::FromStr>(name: &'static str, value: &str) -> Result<N, FilterError> {
    value.parse().map_err(|_| FilterError::Number(name, value.to_owned()))
}

fn is_part(wanted: &str, part: Part) -> bool {
    wanted.eq_ignore_ascii_case(part.name())
}

fn is_verdict(wanted: &str, verdict: Verdict) -> bool {
    if wanted == verdict.kind() {
        return true;
    }
    match verdict {
        Verdict::Refused { status, code } => wanted == code || wanted == status.to_string(),
        Verdict::Answered(status) => wanted == status.to_string(),
        Verdict::Accepted | Verdict::Failed | Verdict::NotSent => false,
    }
}

/// Whether one of a call's values contains that text, which is in lower case.
fn mentions(call: &Call, text: &str) -> bool {
    let optional = [&call.host, &call.audience, &call.caller, &call.note, &call.request_id];
    let verdict = call.verdict.to_string();
    let values = [&call.service, &call.region, &call.method, &call.path, &verdict];
    let mut values = values.into_iter().chain(optional.into_iter().flatten());
    call.part.name().to_lowercase().contains(text)
        || values.any(|value| value.to_lowercase().contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Agent;
    use crate::timeline::tests::{REFUSED, call};

    fn entries() -> Vec<Entry> {
        let mut calls = vec![
            call("us-central1", Verdict::Accepted),
            call("europe-west1", REFUSED),
            call("us-central1", REFUSED),
            call("", Verdict::Answered(503)),
            call("", Verdict::NotSent),
        ];
        calls[1].request_id = Some("r-1".into());
        calls[2].audience = Some("https://Orders.example.com".into());
        calls[3].part = Part::Sender(Agent::PubSub);
        calls[4].part = Part::Sender(Agent::CloudTasks);
        (1..).zip(calls).map(|(id, call)| Entry { id, call }).collect()
    }

    fn found(query: &str) -> Vec<u64> {
        let filter = Filter::from_query(Some(query)).unwrap();
        filter.newest(entries().iter()).iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn each_filter_leaves_only_what_is_like_it_and_all_together_what_is_like_all() {
        for (query, ids) in [
            ("", vec![1, 2, 3, 4, 5]),
            ("part=front+end", vec![1, 2, 3]),
            ("part=FRONT%20END", vec![1, 2, 3]),
            ("part=Pub/Sub", vec![4]),
            ("part=pub", vec![]),
            ("service=orders&region=us-central1", vec![1, 3]),
            ("verdict=refused", vec![2, 3]),
            ("verdict=aud_mismatch", vec![2, 3]),
            ("verdict=401&region=us-central1", vec![3]),
            ("verdict=503", vec![4]),
            ("verdict=answered", vec![4]),
            ("verdict=not_sent", vec![5]),
            ("request_id=r-1", vec![2]),
            ("text=oRDERS.example", vec![3]),
            ("text=cloud+tasks", vec![5]),
            ("id=4", vec![4]),
            ("after=3", vec![4, 5]),
            ("limit=2", vec![4, 5]),
            ("limit=1&verdict=refused", vec![3]),
            ("limit=0", vec![]),
            ("part=&region=", vec![1, 2, 3, 4, 5]),
        ] {
            assert_eq!(found(query), ids, "{query}");
        }
    }

    #[test]
    fn a_misspelt_filter_is_an_error() {
        for query in ["verdct=refused", "after=x", "limit=-1", "id=1.5"] {
            assert!(Filter::from_query(Some(query)).is_err(), "{query}");
        }
    }
}
