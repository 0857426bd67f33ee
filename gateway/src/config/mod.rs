//! The configuration: what the gateway is told, every mistake found at once.
//!
//! Two settings decide how it stops. For `drain_delay` (nothing by default)
//! `/readyz` says that it does while requests are still served: as long as
//! load balancers take to look. Then the listener closes, and requests under
//! way have `drain_timeout` (25 s, on Cloud Run 9 s) to finish.
//!
//! A region's `url` is `https://…`, or `http://…` on this machine: tokens
//! would travel in clear text elsewhere, which `allow_plaintext: true` beside
//! the URL allows.

mod assertion;
mod attempts;
mod connections;
mod endpoint;
mod files;
mod identity;
mod limits;
mod locality;
mod logs;
mod origin;
mod outlier;
mod region;
mod routes;
mod services;
mod settings;
mod telling;
mod tls;
mod validity;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remint_idtoken::config::{Problem, Problems, Reader, yaml};
use remint_idtoken::{CacheBounds, Policy};
use rustls::pki_types::CertificateDer;

pub use assertion::Assertion;
pub use attempts::{Attempts, RetryBudget};
pub use connections::{Connections, Protocol};
pub use endpoint::Endpoint;
pub(crate) use identity::{ACCOUNT_OF_THIS_MACHINE, YOUR_ADDRESS};
pub use identity::{
    AccessSource, AuthorizedUser, ExternalAccount, Grant, Identity, Impersonation, Secret,
    ServiceAccountKey, SigningKey, SubjectPlace,
};
pub use limits::{InFlightLimits, Limits};
pub use locality::Locality;
pub use logs::{AccessLines, LogFormat, LogProject, Logs};
pub use origin::{HostPort, Origin};
pub use outlier::{Outlier, Probe};
pub use region::{Kind, Region};
pub use settings::load_roots;
pub use telling::{HostHeader, Telling};
pub use tls::Tls;

use files::Files;
use identity::Identities;

pub use crate::headers::TokenHeader;

/// Everything the gateway is told, checked and complete.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where requests arrive.
    pub listen: SocketAddr,
    /// TLS for callers; without it they speak in clear text.
    pub tls: Option<Tls>,
    /// What callers may ask for.
    pub limits: Limits,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// Who may call what.
    pub policy: Policy,
    /// How many of the callers' tokens are remembered, so that the signature of
    /// each is checked once.
    pub token_cache: CacheBounds,
    /// Where the gateway runs.
    pub locality: Locality,
    /// What is written of its work, and how.
    pub logs: Logs,
    /// Where requests go. Each rule of the policy belongs to one of them.
    pub services: Vec<Service>,
    /// How regions are told who called, if they are told.
    pub assertion: Option<Assertion>,
    /// How regions are reached.
    pub upstream: Upstream,
    /// How long requests are still taken once a stop was asked for and
    /// `/readyz` says so: until load balancers have noticed.
    pub drain_delay: Duration,
    /// How long requests may take to finish after that.
    pub drain_timeout: Duration,
    /// How often the files are looked at for changes; nothing: never.
    pub reload_interval: Duration,
    /// The files that it names.
    pub files: Vec<PathBuf>,
    /// What is odd in it, though no mistake.
    pub warnings: Vec<String>,
}

/// One service in several regions.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, for logs and metrics.
    pub name: Arc<str>,
    /// The rules whose requests are for it.
    pub routes: Vec<Route>,
    /// Whose tokens are minted for its regions.
    pub identity: Identity,
    /// Where it runs; at least one.
    pub regions: Vec<Region>,
    /// The host that its regions are asked for.
    pub host: HostHeader,
    /// How many of its requests may be sent again.
    pub retry_budget: RetryBudget,
    /// When a region is left alone.
    pub outlier: Outlier,
    /// How the gateway looks after regions by itself, if it does.
    pub probe: Option<Probe>,
}

/// How the requests of one rule are served.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name of the rule.
    pub rule: Arc<str>,
    /// The size of a request's body, if it is limited.
    pub max_body: Option<u64>,
    /// What is told of them, and how.
    pub telling: Telling,
    /// How its requests are tried.
    pub attempts: Attempts,
}

/// How regions and key sets are reached.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Root certificates beside those of the web.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// The time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// The time from the request's arrival to the answer's headers, over all
    /// attempts, where service and rule say nothing else.
    pub response_timeout: Duration,
    /// How many bytes of requests' bodies are held in all, so that they can be
    /// sent again.
    pub replay_memory: usize,
    /// Where to connect instead, as curl's `--connect-to`.
    pub connect_to: HashMap<HostPort, HostPort>,
    /// How connections to regions are kept.
    pub connections: Connections,
}

/// What the environment contributes.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `PORT`, which Cloud Run sets.
    pub port: Option<String>,
    /// `GCE_METADATA_HOST`, as Google's client libraries read it.
    pub metadata_host: Option<String>,
    /// Whether this is no production: `--dev`.
    pub dev: bool,
    /// `GOOGLE_APPLICATION_CREDENTIALS`: a file of credentials.
    pub credentials_file: Option<PathBuf>,
    /// `CLOUDSDK_CONFIG`: gcloud's folder, if it is another than usual.
    pub gcloud_folder: Option<PathBuf>,
    /// `HOME`, where gcloud's folder usually is.
    pub home: Option<PathBuf>,
    /// Whether there is a `K_SERVICE`, which Cloud Run sets.
    pub is_cloud_run: bool,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name| var(name).map(PathBuf::from);
        Self {
            port: var("PORT"),
            metadata_host: var("GCE_METADATA_HOST"),
            is_cloud_run: var("K_SERVICE").is_some(),
            credentials_file: path("GOOGLE_APPLICATION_CREDENTIALS"),
            gcloud_folder: path("CLOUDSDK_CONFIG"),
            home: path("HOME"),
            dev: false,
        }
    }
}

/// All mistakes of one file.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    /// The mistakes, from the top of the file to its end.
    pub problems: Vec<Problem>,
    /// The files that the configuration names, as far as it could be read.
    pub files: Vec<PathBuf>,
}

impl ConfigError {
    /// These mistakes of that file, put into its order.
    pub(crate) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at.map(|at| (at.line, at.column)));
        Self { file: file.to_owned(), problems, files: Vec::new() }
    }

    /// That the file can't be read at all.
    pub(crate) fn unread(file: &Path, error: &std::io::Error) -> Self {
        let message = format!("can't be read: {error}");
        Self::new(file, vec![Problem { path: String::new(), at: None, message }])
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    /// One line for each mistake: `FILE:LINE:COLUMN: path: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            let separator = if problem.at.is_some() { "" } else { " " };
            let end = if place == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{separator}{problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn load(file: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let text =
            std::fs::read_to_string(file).map_err(|error| ConfigError::unread(file, &error))?;
        let files = Files::new(folder);
        let read = read(&text, &files, environment);
        let (files, warnings) = files.into_parts();
        match read {
            Ok(config) => Ok(Self { files, warnings, ..config }),
            Err(problems) => Err(ConfigError { files, ..ConfigError::new(file, problems) }),
        }
    }

    /// Reads a text; paths in it count from `folder`.
    ///
    /// # Errors
    /// All mistakes in it, from its top to its end.
    pub fn read(
        text: &str,
        folder: &Path,
        environment: &Environment,
    ) -> Result<Self, Vec<Problem>> {
        let files = Files::new(folder);
        let config = read(text, &files, environment)?;
        let (files, warnings) = files.into_parts();
        Ok(Self { files, warnings, ..config })
    }
}

fn read(text: &str, files: &Files, environment: &Environment) -> Result<Config, Vec<Problem>> {
    let node = yaml::parse(text).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let config = read_root(&Reader::root(&node, &problems), files, environment);
    problems.finish(config).map_err(|mut found| {
        found.sort_by_key(|problem| problem.at.map(|at| (at.line, at.column)));
        found
    })
}

fn read_root(root: &Reader<'_>, files: &Files, environment: &Environment) -> Option<Config> {
    let mut object = root.object()?;
    let listen = settings::listen(&mut object, environment);
    let admin = settings::admin(&mut object);
    let tls = tls::read(&mut object, files);
    let limits = limits::read(&mut object);
    let policy = object.need("policy").and_then(|policy| Policy::read(&policy));
    let token_cache = settings::token_cache(&mut object);
    let identities = Identities::read(&mut object, files, environment);
    let locality = locality::read(&mut object, &identities, environment);
    let logs = logs::read(&mut object, &identities, environment);
    let services = object.need("services");
    let services = services.and_then(|list| services::read(&list, policy.as_ref(), &identities));
    let assertion = assertion::read(&mut object, files, environment);
    let upstream = settings::upstream(&mut object, files);
    let drain_delay = object.maybe("drain_delay", Reader::duration);
    let drain_timeout = object.maybe("drain_timeout", Reader::duration);
    let reload_interval = object.maybe("reload_interval", settings::reload_interval);
    object.finish();
    Some(Config {
        listen: listen?,
        admin: admin?,
        tls: tls?,
        limits: limits?,
        policy: policy?,
        token_cache: token_cache?,
        locality: locality?,
        logs: logs?,
        services: services?,
        assertion: assertion?,
        upstream: upstream?,
        drain_delay: drain_delay?.unwrap_or_default(),
        drain_timeout: drain_timeout?.unwrap_or_else(|| usual_drain(environment)),
        reload_interval: reload_interval?.unwrap_or(Duration::from_secs(5)),
        files: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Cloud Run kills ten seconds after SIGTERM, Kubernetes after thirty.
fn usual_drain(environment: &Environment) -> Duration {
    Duration::from_secs(if environment.is_cloud_run { 9 } else { 25 })
}

fn shared(from: &Reader<'_>) -> Option<Arc<str>> {
    from.text().map(Arc::from)
}

#[cfg(test)]
mod tests;
