//! Application Default Credentials, in the order of Google's libraries
//! (AIP-4110): a file that the environment names, the file that gcloud writes,
//! the metadata server.

use std::path::{Path, PathBuf};

use super::files::{Credential, Overrides};
use crate::config::files::Files;
use crate::config::{Environment, HostPort};

/// Where the metadata server is on every machine of Google's.
const METADATA_HOST: &str = "metadata.google.internal";
const VARIABLE: &str = "$GOOGLE_APPLICATION_CREDENTIALS";

/// What was found.
pub(super) enum Found {
    /// A file that holds this, and its name.
    File(PathBuf, Box<Credential>),
    /// No file: the metadata server is all that is left.
    Metadata(HostPort),
}

pub(super) fn find(
    environment: &Environment,
    files: &Files,
    overrides: &Overrides,
) -> Result<Found, String> {
    let read = |file: &Path| {
        let file = files.path(file);
        let credential = Credential::load(&file, overrides)?;
        Ok(Found::File(file, Box::new(credential)))
    };
    if let Some(file) = &environment.credentials_file {
        // A file that was asked for and is not there is a mistake.
        return read(file).map_err(|problem: String| format!("{VARIABLE}: {problem}"));
    }
    match environment.gcloud_file().filter(|file| file.exists()) {
        Some(file) => read(&file),
        None => metadata_host(environment).map(Found::Metadata),
    }
}

/// `$GCE_METADATA_HOST`, or where Google has it.
pub(super) fn metadata_host(environment: &Environment) -> Result<HostPort, String> {
    let host = environment.metadata_host.as_deref().unwrap_or(METADATA_HOST);
    parse_host(host).map_err(|problem| format!("$GCE_METADATA_HOST: {problem}"))
}

pub(super) fn parse_host(text: &str) -> Result<HostPort, String> {
    HostPort::parse(text, Some(80)).ok_or_else(|| format!("{text:?} is no host"))
}

impl Environment {
    /// Where `gcloud auth application-default login` writes to.
    fn gcloud_file(&self) -> Option<PathBuf> {
        let of_home = || Some(self.home.as_ref()?.join(".config/gcloud"));
        let folder = self.gcloud_folder.clone().or_else(of_home)?;
        Some(folder.join("application_default_credentials.json"))
    }
}
