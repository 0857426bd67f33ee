//! Measures Remint beside Envoy's own filters and writes pages of figures.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use remint_bench::gateway;
use remint_bench::machine::{Machine, Processors};
use remint_bench::report::{self, Report};
use remint_bench::run::{Measurements, Stage, Times};
use tokio::signal::unix::{SignalKind, signal};

/// Measures Remint beside Envoy's own filters, in one run. Prints a page of
/// figures and writes it into bench/. Needs wrk, taskset and two processors.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The filter beside jwt_authn: the same requests through the same Envoy.
    Filter(Options),
    /// The gateway beside an Envoy with jwt_authn and gcp_authn.
    Gateway {
        #[command(flatten)]
        options: Options,
        /// Requests per second where latencies are compared.
        #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(32..=100_000))]
        pace: u32,
    },
}

#[derive(Args, Clone)]
struct Options {
    /// How often each measurement is made; figures are medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How many seconds one takes.
    #[arg(long, default_value = "3", value_parser = some_seconds)]
    seconds: Duration,
    /// How many seconds the same load runs before it.
    #[arg(long, default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// How many distinct tokens there are of each kind.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    tokens: u16,
    /// Only measures the setups with this in their name, as `Remint` or `keys`.
    /// Writes no page, unless --output says where.
    #[arg(long)]
    only: Option<String>,
    /// Only sees whether it all works, in some seconds: one round, a quarter
    /// of a second each, few tokens. Writes no page.
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "warm_up", "tokens"])]
    quick: bool,
    /// The file to write the page to.
    #[arg(long)]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    match arguments.what {
        What::Filter(options) => {
            let options = options.resolved(report::page);
            show(&options, |processors| filter(&options, processors))
        }
        What::Gateway { options, pace } => {
            let options = options.resolved(gateway::report::page);
            show(&options, |processors| beside_envoy(&options, pace, processors))
        }
    }
}

impl Options {
    /// With what `quick` means, and the page's own file where a whole one is
    /// made.
    fn resolved(mut self, page: fn() -> PathBuf) -> Self {
        if self.quick {
            let [short, none] = [Duration::from_millis(250), Duration::ZERO];
            (self.rounds, self.tokens) = (1, 100);
            (self.seconds, self.warm_up) = (short, none);
        } else if self.only.is_none() {
            self.output.get_or_insert_with(page);
        }
        self
    }

    fn times(&self) -> Times {
        Times { rounds: self.rounds.into(), measured: self.seconds, warm_up: self.warm_up }
    }
}

/// Measures, and prints and writes what comes of it.
fn show<R: Display, F: Future<Output = io::Result<R>>>(
    options: &Options,
    measure: impl FnOnce(Processors) -> F,
) -> io::Result<()> {
    // One thread: the upstream shares its processor with wrk and nobody else.
    let processors = Processors::take()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        // All processes belong to this future, and end with it.
        tokio::select! {
            report = measure(processors) => report,
            signal = interrupted() => Err(io::Error::other(format!("stopped by {signal}"))),
        }
    })?;
    print!("{report}");
    if let Some(file) = &options.output {
        std::fs::write(file, report.to_string())?;
        eprintln!("written to {}", file.display());
    }
    Ok(())
}

async fn filter(options: &Options, processors: Processors) -> io::Result<Report> {
    let (machine, times) = (Machine::this()?, options.times());
    eprintln!("signing {} tokens of each kind ...", options.tokens);
    let mut stage = Stage::start(options.tokens.into()).await?;
    if let Some(only) = &options.only {
        stage.keep(only)?;
    }
    let tell = |round: usize, setup: &remint_bench::setup::Setup| {
        eprintln!("round {round} of {}: {}", times.rounds, setup.name);
    };
    let taken = Measurements::take(&stage, times, processors.envoy, tell).await?;
    let report = Report {
        machine,
        command: command(),
        times,
        rows: taken.rows(&stage),
        memory: taken.memory(&stage),
        module_bytes: stage.module_bytes()?,
    };
    stage.stop().await;
    Ok(report)
}

async fn beside_envoy(
    options: &Options,
    pace: u32,
    processors: Processors,
) -> io::Result<gateway::report::Report> {
    let (machine, times) = (Machine::this()?, options.times());
    eprintln!("signing {} tokens ...", options.tokens);
    let mut stage = gateway::run::Stage::start(options.tokens.into()).await?;
    if let Some(only) = &options.only {
        stage.keep(only)?;
    }
    let tell = |round: usize, setup: &gateway::setup::Setup| {
        eprintln!("round {round} of {}: {}", times.rounds, setup.name);
    };
    let taken = stage.measure(times, pace, processors.envoy, tell).await?;
    let report = gateway::report::Report {
        machine,
        command: command(),
        times,
        pace,
        loads: stage.loads(),
        all: stage.setups().iter().map(|setup| setup.name).zip(taken).collect(),
    };
    stage.stop().await;
    Ok(report)
}

/// What was called.
fn command() -> String {
    let words = std::env::args().skip(1);
    ["cargo xtask bench".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= Duration::from_secs(600) => Ok(time),
        _ => Err("expected a number of seconds from 0 to 600".to_owned()),
    }
}

/// No figure can be had in less than a tenth of a second.
fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        time if time >= Duration::from_millis(100) => Ok(time),
        _ => Err("expected at least 0.1 seconds".to_owned()),
    }
}

/// Waits for Ctrl-C or its like, and says which it was.
async fn interrupted() -> &'static str {
    let received = async |kind| match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        // Without a handler the signal ends this process, as it always did.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = received(SignalKind::interrupt()) => "Ctrl-C",
        () = received(SignalKind::terminate()) => "SIGTERM",
        () = received(SignalKind::hangup()) => "SIGHUP",
    }
}
