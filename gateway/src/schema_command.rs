//! `remint schema`.

use std::error::Error;

use clap::Args;
use remint_gateway::schema::Document;

use crate::output::print;

/// What `remint schema --help` says.
const HELP: &str = "\
Print the JSON Schema of a configuration.

It has all that it refers to, so that an editor needs this one file to
complete and check a configuration as it is written:

    remint schema > remint.schema.json

A comment at the top of remint.yaml leads editors there that use the YAML
language server:

    # yaml-language-server: $schema=remint.schema.json

What a schema can't say, such as that a rule belongs to a service, is found by
`remint check`.";

/// Print the JSON Schema of a configuration.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// Which one.
    #[arg(value_enum, default_value = "gateway")]
    document: Document,
}

/// Prints the one that the arguments ask for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    Ok(print(&format!("{:#}\n", arguments.document.schema()?))?)
}
