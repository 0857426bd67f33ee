//! What is said once the emulator runs: where everything is, and how to try it.

use std::fmt::Write;

use remint_emulator::{Config, Emulator, Service, ServiceRegion};

use super::exports;

/// What of the configuration is told.
pub(super) struct Told {
    project: String,
    files: Vec<String>,
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
        Self {
            project: config.project_id.clone(),
            files: files.map(|file| file.display().to_string()).collect(),
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
        if !self.files.is_empty() {
            let _ = writeln!(text, "Written: {}", self.files.join(", "));
        }
        text += "For Google's libraries and gcloud, in another shell (or: eval \"$(remint-emulator env)\"):\n";
        text += &exports::lines(&google, &self.project, "  ");
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
