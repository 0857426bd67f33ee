//! What gateways put out, for the search of all that the tests put out: see
//! `remint_kept`.

use std::process::{Command, Output};
use std::sync::Once;

use remint_gateway::config::LogFormat;
use remint_gateway::logging;
use remint_kept::{Kept, is_on, keep_output, source};

/// All that there is to log; but not what the tests' own `WebSocket` client says
/// of the requests that it sends.
const ALL: &str = "trace,tungstenite=off";

/// Keeps the log of all gateways of this process, as much as `RUST_LOG=trace`
/// would let an operator see.
pub(crate) fn log() {
    static ONCE: Once = Once::new();
    if is_on() {
        let out = || Kept(source::GATEWAY_LOG);
        ONCE.call_once(|| logging::start_to(out, false, LogFormat::Text, ALL.into()));
    }
}

/// What the program says until it ends by itself.
pub(crate) fn said(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    keep_output(source::REMINT, &output, None);
    output
}
