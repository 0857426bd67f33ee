//! `--connect-to`, which several commands have.

use remint_gateway::config::HostPort;

/// Reads `HOST:PORT=HOST:PORT`.
pub(crate) fn connect_to(text: &str) -> Result<(HostPort, HostPort), String> {
    let address =
        |text: &str| HostPort::parse(text, None).ok_or_else(|| format!("{text:?} is no HOST:PORT"));
    let (from, to) = text.split_once('=').ok_or("expected HOST:PORT=HOST:PORT")?;
    Ok((address(from)?, address(to)?))
}
