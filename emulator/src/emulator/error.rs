//! Why the emulator does not start.

use std::io;
use std::path::PathBuf;

use crate::balancer::BalancerError;
use crate::ca::CaError;
use crate::faults::FaultError;
use crate::issuer::KeyError;
use crate::run::MAX_TAGGED;

/// Why the emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An issuer has no key.
    #[error("an issuer has no key")]
    Key(#[from] KeyError),
    /// A listener has no certificate.
    #[error("no certificate for {0}")]
    Certificate(String, #[source] CaError),
    /// A port can't be listened on.
    #[error("can't listen for {0}")]
    Listen(String, #[source] io::Error),
    /// A load balancer can't be set up.
    #[error("no load balancer {0}")]
    LoadBalancer(String, #[source] BalancerError),
    /// A name that can't be part of a host name.
    #[error("{0:?} is no name of a service or region: use a-z, 0-9 and -")]
    Name(String),
    /// A topic, subscription or trigger that can't be made: which part's, and
    /// what its API would say.
    #[error("{0}: {1}")]
    Resource(&'static str, String),
    /// A traffic tag that can't stand before a service's name.
    #[error(
        "{0:?} is no traffic tag: use a-z, 0-9 and -, and with the service's name at most {MAX_TAGGED} letters"
    )]
    Tag(String),
    /// The program behind a service can't be started.
    #[error("can't start the program of {0}")]
    Program(String, #[source] io::Error),
    /// A fault that is to be in force from the start can't be.
    #[error("a fault can't be put in force")]
    Fault(#[from] FaultError),
    /// A file that was asked for can't be written.
    #[error("can't write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl StartError {
    pub(super) fn of(part: &'static str, status: &tonic::Status) -> Self {
        Self::Resource(part, status.message().to_owned())
    }
}
