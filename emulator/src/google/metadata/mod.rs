//! The metadata server: what a Cloud Run container meets, with the entries of
//! Compute Engine's that are the same for every machine.
//!
//! Rules and forms are those of
//! <https://cloud.google.com/compute/docs/metadata/querying-metadata> and
//! <https://cloud.google.com/run/docs/container-contract#metadata-server>; the
//! redirect and the headers were read from Google's client libraries and from
//! `salrashid123/gce_metadata_server`, `server.go`.
//!
//! One choice is Compute Engine's: only `format=full` tells the account's
//! address. Cloud Run's tokens tell it in both formats, but a client that
//! relies on that fails on a virtual machine, so here it fails early.

mod tokens;
mod tree;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ETAG, LOCATION, SERVER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use sha2::{Digest, Sha256};

use super::accounts::Accounts;
use super::asked::Outcome;
use super::oauth::CLOUD_PLATFORM;
use super::query;
use crate::answers::{Answer, answer};
use crate::config::Config;
use crate::faults::Faults;
use crate::issuer::Issuer;
use crate::named;
use tokens::Tokens;
use tree::{Alt, Entry};

const ROOT: &str = "/computeMetadata/v1";
const FLAVOR: &str = "metadata-flavor";
/// The content type of most answers, as Google's server spells it.
const TEXT: &str = "application/text";
/// The machine's name; Cloud Run's containers have none.
const MACHINE: &str = "remint-emulator";

pub(super) struct Metadata {
    tree: Entry,
    default_account: String,
    tokens: Tokens,
}

/// What was answered, and what came of it if a token was asked for.
pub(super) type Told = (Answer, Option<Outcome>);

impl Metadata {
    pub(super) fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        known: Arc<Accounts>,
        faults: Arc<Faults>,
    ) -> Self {
        Self {
            tree: tree_of(config),
            default_account: config.default_account.clone(),
            tokens: Tokens::new(config, issuer, known, faults),
        }
    }

    /// Libraries ask for `/` to find out whether there is such a server.
    pub(super) fn serves(path: &str) -> bool {
        let below = path.strip_prefix("/computeMetadata");
        path == "/" || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What is asked for, if it is a token.
    pub(super) fn token_asked(path: &str) -> Option<&'static str> {
        ["identity", "token"].into_iter().find(|name| {
            let before = path.strip_suffix(name).and_then(|path| path.strip_suffix('/'));
            before.is_some_and(|path| path.contains("/instance/service-accounts/"))
        })
    }

    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Told {
        let (answer, outcome) = self.route(request).await;
        (flavored(answer), outcome)
    }

    async fn route<B>(&self, request: &Request<B>) -> Told {
        let (path, query) = (request.uri().path(), request.uri().query());
        if let Err((code, why)) = admit(request.headers(), path == "/") {
            return told(path, StatusCode::FORBIDDEN, code, why);
        }
        if request.method() != Method::GET {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return told(path, status, "method_not_allowed", "only GET");
        }
        match path.strip_prefix(ROOT).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            None => (above(path), None),
            Some(below) => self.entry(below, query, request).await,
        }
    }

    async fn entry<B>(&self, below: &str, query: Option<&str>, request: &Request<B>) -> Told {
        let path = request.uri().path();
        let missing = || told(path, StatusCode::NOT_FOUND, "no_such_entry", "no such entry");
        let (names, has_slash) = match below.strip_suffix('/') {
            Some(names) => (names, true),
            None => (below, false),
        };
        let names: Vec<String> = names.split('/').skip(1).map(query::decode_path).collect();
        let Some(entry) = names.iter().try_fold(&self.tree, |entry, name| entry.get(name)) else {
            return missing();
        };
        match (entry, has_slash) {
            (Entry::Made, false) => {
                let account = match names.iter().rev().nth(1).map(String::as_str) {
                    Some("default") | None => &self.default_account,
                    Some(account) => account,
                };
                self.tokens.answer(account, Self::token_asked(path) == Some("identity"), query)
            }
            (Entry::Directory(_), false) => (redirect(request), None),
            (Entry::Directory(_), true) | (_, false) => (shown(entry, query).await, None),
            (_, true) => missing(),
        }
    }
}

fn tree_of(config: &Config) -> Entry {
    let (number, region) = (config.project_number, &config.region);
    let account = |email: &str| {
        let aliases = match email == config.default_account {
            true => vec!["default".to_owned()],
            false => Vec::new(),
        };
        Entry::directory([
            ("aliases", Entry::List(aliases)),
            ("email", Entry::text(email)),
            ("identity", Entry::Made),
            ("scopes", Entry::List(vec![CLOUD_PLATFORM.to_owned()])),
            ("token", Entry::Made),
        ])
    };
    let mut accounts = vec![("default".to_owned(), account(&config.default_account))];
    for email in config.accounts.iter().chain([&config.default_account]) {
        if !accounts.iter().any(|(name, _)| name == email) {
            accounts.push((email.clone(), account(email)));
        }
    }
    let hostname = format!("{MACHINE}.{region}-1.c.{}.internal", config.project_id);
    let instance = Entry::directory([
        ("attributes", Entry::directory([])),
        ("hostname", Entry::text(hostname)),
        ("id", Entry::Number(instance_id(config))),
        ("name", Entry::text(MACHINE)),
        ("region", Entry::text(format!("projects/{number}/regions/{region}"))),
        ("service-accounts", Entry::Directory(accounts)),
        ("zone", Entry::text(format!("projects/{number}/zones/{region}-1"))),
    ]);
    let project = Entry::directory([
        ("attributes", Entry::directory([])),
        ("numeric-project-id", Entry::Number(number)),
        ("project-id", Entry::text(&config.project_id)),
    ]);
    let universe = Entry::directory([("universe-domain", Entry::text("googleapis.com"))]);
    Entry::directory([("instance", instance), ("project", project), ("universe", universe)])
}

/// Up to 19 digits, always the same for a project and region.
fn instance_id(config: &Config) -> u64 {
    let digest = Sha256::digest(format!("{}/{}", config.project_id, config.region));
    let number = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    // Programs read it as a signed number.
    number >> 1
}

/// What is above the version.
fn above(path: &str) -> Answer {
    match path {
        "/" => answer(StatusCode::OK, TEXT, "computeMetadata/\n"),
        "/computeMetadata/" => answer(StatusCode::OK, TEXT, "v1/\n"),
        "/computeMetadata" => moved("/computeMetadata/", None),
        _ => refuse(StatusCode::NOT_FOUND, "no such entry"),
    }
}

/// A directory's name ends with a slash: whoever leaves it out is sent there, as
/// Node's `gcp-metadata` is, which asks for `instance`.
fn redirect<B>(request: &Request<B>) -> Answer {
    let host = named::host(request.uri(), request.headers());
    let path = request.uri().path();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    moved(&format!("{path}/{query}"), host)
}

fn moved(target: &str, host: Option<&str>) -> Answer {
    let location = host.map_or(target.to_owned(), |host| format!("http://{host}{target}"));
    let mut answer = answer(StatusCode::MOVED_PERMANENTLY, "text/html", format!("{target}\n"));
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// An entry as the query wants it, and when.
async fn shown(entry: &Entry, query: Option<&str>) -> Answer {
    let value = |name| query::value(query, name);
    let recursive = value("recursive").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    let alt = match value("alt").as_deref() {
        None | Some("") => None,
        Some("json") => Some(Alt::Json),
        Some("text") => Some(Alt::Text),
        Some(_) => return refuse(StatusCode::BAD_REQUEST, "alt is json or text"),
    };
    let (alt, body) = entry.shown(alt, recursive);
    let etag = etag_of(&body);
    if value("wait_for_change").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        let timeout = match value("timeout_sec").map(|seconds| seconds.parse()) {
            None => None,
            Some(Ok(seconds)) => Some(Duration::from_secs(seconds)),
            Some(Err(_)) => {
                return refuse(StatusCode::BAD_REQUEST, "timeout_sec is a number of seconds");
            }
        };
        if value("last_etag").is_none_or(|last| last == etag) {
            unchanged(timeout).await;
        }
    }
    let kind = match alt {
        Alt::Json => "application/json",
        Alt::Text => TEXT,
    };
    let mut answer = answer(StatusCode::OK, kind, body);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    answer
}

/// Nothing here ever changes: who waits for it waits as long as it likes.
async fn unchanged(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => pending().await,
    }
}

/// 16 hexadecimal digits, as Google's are, without quotes.
fn etag_of(body: &str) -> String {
    let digest = Sha256::digest(body);
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Every answer of the metadata server carries these.
pub(super) fn flavored(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(FLAVOR, HeaderValue::from_static("Google"));
    headers.insert(SERVER, HeaderValue::from_static("Metadata Server for VM"));
    headers.insert("x-xss-protection", HeaderValue::from_static("0"));
    headers.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
    answer
}

/// Both rules keep requests out that somebody else's program was tricked into.
/// The root needs no header: that is where programs look for the server.
fn admit(headers: &HeaderMap, is_root: bool) -> Result<(), (&'static str, &'static str)> {
    if headers.contains_key("x-forwarded-for") {
        let why = "a request with X-Forwarded-For did not come from this machine";
        return Err(("forwarded", why));
    }
    match headers.get(FLAVOR) {
        Some(flavor) if flavor == "Google" => Ok(()),
        _ if is_root => Ok(()),
        _ => Err(("flavor_missing", "Missing Metadata-Flavor:Google header.")),
    }
}

fn told(path: &str, status: StatusCode, code: &'static str, why: &'static str) -> Told {
    let outcome = Metadata::token_asked(path).map(|_| Outcome::refused(code, why));
    (refuse(status, why), outcome)
}

fn refuse(status: StatusCode, why: &'static str) -> Answer {
    answer(status, TEXT, format!("{why}\n"))
}
