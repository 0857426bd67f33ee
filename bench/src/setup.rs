//! What Envoy is configured to do. Every setup is the shipped configuration
//! without the access log; what differs is who verifies, and by which policy.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use remint_tests::chain::{DOMAIN, PUSHER};
use remint_tests::shipped::EnvoyConfig;
use serde_json::{Value, json};

use crate::tokens::Load;

/// The path that all requests are for.
pub const PATH: &str = "/push/orders";

/// Who verifies the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// Nobody.
    Nobody,
    /// Envoy's `jwt_authn`: issuer, times, signature, audience.
    Native,
    /// The same and Envoy's `rbac`, which asks for the caller too.
    NativePolicy,
    /// Our filter.
    Ours,
}

/// The table that a setup is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Different filters under the same loads.
    Comparison,
    /// Ours with larger policies and key sets.
    Growth,
}

/// One way to configure Envoy, and the loads that it is put under.
pub struct Setup {
    /// What it is called, in tables and on the command line.
    pub name: &'static str,
    /// Who verifies.
    pub verifier: Verifier,
    /// Where its figures are shown.
    pub table: Table,
    /// What it is put under.
    pub loads: Vec<Load>,
    /// The whole configuration.
    pub config: EnvoyConfig,
}

/// The setup without any filter.
pub const OPEN: &str = "no verification";
/// The setup that others are compared with.
pub const UNCACHED: &str = "`jwt_authn`, no cache";
/// The other one.
pub const CACHED: &str = "`jwt_authn`, cache for all tokens";
/// Envoy's filters with the same policy as ours.
pub const POLICY: &str = "`jwt_authn`, cache for all tokens, and `rbac`";
/// The shipped configuration.
pub const OURS: &str = "Remint";

/// The filter without its memory: every token is one that it has never seen.
pub const FORGETFUL: &str = "Remint, remembering no token";
/// The filter with a rule that asks for nothing: what it costs to be called.
pub const CALLED: &str = "Remint, asking for no token";

/// What the setups refer to.
#[derive(Clone, Copy)]
pub struct Parts<'p> {
    /// The server behind Envoy.
    pub upstream: SocketAddr,
    /// The emulated Google.
    pub google: SocketAddr,
    /// The file of the authority that Google's certificate is from.
    pub ca: &'p Path,
    /// The wasm module.
    pub module: &'p Path,
    /// Google's key set.
    pub keys: &'p Value,
    /// How many distinct tokens there are.
    pub tokens: usize,
}

/// The key set of a hundred keys; the one that signs is the last.
#[must_use]
pub fn hundred_keys(keys: &Value, signing: &str) -> Value {
    let all = keys["keys"].as_array();
    let signing = all.into_iter().flatten().find(|key| key["kid"] == signing);
    let named = |id: String| {
        let mut key = signing.cloned().unwrap_or_default();
        key["kid"] = json!(id);
        key
    };
    let others = (0..99).map(|number| named(format!("{number:040x}")));
    json!({"keys": others.chain(signing.cloned()).collect::<Vec<_>>()})
}

/// All setups, in the order in which they are measured and shown.
///
/// # Errors
/// If the shipped configuration can't be read.
pub fn all(parts: Parts<'_>) -> io::Result<Vec<Setup>> {
    let base = base(parts)?;
    let mut setups = natives(&base, parts);
    setups.push(Setup {
        name: OURS,
        verifier: Verifier::Ours,
        table: Table::Comparison,
        loads: [&Load::GOOD[..], &[Load::Bodiless], &Load::BAD[..]].concat(),
        config: base.clone(),
    });
    setups.push(forgetful(&base));
    setups.push(called(&base));
    setups.extend(grown(&base, parts));
    Ok(setups)
}

/// The shipped configuration, in front of the upstream.
pub(crate) fn base(parts: Parts<'_>) -> io::Result<EnvoyConfig> {
    let mut config = EnvoyConfig::shipped("envoy.yaml")?
        .cluster("gateway", &[parts.upstream])
        .cluster("google_keys", &[parts.google])
        .trusted_ca(parts.ca)
        .module(parts.module);
    // Writing it would cost each setup the same and tell nothing of filters.
    if let Some(manager) = config.manager().as_object_mut() {
        manager.remove("access_log");
    }
    // They are there for the access log.
    config.plugin()["properties"] = json!(false);
    Ok(config)
}

/// The shipped configuration without the memory for tokens.
fn forgetful(base: &EnvoyConfig) -> Setup {
    let mut config = base.clone();
    config.plugin()["token_cache"] = json!({"max_entries": 0});
    let loads = [&Load::GOOD[..], &[Load::Bodiless], &Load::BAD[..]].concat();
    Setup { name: FORGETFUL, verifier: Verifier::Ours, table: Table::Comparison, loads, config }
}

/// The shipped rule without what it asks of a token.
fn called(base: &EnvoyConfig) -> Setup {
    let mut config = base.clone();
    let rule = &mut config.plugin()["policy"]["rules"][0];
    *rule = json!({"name": "open", "match": rule["match"], "anonymous": true});
    let (verifier, loads) = (Verifier::Nobody, Load::GOOD.to_vec());
    Setup { name: CALLED, verifier, table: Table::Comparison, loads, config }
}

/// Nobody, and Envoy's own filters.
fn natives(base: &EnvoyConfig, parts: Parts<'_>) -> Vec<Setup> {
    let native = |name, verifier, loads: &[Load], filters: Vec<Value>| {
        let mut config = base.clone();
        if let Some(chain) = config.manager()["http_filters"].as_array_mut() {
            chain.splice(..1, filters);
        }
        Setup { name, verifier, table: Table::Comparison, loads: loads.to_vec(), config }
    };
    let authn = |cache| jwt_authn(base, parts.keys, cache);
    let all_tokens = json!({"jwt_cache_size": parts.tokens + parts.tokens / 4});
    let every = [&Load::GOOD[..], &[Load::Bodiless], &Load::BAD[..]].concat();
    let good = &Load::GOOD;
    vec![
        native(OPEN, Verifier::Nobody, good, vec![]),
        native(UNCACHED, Verifier::Native, good, vec![authn(None)]),
        native(
            "`jwt_authn`, cache of default size",
            Verifier::Native,
            good,
            vec![authn(Some(json!({})))],
        ),
        native(CACHED, Verifier::Native, good, vec![authn(Some(all_tokens.clone()))]),
        native(POLICY, Verifier::NativePolicy, &every, vec![authn(Some(all_tokens)), rbac()]),
    ]
}

/// The shipped rule's part that `jwt_authn` can say.
pub(crate) fn jwt_authn(base: &EnvoyConfig, keys: &Value, cache: Option<Value>) -> Value {
    let audiences = base.clone().plugin()["policy"]["rules"][0]["audiences"].take();
    let mut provider = json!({
        "issuer": "https://accounts.google.com",
        "audiences": audiences,
        "local_jwks": {"inline_string": keys.to_string()},
        "clock_skew_seconds": 30,
        "require_expiration": true,
        "max_lifetime": "86400s",
        "forward": true,
        "payload_in_metadata": "payload",
    });
    if let Some(cache) = cache {
        provider["jwt_cache_config"] = cache;
    }
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"google": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "google"}}],
        },
    })
}

/// The rest of the shipped rule: host, path, method, and a verified caller.
fn rbac() -> Value {
    let claim = |name: &str, value: Value| {
        json!({"sourced_metadata": {"metadata_matcher": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "payload"}, {"key": name}],
            "value": value,
        }}})
    };
    let header = |name: &str, value: &str| json!({"header": {"name": name, "string_match": {"exact": value}}});
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": {"orders-push": {
                "permissions": [{"and_rules": {"rules": [
                    header(":authority", DOMAIN),
                    header(":method", "POST"),
                    {"url_path": {"path": {"prefix": "/push"}}},
                ]}}],
                "principals": [{"and_ids": {"ids": [
                    claim("email", json!({"string_match": {"exact": PUSHER}})),
                    claim("email_verified", json!({"bool_match": true})),
                ]}}],
            }}},
        },
    })
}

/// Ours with more of everything.
fn grown(base: &EnvoyConfig, parts: Parts<'_>) -> Vec<Setup> {
    let setup = |name, change: &dyn Fn(&mut EnvoyConfig)| {
        let mut config = base.clone();
        change(&mut config);
        let loads = vec![Load::Distinct, Load::Repeated];
        Setup { name, verifier: Verifier::Ours, table: Table::Growth, loads, config }
    };
    vec![
        setup("1 audience", &|config| audiences(config, 0)),
        setup("100 audiences", &|config| audiences(config, 99)),
        setup("10,000 audiences", &|config| audiences(config, 9_999)),
        setup("1,000 rules by host", &|config| {
            rules(config, &|number, matching| {
                matching["hosts"] = json!([format!("s{number}.example.com")]);
            });
        }),
        setup("1,000 rules by path", &|config| {
            rules(config, &|number, matching| {
                matching["paths"] = json!([{"prefix": format!("/s{number}")}]);
            });
        }),
        setup("100 keys", &|config| {
            *config = config.clone().cluster("google_keys", &[parts.upstream]);
            let clusters = config.0["static_resources"]["clusters"].as_array_mut();
            let keys = clusters.into_iter().flatten().filter(|it| it["name"] == "google_keys");
            // The upstream speaks plain HTTP.
            keys.filter_map(Value::as_object_mut)
                .for_each(|it| drop(it.remove("transport_socket")));
        }),
    ]
}

/// The tokens' audience after so many others.
fn audiences(config: &mut EnvoyConfig, others: usize) {
    let others = (0..others).map(|number| format!("https://s{number}.example.com"));
    let all: Vec<_> = others.chain([format!("https://{DOMAIN}")]).collect();
    config.plugin()["policy"]["rules"][0]["audiences"] = json!(all);
}

/// The shipped rule after 999 like it that are for other requests.
fn rules(config: &mut EnvoyConfig, change: &dyn Fn(usize, &mut Value)) {
    let rule = config.plugin()["policy"]["rules"][0].clone();
    let other = |number: usize| {
        let mut other = rule.clone();
        other["name"] = json!(format!("rule-{number}"));
        change(number, &mut other["match"]);
        other
    };
    let all: Vec<_> = (0..999).map(other).chain([rule.clone()]).collect();
    config.plugin()["policy"]["rules"] = json!(all);
}

impl Setup {
    /// The status that it must answer a load's requests with.
    #[must_use]
    pub fn status(&self, load: Load) -> u16 {
        match (self.verifier, load) {
            (Verifier::Nobody, _)
            | (_, Load::Distinct | Load::Few | Load::Repeated | Load::Bodiless) => 200,
            (Verifier::Native, Load::WrongCaller) => 200,
            // `jwt_authn` says 403 where RFC 6750 has 401.
            (Verifier::Native | Verifier::NativePolicy, Load::WrongAudience)
            | (_, Load::WrongCaller) => 403,
            (_, Load::Missing | Load::Forged | Load::Expired | Load::WrongAudience) => 401,
        }
    }
}
