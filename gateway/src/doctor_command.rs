//! `remint doctor`.

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use remint_gateway::clock::SystemClock;
use remint_gateway::config::{AccessSource, Config, Environment};
use remint_gateway::doctor::{self, Level, Options};

use crate::output::print;

/// What `remint doctor --help` says.
const HELP: &str = "\
Hold a configuration against what is deployed, and say what does not fit.

Reads how Google has the services of the configuration (URLs, audiences,
ingress, who may call), which subscriptions, queues and jobs call the gateway,
and whether the policy would let their requests through. Each line begins with
ok, look or WRONG; what is wrong comes with its cause and the command that
mends it. Nothing is changed, and no request is sent to a service unless
--probe says so.

    remint doctor remint.yaml                  as the configuration's identity
    remint doctor remint.yaml --adc            as you: gcloud auth application-default login
    remint doctor remint.yaml --account gateway@my-project.iam.gserviceaccount.com --adc
                                               from a laptop, where the gateway is not
    remint doctor remint.yaml --probe=/healthz one GET to each region, with its token
    remint doctor remint.yaml --json           for programs

roles/viewer and roles/iam.securityReviewer are enough to read everything. What
may not be read is said, and is no failure. The gateway's calls are taken to
come from the internet; --gateway-in vpc says otherwise.

The exit status is 0 if nothing is wrong, 1 if something is, and 2 if nothing
could be looked at. remint doctor --markdown prints all checks.";

/// Hold a configuration against what is deployed, and say what does not fit.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// The configuration, in YAML.
    #[arg(env = "REMINT_CONFIG", value_name = "FILE", required_unless_present = "markdown")]
    file: Option<PathBuf>,
    /// The project, by id or number [default: that of the gateway's account].
    #[arg(long, env = "GOOGLE_CLOUD_PROJECT", value_name = "PROJECT")]
    project: Option<String>,
    /// A location of queues and jobs, beside the regions'; may be repeated.
    #[arg(long = "location", value_name = "LOCATION")]
    locations: Vec<String>,
    /// The account that the gateway runs as: nothing is minted to find out.
    #[arg(long, value_name = "EMAIL")]
    account: Option<String>,
    /// Read with Application Default Credentials.
    #[arg(long)]
    adc: bool,
    /// Send one GET to each region, for this path [default: the service's probe, or /].
    #[arg(
        long,
        value_name = "PATH",
        num_args = 0..=1,
        require_equals = true,
        value_parser = path
    )]
    #[expect(clippy::option_option, reason = "clap's form of a flag that may have a value")]
    probe: Option<Option<String>>,
    /// Where the gateway's own calls come from.
    #[arg(long, value_name = "NETWORK", default_value = "internet")]
    gateway_in: Network,
    /// A subscription, queue or job that nothing is said of; may be repeated.
    #[arg(long = "ignore", value_name = "NAME")]
    ignored: Vec<String>,
    /// Allow what `remint serve --dev` allows.
    #[arg(long)]
    dev: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Print the page of all checks.
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Internet,
    Vpc,
}

fn path(text: &str) -> Result<String, String> {
    match text.starts_with('/') && http::uri::PathAndQuery::try_from(text).is_ok() {
        true => Ok(text.to_owned()),
        false => Err("it is no path: it begins with a slash".to_owned()),
    }
}

/// Looks at what the arguments say. Whether nothing is wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let Some(file) = arguments.file.as_ref().filter(|_| !arguments.markdown) else {
        print(&doctor::page())?;
        return Ok(true);
    };
    let environment = Environment { dev: arguments.dev, ..Environment::of_process() };
    let config = Config::load(file, &environment)?;
    let options = arguments.options(&environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(doctor::examine(&config, &options, Arc::new(SystemClock)))?;
    let text = match arguments.json {
        true => format!("{:#}\n", report.to_json()),
        false => {
            let is_plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
            report.table(std::io::stdout().is_terminal() && !is_plain)
        }
    };
    print(&text)?;
    Ok(report.level() < Level::Red)
}

impl Arguments {
    fn options(&self, environment: &Environment) -> Result<Options, String> {
        let source = match self.adc {
            true => Some(AccessSource::of_environment(environment)?),
            false => None,
        };
        Ok(Options {
            project: self.project.clone().filter(|it| !it.is_empty()),
            locations: self.locations.clone(),
            account: self.account.clone(),
            source,
            probe: self.probe.clone(),
            is_gateway_in_vpc: self.gateway_in == Network::Vpc,
            ignored: self.ignored.clone(),
        })
    }
}
