//! What real services are made of, though nobody is called here.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use remint_idtoken::UnixTime;

use super::super::Balancer;
use crate::clock::SystemClock;
use crate::config::{Connections, HostHeader, Kind, Origin, Protocol, RetryBudget, Upstream};
use crate::headers::TokenHeader;
use crate::last_refusal::LastRefusal;
use crate::metrics::Metrics;
use crate::mint::{MintedToken, Slot};
use crate::retry::Budget;
use crate::service::{Region, Service};
use crate::trouble::Troubles;
use crate::upstream::{Connector, Pool, PoolSettings};

/// When it all takes place.
pub(super) const START: UnixTime = UnixTime(1_790_000_000);
/// When tokens end: long after.
const END: UnixTime = UnixTime(1_890_000_000);

/// What all services share.
pub(super) struct Parts {
    pool: Arc<Pool>,
    metrics: Metrics,
}

impl Parts {
    /// Must be called in a tokio runtime.
    pub(super) fn new() -> Self {
        let connector = Connector::new(&Upstream::default()).unwrap();
        let settings = PoolSettings {
            origin: Origin::of(true, "nobody.example").unwrap(),
            protocol: Protocol::Auto,
            connections: Connections::default(),
        };
        let pool = Pool::new(&connector, &settings, Arc::new(SystemClock)).unwrap();
        Self { pool, metrics: Metrics::new() }
    }

    /// A service in regions whose tokens are in these headers.
    pub(super) fn service(
        &self,
        balancer: Balancer,
        token_headers: &[TokenHeader],
        (budget, began): (RetryBudget, std::time::Instant),
    ) -> Service {
        let balancer = Arc::new(balancer);
        let region = |(place, token_header): (usize, &TokenHeader)| Region {
            name: format!("r{place}").into(),
            place,
            kind: Kind::CloudRun,
            host: host(place),
            base_path: "".into(),
            token_header: *token_header,
            token: slot(place, true),
            pool: Arc::clone(&self.pool),
            balancer: Arc::clone(&balancer),
            counters: self.metrics.region("s", &format!("r{place}")),
            last_refusal: LastRefusal::default(),
            warned_at: AtomicU64::new(0),
            troubles: Troubles::default(),
        };
        Service {
            name: "s".into(),
            regions: token_headers.iter().enumerate().map(region).collect(),
            token_headers: TokenHeader::of_all(token_headers.iter().copied()),
            host: HostHeader::Region,
            retries: self.metrics.retries("s"),
            budget: Arc::new(Budget::new(budget, began)),
            balancer,
            counters: self.metrics.service("s"),
            news: Arc::default(),
        }
    }
}

pub(super) fn host(place: usize) -> HeaderValue {
    HeaderValue::try_from(format!("r{place}.example")).unwrap()
}

fn audience(place: usize) -> String {
    format!("https://r{place}.example")
}

/// The token for a region's own audience, as it is sent.
pub(super) fn bearer(place: usize) -> String {
    let claims = format!(r#"{{"iss":"i","aud":"{}","exp":{}}}"#, audience(place), END.0);
    let parts = [r#"{"alg":"RS256","kid":"k"}"#, &claims, "signature"];
    let [header, claims, signature] = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("Bearer {header}.{claims}.{signature}")
}

/// A region's place for a token, with one or without.
pub(super) fn slot(place: usize, has_token: bool) -> Arc<Slot> {
    let audience: Arc<str> = audience(place).into();
    if !has_token {
        return Arc::new(Slot::new(audience, None, Arc::default()));
    }
    let bearer = bearer(place);
    let token = bearer.strip_prefix("Bearer ").unwrap();
    Arc::new(Slot::holding(MintedToken::read(token.as_bytes(), &audience, START).unwrap()))
}
