//! Keys at hand, and keys that are fetched.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remint_idtoken::keys::{KeySet, MAX_JWKS_BYTES, parse_jwks};
use remint_idtoken::{Authority, AwsLc, Policy};

use crate::config::Upstream;
use crate::error::chain;
use crate::keys::fetch_once;
use crate::limited_file;
use crate::upstream::Connector;

/// A folder with a key set for each issuer, `NAME.json`.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// That folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The key sets that are there, by the issuers' names.
    ///
    /// # Errors
    /// A file that is there and can't be read, in words.
    pub fn read(&self, policy: &Policy) -> Result<HashMap<String, Vec<u8>>, String> {
        let mut found = HashMap::new();
        for issuer in policy.issuers() {
            let file = self.file(issuer.name());
            match limited_file::read(&file, MAX_JWKS_BYTES) {
                Ok(keys) => drop(found.insert(issuer.name().to_owned(), keys)),
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
    pub fn write(&self, keys: &HashMap<String, Vec<u8>>) -> Result<(), String> {
        let failed = |file: &Path, error| format!("{} can't be written: {error}", file.display());
        std::fs::create_dir_all(&self.0).map_err(|error| failed(&self.0, error))?;
        for (name, keys) in keys {
            let file = self.file(name);
            std::fs::write(&file, keys).map_err(|error| failed(&file, error))?;
        }
        Ok(())
    }

    /// Names of issuers are the user's own; those of files are kept plain.
    fn file(&self, name: &str) -> PathBuf {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let name: String = name.chars().map(|it| if plain(it) { it } else { '_' }).collect();
        self.0.join(format!("{name}.json"))
    }
}

/// Fetches the key set of every issuer that has a URL.
///
/// # Errors
/// The first one that can't be had, in words.
pub async fn fetch_keys(
    policy: &Policy,
    upstream: &Upstream,
) -> Result<HashMap<String, Vec<u8>>, String> {
    let mut found = HashMap::new();
    let connector = Connector::new(upstream)
        .map_err(|error| format!("no keys can be fetched: {}", chain(&error)))?;
    for issuer in policy.issuers() {
        let Some(url) = issuer.key_url() else { continue };
        let answer = fetch_once(url, &connector).await.map_err(|why| {
            format!("the keys of {:?} at {url} can't be had: {why}", issuer.name())
        })?;
        found.insert(issuer.name().to_owned(), answer.body.to_vec());
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
