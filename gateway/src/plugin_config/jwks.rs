//! Key sets, down to what a verifier needs of them.

use std::collections::HashSet;

use remint_filter::signature::ModuleSignatures;
use remint_idtoken::config::Node;
use remint_idtoken::keys::{JwksError, KeySet, LeftOut, parse_jwks};
use serde_json::{Map, Value, json};

/// What says which key it is and what it verifies (RFC 7517, RFC 7518). The
/// rest, such as certificates, would only take room.
const NEEDED: [&str; 9] = ["kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"];

/// Public keys for a configuration.
pub(super) struct Public {
    /// The JWK set.
    pub(super) keys: Node,
    /// Keys of the document that are not in it.
    pub(super) left_out: Vec<LeftOut>,
}

/// The keys of a fetched document that the module can use.
pub(super) fn public(document: &[u8]) -> Result<Public, JwksError> {
    // The module's own check: it is stricter than that of other libraries.
    let (_, left_out) = KeySet::load(&ModuleSignatures, &parse_jwks(document)?)?;
    let names: HashSet<&str> = left_out.iter().map(|it| it.key.as_str()).collect();
    let document: Value = serde_json::from_slice(document).map_err(JwksError::Json)?;
    let entries = document.get("keys").and_then(Value::as_array).ok_or(JwksError::NoList)?;
    let is_left_out = |entry: &Value| {
        entry.get("kid").and_then(Value::as_str).is_some_and(|id| names.contains(id))
    };
    let named = entries.iter().filter(|entry| !is_left_out(entry));
    // Those that have no id are told apart by what they are.
    let usable = named.filter(|entry| is_usable(entry));
    let keys: Vec<Value> = usable.map(needed).collect();
    let keys = serde_json::from_value(json!({"keys": keys})).map_err(JwksError::Json)?;
    Ok(Public { keys, left_out })
}

fn is_usable(entry: &Value) -> bool {
    let alone = json!({"keys": [entry]}).to_string();
    parse_jwks(alone.as_bytes()).is_ok_and(|it| KeySet::load(&ModuleSignatures, &it).is_ok())
}

fn needed(entry: &Value) -> Value {
    let member = |name: &&str| Some(((*name).to_owned(), entry.get(*name)?.clone()));
    Value::Object(NEEDED.iter().filter_map(member).collect::<Map<_, _>>())
}

/// A key set like any other (RFC 7515, appendix A.3), where the real one isn't
/// known yet.
pub(super) fn stand_in() -> Node {
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]});
    serde_json::from_value(jwks).unwrap_or_else(|_| remint_idtoken::config::Kind::Null.into())
}
