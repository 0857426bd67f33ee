//! The bindings of IAM that a configuration needs, as `gcloud` commands.

mod command;
mod remedy;

use std::fmt;

use command::of_region;
pub(crate) use remedy::{Place, remedy};

use crate::config::{
    ACCOUNT_OF_THIS_MACHINE, Config, Grant, Identity, Impersonation, Region, Service, YOUR_ADDRESS,
};

/// The member of bindings that IAP calls as, of the project with that number (IAP,
/// "Enabling IAP for Cloud Run").
pub(crate) fn iap_agent(project_number: impl fmt::Display) -> String {
    format!("serviceAccount:service-{project_number}@gcp-sa-iap.iam.gserviceaccount.com")
}

/// Stands for the gateway's account.
const ACCOUNT: &str = "GATEWAY_SERVICE_ACCOUNT";
/// Stand for what a URL does not tell.
const SERVICE: &str = "SERVICE";
const FUNCTION: &str = "FUNCTION";
const REGION: &str = "REGION";
const BACKEND_SERVICE: &str = "BACKEND_SERVICE";

/// What stands for a name that the configuration does not have, and for which.
const WORDS: [(&str, &str); 7] = [
    (ACCOUNT, "the e-mail address of the account that the gateway runs as"),
    (ACCOUNT_OF_THIS_MACHINE, "the e-mail address of the account that the gateway's machine has"),
    (YOUR_ADDRESS, "the address with which you signed in to gcloud"),
    (SERVICE, "the name of the Cloud Run service"),
    (FUNCTION, "the name of the function"),
    (REGION, "the region in which it runs"),
    (BACKEND_SERVICE, "the backend service behind IAP"),
];

/// The bindings that a configuration needs: shown as a script for a shell, in
/// which names that the configuration does not tell stand in capitals.
#[derive(Debug)]
pub struct Bindings {
    groups: Vec<Group>,
}

/// Bindings that belong together.
#[derive(Debug)]
struct Group {
    title: String,
    entries: Vec<Entry>,
}

/// One command, and what is to be known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    note: Option<String>,
    command: String,
}

impl Bindings {
    /// Those of this configuration, each once: what its own identities take,
    /// then what each service takes.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let identities = config.services.iter().filter_map(of_identity);
        let groups = identities.chain(config.services.iter().map(of_service)).collect();
        let mut this = Self { groups };
        this.keep_each_once();
        this
    }

    fn keep_each_once(&mut self) {
        // Commands that have words for names may be for different things: what
        // they are for stands in their notes.
        let mut seen: Vec<Entry> = Vec::new();
        for group in &mut self.groups {
            group.entries.retain(|entry| {
                let is_new = !seen.contains(entry);
                if is_new {
                    seen.push(entry.clone());
                }
                is_new
            });
        }
        self.groups.retain(|group| !group.entries.is_empty());
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| &group.entries).map(|entry| &*entry.command)
    }
}

/// What the identity of a service takes itself.
fn of_identity(service: &Service) -> Option<Group> {
    let Identity::Impersonated(impersonation) = &service.identity else {
        return None;
    };
    let entry = |grant: Grant| Entry { note: None, command: grant.to_string() };
    Some(Group {
        title: format!("The gateway may have tokens of {}.", impersonation.account),
        entries: impersonation.all_grants().into_iter().map(entry).collect(),
    })
}

/// What the regions of a service take.
fn of_service(service: &Service) -> Group {
    let account = account_of(&service.identity);
    let grant = |region: &Region| {
        let (kind, host) = (region.kind, region.origin.host());
        let grant = of_region(kind, host, &region.base_path, account)?;
        let note = (!grant.untold.is_empty()).then(|| {
            let words = grant.untold.join(" and ");
            format!("{words}: what {} leads to; that URL does not tell.", region.url())
        });
        Some(Entry { note, command: grant.command })
    };
    Group {
        // A name may have any characters; quoted, it stays on its line.
        title: format!("The gateway may call the service {:?}.", service.name),
        entries: service.regions.iter().filter_map(grant).collect(),
    }
}

/// The address of an account as IAM writes members. A numeric id is none.
fn account_of(identity: &Identity) -> Option<&str> {
    let known = match identity {
        Identity::Metadata { .. } => return None,
        Identity::Key(key) => &key.email,
        Identity::Impersonated(Impersonation { account, .. }) => account,
    };
    known.contains('@').then_some(known.as_str())
}

impl fmt::Display for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# The bindings of IAM that the gateway's configuration needs.")?;
        for (word, meaning) in WORDS {
            if self.commands().any(|command| has_word(command, word)) {
                writeln!(f, "# {word}: {meaning}.")?;
            }
        }
        for Group { title, entries } in &self.groups {
            writeln!(f, "\n# {title}")?;
            for Entry { note, command } in entries {
                if let Some(note) = note {
                    writeln!(f, "# {note}")?;
                }
                writeln!(f, "{command}")?;
            }
        }
        Ok(())
    }
}

fn has_word(command: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    command.split(|c| !is_part(c)).any(|part| part == word)
}

#[cfg(test)]
mod tests;
