//! Listeners and upstream settings.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use remint_idtoken::CacheBounds;
use remint_idtoken::config::{Object, Reader};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::files::Files;
use super::{Connections, Environment, HostPort, Upstream, connections};

/// Cloud Run asks to listen on `$PORT`, on all addresses.
pub(super) fn listen(object: &mut Object<'_>, environment: &Environment) -> Option<SocketAddr> {
    if let Some(given) = object.get("listen") {
        return given.parsed(socket_address);
    }
    let port = match environment.port.as_deref().map(str::parse) {
        None => 8080,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            object.reader().problem("\"listen\" is not given and $PORT is no port number");
            return None;
        }
    };
    Some((Ipv4Addr::UNSPECIFIED, port).into())
}

pub(super) fn admin(object: &mut Object<'_>) -> Option<SocketAddr> {
    let given = object.maybe("admin", |admin| admin.parsed(socket_address))?;
    Some(given.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8081).into()))
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no address with port, such as 127.0.0.1:8080"))
}

/// As many as a busy service has callers' tokens in an hour, in memory that
/// the smallest instance has to spare.
const TOKEN_CACHE: CacheBounds = CacheBounds { max_entries: 20_000, max_bytes: 64 << 20 };

pub(super) fn token_cache(object: &mut Object<'_>) -> Option<CacheBounds> {
    let given = object.maybe("token_cache", |it| CacheBounds::read(it, TOKEN_CACHE))?;
    Some(given.unwrap_or(TOKEN_CACHE))
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(300),
            replay_memory: 64 << 20,
            connect_to: HashMap::new(),
            connections: Connections::default(),
        }
    }
}

pub(super) fn upstream(object: &mut Object<'_>, files: &Files) -> Option<Upstream> {
    let defaults = Upstream::default();
    let read = |upstream: &Reader<'_>| read_upstream(upstream, files, &defaults);
    let given = object.maybe("upstream", read)?;
    Some(given.unwrap_or(defaults))
}

fn read_upstream(from: &Reader<'_>, files: &Files, defaults: &Upstream) -> Option<Upstream> {
    let mut object = from.object()?;
    let roots = object.maybe("ca_file", |file| read_roots(file, files));
    let connect = object.maybe("connect_timeout", positive);
    let response = object.maybe("response_timeout", positive);
    let replay = object.maybe("replay_memory", |it| it.whole_within(0, u32::MAX));
    let connect_to = object.maybe("connect_to", read_connect_to);
    let connections = connections::read(&mut object);
    object.finish();
    Some(Upstream {
        extra_roots: roots?.unwrap_or_default(),
        connect_timeout: connect?.unwrap_or(defaults.connect_timeout),
        response_timeout: response?.unwrap_or(defaults.response_timeout),
        replay_memory: replay?.unwrap_or(defaults.replay_memory),
        connect_to: connect_to?.unwrap_or_default(),
        connections: connections?,
    })
}

/// Looking costs a little each time.
const LEAST_INTERVAL: Duration = Duration::from_millis(10);

pub(super) fn reload_interval(from: &Reader<'_>) -> Option<Duration> {
    let span = from.duration()?;
    if !span.is_zero() && span < LEAST_INTERVAL {
        from.problem("must be 0s, which is never, or at least 10ms");
        return None;
    }
    Some(span)
}

pub(super) fn positive(from: &Reader<'_>) -> Option<Duration> {
    let span = from.duration()?;
    if span.is_zero() {
        from.problem("must be longer than nothing");
        return None;
    }
    Some(span)
}

fn read_roots(from: &Reader<'_>, files: &Files) -> Option<Vec<CertificateDer<'static>>> {
    from.parsed(|name| load_roots(&files.path(name)))
}

/// Reads root certificates, in PEM.
///
/// # Errors
/// Why the file is no good, for people.
pub fn load_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = file.display();
    let roots: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{shown} can't be read: {error}"))?;
    if roots.is_empty() {
        return Err(format!("{shown} holds no certificate in PEM"));
    }
    let mut store = RootCertStore::empty();
    for root in &roots {
        store
            .add(root.clone())
            .map_err(|error| format!("{shown} holds an unusable certificate: {error}"))?;
    }
    Ok(roots)
}

fn read_connect_to(from: &Reader<'_>) -> Option<HashMap<HostPort, HostPort>> {
    let mut map = HashMap::new();
    for (host, to) in from.object()?.entries() {
        let target = to.parsed(parse_host_port);
        match parse_host_port(host) {
            Ok(host) => map.extend(target.map(|target| (host, target))),
            Err(problem) => to.problem(problem),
        }
    }
    Some(map)
}

fn parse_host_port(text: &str) -> Result<HostPort, String> {
    HostPort::parse(text, None).ok_or_else(|| format!("{text:?} is no HOST:PORT"))
}
