//! The service agents of Google's senders.

/// A sender's own identity, which needs a role on the account that it pushes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// Pub/Sub's.
    PubSub,
    /// Cloud Tasks'.
    CloudTasks,
    /// Cloud Scheduler's.
    CloudScheduler,
    /// Eventarc's.
    Eventarc,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::PubSub, Self::CloudTasks, Self::CloudScheduler, Self::Eventarc];

    /// The sender's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PubSub => "Pub/Sub",
            Self::CloudTasks => "Cloud Tasks",
            Self::CloudScheduler => "Cloud Scheduler",
            Self::Eventarc => "Eventarc",
        }
    }

    /// Its usual role in a project, with which it may mint for accounts there
    /// (IAM, "Service agents").
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::PubSub => "roles/pubsub.serviceAgent",
            Self::CloudTasks => "roles/cloudtasks.serviceAgent",
            Self::CloudScheduler => "roles/cloudscheduler.serviceAgent",
            Self::Eventarc => "roles/eventarc.serviceAgent",
        }
    }

    /// Its address in a project (IAM, "Service agents").
    #[must_use]
    pub fn email(self, project_number: u64) -> String {
        let domain = match self {
            Self::PubSub => "gcp-sa-pubsub",
            Self::CloudTasks => "gcp-sa-cloudtasks",
            Self::CloudScheduler => "gcp-sa-cloudscheduler",
            Self::Eventarc => "gcp-sa-eventarc",
        };
        format!("service-{project_number}@{domain}.iam.gserviceaccount.com")
    }
}
