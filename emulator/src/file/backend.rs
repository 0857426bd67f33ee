//! What is behind a front end.

use remint_idtoken::config::Reader;

use super::values::{server, text};
use crate::config::Backend;
use crate::forward::Protocol;

const PROTOCOLS: [(&str, Protocol); 2] = [("http1", Protocol::Http1), ("h2c", Protocol::Http2)];

pub(super) fn read(from: &Reader<'_>) -> Option<Backend> {
    if !from.is_mapping() {
        return from.choice(&[("echo", ())]).map(|()| Backend::Echo);
    }
    let mut object = from.object()?;
    let addr = object.maybe("address", server);
    let words = object.maybe("command", |it| it.list(text));
    let protocol = object.maybe("protocol", |it| it.choice(&PROTOCOLS));
    object.finish();
    let protocol = protocol?.unwrap_or_default();
    match (addr?, words?) {
        (Some(addr), None) => Some(Backend::Address { addr, protocol }),
        (None, Some(words)) => Some(Backend::Command { words, protocol }),
        _ => {
            from.problem(
                "takes one of \"address\" (a server that runs) and \"command\" (a program to start)",
            );
            None
        }
    }
}
