//! What IAP's assertions are for, as their audience names it.

/// What is behind IAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Protected<'a> {
    /// The number of its project.
    pub(crate) project: &'a str,
    pub(crate) what: What<'a>,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What<'a> {
    /// A backend service of a load balancer, by its number.
    Backend(&'a str),
    /// A service of Cloud Run on which IAP is itself.
    Run { location: &'a str, service: &'a str },
}

/// What an audience names: `/projects/NUMBER/global/backendServices/ID` or
/// `/projects/NUMBER/locations/REGION/services/NAME` (IAP, "Securing your app with
/// signed headers"). App Engine, which has a third form, is not looked at.
pub(crate) fn protected(audience: &str) -> Option<Protected<'_>> {
    let parts: Vec<&str> = audience.strip_prefix("/projects/")?.split('/').collect();
    let (project, what) = match parts.as_slice() {
        [project, "global", "backendServices", id] => (project, What::Backend(id)),
        [project, "locations", location, "services", service] => {
            (project, What::Run { location, service })
        }
        _ => return None,
    };
    Some(Protected { project, what })
}

/// The audience of assertions for a global backend service.
pub(crate) fn audience(project: u64, id: &str) -> String {
    format!("/projects/{project}/global/backendServices/{id}")
}

/// Whether an audience is an OAuth client's.
pub(crate) fn is_client(audience: &str) -> bool {
    audience.ends_with(".apps.googleusercontent.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_services_and_services_of_cloud_run_are_told_apart() {
        let found = protected("/projects/12/global/backendServices/34");
        assert_eq!(found, Some(Protected { project: "12", what: What::Backend("34") }));
        assert_eq!(protected(&audience(12, "34")), found);
        let found = protected("/projects/12/locations/r/services/s");
        let what = What::Run { location: "r", service: "s" };
        assert_eq!(found, Some(Protected { project: "12", what }));
        for other in ["/projects/12/apps/a", "/projects/12/backendServices/34", "https://a", ""] {
            assert_eq!(protected(other), None, "{other}");
        }
    }
}
