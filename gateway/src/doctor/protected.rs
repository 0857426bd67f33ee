//! What IAP's assertions are for, as their audience names it.

/// A backend service behind IAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protected<'a> {
    /// The number of its project.
    pub(crate) project: &'a str,
    /// Its own number.
    pub(crate) id: &'a str,
}

/// The backend service of an audience
/// `/projects/NUMBER/global/backendServices/ID` (IAP, "Securing your app with
/// signed headers"); of a regional one the region is in the middle. IAP that is
/// on a service of Cloud Run or App Engine itself names no backend service.
pub(crate) fn protected(audience: &str) -> Option<Protected<'_>> {
    let parts: Vec<&str> = audience.strip_prefix("/projects/")?.split('/').collect();
    match parts.as_slice() {
        [project, .., "backendServices", id] => Some(Protected { project, id }),
        _ => None,
    }
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
    fn only_backend_services_are_found() {
        let found = protected("/projects/12/global/backendServices/34");
        assert_eq!(found, Some(Protected { project: "12", id: "34" }));
        assert_eq!(protected(&audience(12, "34")), found);
        assert_eq!(protected("/projects/12/regions/r/backendServices/34"), found);
        for other in
            ["/projects/12/apps/a", "/projects/12/locations/r/services/s", "https://a.example", ""]
        {
            assert_eq!(protected(other), None, "{other}");
        }
    }
}
