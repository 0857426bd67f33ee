//! `remint`: runs the gateway, checks its configuration, or renders the
//! filter's.

mod check_command;
mod doctor_command;
mod explain_command;
mod one_service;
mod output;
mod plugin_command;
mod reach;
mod reasons_command;
mod schema_command;
mod serve_command;
mod usage;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use remint_gateway::config::ConfigError;
use remint_gateway::explain::Fate;
use remint_idtoken::config::FlagMistakes;
use usage::Usage;

/// What `remint --help` says.
const HELP: &str = "\
The right Google ID token for the right region, on every attempt.

Remint's gateway stands behind a load balancer's domain and in front of the
regions of private Cloud Run services. It verifies the caller's ID token by a
policy, picks a region, mints a token for that region's audience, and streams
the request on. A retry in another region gets another token.

    remint check remint.yaml                what is wrong, and where
    remint check remint.yaml --print-iam    the roles that it needs
    remint serve --config remint.yaml       run it
    remint explain remint.yaml curl FILE    why a request is refused, check by check
    remint doctor remint.yaml               what does not fit in what is deployed
    remint reasons aud_has_path             what a refusal means";

/// What `remint assertion-key --help` says.
const KEY_HELP: &str = "\
Print a new private key for assertions.

A key on P-256 in PEM. All instances of a gateway share one file of such keys:
the first one signs, all are published.

    (umask 077; remint assertion-key > assertion-keys.pem)";

/// The right Google ID token for the right region, on every attempt.
#[derive(Parser)]
#[command(name = "remint", version, long_about = HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve_command::Arguments),
    Check(check_command::Arguments),
    Schema(schema_command::Arguments),
    /// Print a new private key for assertions.
    #[command(long_about = KEY_HELP)]
    AssertionKey,
    PluginConfig(plugin_command::Arguments),
    Explain(explain_command::Arguments),
    Doctor(doctor_command::Arguments),
    Reasons(reasons_command::Arguments),
}

/// As clap has it for what it finds itself.
const WRONG_USAGE: u8 = 2;
/// The request that `remint explain` was asked about: no failure of its own.
const WOULD_BE_REFUSED: u8 = 1;
/// The same, if something could not be checked and the rest is right.
const NOT_DECIDED: u8 = 3;
/// What `remint doctor` has looked at.
const SOMETHING_WRONG: u8 = 1;

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        // Its message would show what it does not know.
        if error.use_stderr() && std::env::args_os().any(|it| usage::has_token(&it)) {
            complain(&*Box::<dyn Error>::from(usage::TOKEN_AS_ARGUMENT));
            std::process::exit(WRONG_USAGE.into());
        }
        error.exit()
    });
    let done = match arguments.command {
        Command::Serve(arguments) => serve_command::run(&arguments),
        Command::Check(arguments) => check_command::run(&arguments),
        Command::Schema(arguments) => schema_command::run(&arguments),
        Command::AssertionKey => assertion_key(),
        Command::PluginConfig(arguments) => plugin_command::run(&arguments),
        Command::Explain(arguments) => return explained(&arguments),
        Command::Doctor(arguments) => return examined(&arguments),
        Command::Reasons(arguments) => reasons_command::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn explained(arguments: &explain_command::Arguments) -> ExitCode {
    match explain_command::run(arguments) {
        Ok(Fate::Admitted) => ExitCode::SUCCESS,
        Ok(Fate::Refused) => WOULD_BE_REFUSED.into(),
        Ok(Fate::Unchecked) => NOT_DECIDED.into(),
        Err(error) => {
            complain(&*error);
            WRONG_USAGE.into()
        }
    }
}

fn examined(arguments: &doctor_command::Arguments) -> ExitCode {
    match doctor_command::run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => SOMETHING_WRONG.into(),
        Err(error) => {
            complain(&*error);
            WRONG_USAGE.into()
        }
    }
}

fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    complain(error);
    if error.is::<Usage>() { WRONG_USAGE.into() } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stderr, reason = "whoever called this waits for it there")]
fn complain(error: &(dyn Error + 'static)) {
    // Each of their lines says where it belongs to.
    if error.is::<ConfigError>() || error.is::<FlagMistakes>() {
        eprintln!("{error}");
        return;
    }
    eprint!("remint: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
}

fn assertion_key() -> Result<(), Box<dyn Error>> {
    let key = remint_gateway::new_assertion_key().map_err(|_| "no key can be made")?;
    Ok(output::print(&key)?)
}
