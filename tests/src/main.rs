//! The demo: the main job, told on this machine.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use remint_tests::chain::{Chain, DOMAIN, PUSHER, REGIONS, region_url};
use remint_tests::demo::{Show, a_region_dies, attackers, explained, problem, remint_in_the_way};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// Shows what Remint does, on this machine alone: an emulated Google with a
/// Pub/Sub subscription and a Cloud Run service in two regions, a real Envoy
/// with the filter, and the gateway. Exits with 0 if everything went as told.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Arguments {
    /// One JSON object per line instead of text.
    #[arg(long)]
    json: bool,
    /// Leave everything running afterwards, and print how to play with it.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Everything that runs belongs to this future: when it ends or is dropped,
    // on Ctrl-C too, all processes end with it.
    tokio::select! {
        told = tell(&arguments) => match told {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("demo: {error}");
                ExitCode::FAILURE
            }
        },
        signal = interrupted() => {
            eprintln!("demo: stopped by {signal}");
            ExitCode::FAILURE
        }
    }
}

async fn tell(arguments: &Arguments) -> io::Result<bool> {
    let mut show = Show::new(io::stdout(), arguments.json);
    show.say("Starting Google, two regions, the gateway and Envoy on this machine ...")?;
    let mut chain = Chain::start().await?;
    show.part(&problem(&chain.emulator, chain.folder()).await?)?;
    show.part(&remint_in_the_way(&chain).await?)?;
    show.part(&a_region_dies(&chain).await?)?;
    show.part(&attackers(&mut chain).await?)?;
    show.part(&explained(&mut chain).await?)?;
    let held = show.end()?;
    if arguments.keep {
        let addresses = Addresses::of(&chain);
        match arguments.json {
            true => println!("{}", addresses.to_json()),
            false => println!("{}", addresses.how_to_play()),
        }
        interrupted().await;
    }
    chain.stop().await?;
    Ok(held)
}

/// Where everything listens while it is kept running.
struct Addresses {
    edge: SocketAddr,
    envoy: SocketAddr,
    gateway: SocketAddr,
    gateway_admin: SocketAddr,
    google: SocketAddr,
    audience: String,
}

impl Addresses {
    fn of(chain: &Chain) -> Self {
        Self {
            edge: chain.edge(),
            envoy: chain.envoy.admin(),
            gateway: chain.gateway.address(),
            gateway_admin: chain.gateway.admin(),
            google: chain.emulator.google_addr(),
            audience: region_url(&chain.emulator, REGIONS[0]),
        }
    }

    fn to_json(&self) -> Value {
        json!({"edge": self.edge, "envoy_admin": self.envoy, "gateway": self.gateway,
            "gateway_admin": self.gateway_admin, "google": self.google})
    }

    fn how_to_play(&self) -> String {
        let Self { edge, envoy, gateway, gateway_admin, google, audience } = self;
        format!(
            "\nIt all keeps running until Ctrl-C:\n\n  \
             Envoy with the filter    http://{edge}   (its admin page: http://{envoy})\n  \
             the gateway              http://{gateway}   (health, metrics: http://{gateway_admin})\n  \
             Google, emulated         http://{google}\n\n\
             # a token of the subscription's account, for one region\n\
             TOKEN=$(curl -s -H 'Metadata-Flavor: Google' 'http://{google}/computeMetadata/v1/\
             instance/service-accounts/{PUSHER}/identity?audience={audience}&format=full')\n\
             # through Envoy and gateway to a region, which echoes what it got\n\
             curl -s -X POST -H 'Host: {DOMAIN}' -H \"Authorization: Bearer $TOKEN\" -d '{{}}' \
             http://{edge}/push\n\
             # refused: the caller sees 401, the operator finds the reason in Envoy's log\n\
             curl -si -X POST -H 'Host: {DOMAIN}' -d '{{}}' http://{edge}/push\n\
             # every call that the regions saw\n\
             curl -s http://{google}/emulator/timeline\n\
             # what the gateway counts\n\
             curl -s http://{gateway_admin}/metrics\n"
        )
    }
}

/// Waits for Ctrl-C or its like, and says which it was.
async fn interrupted() -> &'static str {
    tokio::select! {
        () = received(SignalKind::interrupt()) => "Ctrl-C",
        () = received(SignalKind::terminate()) => "SIGTERM",
        () = received(SignalKind::hangup()) => "SIGHUP",
    }
}

async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        // Without a handler the signal ends this process, as it always did.
        Err(_) => std::future::pending().await,
    }
}
