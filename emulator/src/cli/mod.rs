//! The command line.

mod check;
mod client;
mod env;
mod exports;
mod flags;
mod mint;
mod serve;
mod told;

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use remint_emulator::file::SCHEMA;
use remint_idtoken::config::{FileError, FlagMistakes};

/// What `remint-emulator --help` says.
const HELP: &str = "\
Google on a laptop: what private Cloud Run services and their callers need of it.

An ID-token issuer with its keys, a metadata server, IAM Credentials and STS,
and Cloud Run's front ends, one for each service and region, which let in who
has a right token and may call. Your own service can stand behind them.

Without flags it plays the service orders in us-central1 and europe-west1. It
prints where everything listens and what to paste into a shell, and runs until
Ctrl-C.";

const EXAMPLES: &str = "\
Examples:
  Your service, started with $PORT set, as Cloud Run would start it:
    remint-emulator --service orders --region us-central1 -- python3 app.py

  Your service that runs already, called by one account alone:
    remint-emulator --service orders --backend 127.0.0.1:8080 \\
      --invoker gateway@demo-project.iam.gserviceaccount.com

  Everything from one file; the flags are a start for it:
    remint-emulator --service orders --print-config > emulator.yaml
    remint-emulator check emulator.yaml
    remint-emulator --config emulator.yaml

  In another shell, Google's libraries and gcloud find it by themselves:
    eval \"$(remint-emulator env)\"

  A token for a service, and one that is of no use any more:
    remint-emulator mint --audience https://orders-123456789012.us-central1.run.app
    remint-emulator mint --audience https://orders-123456789012.us-central1.run.app \\
      --flaw expired

Everything listens on 127.0.0.1 only: whoever reaches the emulator can have
tokens minted for anybody.

Exit codes: 1 if something is wrong with the configuration or does not work,
2 for a wrong command line.";

/// Google on a laptop: what private Cloud Run services and their callers need of it.
#[derive(Parser)]
#[command(
    name = "remint-emulator",
    version,
    long_about = HELP,
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Arguments,
}

#[derive(Subcommand)]
enum Command {
    Serve(Box<serve::Arguments>),
    Check(check::Arguments),
    Mint(mint::Arguments),
    Env(env::Arguments),
    /// Print the JSON Schema of the configuration, for editors.
    #[command(long_about = SCHEMA_HELP)]
    Schema,
}

/// What `remint-emulator schema --help` says.
const SCHEMA_HELP: &str = "\
Print the JSON Schema of the configuration.

An editor that knows it completes and checks a configuration as it is written:

    remint-emulator schema > emulator.schema.json

A comment at the top of emulator.yaml leads editors there that use the YAML
language server:

    # yaml-language-server: $schema=emulator.schema.json";

/// As clap has it for what it finds itself.
const WRONG_USAGE: u8 = 2;

/// Does what the command line says.
pub(crate) async fn run() -> ExitCode {
    let CommandLine { command, serve } = CommandLine::parse();
    let done = match command {
        None => serve::run(&serve).await,
        Some(Command::Serve(arguments)) => serve::run(&arguments).await,
        Some(Command::Check(arguments)) => check::run(&arguments),
        Some(Command::Mint(arguments)) => mint::run(&arguments).await,
        Some(Command::Env(arguments)) => env::run(&arguments).await,
        Some(Command::Schema) => print(SCHEMA).map_err(Into::into),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    complain(&*error);
    if error.is::<Usage>() { WRONG_USAGE.into() } else { ExitCode::FAILURE }
}

/// What the command was called with does not go together.
#[derive(Debug)]
struct Usage(&'static str);

impl Error for Usage {}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nFor more, try 'remint-emulator --help'.", self.0)
    }
}

/// Prints a text. Whoever reads it may stop at any point, as `head` does.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

fn complain(error: &(dyn Error + 'static)) {
    // Each of their lines says where it belongs to.
    let is_list = error.is::<FileError>() || error.is::<FlagMistakes>();
    let text = match is_list {
        true => error.to_string(),
        false => format!("remint-emulator: {}", with_causes(error)),
    };
    let _ = writeln!(io::stderr(), "{text}");
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn serving_is_what_it_does_unless_it_is_told_otherwise() {
        let parse = |line: &str| CommandLine::try_parse_from(line.split_whitespace());
        let plain = parse("remint-emulator --service a -- sh run.sh --fast").unwrap();
        assert!(plain.command.is_none());
        let named = parse("remint-emulator serve --service a -- sh run.sh --fast").unwrap();
        assert!(matches!(named.command, Some(Command::Serve(it)) if *it == plain.serve));
        assert!(parse("remint-emulator --service a check x.yaml").is_err());
    }
}
