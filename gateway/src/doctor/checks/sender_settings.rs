//! Checks of a sender that no request tells of: whether it may mint, and how long
//! it waits.

use remint_idtoken::{Rule, Sender, shell_word};

use super::senders::One;
use crate::doctor::catalogue::Check;
use crate::doctor::commands;
use crate::doctor::facts::{OidcToken, Read};
use crate::doctor::finding::Finding;
use crate::doctor::policy::Held;

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
        let policy = facts.accounts.get(account)?;
        if *policy == Read::Missing {
            return Some(self.account_missing(account));
        }
        let (agent, role) = agent(self.sender.kind);
        let number = facts.project.number?;
        let member = format!("serviceAccount:service-{number}@{agent}.iam.gserviceaccount.com");
        // That it may not be read is said of the project.
        let of_project = facts.project.policy.is()?;
        let roles: Vec<&str> = MINTING.into_iter().chain([role]).collect();
        if of_project.held(&roles, &member) != Held::No {
            return None;
        }
        let policy = match policy {
            Read::Is(policy) => policy,
            Read::Missing => return None,
            Read::Unread(gap) => {
                let what = format!("the IAM policy of {account}: ");
                return Some(self.looked.unread(&self.subject, &what, gap));
            }
        };
        (policy.held(&MINTING, &member) == Held::No).then(|| {
            let cause = format!("{member} may not mint tokens of {account}");
            let found = self.found(Check::SenderMayNotMint, cause);
            found.mended_by(commands::let_mint(account, &member))
        })
    }

    fn account_missing(&self, account: &str) -> Finding {
        let (name, domain) = account.split_once('@').unwrap_or((account, ""));
        let project = domain.strip_suffix(".iam.gserviceaccount.com").or(self.project());
        let [name, project] = [name, project.unwrap_or("PROJECT")].map(shell_word);
        let found =
            self.found(Check::SenderAccountMissing, format!("there is no account {account}"));
        let command = format!("gcloud iam service-accounts create {name} --project={project}");
        found.mended_by(command)
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

/// What lets a sender's service agent mint for its account, with words for names.
pub(crate) fn let_mint(sender: Sender) -> String {
    let (agent, _) = agent(sender);
    let member = format!("serviceAccount:service-PROJECT_NUMBER@{agent}.iam.gserviceaccount.com");
    commands::let_mint("SERVICE_ACCOUNT_EMAIL", &member)
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
