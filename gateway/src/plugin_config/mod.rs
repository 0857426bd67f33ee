//! The filter's plugin configuration with the keys of today in it, for proxies
//! that can't fetch any: Google's load balancer first of all.
//!
//! ```text
//! file ──▶ Plan ──────────▶ Rendered
//!          load: every      fetch: each issuer's keys,
//!          mistake at once  and the filter's own reader once more
//! ```
//!
//! The filter's reader is the judge of both: before anything is fetched, with a
//! key set that stands for those to come, and of the very bytes that are handed
//! over, because a mistake in them would show only in the load balancer.

mod jwks;
mod tree;

use std::path::{Path, PathBuf};

use remint_idtoken::config::{FileError, Node, Problem, Problems, Reader, yaml};
use remint_idtoken::policy::{INLINE_VALIDITY, Issuer, KeyAge};
use remint_idtoken::{Policy, UnixTime};

use crate::config::{ConfigError, Upstream};
use crate::error::chain;
use crate::keys::{KeysError, fetch_once};
use crate::upstream::Connector;

/// The largest configuration that is rendered. Google's load balancer takes
/// 5 MiB of module and configuration together (Service Extensions, "Quotas and
/// limits"; 2 MiB in earlier editions): half of the smaller figure leaves the
/// module room.
pub const MAX_CONFIGURATION_BYTES: usize = 1024 * 1024;

/// In which proxy the filter will run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Host {
    /// Envoy or Istio, with keys in the configuration all the same.
    Envoy,
    /// Google's load balancer.
    ServiceExtensions,
}

/// How long keys are used, as a configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidFor(String);

/// What is to be rendered: a file without mistakes.
#[derive(Debug)]
pub struct Plan {
    document: Node,
    policy: Policy,
    host: Host,
}

/// A configuration for the filter, found good by the filter's own reader.
#[derive(Debug)]
pub struct Rendered {
    /// The configuration, as JSON without spaces.
    pub text: String,
    /// What people should know: keys that are left out, others that get old.
    pub notes: Vec<String>,
    /// When the first of its keys stop being used, if they ever do.
    pub usable_until: Option<UnixTime>,
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// No keys of one issuer.
    #[error("no keys of {issuer:?} from {url}: {why}")]
    Keys {
        /// The issuer's name in the policy.
        issuer: String,
        /// Where they should be.
        url: String,
        /// What went wrong, with its causes.
        why: String,
    },
    /// Larger than [`MAX_CONFIGURATION_BYTES`].
    #[error(
        "the configuration would have {0} bytes, of {MAX_CONFIGURATION_BYTES} that a plugin may \
         have beside its module: have fewer rules, or shorter lists in them"
    )]
    TooLarge(usize),
    /// The filter would refuse it.
    #[error("the filter would not take the configuration: {}", .0.join("; "))]
    Refused(Vec<String>),
}

impl std::str::FromStr for ValidFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (node, problems) = (tree::text(text), Problems::default());
        let (least, most) = (*INLINE_VALIDITY.start(), *INLINE_VALIDITY.end());
        let span = Reader::root(&node, &problems).duration_within(least, most);
        let found = problems
            .finish(span)
            .map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        found.map(|_| Self(text.to_owned()))
    }
}

impl Plan {
    /// Reads a file that has a `policy`: the gateway's configuration, of which
    /// nothing else is used, or one of the filter's.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn load(file: &Path, host: Host) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| FileError::unread(file, &error))?;
        Ok(Self::read(&text, host).map_err(|problems| FileError::new(file, problems))?)
    }

    fn read(text: &str, host: Host) -> Result<Self, Vec<Problem>> {
        let document = yaml::parse(text).map_err(|problem| vec![problem])?;
        let problems = Problems::default();
        let policy = document.member("policy").and_then(|policy| {
            // By way of the whole document, for the paths of the mistakes.
            let root = tree::only("policy", policy);
            let mut object = Reader::root(&root, &problems).object()?;
            object.get("policy").and_then(|policy| Policy::read(&policy))
        });
        let mut found = problems.into_vec();
        let stand_in = tree::inline_keys(jwks::stand_in(), UnixTime(0), "1h");
        let preview = tree::plugin(&document, host, |_| Some(stand_in.clone()));
        let others = remint_filter::check_document(&preview).err().unwrap_or_default();
        found.extend(others.into_iter().filter(|it| !is_in_policy(it)));
        match policy {
            Some(policy) if found.is_empty() => Ok(Self { document, policy, host }),
            _ => Err(found),
        }
    }

    /// Fetches the keys and puts them into the configuration.
    ///
    /// # Errors
    /// If a single issuer's keys can't be had: half a configuration would
    /// refuse half of the callers.
    pub async fn render(
        &self,
        upstream: &Upstream,
        valid_for: &ValidFor,
        now: UnixTime,
    ) -> Result<Rendered, RenderError> {
        let mut notes = Vec::new();
        let mut keys = Vec::new();
        for issuer in self.policy.issuers() {
            keys.push(match fetch(issuer, upstream).await? {
                None => {
                    notes.extend(age_of_own(issuer, now));
                    None
                }
                Some(set) => {
                    let name = issuer.name();
                    notes.extend(set.left_out.iter().map(|it| format!("keys of {name:?}: {it}")));
                    Some(tree::inline_keys(set.keys, now, &valid_for.0))
                }
            });
        }
        let key_of = |place: usize| keys.get(place).cloned().flatten();
        let text = tree::plugin(&self.document, self.host, key_of).to_json().to_string();
        let usable_until = checked(&text)?;
        Ok(Rendered { text, notes, usable_until })
    }
}

/// The mistakes in the policy are told of the file as it is, not of the one with
/// other keys.
fn is_in_policy(problem: &Problem) -> bool {
    problem.path == "policy" || problem.path.starts_with("policy.")
}

async fn fetch(issuer: &Issuer, upstream: &Upstream) -> Result<Option<jwks::Public>, RenderError> {
    let Some(url) = issuer.key_url() else { return Ok(None) };
    let failed = |why: String| RenderError::Keys {
        issuer: issuer.name().to_owned(),
        url: url.to_string(),
        why,
    };
    let connector = Connector::new(upstream).map_err(|error| failed(chain(&error)))?;
    let answer = fetch_once(url, &connector).await.map_err(&failed)?;
    let keys = jwks::public(&answer.body).map_err(|error| failed(chain(&KeysError::from(error))));
    keys.map(Some)
}

/// What is to be said of keys that stand in the file itself: nobody renews them
/// here.
fn age_of_own(issuer: &Issuer, now: UnixTime) -> Option<String> {
    let what = match issuer.inline_keys()?.age(now) {
        KeyAge::Fresh => return None,
        KeyAge::Old => "are getting old",
        KeyAge::Expired => "are too old to be used",
    };
    Some(format!("keys of {:?} stand in the file and {what}: put newer ones there", issuer.name()))
}

/// Has the filter's reader look at the bytes that it will get. Returns when the
/// first keys stop being used.
fn checked(text: &str) -> Result<Option<UnixTime>, RenderError> {
    if text.len() > MAX_CONFIGURATION_BYTES {
        return Err(RenderError::TooLarge(text.len()));
    }
    remint_filter::check_configuration(text.as_bytes()).map_err(RenderError::Refused)?;
    let document: Node = serde_json::from_str(text)
        .map_err(|error| RenderError::Refused(vec![error.to_string()]))?;
    let problems = Problems::default();
    let policy =
        document.member("policy").and_then(|policy| Policy::read(&Reader::root(policy, &problems)));
    let issuers = policy.iter().flat_map(Policy::issuers);
    Ok(issuers.filter_map(|issuer| issuer.inline_keys()?.usable_until()).min())
}

/// Puts a text in the place of a file at once: whoever reads it sees the old
/// one or the new one.
///
/// # Errors
/// If it can't be written; then the old file is still there.
pub fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}", crate::random::bits()));
    let fresh: PathBuf = file.with_file_name(name);
    let written = write_through(&fresh, text).and_then(|()| std::fs::rename(&fresh, file));
    if written.is_err() {
        // It may not be there.
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

fn write_through(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create_new(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
