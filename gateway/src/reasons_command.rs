//! `remint reasons`.

use std::error::Error;
use std::fmt::Write;

use clap::Args;
use clap::builder::PossibleValuesParser;
use remint_gateway::reasons;
use remint_idtoken::Reason;

use crate::output::print;

/// What `remint reasons --help` says.
const HELP: &str = "\
Print what is known of a reason for which a request was refused.

    remint reasons                the codes, a line each
    remint reasons aud_has_path   what it means, what it comes from, what to do
    remint reasons --markdown     all of them as a page

The codes are in the logs of the filter and of the gateway (`reason`), in both
programs' metrics, and in the emulator's timeline.";

/// Print what is known of a reason for refusals.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// The code of one.
    #[arg(value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::code)), hide_possible_values = true)]
    code: Option<String>,

    /// Print the page of all reasons.
    #[arg(long, conflicts_with = "code")]
    markdown: bool,
}

/// Prints what the arguments ask for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let text = match &arguments.code {
        Some(code) => {
            let known = Reason::ALL.into_iter().find(|reason| reason.code() == code);
            known.map(reasons::section).unwrap_or_default()
        }
        None if arguments.markdown => reasons::page(),
        None => {
            let width = Reason::ALL.iter().map(|it| it.code().len()).max().unwrap_or_default();
            Reason::ALL.iter().fold(String::new(), |mut lines, reason| {
                let _ = writeln!(lines, "{:width$}  {}", reason.code(), reason.summary());
                lines
            })
        }
    };
    Ok(print(&text)?)
}
