//! How connections to regions are kept.

use std::time::Duration;

use remint_idtoken::config::{Object, Reader};

use super::settings::positive;

/// What is spoken with a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// With TLS what both sides prefer of HTTP/2 and HTTP/1.1 (ALPN, RFC
    /// 7301); HTTP/1.1 in clear text, where nothing is negotiated.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; in clear text with prior knowledge (RFC 9113, section 3.3),
    /// which is what gRPC without TLS needs.
    Http2,
}

/// How long connections are kept, and how many requests share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connections {
    /// How long a connection waits for work: well under the minute or more
    /// after which servers close theirs, so that no request meets a closing
    /// connection.
    pub idle_timeout: Duration,
    /// How old an HTTP/2 connection gets before requests go to a new one, so
    /// that they come to follow changes of addresses and load.
    pub max_lifetime: Duration,
    /// How many requests share an HTTP/2 connection, if its server does not
    /// allow fewer.
    pub max_streams: usize,
    /// How often an HTTP/2 connection with requests under way is asked
    /// whether anybody is there.
    pub keep_alive_interval: Duration,
    /// How long the answer to that may take.
    pub keep_alive_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(3600),
            // The least that RFC 9113, section 6.5.2, recommends to servers.
            max_streams: 100,
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(10),
        }
    }
}

/// The windows of so many streams together must fit into one (RFC 9113,
/// section 6.9.1).
const MAX_STREAMS: u32 = 1000;

pub(super) fn protocol(from: &Reader<'_>) -> Option<Protocol> {
    let names = [("auto", Protocol::Auto), ("http1", Protocol::Http1), ("http2", Protocol::Http2)];
    from.choice(&names)
}

/// Reads the members of `upstream` that are about connections.
pub(super) fn read(upstream: &mut Object<'_>) -> Option<Connections> {
    let defaults = Connections::default();
    let idle = upstream.maybe("idle_timeout", positive);
    let http2 = upstream.maybe("http2", |http2| {
        let mut http2 = http2.object()?;
        let lifetime = http2.maybe("max_lifetime", positive);
        let streams = http2.maybe("max_streams", |it| it.whole_within(1, MAX_STREAMS));
        let interval = http2.maybe("keep_alive_interval", positive);
        let timeout = http2.maybe("keep_alive_timeout", positive);
        http2.finish();
        Some(Connections {
            max_lifetime: lifetime?.unwrap_or(defaults.max_lifetime),
            max_streams: streams?.unwrap_or(defaults.max_streams),
            keep_alive_interval: interval?.unwrap_or(defaults.keep_alive_interval),
            keep_alive_timeout: timeout?.unwrap_or(defaults.keep_alive_timeout),
            ..defaults
        })
    });
    let idle_timeout = idle?.unwrap_or(defaults.idle_timeout);
    Some(Connections { idle_timeout, ..http2?.unwrap_or(defaults) })
}
