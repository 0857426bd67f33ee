//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use remint_emulator::{Backend, Config, Service, ServiceRegion};

/// Google on a laptop: an ID-token issuer with its keys, a metadata server,
/// and Cloud Run's IAM front ends, one per service and region.
///
/// Without options it runs the demo: the service `orders` in us-central1 and
/// europe-west1. It prints where everything listens and runs until Ctrl-C.
#[derive(Debug, Parser)]
#[command(
    name = "remint-emulator",
    version,
    after_help = "EXAMPLES:\n  \
    Two services in three regions, callable by one account:\n    \
    remint-emulator --service orders --service users \\\n      \
    --region us-central1 --region europe-west1 --region asia-east1 \\\n      \
    --invoker gateway@demo-project.iam.gserviceaccount.com\n\n  \
    Google's client libraries find the metadata server by themselves:\n    \
    export GCE_METADATA_HOST=127.0.0.1:8800   # with --port 8800\n\n  \
    TLS, with the emulator's own authority:\n    \
    remint-emulator --port 8800 --ca-file ca.pem\n    \
    curl --cacert ca.pem --connect-to www.googleapis.com:443:127.0.0.1:8800 \\\n      \
    https://www.googleapis.com/oauth2/v3/certs\n\n\
    Everything listens on 127.0.0.1 only: whoever reaches the emulator can have\n\
    tokens minted for anybody."
)]
pub(crate) struct Cli {
    /// The project's id
    #[arg(long, default_value = "demo-project")]
    project: String,

    /// The project's number, which is part of the services' URLs
    #[arg(long, default_value_t = 123_456_789_012)]
    project_number: u64,

    /// A Cloud Run service; may be repeated [default: orders]
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,

    /// A region that all services run in; may be repeated
    /// [default: us-central1 europe-west1]
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<String>,

    /// An account that may invoke all services; may be repeated
    /// [default: all accounts]
    #[arg(long = "invoker", value_name = "EMAIL")]
    invokers: Vec<String>,

    /// A custom audience of all services; may be repeated
    #[arg(long = "custom-audience", value_name = "AUDIENCE")]
    custom_audiences: Vec<String>,

    /// A server of yours (HTTP/2 in clear text) that gets the accepted requests
    /// of all services, in place of the built-in container
    #[arg(long, value_name = "ADDRESS")]
    backend: Option<SocketAddr>,

    /// A service account of the metadata server; may be repeated, and the
    /// first is the default account [default: gateway@ and pusher@ of the
    /// project]
    #[arg(long = "account", value_name = "EMAIL")]
    accounts: Vec<String>,

    /// How many seconds tokens of service accounts live
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    token_lifetime: u64,

    /// The port of the Google listener; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Where to write the certificate (PEM) that TLS clients must trust
    #[arg(long, value_name = "PATH")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Cli {
    /// The accounts, of which there is at least one.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let usual = ["gateway", "pusher"]
            .map(|name| format!("{name}@{}.iam.gserviceaccount.com", self.project));
        or_else(&self.accounts, || usual.to_vec())
    }

    pub(crate) fn into_config(self) -> Config {
        let demo = Config::demo();
        let accounts = self.accounts();
        let invokers = or_else(&self.invokers, || accounts.clone());
        let regions = or_else(&self.regions, || {
            let regions = demo.services.iter().flat_map(|service| &service.regions);
            regions.map(|region| region.name.clone()).collect()
        });
        let names =
            or_else(&self.services, || demo.services.iter().map(|it| it.name.clone()).collect());
        let service = |name| Service {
            name,
            regions: regions.iter().map(|name| ServiceRegion::new(name)).collect(),
            invokers: invokers.clone(),
            custom_audiences: self.custom_audiences.clone(),
            backend: self.backend.map_or(Backend::Echo, Backend::h2c),
            ..Service::default()
        };
        Config {
            project_id: self.project,
            project_number: self.project_number,
            services: names.into_iter().map(service).collect(),
            default_account: accounts.first().cloned().unwrap_or_default(),
            region: regions.first().cloned().unwrap_or(demo.region),
            accounts,
            google_port: self.port,
            token_lifetime: Duration::from_secs(self.token_lifetime),
            ..Config::demo()
        }
    }
}

fn or_else(given: &[String], default: impl FnOnce() -> Vec<String>) -> Vec<String> {
    match given {
        [] => default(),
        given => given.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> Config {
        let args = ["remint-emulator"].iter().chain(args);
        Cli::try_parse_from(args).unwrap().into_config()
    }

    #[test]
    fn without_options_it_is_the_demo() {
        let (config, demo) = (config(&[]), Config::demo());
        assert_eq!(config.services, demo.services);
        assert_eq!(config.accounts, demo.accounts);
        assert_eq!(config.default_account, demo.default_account);
        assert_eq!(config.project_id, demo.project_id);
        assert_eq!(config.project_number, demo.project_number);
        assert_eq!(config.region, demo.region);
    }

    #[test]
    fn options_that_are_given_replace_the_demo_s() {
        let config = config(&[
            "--project",
            "p",
            "--service",
            "a",
            "--service",
            "b",
            "--region",
            "us-east1",
            "--backend",
            "127.0.0.1:50051",
            "--invoker",
            "i@x",
        ]);
        let names: Vec<_> = config.services.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(config.services[1].regions, [ServiceRegion::new("us-east1")]);
        let addr = ([127, 0, 0, 1], 50051).into();
        assert_eq!(config.services[1].backend, Backend::h2c(addr));
        assert_eq!(config.services[1].invokers, ["i@x"]);
        assert_eq!(config.default_account, "gateway@p.iam.gserviceaccount.com");
        assert_eq!(config.region, "us-east1");
    }
}
