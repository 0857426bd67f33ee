//! Triggers of Eventarc.

/// A trigger: which events go where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The name, without project and location.
    pub name: String,
    /// The location, such as `us-central1`.
    pub location: String,
    /// What an event must have, attribute and value; `type` must be there.
    pub filters: Vec<(String, String)>,
    /// Whose token it sends; by default that of the project's Compute Engine
    /// account.
    pub service_account: Option<String>,
    /// Where events go.
    pub destination: Destination,
    /// The Pub/Sub topic that events come by, by either form of its name. A
    /// trigger for published messages is for those of this topic. Without it
    /// the trigger has a topic of its own.
    pub topic: Option<String>,
    /// The channel whose events it is for, by its resource name; without it
    /// those of Google's services.
    pub channel: Option<String>,
}

/// Where a trigger's events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A service of this project.
    CloudRun {
        /// Its name.
        service: String,
        /// Its region.
        region: String,
        /// The path; `/` for the root.
        path: String,
    },
    /// Any URL that a sender reaches.
    Http {
        /// The URL; it is the token's audience too.
        uri: String,
    },
}
