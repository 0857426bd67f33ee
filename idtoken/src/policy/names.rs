//! What rules call by name: issuers, groups, services, senders.

use std::collections::HashMap;

use super::callers::CallerList;
use super::issuer::Issuer;
use super::services::read_service;
use crate::config::{Object, Reader};
use crate::sender::Sender;

/// Everything that rules may call by name. What could not be read is missing
/// as a whole, so that no rule is blamed for it.
pub(super) struct Names {
    pub(super) issuers: Option<Vec<Issuer>>,
    audience_groups: Option<HashMap<String, Vec<String>>>,
    services: Option<HashMap<String, Vec<String>>>,
    caller_groups: Option<HashMap<String, CallerList>>,
    senders: Option<HashMap<String, CallerList>>,
}

/// The senders that have profiles, by the names they have in configurations.
const SENDERS: [(&str, Sender); 4] = [
    ("pubsub", Sender::PubSub),
    ("tasks", Sender::Tasks),
    ("scheduler", Sender::Scheduler),
    ("eventarc", Sender::Eventarc),
];

impl Names {
    pub(super) fn read(object: &mut Object<'_>) -> Self {
        let issuers = match object.get("issuers") {
            Some(list) => list.list(Issuer::read),
            None => Some(vec![Issuer::google()]),
        };
        if let (Some(issuers), Some(place)) = (&issuers, object.get("issuers")) {
            place.distinct("name", issuers.iter().map(Issuer::name));
            let spellings = issuers.iter().flat_map(Issuer::spellings).map(String::as_str);
            place.distinct("issuer", spellings);
        }
        let services = read_all(object, "services", read_service);
        let audience_groups = read_all(object, "audience_groups", |_, group| {
            flatten(group, |it| read_audience(it, services.as_ref(), None))
        });
        let caller_groups = read_all(object, "caller_groups", |_, group| CallerList::read(group));
        let senders = read_all(object, "senders", read_sender);
        Self { issuers, audience_groups, services, caller_groups, senders }
    }

    /// Audiences of a rule: each a text, `{group: NAME}` or `{service: NAME}`.
    /// `check` says what is wrong with one, where it stands or is named.
    pub(super) fn audiences(
        &self,
        from: &Reader<'_>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Vec<String>> {
        let groups = Some(self.audience_groups.as_ref());
        flatten(from, |it| {
            let all = read_audience(it, self.services.as_ref(), groups)?;
            let wrong = all.iter().find_map(|audience| check(audience).err());
            match wrong {
                None => Some(all),
                Some(wrong) => {
                    it.problem(wrong);
                    None
                }
            }
        })
    }

    /// The callers of the groups that are listed there.
    pub(super) fn callers_of_groups(&self, from: &Reader<'_>) -> Option<Vec<CallerList>> {
        from.list(|name| named(name, self.caller_groups.as_ref(), "group of callers"))
    }

    /// The service accounts of the senders that are listed there.
    pub(super) fn callers_of_senders(&self, from: &Reader<'_>) -> Option<Vec<CallerList>> {
        from.list(|name| {
            name.choice(&SENDERS)?;
            named(name, self.senders.as_ref(), "sender with accounts under \"senders\"")
        })
    }
}

/// A mapping from names of the user's own to whatever `read` reads.
fn read_all<T>(
    object: &mut Object<'_>,
    name: &'static str,
    read: impl Fn(&str, &Reader<'_>) -> Option<T>,
) -> Option<HashMap<String, T>> {
    let Some(mapping) = object.get(name) else { return Some(HashMap::new()) };
    let entries = mapping.object()?.entries();
    let all: Vec<_> =
        entries.iter().map(|(name, it)| Some(((*name).to_owned(), read(name, it)?))).collect();
    all.into_iter().collect()
}

/// All items of a list, each of which may stand for several values.
fn flatten(
    from: &Reader<'_>,
    read: impl Fn(&Reader<'_>) -> Option<Vec<String>>,
) -> Option<Vec<String>> {
    from.list(read).map(|all| all.concat())
}

type Urls = HashMap<String, Vec<String>>;

/// One item of a list of audiences. Groups may not hold groups: then `groups`
/// is none.
fn read_audience(
    from: &Reader<'_>,
    services: Option<&Urls>,
    groups: Option<Option<&Urls>>,
) -> Option<Vec<String>> {
    if !from.is_mapping() {
        return from.parsed(audience).map(|one| vec![one]);
    }
    let mut object = from.object()?;
    let service = object.get("service").map(|it| named(&it, services, "service"));
    let group = groups
        .and_then(|groups| object.get("group").map(|it| named(&it, groups, "group of audiences")));
    let found = match (service, group) {
        (Some(found), None) | (None, Some(found)) => found,
        _ => {
            from.problem("takes one of \"service\" and \"group\"");
            None
        }
    };
    object.finish();
    found
}

/// What stands under that name.
fn named<T: Clone>(from: &Reader<'_>, all: Option<&HashMap<String, T>>, what: &str) -> Option<T> {
    let name = from.text()?;
    let all = all?;
    let found = all.get(name).cloned();
    if found.is_none() {
        let mut known: Vec<_> = all.keys().map(String::as_str).collect();
        known.sort_unstable();
        let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
        from.problem(format!("{name:?} is no {what}: {known}"));
    }
    found
}

fn audience(text: &str) -> Result<String, String> {
    match text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '*') {
        true => Err(format!("{text:?} is no audience: it is compared letter by letter")),
        false => Ok(text.to_owned()),
    }
}

/// The service accounts of one sender: a list of addresses.
fn read_sender(name: &str, from: &Reader<'_>) -> Option<CallerList> {
    let Some((_, sender)) = SENDERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<_> = SENDERS.iter().map(|(known, _)| *known).collect();
        from.problem(format!("{name:?} is not one of: {}", known.join(", ")));
        return None;
    };
    CallerList::read_accounts(from, *sender)
}
