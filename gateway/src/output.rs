//! What commands print.

use std::io::{self, ErrorKind, Write};

/// Prints a text. Whoever reads it may stop at any point, as `head` does.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
