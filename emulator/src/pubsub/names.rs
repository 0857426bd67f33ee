//! Names of resources, and the errors that speak of them.

use tonic::Status;

/// What stands in place of a deleted topic's name (Pub/Sub,
/// `Subscription.topic`).
pub(super) const DELETED_TOPIC: &str = "_deleted-topic_";

/// A collection of resources in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    Topics,
    Subscriptions,
}

impl Collection {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Subscriptions => "subscriptions",
        }
    }

    /// The whole name; one that is short is of that project.
    pub(crate) fn in_project(self, project: &str, name: &str) -> String {
        match name.contains('/') {
            true => name.to_owned(),
            false => format!("projects/{project}/{}/{name}", self.name()),
        }
    }

    /// The project and the short name, if that is a name of this collection
    /// (<https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names>).
    pub(crate) fn parse(self, name: &str) -> Result<(&str, &str), Status> {
        let parts = || {
            let (project, rest) = name.strip_prefix("projects/")?.split_once('/')?;
            let short = rest.strip_prefix(self.name())?.strip_prefix('/')?;
            (!project.is_empty() && is_short_name(short)).then_some((project, short))
        };
        parts().ok_or_else(|| {
            Status::invalid_argument(format!(
                "Invalid resource name given (name={name}). Refer to https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names for more information."
            ))
        })
    }
}

fn is_short_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte);
    (3..=255).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(allowed)
        && !name.starts_with("goog")
}

fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

pub(super) fn not_found(name: &str) -> Status {
    Status::not_found(format!("Resource not found (resource={}).", short(name)))
}

pub(super) fn already_exists(name: &str) -> Status {
    let name = short(name);
    Status::already_exists(format!("Resource already exists in the project (resource={name})."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_pub_sub_s() {
        let topics = Collection::Topics;
        assert_eq!(topics.parse("projects/p/topics/a-B_c.1").unwrap(), ("p", "a-B_c.1"));
        for bad in [
            "",
            "orders",
            "projects/p/topics/ab",
            "projects/p/topics/1abc",
            "projects//topics/abc",
            "projects/p/topics/goog-x",
            "projects/p/topics/a/b",
            "projects/p/subscriptions/abc",
        ] {
            let error = topics.parse(bad).unwrap_err();
            assert_eq!(error.code(), tonic::Code::InvalidArgument, "{bad}");
        }
        assert_eq!(topics.in_project("p", "orders"), "projects/p/topics/orders");
        assert_eq!(topics.in_project("p", "projects/q/topics/x"), "projects/q/topics/x");
    }

    #[test]
    fn errors_name_the_resource_as_pub_sub_does() {
        let message = not_found("projects/p/topics/orders").message().to_owned();
        assert_eq!(message, "Resource not found (resource=orders).");
    }
}
