//! Application Default Credentials, in the order of Google's libraries
//! (AIP-4110): a file that the environment names, the file that gcloud writes,
//! the metadata server.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::AccessSource;
use super::files::{Credential, Overrides};
use crate::config::files::Files;
use crate::config::{Environment, HostPort};

/// Where the metadata server is on every machine of Google's.
const METADATA_HOST: &str = "metadata.google.internal";
const VARIABLE: &str = "$GOOGLE_APPLICATION_CREDENTIALS";
const OF_GCLOUD: &str = "application_default_credentials.json";

/// What was found.
pub(super) enum Found {
    /// A file that holds this, and its name.
    File(PathBuf, Box<Credential>),
    /// No file: the metadata server is all that is left.
    Metadata(HostPort),
}

impl AccessSource {
    /// Whose access tokens Application Default Credentials have.
    ///
    /// # Errors
    /// A file of theirs that can't be used, for people.
    pub fn of_environment(environment: &Environment) -> Result<Self, String> {
        let files = Files::new(Path::new(""));
        match find(environment, &files, &Overrides::default())? {
            Found::Metadata(host) => Ok(Self::Metadata { host }),
            Found::File(_, credential) => Ok(credential.access()),
        }
    }
}

pub(super) fn find(
    environment: &Environment,
    files: &Files,
    overrides: &Overrides,
) -> Result<Found, String> {
    let read = |file: &Path| {
        let file = files.elsewhere(file);
        let credential = Credential::load(&file, overrides, files)?;
        Ok(Found::File(file, Box::new(credential)))
    };
    if let Some(file) = &environment.credentials_file {
        // A file that was asked for and is not there is a mistake.
        return read(file).map_err(|problem: String| format!("{VARIABLE}: {problem}"));
    }
    match gcloud_file(environment, files)? {
        Some(file) => read(&file),
        None => metadata_host(environment).map(Found::Metadata),
    }
}

/// What `gcloud auth application-default login` has written, if it has.
fn gcloud_file(environment: &Environment, files: &Files) -> Result<Option<PathBuf>, String> {
    let of_home = || Some(environment.home.as_ref()?.join(".config/gcloud"));
    let Some(folder) = environment.gcloud_folder.clone().or_else(of_home) else {
        return Ok(None);
    };
    let file = files.elsewhere(&folder.join(OF_GCLOUD));
    let error = match file.try_exists() {
        Ok(is_there) => return Ok(is_there.then_some(file)),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(None),
        Err(error) => format!("{} can't be looked for: {error}", file.display()),
    };
    if environment.gcloud_folder.is_some() {
        return Err(format!("$CLOUDSDK_CONFIG: {error}"));
    }
    // In a container the home may well be somebody else's.
    files.warn(format!("{error}; credentials are looked for elsewhere"));
    Ok(None)
}

/// `$GCE_METADATA_HOST`, or where Google has it.
pub(super) fn metadata_host(environment: &Environment) -> Result<HostPort, String> {
    let host = environment.metadata_host.as_deref().unwrap_or(METADATA_HOST);
    parse_host(host).map_err(|problem| format!("$GCE_METADATA_HOST: {problem}"))
}

pub(super) fn parse_host(text: &str) -> Result<HostPort, String> {
    HostPort::parse(text, Some(80)).ok_or_else(|| format!("{text:?} is no host"))
}
