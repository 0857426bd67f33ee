//! A server in place of the built-in container: one that runs already, or a
//! program that is started.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;

use super::limits::Bounded;
use super::page;
use super::program::{Life, Program, Spec};
use crate::answers::Answer;
use crate::config::{Backend, Kind, Service};
use crate::forward::{Protocol, forward};
use crate::network::{Stream, tcp};

/// What is behind a front end, running.
pub(crate) enum Behind {
    /// The built-in container.
    Echo,
    /// A server of the user's.
    Server(SocketAddr, Protocol),
    /// A program of the user's.
    Program(Arc<Program>, Protocol),
}

/// A connection to it, or none where none is needed.
pub(super) enum Way {
    Within,
    Server(Stream, Protocol),
}

impl Behind {
    /// Starts what is to be started for a service in a region: the metadata
    /// server at `google` is its own.
    ///
    /// # Errors
    /// If a program can't be started.
    pub(crate) fn start(
        backend: &Backend,
        service: &Service,
        region: &str,
        google: SocketAddr,
    ) -> io::Result<(Self, Option<Life>)> {
        let (words, protocol) = match backend {
            Backend::Echo => return Ok((Self::Echo, None)),
            Backend::Address { addr, protocol } => {
                return Ok((Self::Server(*addr, *protocol), None));
            }
            Backend::Command { words, protocol } => (words.clone(), *protocol),
        };
        let label = format!("[{} {region}]", service.name);
        let spec = Spec { words, variables: variables(service, google), label };
        let (program, life) = Program::start(spec)?;
        Ok((Self::Program(program, protocol), Some(life)))
    }

    /// What it speaks, if that matters.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Echo => None,
            Self::Server(_, protocol) | Self::Program(_, protocol) => Some(*protocol),
        }
    }

    /// Connects. The error says why it can't.
    pub(super) async fn reach(&self) -> Result<Way, String> {
        let (addr, protocol) = match self {
            Self::Echo => return Ok(Way::Within),
            Self::Server(addr, protocol) => (*addr, *protocol),
            Self::Program(program, protocol) => (program.addr().await?, *protocol),
        };
        match tcp(addr).await {
            Ok(stream) => Ok(Way::Server(Box::new(stream), protocol)),
            Err(error) => Err(format!("container_unavailable: {addr}: no connection: {error}")),
        }
    }
}

/// What a program is told beside its port: the container contract's `K_*`
/// (<https://cloud.google.com/run/docs/container-contract>), of which functions
/// of the first generation have no `K_CONFIGURATION`
/// (<https://cloud.google.com/functions/1stgendocs/configuring/env-var>); and
/// where the metadata server is, by the two names that Google's libraries know
/// (`google/auth/environment_vars.py` of google-auth).
fn variables(service: &Service, google: SocketAddr) -> Vec<(&'static str, String)> {
    let name = || service.name.clone();
    let own = match service.kind {
        Kind::CloudRun => {
            vec![("K_REVISION", format!("{}-00001-emu", service.name)), ("K_CONFIGURATION", name())]
        }
        Kind::Function => vec![("K_REVISION", "1".to_owned())],
    };
    let metadata = ["GCE_METADATA_HOST", "GCE_METADATA_IP"].map(|it| (it, google.to_string()));
    [("K_SERVICE", name())].into_iter().chain(own).chain(metadata).collect()
}

/// Passes an accepted request on, as Cloud Run does: over HTTP/1.1, or with
/// end-to-end HTTP/2 over that in clear text. A server that breaks off gets 503
/// for its caller, whoever is to blame, as its malformed answers do there
/// (Cloud Run, "Troubleshoot").
pub(super) async fn pass_on(
    stream: Stream,
    protocol: Protocol,
    parts: Parts,
    body: Bounded,
) -> Answer {
    let overrun = body.overrun();
    match forward(stream, protocol, parts, body).await {
        Ok(answer) => answer,
        Err(_) if overrun.has_happened() => page::too_large(),
        Err(_) => page::failure(http::StatusCode::SERVICE_UNAVAILABLE),
    }
}
