//! Keys at hand, and keys that are fetched.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remint_idtoken::keys::{KeySet, MAX_JWKS_BYTES, parse_jwks};
use remint_idtoken::{Authority, AwsLc, Policy};

use super::spans::span;
use crate::config::Upstream;
use crate::error::chain;
use crate::keys::fetch_once;
use crate::limited_file;
use crate::upstream::Connector;

/// Key sets by the issuers' names, and what is to be known of them.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The documents.
    pub documents: HashMap<String, Vec<u8>>,
    /// How old they are, and why some are missing.
    pub notes: Vec<String>,
}

/// A folder with a key set for each issuer, `NAME.json`, or one key set for all.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

/// Keys of which this is not said are new enough: Google's stay longer.
const OLD: Duration = Duration::from_secs(86_400);

impl KeyFolder {
    /// That folder, or that file.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The key sets that are there.
    ///
    /// # Errors
    /// A file that is there and can't be read, in words.
    pub fn read(&self, policy: &Policy) -> Result<Keys, String> {
        let mut found = Keys::default();
        for issuer in policy.issuers() {
            let (name, file) = (issuer.name(), self.file(issuer.name()));
            match limited_file::read(&file, MAX_JWKS_BYTES) {
                Ok(keys) => {
                    let age = std::fs::metadata(&file).and_then(|it| it.modified());
                    let age = age.ok().and_then(|then| then.elapsed().ok());
                    found.notes.extend(age.filter(|age| *age > OLD).map(|age| {
                        format!("the keys of {name:?} are {} old: --fetch gets new ones", span(age))
                    }));
                    found.documents.insert(name.to_owned(), keys);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{} can't be read: {error}", file.display())),
            }
        }
        Ok(found)
    }

    /// Keeps key sets for the next time.
    ///
    /// # Errors
    /// A file that can't be written, in words.
    pub fn write(&self, keys: &Keys) -> Result<(), String> {
        let failed = |file: &Path, error| format!("{} can't be written: {error}", file.display());
        if !self.0.is_file() {
            std::fs::create_dir_all(&self.0).map_err(|error| failed(&self.0, error))?;
        }
        for (name, keys) in &keys.documents {
            let file = self.file(name);
            std::fs::write(&file, keys).map_err(|error| failed(&file, error))?;
        }
        Ok(())
    }

    /// Names of issuers are the user's own; those of files are kept plain.
    fn file(&self, name: &str) -> PathBuf {
        if self.0.is_file() {
            return self.0.clone();
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let name: String = name.chars().map(|it| if plain(it) { it } else { '_' }).collect();
        self.0.join(format!("{name}.json"))
    }
}

/// Fetches the key set of every issuer that has a URL. Those that can't be had are
/// noted.
///
/// # Errors
/// That none can be asked for, in words.
pub async fn fetch_keys(policy: &Policy, upstream: &Upstream) -> Result<Keys, String> {
    let mut found = Keys::default();
    let connector = Connector::new(upstream)
        .map_err(|error| format!("no keys can be fetched: {}", chain(&error)))?;
    for issuer in policy.issuers() {
        let Some(url) = issuer.key_url() else { continue };
        let name = issuer.name();
        match fetch_once(url, &connector).await {
            Ok(answer) => drop(found.documents.insert(name.to_owned(), answer.body.to_vec())),
            Err(why) => {
                found.notes.push(format!("the keys of {name:?} at {url} can't be had: {why}"));
            }
        }
    }
    Ok(found)
}

/// The policy's issuers with these keys.
pub(super) fn authority(
    policy: &Policy,
    keys: &HashMap<String, Vec<u8>>,
) -> Result<Authority<AwsLc>, String> {
    let mut authority = Authority::new(policy, AwsLc);
    for (name, document) in keys {
        let failed = |why: String| format!("the keys of {name:?} are no key set: {why}");
        let parsed = parse_jwks(document).map_err(|error| failed(error.to_string()))?;
        let (set, _) = KeySet::load(&AwsLc, &parsed).map_err(|error| failed(error.to_string()))?;
        authority.set_keys(name, Some(Arc::new(set)));
    }
    Ok(authority)
}
