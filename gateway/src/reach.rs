//! How commands that fetch keys reach their servers.

use std::path::PathBuf;

use clap::Args;
use remint_gateway::config::{HostPort, Upstream, load_roots};

/// The flags for it.
#[derive(Args)]
pub(crate) struct Reach {
    /// Certificates to trust besides the web's roots, in PEM.
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// Where to connect instead, as curl's --connect-to; may be repeated.
    #[arg(long, value_name = "HOST:PORT=HOST:PORT", value_parser = connect_to, global = true)]
    connect_to: Vec<(HostPort, HostPort)>,
}

impl Reach {
    /// The way that they describe.
    ///
    /// # Errors
    /// A file of certificates that can't be read, in words.
    pub(crate) fn upstream(&self) -> Result<Upstream, String> {
        let extra_roots = self.ca_file.as_deref().map(load_roots).transpose()?;
        Ok(Upstream {
            extra_roots: extra_roots.unwrap_or_default(),
            connect_to: self.connect_to.iter().cloned().collect(),
            ..Upstream::default()
        })
    }
}

fn connect_to(text: &str) -> Result<(HostPort, HostPort), String> {
    let address =
        |text: &str| HostPort::parse(text, None).ok_or_else(|| format!("{text:?} is no HOST:PORT"));
    let (from, to) = text.split_once('=').ok_or("expected HOST:PORT=HOST:PORT")?;
    Ok((address(from)?, address(to)?))
}
