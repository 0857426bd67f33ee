//! Google's APIs, asked by the gateway's own client.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::clock::{Clock, SystemClock};
use crate::config::{AccessSource, Origin, Upstream};
use crate::doctor::facts::Read;
use crate::error::chain;
use crate::mint::{AccessToken, AccessTokens, Said};
use crate::upstream::{Connector, FetchError, Fetched, Fetcher};

/// The longest document that is read: a page of subscriptions has a few
/// hundred kilobytes.
const MAX_BYTES: usize = 8 << 20;
/// A list that goes on for longer is cut, and that is said.
const MAX_PAGES: usize = 50;
const PAGE_SIZE: u32 = 200;
/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// Who asks, and the way there.
pub(super) struct Api {
    connector: Connector,
    access: AccessToken,
    limit: Semaphore,
}

impl Api {
    /// With an access token of that source.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn new(source: &AccessSource, upstream: &Upstream) -> Result<Self, String> {
        let connector = Connector::new(upstream).map_err(|error| chain(&error))?;
        let tokens = AccessTokens::new(source, &connector).map_err(|error| chain(&error))?;
        let access = tokens.get(SystemClock.now()).await.map_err(|error| chain(&error))?;
        Ok(Self { connector, access, limit: Semaphore::new(AT_ONCE) })
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) async fn get(&self, host: &str, path: &str) -> Read<Value> {
        self.ask(host, path, None).await
    }

    pub(super) async fn post(&self, host: &str, path: &str) -> Read<Value> {
        self.ask(host, path, Some("{}")).await
    }

    /// All items of a list, page by page (AIP-158).
    pub(super) async fn list(&self, host: &str, path: &str, name: &str) -> Read<Vec<Value>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let next = match token.as_str() {
                "" => String::new(),
                token => format!("&pageToken={}", crate::percent::encoded(token.as_bytes())),
            };
            let page = self.get(host, &format!("{path}?pageSize={PAGE_SIZE}{next}")).await;
            let page = match page {
                Read::Is(page) => page,
                Read::Missing => return Read::Missing,
                Read::Unread(why) => return Read::Unread(why),
            };
            all.extend(page.get(name).and_then(Value::as_array).cloned().unwrap_or_default());
            token =
                page.get("nextPageToken").and_then(Value::as_str).unwrap_or_default().to_owned();
            if token.is_empty() {
                return Read::Is(all);
            }
        }
        Read::Unread(format!("there are more than {MAX_PAGES} pages of them"))
    }

    async fn ask(&self, host: &str, path: &str, body: Option<&'static str>) -> Read<Value> {
        let answer = match self.send(host, path, body).await {
            Ok(answer) => answer,
            Err(why) => return Read::Unread(why),
        };
        match answer.status {
            StatusCode::OK => match serde_json::from_slice(&answer.body) {
                Ok(document) => Read::Is(document),
                Err(_) => Read::Unread(format!("the answer of {host} is no JSON")),
            },
            StatusCode::NOT_FOUND => Read::Missing,
            status => Read::Unread(format!("{host} answers {status}{}", Said::read(&answer.body))),
        }
    }

    async fn send(
        &self,
        host: &str,
        path: &str,
        body: Option<&'static str>,
    ) -> Result<Fetched, String> {
        let origin = Origin::of(true, host).ok_or_else(|| format!("{host:?} is no host"))?;
        let fetcher = Fetcher::to(&origin, &self.connector).map_err(|error| chain(&error))?;
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, self.access.header())]);
        let _turn = self.limit.acquire().await.map_err(|error| error.to_string())?;
        let sent: Result<Fetched, FetchError> = match body {
            None => fetcher.get(path, headers, MAX_BYTES).await,
            Some(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                fetcher.post(path, headers, body.into(), MAX_BYTES).await
            }
        };
        sent.map_err(|error| chain(&error))
    }
}
