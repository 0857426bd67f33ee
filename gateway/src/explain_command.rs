//! `remint explain`.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use remint_gateway::clock::{Clock, SystemClock};
use remint_gateway::explain::{Captured, Explanation, KeyFolder, Subject, fetch_keys};
use remint_idtoken::UnixTime;

use crate::output::print;
use crate::reach::Reach;

/// What `remint explain --help` says.
const HELP: &str = r#"Say why a request is let through or refused, check by check.

Takes a request that was captured, or a token and a URL, and holds it against
the policy of a file: every check in order, passed or failed, what was expected
and what came, how near a miss was, and the command that mends it. It asks
nobody unless told to, and never prints a token: it may come in by - from
standard input, so that it is in no list of processes.

    pbpaste | remint explain remint.yaml token - --url https://orders.example.com/push -X POST
    remint explain remint.yaml curl request.txt
    remint explain remint.yaml har capture.har --entry 3 --json

Signatures can be checked with the issuers' keys only: --fetch gets them from
where the policy says, and --keys keeps them in a folder for the next time,
without a network. What could not be checked is said.

The exit status is 0 if the request would be let through, and 3 if not."#;

/// Say why a request is let through or refused, check by check.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// A YAML file with a `policy`: the gateway's configuration or the filter's.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(subcommand)]
    what: What,
    /// A folder with the issuers' key sets, NAME.json; with --fetch they are
    /// written there.
    #[arg(long, value_name = "FOLDER", global = true)]
    keys: Option<PathBuf>,
    /// Fetch the issuers' keys from where the policy says.
    #[arg(long, global = true)]
    fetch: bool,
    #[command(flatten)]
    reach: Reach,
    /// The time at which it came, such as 2026-01-31T12:00:00Z, for a request
    /// out of a log [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment, global = true)]
    at: Option<UnixTime>,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// A token, as bearer of a request for a URL.
    Token {
        /// The file that it is in, or - for standard input.
        file: PathBuf,
        /// The URL that is called.
        #[arg(long)]
        url: String,
        /// The method.
        #[arg(short = 'X', long, default_value = "POST")]
        method: String,
        /// A header beside it, NAME: VALUE; may be repeated.
        #[arg(short = 'H', long = "header")]
        headers: Vec<String>,
    },
    /// A curl command, as browsers copy it.
    Curl {
        /// The file that it is in, or - for standard input.
        file: PathBuf,
    },
    /// A HAR file, or one entry of it.
    Har {
        /// The file, or - for standard input.
        file: PathBuf,
        /// Which entry, from 1.
        #[arg(long)]
        entry: Option<usize>,
    },
}

/// The longest captured request that is read.
const MAX_CAPTURE: u64 = 64 * 1024 * 1024;

/// What the exit status of the program is to say.
pub(crate) enum Explained {
    Admitted,
    Refused,
}

/// Explains what the arguments say.
pub(crate) fn run(arguments: &Arguments) -> Result<Explained, Box<dyn Error>> {
    let subject = Subject::load(&arguments.file)?;
    let captured = arguments.what.captured()?;
    let keys = arguments.keys_for(&subject)?;
    let now = arguments.at.unwrap_or_else(|| SystemClock.now());
    let explanation = Explanation::new(&subject, &captured, &keys, now)?;
    let text = match arguments.json {
        true => format!("{:#}\n", explanation.to_json()),
        false => explanation.to_string(),
    };
    print(&text)?;
    Ok(if explanation.is_admitted() { Explained::Admitted } else { Explained::Refused })
}

impl Arguments {
    fn keys_for(&self, subject: &Subject) -> Result<HashMap<String, Vec<u8>>, String> {
        let folder = self.keys.clone().map(KeyFolder::new);
        if !self.fetch {
            let read = |folder: &KeyFolder| folder.read(subject.policy());
            return folder.as_ref().map(read).transpose().map(Option::unwrap_or_default);
        }
        let upstream = self.reach.upstream()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let keys = runtime.block_on(fetch_keys(subject.policy(), &upstream))?;
        if let Some(folder) = folder {
            folder.write(&keys)?;
        }
        Ok(keys)
    }
}

impl What {
    fn captured(&self) -> Result<Captured, Box<dyn Error>> {
        match self {
            Self::Token { file, url, method, headers } => {
                let mut captured = Captured::new(method, url)?.with_token(&read(file)?);
                headers.iter().for_each(|line| captured.add_header(line));
                Ok(captured)
            }
            Self::Curl { file } => Ok(Captured::from_curl(&read(file)?)?),
            Self::Har { file, entry } => Ok(Captured::from_har(&read(file)?, *entry)?),
        }
    }
}

/// A file, or standard input.
fn read(file: &PathBuf) -> Result<String, String> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => io::stdin().take(MAX_CAPTURE).read_to_string(&mut text),
        false => std::fs::File::open(file)
            .and_then(|opened| opened.take(MAX_CAPTURE).read_to_string(&mut text)),
    };
    read.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    Ok(text)
}

/// A date, or seconds since 1970.
fn moment(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime(seconds));
    }
    let date = humantime::parse_rfc3339(text).map_err(|error| format!("{text:?}: {error}"))?;
    let since = date.duration_since(std::time::UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(UnixTime(since.as_secs()))
}
