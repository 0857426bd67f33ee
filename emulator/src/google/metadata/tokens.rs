//! The tokens that the metadata server hands out, the same ones until shortly
//! before their end.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use remint_idtoken::UnixTime;
use serde_json::{Value, json};

use super::super::accounts::Accounts;
use super::super::asked::Outcome;
use super::super::oauth::CLOUD_PLATFORM;
use super::super::query;
use super::{MACHINE, TEXT, Told, instance_id};
use crate::answers::{Answer, answer, json};
use crate::config::Config;
use crate::faults::Faults;
use crate::issuer::{Issuer, TokenRequest};
use crate::sync::lock;

/// Until this long before its expiry the same token is handed out: serverless
/// metadata servers renew four minutes ahead, those of virtual machines five.
const RENEWED_AHEAD: Duration = Duration::from_secs(240);

/// How many tokens of each kind are kept: one for each audience, or for each set
/// of scopes, that somebody has asked for.
const MOST: usize = 4096;

/// A license of an image, as `licenses=TRUE` tells it: Debian's.
const LICENSE: &str = "5926592092274602096";

pub(super) struct Tokens {
    issuer: Arc<Issuer>,
    known: Arc<Accounts>,
    faults: Arc<Faults>,
    /// What `format=full` tells of the machine.
    machine: Value,
    identity: Mutex<HashMap<Asked, Minted>>,
    access: Mutex<HashMap<(String, Vec<String>), Minted>>,
}

/// What a token was asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    account: String,
    audience: String,
    full: bool,
    licenses: bool,
}

struct Minted {
    token: String,
    minted_at: UnixTime,
    renewed_at: UnixTime,
}

impl Minted {
    /// Whether it is handed out now. The clock may have been set back.
    fn is_current(&self, now: UnixTime) -> bool {
        (self.minted_at..self.renewed_at).contains(&now)
    }
}

impl Tokens {
    pub(super) fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        known: Arc<Accounts>,
        faults: Arc<Faults>,
    ) -> Self {
        let machine = json!({
            "project_id": config.project_id,
            "project_number": config.project_number,
            "zone": format!("{}-1", config.region),
            "instance_id": instance_id(config).to_string(),
            "instance_name": MACHINE,
            "instance_creation_timestamp": issuer.now().0,
        });
        Self {
            issuer,
            known,
            faults,
            machine,
            identity: Mutex::default(),
            access: Mutex::default(),
        }
    }

    /// An ID token or an access token of an account.
    pub(super) fn answer(&self, account: &str, identity: bool, query: Option<&str>) -> Told {
        let (answer, outcome) = match identity {
            true => self.identity(account, query),
            false => self.access_token(account, query),
        };
        (answer, Some(Outcome { caller: Some(account.to_owned()), ..outcome }))
    }

    fn identity(&self, account: &str, query: Option<&str>) -> (Answer, Outcome) {
        let value = |name| query::value(query, name).unwrap_or_default();
        let audience = value("audience");
        if audience.is_empty() {
            let why = "non-empty audience parameter required";
            return refused(StatusCode::BAD_REQUEST, "audience_missing", why);
        }
        let outcome = |outcome| Outcome { audience: Some(audience.clone()), ..outcome };
        if !self.faults.mints_for(&audience) {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let (answer, told) = refused(status, "mints_nothing", "internal error");
            return (answer, outcome(told));
        }
        let full = match value("format").as_str() {
            "" | "standard" => false,
            "full" => true,
            _ => {
                let why = "format is standard or full";
                let (answer, told) = refused(StatusCode::BAD_REQUEST, "format_unknown", why);
                return (answer, outcome(told));
            }
        };
        // Licenses count in full tokens alone.
        let licenses = full && value("licenses").eq_ignore_ascii_case("true");
        let (account, told) = (account.to_owned(), outcome(Outcome::default()));
        let token = self.token(&Asked { account, audience: audience.clone(), full, licenses });
        (answer(StatusCode::OK, "text/html", token), told)
    }

    fn token(&self, asked: &Asked) -> String {
        let now = self.issuer.now();
        let mut tokens = lock(&self.identity);
        if let Some(minted) = tokens.get(asked).filter(|it| it.is_current(now)) {
            return minted.token.clone();
        }
        make_room(&mut tokens, now);
        let token = self.mint(asked);
        tokens.insert(asked.clone(), self.minted(token.clone(), now));
        token
    }

    fn minted(&self, token: String, now: UnixTime) -> Minted {
        let renewed_at = now.plus(self.issuer.lifetime()).minus(self.ahead());
        Minted { token, minted_at: now, renewed_at }
    }

    /// How long before a token's end there is another.
    fn ahead(&self) -> Duration {
        RENEWED_AHEAD.min(self.issuer.lifetime().div_f64(2.0))
    }

    /// An access token for all scopes, or for those that are asked for: as Cloud
    /// Run does it, while Compute Engine gives the machine's.
    fn access_token(&self, account: &str, query: Option<&str>) -> (Answer, Outcome) {
        let now = self.issuer.now();
        let scopes = query::value(query, "scopes").unwrap_or_default();
        let scopes: Vec<String> = match scopes.as_str() {
            "" => vec![CLOUD_PLATFORM.to_owned()],
            scopes => scopes.split(',').map(str::to_owned).collect(),
        };
        let key = (account.to_owned(), scopes.clone());
        let mut tokens = lock(&self.access);
        // One that was revoked is not handed out again.
        let is_good =
            |it: &Minted| it.is_current(now) && self.known.access(&it.token, now).is_some();
        let new = || {
            let member = format!("serviceAccount:{account}");
            let lifetime = self.known.lifetime;
            let token = self.known.access_token(member, scopes, lifetime, now)?;
            Some(self.minted(token, now))
        };
        let Some(minted) = tokens.remove(&key).filter(is_good).or_else(new) else {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return refused(status, "no_randomness", "internal error");
        };
        let ends = minted.renewed_at.plus(self.ahead());
        let answer = json!({
            "access_token": minted.token,
            "expires_in": ends.since(now).as_secs(),
            "token_type": "Bearer",
        });
        make_room(&mut tokens, now);
        tokens.insert(key, minted);
        (json(StatusCode::OK, &answer), Outcome::default())
    }

    fn mint(&self, asked: &Asked) -> String {
        let request = TokenRequest {
            account: asked.account.clone(),
            audience: asked.audience.clone(),
            with_email: asked.full,
        };
        let mut claims = self.issuer.claims(&request);
        if asked.full {
            let mut machine = self.machine.clone();
            if let (Some(members), true) = (machine.as_object_mut(), asked.licenses) {
                members.insert("license_id".to_owned(), json!([LICENSE]));
            }
            claims.insert("google".to_owned(), json!({ "compute_engine": machine }));
        }
        if self.faults.leaves_out_exp() {
            claims.remove("exp");
        }
        self.issuer.sign_claims(&claims.into())
    }
}

/// Forgets tokens where there are too many: those whose time is over or, if there
/// are none, all of them. Whoever asks again gets a new one.
fn make_room<K: Eq + Hash>(tokens: &mut HashMap<K, Minted>, now: UnixTime) {
    if tokens.len() >= MOST {
        tokens.retain(|_, minted| minted.is_current(now));
    }
    if tokens.len() >= MOST {
        tokens.clear();
    }
}

fn refused(status: StatusCode, code: &'static str, why: &'static str) -> (Answer, Outcome) {
    (answer(status, TEXT, format!("{why}\n")), Outcome::refused(code, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_forgotten_when_there_are_too_many() {
        let minted = |from, to| Minted {
            token: String::new(),
            minted_at: UnixTime(from),
            renewed_at: UnixTime(to),
        };
        let mut tokens: HashMap<_, _> = (0..MOST).map(|it| (it, minted(0, 10))).collect();
        tokens.insert(0, minted(0, 20));
        make_room(&mut tokens, UnixTime(10));
        assert_eq!(tokens.keys().copied().collect::<Vec<_>>(), [0]);
        let mut tokens: HashMap<_, _> = (0..MOST).map(|it| (it, minted(0, 20))).collect();
        make_room(&mut tokens, UnixTime(10));
        assert!(tokens.is_empty());
    }
}
