//! Where the emulator listens, and what its TLS is worth.

use std::path::PathBuf;

use remint_idtoken::config::{Object, Reader};

use super::put;
use super::values::{loopback, path, port};
use crate::config::Config;

/// The usual port of the Google listener.
pub(super) const GOOGLE_PORT: u16 = 8800;
/// The usual port of the listener for the project's VPC network.
pub(super) const VPC_PORT: u16 = 8801;

pub(super) fn read(object: &mut Object<'_>, config: &mut Config) {
    (config.google_port, config.vpc_port) = (GOOGLE_PORT, VPC_PORT);
    if let Some(listen) = object.get("listen") {
        read_listen(&listen, config);
    }
    put(object, "tls", read_tls, &mut config.ca_file);
}

fn read_listen(from: &Reader<'_>, config: &mut Config) {
    let Some(mut object) = from.object() else { return };
    put(&mut object, "address", loopback, &mut config.host);
    put(&mut object, "google_port", port, &mut config.google_port);
    put(&mut object, "vpc_port", port, &mut config.vpc_port);
    object.finish();
}

fn read_tls(from: &Reader<'_>) -> Option<Option<PathBuf>> {
    let mut object = from.object()?;
    let file = object.need("ca_file").and_then(|it| path(&it));
    object.finish();
    file.map(Some)
}
