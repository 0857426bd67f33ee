//! `remint plugin-config`.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use remint_gateway::clock::{Clock, SystemClock};
use remint_gateway::plugin_config::{Host, Plan, Rendered, ValidFor, replace};

use crate::output::print;
use crate::reach::Reach;

/// What `remint plugin-config --help` says after its first line.
const HELP: &str = r#"Render the filter's plugin configuration with today's keys in it.

Google's load balancer runs the filter as a plugin of Service Extensions, but
lets it fetch nothing: the issuers' keys stand in its configuration, and are
used for a limited time. This command reads a policy, fetches the key set of
each of its issuers, and prints the configuration as JSON. Let a job run it
once a day and hand the result over as a new version of the plugin:

    remint plugin-config policy.yaml --output plugin.json &&
    gcloud service-extensions wasm-plugins update remint \
      --location=global --main-version="v$(date +%s)" \
      --image=REGION-docker.pkg.dev/PROJECT/REPOSITORY/remint:TAG \
      --plugin-config-file=plugin.json

From half of the keys' time on, the filter warns in its log; after it, it
refuses with 503. If anything is wrong, such as a mistake in the file or a
key server that doesn't answer, nothing is printed or written and the exit
status is 1: the last configuration stays as it is."#;

/// Render the filter's plugin configuration with today's keys in it.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// A YAML file with a `policy`: the gateway's configuration, of which only
    /// that is used, or a plugin configuration with `token`, `claim_headers`,
    /// `payload_header` and `token_cache` beside it.
    #[arg(value_name = "FILE", verbatim_doc_comment)]
    file: PathBuf,
    /// In which proxy the filter will run.
    #[arg(long, value_enum, default_value = "service-extensions")]
    host: Host,
    /// How long the keys are used: from 1h to 366d. Long enough for a few runs to
    /// fail; but for so long a key that its issuer takes back still counts.
    #[arg(long, value_name = "TIME", default_value = "7d", verbatim_doc_comment)]
    valid_for: ValidFor,
    #[command(flatten)]
    reach: Reach,
    /// Write here instead of to stdout; the file is replaced at once or not at
    /// all.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    output: Option<PathBuf>,
}

/// Renders as the arguments say.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let plan = Plan::load(&arguments.file, arguments.host)?;
    let upstream = arguments.reach.upstream()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rendering = plan.render(&upstream, &arguments.valid_for, SystemClock.now());
    let rendered = runtime.block_on(rendering)?;
    hand_over(&rendered, arguments.output.as_deref())?;
    tell(&rendered);
    Ok(())
}

fn hand_over(rendered: &Rendered, output: Option<&Path>) -> Result<(), String> {
    match output {
        None => print(&format!("{}\n", rendered.text))
            .map_err(|error| format!("the configuration can't be printed: {error}")),
        Some(file) => replace(file, &rendered.text)
            .map_err(|error| format!("{} can't be written: {error}", file.display())),
    }
}

#[expect(clippy::print_stderr, reason = "stdout has the configuration")]
fn tell(rendered: &Rendered) {
    for note in &rendered.notes {
        eprintln!("remint: {note}");
    }
    eprint!("remint: a plugin configuration of {} bytes", rendered.text.len());
    match rendered.usable_until {
        Some(end) => eprintln!(", whose keys are used until {end}: renew it well before"),
        None => eprintln!(", whose keys are used for good"),
    }
}
