//! Files that are written at the start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::config::AccountKeyFile;
use crate::emulator::{Emulator, StartError};
use crate::google::TOKEN_PATH;

impl Emulator {
    /// Writes the authority's certificate and the keys that were asked for.
    pub(crate) fn write_files(
        &self,
        ca_file: Option<&Path>,
        keys: &[AccountKeyFile],
    ) -> Result<(), StartError> {
        let failed = |file: &Path| {
            let file = file.to_owned();
            move |error| StartError::Write(file, error)
        };
        if let Some(file) = ca_file {
            fs::write(file, self.ca_pem()).map_err(failed(file))?;
        }
        let token_url = format!("http://{}{TOKEN_PATH}", self.google_addr());
        for AccountKeyFile { account, file } in keys {
            let key = self.new_account_key(account)?.file(&token_url);
            write_secret(file, &key).map_err(failed(file))?;
        }
        Ok(())
    }
}

/// Only the emulator's user may read it. What was in the file is gone, and so
/// is what others were allowed.
fn write_secret(file: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}
