//! The metadata server, as a Cloud Run container meets it.
//!
//! One choice is Compute Engine's: only `format=full` tells the account's
//! address. Cloud Run's tokens tell it in both formats, but a client that
//! relies on that fails on a virtual machine, so here it fails early.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{LOCATION, SERVER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use remint_idtoken::UnixTime;
use serde_json::{Map, Value, json};

use super::accounts::Accounts;
use super::query;
use crate::answers::{Answer, answer, json};
use crate::config::Config;
use crate::faults::Faults;
use crate::issuer::{Issuer, TokenRequest};
use crate::sync::lock;

const ROOT: &str = "/computeMetadata/v1/";
const FLAVOR: &str = "metadata-flavor";
/// The content type of most answers, as Google's server spells it.
const TEXT: &str = "application/text";

/// Until this long before its expiry the same token is handed out: serverless
/// metadata servers renew four minutes ahead, those of virtual machines five.
const RENEWED_AHEAD: Duration = Duration::from_secs(240);

pub(super) struct Metadata {
    issuer: Arc<Issuer>,
    known: Arc<Accounts>,
    faults: Arc<Faults>,
    accounts: Vec<String>,
    default_account: String,
    project_id: String,
    project_number: u64,
    region: String,
    tokens: Mutex<HashMap<Asked, Minted>>,
    access: Mutex<HashMap<String, Minted>>,
}

/// What a token was asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    account: String,
    audience: String,
    full: bool,
}

struct Minted {
    token: String,
    renewed_at: UnixTime,
}

impl Metadata {
    pub(super) fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        known: Arc<Accounts>,
        faults: Arc<Faults>,
    ) -> Self {
        Self {
            issuer,
            known,
            faults,
            accounts: config.accounts.clone(),
            default_account: config.default_account.clone(),
            project_id: config.project_id.clone(),
            project_number: config.project_number,
            region: config.region.clone(),
            tokens: Mutex::default(),
            access: Mutex::default(),
        }
    }

    /// Libraries ask for `/` to find out whether there is such a server.
    pub(super) fn serves(path: &str) -> bool {
        path == "/" || path.starts_with("/computeMetadata/")
    }

    pub(super) fn answer<B>(&self, request: &Request<B>) -> Answer {
        flavored(self.route(request))
    }

    fn route<B>(&self, request: &Request<B>) -> Answer {
        if request.uri().path() == "/" {
            return answer(StatusCode::OK, TEXT, "computeMetadata/\n");
        }
        if let Err(why) = admit(request.headers()) {
            return refuse(StatusCode::FORBIDDEN, why);
        }
        if request.method() != Method::GET {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        }
        let number = self.project_number;
        let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default();
        let value = match path {
            "project/project-id" => self.project_id.clone(),
            "project/numeric-project-id" => number.to_string(),
            "instance/region" => format!("projects/{number}/regions/{}", self.region),
            "instance/zone" => format!("projects/{number}/zones/{}-1", self.region),
            "" | "instance/" | "project/" => below(path),
            // Node's library takes an answer to this for a sign of the server.
            "instance" | "project" => return moved(path),
            _ => return self.account(path, request.uri().query()),
        };
        answer(StatusCode::OK, TEXT, value)
    }

    fn account(&self, path: &str, query: Option<&str>) -> Answer {
        let below = path.strip_prefix("instance/service-accounts/");
        let Some((name, wanted)) = below.and_then(|path| path.split_once('/')) else {
            return refuse(StatusCode::NOT_FOUND, "no such entry");
        };
        let Some(account) = self.find_account(&query::decode(name)) else {
            return refuse(StatusCode::NOT_FOUND, "no such service account");
        };
        match wanted {
            "email" => answer(StatusCode::OK, TEXT, account.to_owned()),
            "identity" => self.identity(account, query),
            "token" => self.access_token(account),
            "" if query::value(query, "recursive").as_deref() == Some("true") => {
                let scopes = ["https://www.googleapis.com/auth/cloud-platform"];
                let aliases = self.aliases(account);
                let about = json!({ "aliases": aliases, "email": account, "scopes": scopes });
                json(StatusCode::OK, &about)
            }
            _ => refuse(StatusCode::NOT_FOUND, "no such entry"),
        }
    }

    fn find_account(&self, name: &str) -> Option<&str> {
        if name == "default" {
            return Some(&self.default_account);
        }
        let mut accounts = self.accounts.iter().chain([&self.default_account]);
        accounts.find(|it| *it == name).map(String::as_str)
    }

    fn aliases(&self, account: &str) -> &'static [&'static str] {
        if account == self.default_account { &["default"] } else { &[] }
    }

    fn identity(&self, account: &str, query: Option<&str>) -> Answer {
        let audience = query::value(query, "audience").unwrap_or_default();
        if audience.is_empty() {
            return refuse(StatusCode::BAD_REQUEST, "non-empty audience parameter required");
        }
        if !self.faults.mints_for(&audience) {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        }
        let full = match query::value(query, "format").as_deref() {
            None | Some("" | "standard") => false,
            Some("full") => true,
            Some(_) => return refuse(StatusCode::BAD_REQUEST, "format is standard or full"),
        };
        let token = self.token(&Asked { account: account.to_owned(), audience, full });
        answer(StatusCode::OK, "text/html", token)
    }

    fn token(&self, asked: &Asked) -> String {
        let now = self.issuer.now();
        let mut tokens = lock(&self.tokens);
        tokens.retain(|_, minted| now < minted.renewed_at);
        let fresh = || Minted { token: self.mint(asked), renewed_at: self.renewed_at(now) };
        let minted = tokens.entry(asked.clone()).or_insert_with(fresh);
        minted.token.clone()
    }

    fn renewed_at(&self, now: UnixTime) -> UnixTime {
        now.plus(self.issuer.lifetime()).minus(self.ahead())
    }

    /// How long before a token's end there is another.
    fn ahead(&self) -> Duration {
        RENEWED_AHEAD.min(self.issuer.lifetime().div_f64(2.0))
    }

    /// An access token, the same until shortly before its end.
    fn access_token(&self, account: &str) -> Answer {
        let now = self.issuer.now();
        let mut tokens = lock(&self.access);
        // One that was revoked is not handed out again.
        let is_good = |it: &Minted| self.known.member(&it.token, now).is_some();
        tokens.retain(|_, minted| now < minted.renewed_at && is_good(minted));
        let new = || {
            let token = self.known.access_token(format!("serviceAccount:{account}"), now)?;
            Some(Minted { token, renewed_at: self.renewed_at(now) })
        };
        let Some(minted) = tokens.remove(account).or_else(new) else {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        };
        let ends = minted.renewed_at.plus(self.ahead());
        let answer = json!({
            "access_token": minted.token,
            "expires_in": ends.since(now).as_secs(),
            "token_type": "Bearer",
        });
        tokens.insert(account.to_owned(), minted);
        json(StatusCode::OK, &answer)
    }

    fn mint(&self, asked: &Asked) -> String {
        let request = TokenRequest {
            account: asked.account.clone(),
            audience: asked.audience.clone(),
            with_email: asked.full,
        };
        let mut claims = self.issuer.claims(&request);
        if asked.full {
            claims.insert("google".to_owned(), self.instance());
        }
        if self.faults.leaves_out_exp() {
            claims.remove("exp");
        }
        self.issuer.sign_claims(&claims.into())
    }

    /// What `format=full` tells of the machine.
    fn instance(&self) -> Value {
        let mut details = Map::new();
        details.insert("project_id".to_owned(), self.project_id.clone().into());
        details.insert("project_number".to_owned(), self.project_number.into());
        details.insert("zone".to_owned(), format!("{}-1", self.region).into());
        json!({ "compute_engine": details })
    }
}

/// What is in a directory, whose name ends with a slash (Compute Engine, "View
/// and query VM metadata").
fn below(directory: &str) -> String {
    let entries: &[&str] = match directory {
        "instance/" => &["region", "service-accounts/", "zone"],
        "project/" => &["numeric-project-id", "project-id"],
        _ => &["instance/", "project/"],
    };
    entries.iter().map(|entry| format!("{entry}\n")).collect()
}

/// Where a directory is that was asked for without its slash.
fn moved(directory: &str) -> Answer {
    let to = format!("{ROOT}{directory}/");
    let mut answer = answer(StatusCode::MOVED_PERMANENTLY, TEXT, format!("{to}\n"));
    if let Ok(to) = HeaderValue::try_from(to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer
}

/// Every answer of the metadata server carries these.
pub(super) fn flavored(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(FLAVOR, HeaderValue::from_static("Google"));
    headers.insert(SERVER, HeaderValue::from_static("Metadata Server for VM"));
    answer
}

/// Both rules keep requests out that somebody else's program was tricked into.
fn admit(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key("x-forwarded-for") {
        return Err("a request with X-Forwarded-For did not come from this machine");
    }
    match headers.get(FLAVOR) {
        Some(flavor) if flavor == "Google" => Ok(()),
        _ => Err("Missing Metadata-Flavor:Google header."),
    }
}

fn refuse(status: StatusCode, why: &'static str) -> Answer {
    answer(status, TEXT, format!("{why}\n"))
}
