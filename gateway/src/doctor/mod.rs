//! `remint doctor`: holds a configuration against what is deployed.
//!
//! ```text
//! configuration + what Google's APIs say -> Facts -> findings -> Report
//!                 (read: I/O, bounded)            (checks: pure)
//! ```
//!
//! `checks` decides and asks nobody; `read` asks and decides nothing. A sender
//! is judged by the policy itself: a token such as it would send is made up,
//! unsigned, and walked through the policy as `remint explain` does.

mod catalogue;
mod checks;
mod commands;
mod facts;
mod finding;
mod page;
mod place;
mod policy;
mod protected;
mod read;
mod report;

use std::sync::Arc;

pub use catalogue::{Check, Entry};
pub use finding::{Finding, Level};
pub use page::page;
pub use report::{LookedAt, Recommendation, Report};

use crate::clock::Clock;
use crate::config::{AccessSource, Config};
use checks::Looked;
pub(crate) use checks::let_mint;

/// What is looked at, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The project that senders and services are looked for in, by id or number.
    pub project: Option<String>,
    /// Locations in which queues and jobs are looked for, beside the regions'.
    pub locations: Vec<String>,
    /// The account that the gateway runs as, if no token is to be minted to find
    /// that out.
    pub account: Option<String>,
    /// Whose access tokens read, if not the configuration's identity's.
    pub source: Option<AccessSource>,
    /// Whether each region is sent a request, and for which path; without one
    /// that of the service's `probe`, or `/`.
    pub probe: Option<Option<String>>,
    /// Whether the gateway's calls come from the VPC network.
    pub is_gateway_in_vpc: bool,
    /// Senders that nothing is said of, by name.
    pub ignored: Vec<String>,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
#[error("nothing could be looked at: {0}")]
pub struct DoctorError(pub(crate) String);

/// Looks at a deployment. Reads, and changes nothing.
///
/// # Errors
/// If there is no access token to ask with.
pub async fn examine(
    config: &Config,
    options: &Options,
    clock: Arc<dyn Clock>,
) -> Result<Report, DoctorError> {
    let facts = read::read(config, options, &*clock).await?;
    Ok(checks::report(&Looked {
        config,
        facts: &facts,
        is_gateway_in_vpc: options.is_gateway_in_vpc,
        ignored: &options.ignored,
    }))
}
