//! The roles that an impersonation needs.

use std::fmt;

use super::{AccessSource, Impersonation};

const TOKEN_CREATOR: &str = "roles/iam.serviceAccountTokenCreator";
const ID_TOKEN_CREATOR: &str = "roles/iam.serviceAccountOpenIdTokenCreator";
const WORKLOAD_USER: &str = "roles/iam.workloadIdentityUser";

/// Stands for the account that the metadata server has tokens of.
pub(crate) const ACCOUNT_OF_THIS_MACHINE: &str = "ACCOUNT_OF_THIS_MACHINE";
/// Stands for the person whose credentials gcloud keeps.
pub(crate) const YOUR_ADDRESS: &str = "YOUR_ADDRESS";

/// A role that somebody must have on a service account. Shown as the command
/// that grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account that the role is granted on.
    pub account: String,
    /// Who is granted it, as IAM writes members.
    pub member: String,
    /// The role.
    pub role: &'static str,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, member, role } = self;
        // A pool's name comes from a file: nothing of it may reach the shell.
        let member = member.replace('\'', r"'\''");
        write!(
            f,
            "gcloud iam service-accounts add-iam-policy-binding {account} \
             --member='{member}' --role={role}"
        )
    }
}

impl Impersonation {
    /// What its ID tokens take, from the source on.
    #[must_use]
    pub fn id_token_grants(&self) -> Vec<Grant> {
        self.grants(ID_TOKEN_CREATOR)
    }

    /// The same for its access tokens.
    #[must_use]
    pub fn access_token_grants(&self) -> Vec<Grant> {
        self.grants(TOKEN_CREATOR)
    }

    /// All that its ID tokens take: what the accounts take that it begins
    /// with, then what it takes itself.
    #[must_use]
    pub fn all_grants(&self) -> Vec<Grant> {
        let mut source = &self.source;
        let mut all = self.id_token_grants();
        while let AccessSource::Impersonated(inner) = source {
            all.splice(0..0, inner.access_token_grants());
            source = &inner.source;
        }
        all
    }

    /// Each account of a chain needs the Token Creator's role on the next one
    /// (IAM Credentials API, "delegates").
    fn grants(&self, single: &'static str) -> Vec<Grant> {
        let is_external = matches!(self.source, AccessSource::External(_));
        let role = match self.delegates.is_empty() {
            true if is_external => WORKLOAD_USER,
            true => single,
            false => TOKEN_CREATOR,
        };
        let of = |account: &String| format!("serviceAccount:{account}");
        let members = std::iter::once(self.source.member()).chain(self.delegates.iter().map(of));
        let accounts = self.delegates.iter().chain([&self.account]);
        let pairs = members.zip(accounts);
        pairs.map(|(member, account)| Grant { account: account.clone(), member, role }).collect()
    }
}

impl AccessSource {
    /// Who it is, as IAM writes members; in capitals what only its operator
    /// knows.
    fn member(&self) -> String {
        match self {
            Self::Metadata { .. } => format!("serviceAccount:{ACCOUNT_OF_THIS_MACHINE}"),
            Self::Key(key) => format!("serviceAccount:{}", key.email),
            Self::User(_) => format!("user:{YOUR_ADDRESS}"),
            Self::Impersonated(inner) => format!("serviceAccount:{}", inner.account),
            Self::External(external) => {
                let pool = external.audience.split("/providers/").next().unwrap_or_default();
                format!("principalSet:{pool}/*")
            }
        }
    }
}
