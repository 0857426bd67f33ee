//! A gateway for one service, described by flags: a small configuration is
//! written from them and read as if it stood in a file, so that the same is
//! right and wrong in both.

use std::path::{Path, PathBuf};

use clap::Args;
use remint_gateway::config::{Config, Environment};
use remint_idtoken::config::{FlagMistakes, Source, Written, list, member, quoted};

use crate::usage::Usage;

/// Paths in the configuration that is written.
const RULE: &str = "policy.rules[0]";
const SERVICE: &str = "services[0]";

/// The flags.
#[derive(Args, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "One service, without a configuration")]
pub(crate) struct OneService {
    /// The domain that callers ask for; may be repeated.
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only paths that begin so; all others are refused.
    #[arg(long, value_name = "PATH")]
    path_prefix: Option<String>,
    /// The audience of callers' tokens, letter by letter; may be repeated.
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    /// The address of an account that may call; may be repeated.
    #[arg(long = "caller", value_name = "EMAIL")]
    callers: Vec<String>,
    /// Everybody with a token of Google's may call: the whole world.
    #[arg(long, conflicts_with = "callers")]
    any_caller: bool,
    /// Who sends: pubsub, tasks, scheduler or eventarc. They send again what
    /// fails, so the gateway may try their requests again too.
    #[arg(long, value_name = "SENDER", verbatim_doc_comment)]
    sender: Option<String>,
    /// A region of the Cloud Run service and its URL there; may be repeated.
    #[arg(long = "region", value_name = "NAME=URL", value_parser = pair)]
    regions: Vec<(String, String)>,
    /// Where requests arrive; by default $PORT, or 8080, on all addresses.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where health and metrics are served; by default 127.0.0.1:8081.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<String>,
    /// Certificates to trust besides the web's roots, in PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where to connect instead, as curl's --connect-to; may be repeated.
    #[arg(long, value_name = "HOST:PORT=HOST:PORT", value_parser = pair)]
    connect_to: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected two parts and = between them")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl OneService {
    /// Whether any of the flags was given.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// The configuration that the flags amount to.
    pub(crate) fn written(&self) -> Result<Written, Usage> {
        let is_open = self.any_caller || !self.callers.is_empty();
        let missing: Vec<&str> = [
            (self.hosts.is_empty(), "--host HOST"),
            (self.audiences.is_empty(), "--audience AUDIENCE"),
            (!is_open, "--caller EMAIL (or --any-caller, for the whole world)"),
            (self.regions.is_empty(), "--region NAME=URL"),
        ]
        .into_iter()
        .filter_map(|(is_missing, flag)| is_missing.then_some(flag))
        .collect();
        match missing.is_empty() {
            true => Ok(Written { text: self.text(), sources: self.sources() }),
            false => Err(Usage(format!(
                "without a configuration these are needed too: {}",
                missing.join(", ")
            ))),
        }
    }

    fn text(&self) -> String {
        let callers = match self.any_caller {
            true => "{ anyone: true }".to_owned(),
            false => format!("{{ emails: {} }}", list(&self.callers)),
        };
        let prefix = self.path_prefix.as_ref();
        let paths = prefix.map(|it| format!(", paths: [{{ prefix: {} }}]", quoted(it)));
        let sender = self.sender.as_ref();
        let rule = sender.map(|it| format!("{{ rule: main, sender: {} }}", quoted(it)));
        [
            "# Written by `remint serve --print-config`.\n".to_owned(),
            member("listen", self.listen.as_deref()),
            member("admin", self.admin.as_deref()),
            "policy:\n  rules:\n    - name: main\n".to_owned(),
            format!(
                "      match: {{ hosts: {}{} }}\n",
                list(&self.hosts),
                paths.unwrap_or_default()
            ),
            format!("      audiences: {}\n", list(&self.audiences)),
            format!("      callers: {callers}\n"),
            "services:\n  - name: main\n".to_owned(),
            format!("    rules: [{}]\n", rule.as_deref().unwrap_or("main")),
            "    regions:\n".to_owned(),
            self.regions.iter().map(region).collect(),
            self.upstream(),
        ]
        .concat()
    }

    /// Paths in a configuration count from its folder, which may be another
    /// than the flags' one.
    fn upstream(&self) -> String {
        if self.ca_file.is_none() && self.connect_to.is_empty() {
            return String::new();
        }
        let absolute = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let ca_file = self.ca_file.as_ref().map(absolute);
        let ca_file = ca_file.as_ref().map(|file| file.to_string_lossy());
        let mut text = "upstream:\n".to_owned();
        text += &member("  ca_file", ca_file.as_deref());
        if !self.connect_to.is_empty() {
            text += "  connect_to:\n";
        }
        for (from, to) in &self.connect_to {
            text += &format!("    {}: {}\n", quoted(from), quoted(to));
        }
        text
    }

    /// Which flag each part comes from; items of lists with their values.
    fn sources(&self) -> Vec<Source> {
        let rule = |member: &str| format!("{RULE}.{member}");
        let service = |member: &str| format!("{SERVICE}.{member}");
        let regions: Vec<_> =
            self.regions.iter().map(|(name, url)| format!("{name}={url}")).collect();
        let mut all = vec![
            Source::of("listen", "--listen"),
            Source::of("admin", "--admin"),
            Source::of(rule("match.paths"), "--path-prefix"),
            Source::of(service("rules"), "--sender"),
            Source::of("upstream.ca_file", "--ca-file"),
            Source::of("upstream.connect_to", "--connect-to"),
        ];
        for (path, flag, values) in [
            (rule("match.hosts"), "--host", &self.hosts),
            (rule("audiences"), "--audience", &self.audiences),
            (rule("callers.emails"), "--caller", &self.callers),
            (service("regions"), "--region", &regions),
        ] {
            all.extend(Source::of_each(&path, flag, values));
        }
        all
    }
}

fn region((name, url): &(String, String)) -> String {
    format!("      - {{ name: {}, url: {} }}\n", quoted(name), quoted(url))
}

/// Reads the configuration that was written from the flags.
pub(crate) fn read(written: &Written, environment: &Environment) -> Result<Config, FlagMistakes> {
    let read = Config::read(&written.text, Path::new(""), environment);
    read.map_err(|problems| written.mistakes(&problems))
}

#[cfg(test)]
mod tests;
