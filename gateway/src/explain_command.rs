//! `remint explain`.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use remint_gateway::clock::{Clock, SystemClock};
use remint_gateway::explain::{
    Captured, Explanation, Fate, KeyFolder, Keys, Pasted, Subject, fetch_keys,
};
use remint_idtoken::{UnixTime, safe};

use crate::output::print;
use crate::reach::Reach;
use crate::usage::{TOKEN_AS_ARGUMENT, has_token};

/// What `remint explain --help` says.
const HELP: &str = r#"Say why a request is let through or refused, check by check.

Takes a request that was captured, or a token and a URL, and holds it against
the policy of a file: first what is wrong and what mends it, then every check in
order, passed or failed, what was expected and what came, how near a miss was,
and why other rules don't decide. It asks nobody unless told to, and never
prints a token: it may come in by - from standard input, so that it is in no
list of processes.

    pbpaste | remint explain remint.yaml token - --url https://orders.example.com/push -X POST
    pbpaste | remint explain remint.yaml curl - --fetch
    remint explain remint.yaml har capture.har --entry 3 --json
    pbpaste | remint explain token -

The configuration is the gateway's, the filter's, or one of Envoy's or Istio's
that has the filter's in it. Without one the token is read and checked as far as
that goes, and a rule is shown that would let it in.

Signatures can be checked with the issuers' keys only: --fetch gets them from
where the policy says, and --keys keeps them in a folder for the next time,
without a network. What could not be checked is said.

The exit status is 0 if the request would be let through, 1 if not, 3 if nothing
wrong was found but something could not be checked, and 2 if there was nothing
to explain."#;

/// Say why a request is let through or refused, check by check.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// A YAML or JSON file with a `policy` [default: what holds for all of Google's
    /// tokens]
    #[arg(value_name = "CONFIG")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
    /// A folder with the issuers' key sets, NAME.json, or one key set as a file;
    /// with --fetch they are written there.
    #[arg(long, value_name = "FOLDER", global = true)]
    keys: Option<PathBuf>,
    /// Fetch the issuers' keys from where the policy says.
    #[arg(long, global = true)]
    fetch: bool,
    #[command(flatten)]
    reach: Reach,
    /// The time at which it came, such as 2026-01-31T12:00:00Z, for a request
    /// out of a log [default: that of the HAR entry, else now]
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
        /// The file that it is in, or - for standard input. A line with its header
        /// will do, and so will an answer that has it as id_token or token.
        file: PathBuf,
        /// The URL that is called [default: that of the policy's only rule]
        #[arg(long)]
        url: Option<String>,
        /// The method [default: POST]
        #[arg(short = 'X', long)]
        method: Option<String>,
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
        /// Which entry, from 1 [default: the only one that was answered with 401 or
        /// 403]
        #[arg(long)]
        entry: Option<usize>,
    },
}

/// The longest captured request that is read.
const MAX_CAPTURE: u64 = 64 * 1024 * 1024;

/// Explains what the arguments say.
pub(crate) fn run(arguments: &Arguments) -> Result<Fate, Box<dyn Error>> {
    let subject = match &arguments.file {
        Some(file) => Subject::load(no_token(file)?)?,
        None => Subject::unconfigured()?,
    };
    let captured = arguments.what.captured(&subject, arguments.file.is_some())?;
    let keys = arguments.keys_for(&subject)?;
    let now = arguments.at.or(captured.at()).unwrap_or_else(|| SystemClock.now());
    let mut explanation = Explanation::new(&subject, captured, &keys.documents, now)?;
    explanation.add_notes(keys.notes);
    if !arguments.fetch {
        explanation = explanation.by_kept_keys();
    }
    let text = match arguments.json {
        true => format!("{:#}\n", explanation.to_json()),
        false => explanation.to_string(),
    };
    print(&text)?;
    Ok(explanation.fate())
}

impl Arguments {
    /// Keys that are kept, and with --fetch those that can be had now instead.
    fn keys_for(&self, subject: &Subject) -> Result<Keys, String> {
        let folder = self.keys.clone().map(KeyFolder::new);
        let read = |folder: &KeyFolder| folder.read(subject.policy());
        let kept = folder.as_ref().map(read).transpose()?.unwrap_or_default();
        if !self.fetch {
            return Ok(kept);
        }
        let upstream = self.reach.upstream()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let fetched = runtime.block_on(fetch_keys(subject.policy(), &upstream))?;
        if let Some(folder) = folder {
            folder.write(&fetched)?;
        }
        let mut keys = fetched;
        // What could not be fetched may still be there.
        for (name, document) in kept.documents {
            keys.documents.entry(name).or_insert(document);
        }
        Ok(keys)
    }
}

impl What {
    fn captured(&self, subject: &Subject, is_configured: bool) -> Result<Captured, Box<dyn Error>> {
        match self {
            Self::Token { file, url, method, headers } => {
                let pasted = Pasted::read(&read(file)?)?;
                let method = method.as_deref();
                let captured = match url {
                    Some(url) => Captured::new(method.unwrap_or("POST"), url)?,
                    None if !is_configured => Captured::for_unknown_url()?,
                    None => only(subject, method)?,
                };
                let mut captured = captured.with_token(&pasted);
                headers.iter().for_each(|line| captured.add_header(line));
                Ok(captured)
            }
            Self::Curl { file } => Ok(Captured::from_curl(&read(file)?)?),
            Self::Har { file, entry } => Ok(Captured::from_har(&read(file)?, *entry)?),
        }
    }
}

/// The request that the policy's only rule is for.
fn only(subject: &Subject, method: Option<&str>) -> Result<Captured, Box<dyn Error>> {
    let (url, its_method) = subject.only_request().map_err(|urls| {
        let such = if urls.is_empty() {
            String::new()
        } else {
            format!(", such as {}", urls.join(" or "))
        };
        format!("say which URL was called: --url https://HOST/PATH{such}")
    })?;
    let method = method.or(its_method.as_deref()).unwrap_or("POST");
    let mut captured = Captured::new(method, &url)?;
    captured.add_note("no --url was given: this is the policy's only rule's");
    Ok(captured)
}

/// A file, or standard input.
fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let most = MAX_CAPTURE.saturating_add(1);
    let shown = safe(&no_token(file)?.display().to_string());
    let read = match file.as_os_str() == "-" {
        true => io::stdin().take(most).read_to_end(&mut bytes),
        false => File::open(file).and_then(|opened| opened.take(most).read_to_end(&mut bytes)),
    };
    let read = read.map_err(|error| format!("{shown} can't be read: {error}"))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_CAPTURE {
        return Err(format!("{shown} can't be read: it has more than 64 MiB"));
    }
    decoded(bytes).ok_or_else(|| format!("{shown} can't be read: it is no text in UTF-8 or UTF-16"))
}

/// UTF-8, or UTF-16 with its mark, which PowerShell writes.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    let units = |from_bytes: fn([u8; 2]) -> u16| -> Option<String> {
        let pairs = bytes.get(2..)?.chunks_exact(2);
        let units = pairs.filter_map(|pair| Some(from_bytes(pair.try_into().ok()?)));
        char::decode_utf16(units).collect::<Result<_, _>>().ok()
    };
    match bytes.get(..2) {
        Some([0xff, 0xfe]) => units(u16::from_le_bytes),
        Some([0xfe, 0xff]) => units(u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    }
}

/// A name of a file, unless it is plainly a token, which others can see there and
/// which errors would show.
fn no_token(file: &Path) -> Result<&Path, String> {
    match has_token(file.as_os_str()) {
        false => Ok(file),
        true => Err(TOKEN_AS_ARGUMENT.to_owned()),
    }
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
