//! What is said once the emulator runs: where everything is, and how to try it.

use std::fmt::Write;
use std::path::PathBuf;

use remint_emulator::environment::{proxy_variables, variables};
use remint_emulator::{Config, Emulator, Sending, Service, ServiceRegion};

use super::exports;

/// What of the configuration is told.
pub(super) struct Told {
    project: String,
    files: Vec<String>,
    authority: Option<String>,
    sending: Vec<Sending>,
    trial: Option<Trial>,
}

/// A call that can be tried.
struct Trial {
    url: String,
    account: String,
}

impl Told {
    pub(super) fn of(config: &Config) -> Self {
        let keys = config.account_keys.iter().map(|key| &key.file);
        let files = config.ca_file.iter().chain(keys);
        let shown = |file: &PathBuf| file.display().to_string();
        Self {
            authority: config.ca_file.as_ref().map(shown),
            sending: config.sending(),
            project: config.project_id.clone(),
            files: files.map(shown).collect(),
            trial: Trial::of(config),
        }
    }

    pub(super) fn text(&self, emulator: &Emulator) -> String {
        let google = emulator.google_addr().to_string();
        let mut text = of_google(&google);
        let _ = writeln!(text, "Calls from the VPC network come to {}.", emulator.vpc_addr());
        for region in emulator.regions() {
            let (service, name, addr) = (region.service(), region.region(), region.addr());
            let _ = writeln!(text, "{service} in {name} listens on {addr}:");
            let _ = writeln!(text, "  audience   {}", region.url());
            let _ = writeln!(text, "  or         {}", region.hash_url());
        }
        for (host, addr) in emulator.load_balancers() {
            let _ = writeln!(text, "The load balancer {host} listens on {addr}.");
        }
        if !self.sending.is_empty() {
            text += "Senders have:\n";
        }
        for sending in &self.sending {
            let _ = writeln!(text, "  {sending}");
        }
        if !self.files.is_empty() {
            let _ = writeln!(text, "Written: {}", self.files.join(", "));
        }
        text += "For Google's libraries and gcloud, in another shell (or: eval \"$(remint-emulator env)\"):\n";
        text += &exports::lines(&variables(&google, &self.project), "  ");
        if let Some(file) = &self.authority {
            text += "For libraries that call Google's hosts all the same:\n";
            text += &exports::lines(&proxy_variables(&google, file), "  ");
        }
        text += &self.trial.as_ref().map(|trial| trial.text(&google)).unwrap_or_default();
        text
    }
}

fn of_google(google: &str) -> String {
    format!(
        "\
Google listens on {google}, for plain HTTP and TLS:
  keys       http://{google}/oauth2/v3/certs
  IAP's keys http://{google}/iap/verify/public_key-jwk
  tokens     http://{google}/token, http://{google}/v1/token (STS), IAM Credentials
  mint       POST http://{google}/emulator/mint
  assertion  POST http://{google}/emulator/iap/mint
  timeline   http://{google}/emulator/timeline
  page       http://{google}/emulator
"
    )
}

impl Trial {
    /// The first region of all, and somebody who may call it.
    fn of(config: &Config) -> Option<Self> {
        let regions = |service: &'_ Service| service.regions.first().cloned();
        let service = config.services.iter().find(|service| !service.regions.is_empty())?;
        let region: ServiceRegion = regions(service)?;
        let invokers = region.invokers.as_ref().unwrap_or(&service.invokers);
        let caller = invokers.iter().find(|it| it.contains('@'));
        Some(Self {
            url: config.url(service, &region),
            account: caller.unwrap_or(&config.default_account).clone(),
        })
    }

    /// In clear text, so that it works without the authority's certificate.
    fn text(&self, google: &str) -> String {
        let Self { url, account } = self;
        let plain = url.replacen("https://", "http://", 1);
        format!(
            "\
Try it:
  TOKEN=$(curl -s http://{google}/emulator/mint \\
    -d '{{\"aud\":\"{url}\",\"email\":\"{account}\"}}')
  curl -H \"Authorization: Bearer $TOKEN\" --connect-to ::{google} {plain}
"
        )
    }
}
