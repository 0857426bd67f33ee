//! `remint-emulator`: runs the emulator until it is told to stop.

mod cli;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use remint_emulator::Emulator;
use tokio::signal::unix::{SignalKind, signal};

use cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "remint-emulator: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    let ca_file = cli.ca_file.clone();
    let default_account = cli.accounts().first().cloned().unwrap_or_default();
    let emulator = Emulator::start(cli.into_config()).await?;
    if let Some(path) = &ca_file {
        std::fs::write(path, emulator.ca_pem())
            .map_err(|error| format!("can't write {}: {error}", path.display()))?;
    }
    let mut terminated = signal(SignalKind::terminate())?;
    tell(&emulator, &default_account)?;
    emulator.ready().await?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}

/// Says where everything is, and how to try it.
fn tell(emulator: &Emulator, account: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let google = emulator.google_addr();
    writeln!(out, "Google listens on {google}, for plain HTTP and TLS:")?;
    writeln!(out, "  keys       http://{google}/oauth2/v3/certs")?;
    writeln!(out, "  IAP's keys http://{google}/iap/verify/public_key-jwk")?;
    writeln!(out, "  metadata   export GCE_METADATA_HOST={google}")?;
    writeln!(
        out,
        "  tokens     http://{google}/token, http://{google}/v1/token (STS), IAM Credentials"
    )?;
    writeln!(out, "  Pub/Sub    export PUBSUB_EMULATOR_HOST={google}")?;
    writeln!(out, "  events     POST http://{google}/emulator/eventarc/publish")?;
    writeln!(out, "  mint       POST http://{google}/emulator/mint")?;
    writeln!(out, "  assertion  POST http://{google}/emulator/iap/mint")?;
    writeln!(out, "  timeline   http://{google}/emulator/timeline")?;
    writeln!(out, "  page       http://{google}/ shows all of it, and each call as it comes")?;
    for region in emulator.regions() {
        let (service, name) = (region.service(), region.region());
        writeln!(out, "{service} in {name} listens on {}:", region.addr())?;
        writeln!(out, "  audience   {}", region.url())?;
        if region.hash_url() != region.url() {
            writeln!(out, "  or         {}", region.hash_url())?;
        }
    }
    if let Some(region) = emulator.regions().first() {
        let (url, addr) = (region.url(), region.addr());
        writeln!(out, "Try it:")?;
        writeln!(out, "  TOKEN=$(curl -s http://{google}/emulator/mint \\")?;
        writeln!(out, "    -d '{{\"aud\":\"{url}\",\"email\":\"{account}\"}}')")?;
        writeln!(out, "  curl -H \"Authorization: Bearer $TOKEN\" http://{addr}/")?;
    }
    out.flush()
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
