//! The plugin configuration: the policy, and how the host reaches the keys.

use std::time::Duration;

use prost::Message;
use prost_types::{Struct, Value, value};
use remint_idtoken::config::{Kind, Member, Node, Object, Problem, Problems, Reader};
use remint_idtoken::policy::{Issuer, KeyUrl};
use remint_idtoken::{CacheBounds, Policy};

use crate::backend::Backend;
use crate::cache::usual_bounds;

/// Requests that wait hold memory and streams; a fetch without an end would
/// be the last one.
const ZERO: Duration = Duration::ZERO;
const MAX_WAIT: Duration = Duration::from_secs(60);
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// In which proxy the filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// Envoy, also as part of Istio: everything is there.
    Envoy,
    /// Google's load balancer (Service Extensions plugins), which has headers,
    /// local replies, a clock and a log, and nothing else: no timers, shared
    /// data, outgoing calls, metrics or foreign functions ("Plugins overview",
    /// limits). A call that it refuses would take the module down.
    ServiceExtensions,
}

const HOMES: [(&str, Home); 2] =
    [("envoy", Home::Envoy), ("service-extensions", Home::ServiceExtensions)];

/// What the filter is told to do.
pub(crate) struct Config {
    /// In which proxy it runs.
    pub(crate) home: Home,
    /// The policy, which the gateway reads too.
    pub(crate) policy: Policy,
    /// How each issuer's keys are fetched, in the order of the issuers.
    pub(crate) key_sources: Vec<KeySource>,
    /// How long a request may wait for keys.
    pub(crate) wait_for_keys: Duration,
    /// What the backend is told.
    pub(crate) backend: Backend,
    /// How many tokens are remembered.
    pub(crate) token_cache: CacheBounds,
    /// Whether other filters and access logs are told of each decision.
    pub(crate) sets_properties: bool,
}

/// How one issuer's keys are fetched.
pub(crate) struct KeySource {
    /// The issuer's name in the policy.
    pub(crate) issuer: String,
    /// The cluster of the proxy that leads to the key server.
    pub(crate) cluster: String,
    /// `:scheme`.
    pub(crate) scheme: &'static str,
    /// `:authority`.
    pub(crate) authority: String,
    /// `:path`.
    pub(crate) path: String,
    /// How long the answer may take.
    pub(crate) timeout: Duration,
}

impl Config {
    /// Reads the plugin configuration: JSON, as Istio and a `StringValue` hand
    /// it over, or a protobuf `Struct`, as Envoy hands over one written in
    /// YAML.
    ///
    /// # Errors
    /// All mistakes, each with its path.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        match document(bytes) {
            Ok(node) => Self::of_tree(&node),
            Err(message) => Err(vec![Problem { path: String::new(), at: None, message }]),
        }
    }

    /// The same from the document's tree.
    ///
    /// # Errors
    /// All mistakes, each with its path.
    pub(crate) fn of_tree(document: &Node) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        let config = Self::read(&Reader::root(document, &problems));
        problems.finish(config)
    }

    fn read(root: &Reader<'_>) -> Option<Self> {
        let mut object = root.object()?;
        let named = object.maybe("host", |it| it.choice(&HOMES));
        // What can't be read says nothing of how the rest is to be.
        let home = named.flatten().unwrap_or(Home::Envoy);
        let policy = object.need("policy").and_then(|policy| Policy::read(&policy));
        let has_calls = home == Home::Envoy;
        let key_sources = match object.get("keys") {
            Some(keys) if has_calls => read_key_sources(&keys, policy.as_ref()),
            // Where nothing is fetched there is nothing to say of it.
            None if has_calls && !policy.as_ref().is_some_and(fetches_nothing) => {
                object.need("keys");
                None
            }
            _ => Some(Vec::new()),
        };
        let wait_for_keys = object.maybe("wait_for_keys", |it| it.duration_within(ZERO, MAX_WAIT));
        let backend = Backend::read(&mut object, policy.as_ref());
        let token_cache =
            object.maybe("token_cache", |it| CacheBounds::read(it, usual_bounds(home)));
        let sets_properties = object.maybe("properties", Reader::flag);
        if home == Home::ServiceExtensions {
            report_what_is_not_there(&mut object, policy.as_ref());
        }
        object.finish();
        named?;
        Some(Self {
            home,
            policy: policy?,
            key_sources: key_sources?,
            wait_for_keys: wait_for_keys?.unwrap_or(Duration::from_secs(5)),
            backend: backend?,
            token_cache: token_cache?.unwrap_or_else(|| usual_bounds(home)),
            sets_properties: sets_properties?.unwrap_or(false),
        })
    }
}

/// What a policy asks for and Google's load balancer does not have.
fn report_what_is_not_there(object: &mut Object<'_>, policy: Option<&Policy>) {
    for (name, why) in [
        ("keys", "has no outgoing calls: keys stand in the policy, under \"inline_keys\""),
        ("wait_for_keys", "has no timers: keys are there from the start"),
        ("properties", "has no properties that others can read"),
    ] {
        if let Some(member) = object.get(name) {
            member.problem(format!("the host service-extensions {why}"));
        }
    }
    for issuer in policy.map(Policy::issuers).unwrap_or_default() {
        if issuer.key_url().is_some() {
            object.reader().problem(format!(
                "the issuer {:?} needs \"inline_keys\", because the host service-extensions has no \
                 outgoing calls: `remint plugin-config` renders them",
                issuer.name()
            ));
        }
    }
}

fn document(bytes: &[u8]) -> Result<Node, String> {
    let json = serde_json::from_slice(bytes);
    // A Struct begins with a line feed, and what follows may look like JSON.
    match (json, Struct::decode(bytes)) {
        (Ok(node), _) => Ok(node),
        (_, Ok(Struct { fields })) if !fields.is_empty() => Ok(mapping(fields)),
        (Err(error), _) if bytes.trim_ascii_start().starts_with(b"{") => {
            Err(format!("the plugin configuration is not JSON: {error}"))
        }
        _ => Err("the plugin configuration is missing: give it as a google.protobuf.Struct, or \
                  as JSON in a google.protobuf.StringValue"
            .to_owned()),
    }
}

fn mapping(fields: impl IntoIterator<Item = (String, Value)>) -> Node {
    let members = fields.into_iter().map(|(name, value)| Member::from((name, node(value))));
    Kind::Map(members.collect()).into()
}

/// Protobuf's own reader has limited the depth already.
fn node(value: Value) -> Node {
    let kind = match value.kind {
        None | Some(value::Kind::NullValue(_)) => Kind::Null,
        Some(value::Kind::NumberValue(number)) => Kind::Number(number),
        Some(value::Kind::StringValue(text)) => Kind::Text(text),
        Some(value::Kind::BoolValue(flag)) => Kind::Bool(flag),
        Some(value::Kind::StructValue(Struct { fields })) => return mapping(fields),
        Some(value::Kind::ListValue(list)) => {
            Kind::List(list.values.into_iter().map(node).collect())
        }
    };
    kind.into()
}

/// How the host fetches a key set, as one entry under `keys` says.
struct Fetch {
    cluster: String,
    timeout: Duration,
}

impl Fetch {
    fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let cluster = object.need("cluster").and_then(|cluster| cluster.text().map(str::to_owned));
        let timeout = object.maybe("timeout", |it| it.duration_within(MIN_TIMEOUT, MAX_TIMEOUT));
        object.finish();
        Some(Self { cluster: cluster?, timeout: timeout?.unwrap_or(Duration::from_secs(5)) })
    }
}

/// Whether all keys stand in the policy.
fn fetches_nothing(policy: &Policy) -> bool {
    policy.issuers().iter().all(|issuer| issuer.key_url().is_none())
}

/// One entry for each issuer of the policy, under its name. Without a policy
/// the names can't be checked; the entries can.
fn read_key_sources(from: &Reader<'_>, policy: Option<&Policy>) -> Option<Vec<KeySource>> {
    let entries = from.object()?.entries();
    let mut fetches: Vec<_> =
        entries.iter().map(|(name, entry)| (*name, Fetch::read(entry))).collect();
    let issuers = policy?.issuers();
    for (name, entry) in &entries {
        match issuers.iter().find(|issuer| issuer.name() == *name) {
            None => entry.problem("is not the name of an issuer of the policy"),
            Some(issuer) if issuer.key_url().is_none() => {
                entry.problem("its keys stand in the policy: there is nothing to fetch");
            }
            Some(_) => {}
        }
    }
    let source = |(issuer, keys): (&Issuer, &KeyUrl)| {
        let Some((_, fetch)) = fetches.iter_mut().find(|(name, _)| *name == issuer.name()) else {
            let name = issuer.name();
            from.problem(format!("{name:?} is missing: say which cluster leads to {keys}"));
            return None;
        };
        Some(KeySource::new(issuer, keys, fetch.take()?))
    };
    let fetched = issuers.iter().filter_map(|issuer| Some((issuer, issuer.key_url()?)));
    let sources: Vec<_> = fetched.map(source).collect();
    sources.into_iter().collect()
}

impl KeySource {
    fn new(issuer: &Issuer, keys: &KeyUrl, Fetch { cluster, timeout }: Fetch) -> Self {
        Self {
            issuer: issuer.name().to_owned(),
            cluster,
            scheme: keys.scheme(),
            authority: keys.authority().to_owned(),
            path: keys.path_and_query().to_owned(),
            timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#""policy": {"rules": [{"name": "r", "match": {"hosts": ["h.example"]},
        "audiences": ["https://h.example"], "callers": {"anyone": true}}]}"#;

    fn mistakes(rest: &str) -> Vec<String> {
        match Config::parse(format!("{{{POLICY}{rest}}}").as_bytes()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_complete_configuration_is_read() {
        let text = format!(
            r#"{{{POLICY}, "keys": {{"google": {{"cluster": "google_keys", "timeout": "2s"}}}},
                "wait_for_keys": "3s", "token": "forward"}}"#
        );
        let Ok(config) = Config::parse(text.as_bytes()) else { panic!("not read") };
        assert_eq!(config.key_sources[0].authority, "www.googleapis.com");
        assert_eq!(config.key_sources[0].timeout, Duration::from_secs(2));
        assert_eq!(config.wait_for_keys, Duration::from_secs(3));
    }

    #[test]
    fn a_struct_reads_like_the_same_text_in_json() {
        let text = |text: &str| Value { kind: Some(value::Kind::StringValue(text.to_owned())) };
        let fields = [("token".to_owned(), text("keep"))].into_iter().collect();
        let list = prost_types::ListValue { values: vec![text("a"), Value { kind: None }] };
        let mut document = Struct { fields };
        let list = Value { kind: Some(value::Kind::ListValue(list)) };
        document.fields.insert("policy".to_owned(), list);
        let Err(problems) = Config::parse(&document.encode_to_vec()) else { panic!("accepted") };
        let from_struct: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let json = br#"{"policy": ["a", null], "token": "keep"}"#;
        let Err(problems) = Config::parse(json) else { panic!("accepted") };
        let from_json: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(from_struct, from_json);
        assert_eq!(from_json[0], "policy: expected a mapping, found a list");
    }

    #[test]
    fn a_struct_whose_first_bytes_look_like_json_is_a_struct() {
        let text = Value { kind: Some(value::Kind::StringValue("x".repeat(112))) };
        let fields = [("token".to_owned(), text)].into_iter().collect();
        let bytes = Struct { fields }.encode_to_vec();
        assert!(bytes.trim_ascii_start().starts_with(b"{"), "{bytes:?}");
        let Err(problems) = Config::parse(&bytes) else { panic!("accepted") };
        assert!(problems.iter().any(|it| it.path == "token"), "{problems:?}");
    }

    #[test]
    fn a_missing_configuration_is_a_mistake() {
        for nothing in [&b""[..], b"  ", b"\xff\xff"] {
            let Err(problems) = Config::parse(nothing) else { panic!("accepted") };
            assert!(problems[0].message.contains("is missing"), "{}", problems[0]);
        }
    }

    #[test]
    fn keys_that_stand_in_the_policy_need_no_source() {
        let config = |rest: &str| {
            let jwks = r#"{"keys": [{"kty": "EC", "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
            format!(
                r#"{{"policy": {{"issuers": [{{"preset": "iap", "inline_keys":
                    {{"jwks": {jwks}, "valid_for": "forever"}}}}],
                "rules": [{{"name": "r", "match": {{}}, "audiences": ["/projects/1/apps/a"],
                    "callers": {{"anyone": true}}}}]}}{rest}}}"#
            )
        };
        let Ok(read) = Config::parse(config("").as_bytes()) else { panic!("not read") };
        assert!(read.key_sources.is_empty());
        let rest = r#", "keys": {"iap": {"cluster": "c"}}"#;
        let Err(problems) = Config::parse(config(rest).as_bytes()) else { panic!("accepted") };
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected = "keys.iap: its keys stand in the policy: there is nothing to fetch";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn every_mistake_is_reported() {
        let rest = r#", "keys": {"gogle": {"cluster": ""}}, "wait_for_keys": 5, "token": "keep""#;
        assert_eq!(
            mistakes(rest),
            [
                "keys.gogle.cluster: must not be empty",
                "keys.gogle: is not the name of an issuer of the policy",
                "keys: \"google\" is missing: say which cluster leads to \
                 https://www.googleapis.com/oauth2/v3/certs",
                "wait_for_keys: expected a time span such as 30s, 5m or 1h, found a number",
                "token: \"keep\" is not one of: strip, forward",
            ]
        );
        assert_eq!(mistakes(""), ["\"keys\" is missing"]);
        assert_eq!(
            mistakes(r#", "keys": {"google": {}}"#),
            ["keys.google: \"cluster\" is missing"]
        );
    }
}
