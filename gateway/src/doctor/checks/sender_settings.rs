//! Checks of a sender that no request tells of: whether it may mint, and how long
//! it waits.

use remint_idtoken::{Rule, Sender};

use super::senders::One;
use crate::doctor::catalogue::Check;
use crate::doctor::commands;
use crate::doctor::facts::{OidcToken, Read};
use crate::doctor::finding::Finding;

/// Roles that have `iam.serviceAccounts.getOpenIdToken`, beside those of service
/// agents (IAM, "Service Accounts roles").
const MINTING: [&str; 3] = [
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountOpenIdTokenCreator",
    "roles/iam.workloadIdentityUser",
];

impl One<'_> {
    /// Whether its service agent may mint for its account.
    pub(super) fn minting(&self, token: &OidcToken) -> Option<Finding> {
        let facts = self.looked.facts;
        let account = &token.account;
        let policy = match facts.accounts.get(account)? {
            Read::Is(policy) => policy,
            Read::Unread(_) => return None,
            Read::Missing => {
                let cause = format!("there is no account {account}");
                let (name, project) = account.split_once('@')?;
                let project = project.strip_suffix(".iam.gserviceaccount.com").or(self.project());
                let command = format!(
                    "gcloud iam service-accounts create {} --project={}",
                    remint_idtoken::shell_word(name),
                    remint_idtoken::shell_word(project.unwrap_or("PROJECT"))
                );
                return Some(self.found(Check::SenderAccountMissing, cause).mended_by(command));
            }
        };
        let (number, of_project) = (facts.project.number?, facts.project.policy.is()?);
        let (agent, role) = agent(self.sender.kind);
        let member = format!("serviceAccount:service-{number}@{agent}.iam.gserviceaccount.com");
        let may = policy.has(&MINTING, &member)
            || of_project.has(&MINTING, &member)
            || of_project.has(&[role], &member);
        (!may).then(|| {
            let cause = format!("{member} may not mint tokens of {account}");
            let found = self.found(Check::SenderMayNotMint, cause);
            found.mended_by(commands::let_mint(account, &member))
        })
    }

    /// Whether it waits as long as the gateway does.
    pub(super) fn deadline(&self, rule: &Rule) -> Option<Finding> {
        let config = self.looked.config;
        let mut routes = config.services.iter().flat_map(|service| &service.routes);
        let route = routes.find(|route| route.rule == *rule.name())?;
        let (given, needed) = (
            self.sender.deadline?,
            route.attempts.timeout.unwrap_or(config.upstream.response_timeout),
        );
        (given < needed).then(|| {
            let cause = format!(
                "it waits {} s; the gateway tries for up to {} s",
                given.as_secs(),
                needed.as_secs()
            );
            let found = self.found(Check::SenderDeadline, cause);
            let command = commands::wait(self.sender, self.project(), needed.as_secs());
            found.mended_by(command)
        })
    }
}

/// The service agent of a sender, and the role that it has in a project (IAM,
/// "Service agents"). Eventarc delivers by Pub/Sub.
fn agent(kind: Sender) -> (&'static str, &'static str) {
    match kind {
        Sender::PubSub | Sender::Eventarc => ("gcp-sa-pubsub", "roles/pubsub.serviceAgent"),
        Sender::Tasks => ("gcp-sa-cloudtasks", "roles/cloudtasks.serviceAgent"),
        Sender::Scheduler => ("gcp-sa-cloudscheduler", "roles/cloudscheduler.serviceAgent"),
    }
}
