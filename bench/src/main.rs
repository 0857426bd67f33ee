//! Measures the filter beside Envoy's own and writes the page of figures.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use remint_bench::machine::{Machine, Processors};
use remint_bench::report::{Report, page};
use remint_bench::run::{Measurements, Stage, Times};
use tokio::signal::unix::{SignalKind, signal};

/// Compares the filter with Envoy's own filters: the same requests through the
/// same Envoy, in one run. Prints a page of figures and writes it to
/// bench/filter.md. Needs wrk, taskset and two processors.
#[derive(Parser)]
#[command(name = "cargo xtask bench filter")]
struct Arguments {
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

fn run(mut arguments: Arguments) -> io::Result<()> {
    if arguments.quick {
        let [short, none] = [Duration::from_millis(250), Duration::ZERO];
        (arguments.rounds, arguments.tokens) = (1, 100);
        (arguments.seconds, arguments.warm_up) = (short, none);
    } else if arguments.only.is_none() {
        arguments.output.get_or_insert_with(page);
    }
    // One thread: the upstream shares its processor with wrk and nobody else.
    let processors = Processors::take()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        // All processes belong to this future, and end with it.
        tokio::select! {
            report = measured(&arguments, processors) => report,
            signal = interrupted() => Err(io::Error::other(format!("stopped by {signal}"))),
        }
    })?;
    print!("{report}");
    if let Some(file) = arguments.output {
        std::fs::write(&file, report.to_string())?;
        eprintln!("written to {}", file.display());
    }
    Ok(())
}

async fn measured(arguments: &Arguments, processors: Processors) -> io::Result<Report> {
    let machine = Machine::this()?;
    let times = Times {
        rounds: arguments.rounds.into(),
        measured: arguments.seconds,
        warm_up: arguments.warm_up,
    };
    eprintln!("signing {} tokens of each kind ...", arguments.tokens);
    let mut stage = Stage::start(arguments.tokens.into()).await?;
    if let Some(only) = &arguments.only {
        stage.keep(only)?;
    }
    let tell = |round: usize, setup: &remint_bench::setup::Setup| {
        eprintln!("round {round} of {}: {}", times.rounds, setup.name);
    };
    let taken = Measurements::take(&stage, times, processors.envoy, tell).await?;
    let words = std::env::args().skip(1);
    let report = Report {
        machine,
        command: ["cargo xtask bench filter".to_owned()]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" "),
        times,
        rows: taken.rows(&stage),
        memory: taken.memory(&stage),
        module_bytes: stage.module_bytes()?,
    };
    stage.stop().await;
    Ok(report)
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
