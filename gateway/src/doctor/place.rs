//! What the URL of a region tells of the service behind it.

use remint_idtoken::policy::RunHost;

use crate::config::{Kind, Region};

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The project's number, or of a function its id.
    pub(crate) project: Option<String>,
    pub(crate) service: String,
    pub(crate) location: String,
}

/// The service behind a region, if its URL tells. The older form of URLs,
/// `SERVICE-HASH-RC.a.run.app`, abbreviates the region: there the region's name
/// counts, if it looks like one of Google's.
pub(crate) fn named(region: &Region) -> Option<Named> {
    let host = region.origin.host();
    match region.kind {
        Kind::CloudFunction => function(host, &region.base_path),
        Kind::CloudRun | Kind::Iap | Kind::Other => run(host, &region.name),
    }
}

fn run(host: &str, region_name: &str) -> Option<Named> {
    let host = RunHost::of(host)?;
    let project = host.project_number();
    let location = if project.is_some() { host.region() } else { region_name };
    is_location(location).then(|| Named {
        project: project.map(str::to_owned),
        service: host.service().to_owned(),
        location: location.to_owned(),
    })
}

/// `REGION-PROJECT.cloudfunctions.net/NAME`; names of regions have one hyphen.
fn function(host: &str, path: &str) -> Option<Named> {
    let name = host.strip_suffix(".cloudfunctions.net")?;
    let (at, _) = name.match_indices('-').nth(1)?;
    let (location, project) = name.split_at_checked(at)?;
    let service = path.split('/').nth(1).filter(|name| !name.is_empty())?;
    is_location(location).then(|| Named {
        project: Some(project.trim_start_matches('-').to_owned()),
        service: service.to_owned(),
        location: location.to_owned(),
    })
}

/// Whether a name is like those of Google's regions: `us-central1`.
pub(crate) fn is_location(name: &str) -> bool {
    let Some((area, rest)) = name.split_once('-') else { return false };
    let place = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    is_word(area) && is_word(place) && place.len() < rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(host: &str, name: &str) -> Option<(Option<String>, String, String)> {
        run(host, name).map(|it| (it.project, it.service, it.location))
    }

    #[test]
    fn both_forms_of_run_s_urls_are_read() {
        let owned = |project: Option<&str>| {
            (project.map(str::to_owned), "my-orders".to_owned(), "us-east1".to_owned())
        };
        let new = found("my-orders-12.us-east1.run.app", "x");
        assert_eq!(new, Some(owned(Some("12"))));
        let tagged = found("green---my-orders-12.us-east1.run.app", "x");
        assert_eq!(tagged, Some(owned(Some("12"))));
        let old = found("my-orders-abcdefghij-ue.a.run.app", "us-east1");
        assert_eq!(old, Some(owned(None)));
        assert_eq!(found("my-orders-abcdefghij-ue.a.run.app", "primary"), None);
        for host in ["orders.example.com", "orders.us-east1.run.app", "a.run.app", "127.0.0.1"] {
            assert_eq!(found(host, "us-east1"), None, "{host}");
        }
    }

    #[test]
    fn a_function_s_url_names_region_project_and_function() {
        let named = function("europe-west1-my-project.cloudfunctions.net", "/orders").unwrap();
        assert_eq!(named.project.as_deref(), Some("my-project"));
        assert_eq!((&*named.service, &*named.location), ("orders", "europe-west1"));
        assert_eq!(function("orders.example", "/orders"), None);
    }

    #[test]
    fn regions_are_told_from_other_names() {
        for name in ["us-central1", "northamerica-northeast2", "europe-west12"] {
            assert!(is_location(name), "{name}");
        }
        for name in ["us", "r0", "primary-region", "us-1", "US-east1", "us-east-1", ""] {
            assert!(!is_location(name), "{name}");
        }
    }
}
