//! Hosts of Cloud Run's services, which tell service and region.

use super::services::region_of;

/// Where Cloud Run's services are.
pub(super) const RUN_SUFFIX: &str = ".run.app";

/// A host that Cloud Run gives a service, in one of its two forms:
/// `[TAG---]SERVICE-NUMBER.REGION.run.app` or `[TAG---]SERVICE-HASH-RC.a.run.app`
/// (Cloud Run, "Invoke with an HTTPS request"; the abbreviations of regions are not
/// documented as a list).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunHost<'h> {
    /// The service with its project's number or hash: what stays the same from
    /// region to region, but for the abbreviation at the end of the older form.
    owner: &'h str,
    service: &'h str,
    tag: Option<&'h str>,
    location: &'h str,
    is_hashed: bool,
}

impl<'h> RunHost<'h> {
    /// Reads a host. None for what Cloud Run gives nobody.
    #[must_use]
    pub fn of(host: &'h str) -> Option<Self> {
        let name = host.strip_suffix(RUN_SUFFIX)?;
        let (first, location) = name.split_once('.')?;
        let (tag, first) =
            first.split_once("---").map_or((None, first), |(tag, rest)| (Some(tag), rest));
        if location.contains('.') || location.is_empty() {
            return None;
        }
        if location == "a" {
            let (owner, code) = first.rsplit_once('-')?;
            let (service, hash) = owner.rsplit_once('-')?;
            let is_one = hash.len() == 10 && !code.is_empty();
            return is_one.then_some(Self { owner, service, tag, location: code, is_hashed: true });
        }
        let (service, number) = first.rsplit_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(Self { owner: first, service, tag, location, is_hashed: false })
    }

    /// The host of a URL.
    #[must_use]
    pub fn of_url(url: &'h str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        Self::of(rest.split(['/', '?', ':']).next().unwrap_or(rest))
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &'h str {
        self.service
    }

    /// The traffic tag, which no audience has.
    #[must_use]
    pub fn tag(&self) -> Option<&'h str> {
        self.tag
    }

    /// The region, or in the older form its abbreviation where that is not known.
    #[must_use]
    pub fn region(&self) -> &'h str {
        if self.is_hashed {
            region_of(self.location).unwrap_or(self.location)
        } else {
            self.location
        }
    }

    /// The project's number, which the older form does not tell.
    #[must_use]
    pub fn project_number(&self) -> Option<&'h str> {
        let (_, number) = self.owner.rsplit_once('-')?;
        (!self.is_hashed).then_some(number)
    }

    /// The letters that stand for the project in the older form.
    #[must_use]
    pub fn hash(&self) -> Option<&'h str> {
        let (_, hash) = self.owner.rsplit_once('-')?;
        self.is_hashed.then_some(hash)
    }

    /// Whether that is the same service in another region, written alike.
    #[must_use]
    pub fn is_elsewhere(&self, other: &RunHost<'_>) -> bool {
        other.is_hashed == self.is_hashed
            && other.owner == self.owner
            && other.location != self.location
    }

    /// Whether that is the same service in the same region, with or without tags.
    #[must_use]
    pub fn is_same(&self, other: &RunHost<'_>) -> bool {
        other.is_hashed == self.is_hashed
            && other.owner == self.owner
            && other.location == self.location
    }

    /// Whether that may be the same service in the same region, written in the other
    /// form. Nothing in the forms says that the projects are the same.
    #[must_use]
    pub fn may_be(&self, other: &RunHost<'_>) -> bool {
        other.is_hashed != self.is_hashed
            && other.service == self.service
            && other.region() == self.region()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_tell_service_and_region() {
        let number = RunHost::of("orders-123456789012.europe-west1.run.app").unwrap();
        let hash = RunHost::of_url("https://orders-abcdefghij-ew.a.run.app/push").unwrap();
        for host in [number, hash] {
            assert_eq!((host.service(), host.region()), ("orders", "europe-west1"));
        }
        assert_eq!((number.project_number(), number.hash()), (Some("123456789012"), None));
        assert_eq!((hash.project_number(), hash.hash()), (None, Some("abcdefghij")));
        assert!(number.may_be(&hash) && hash.may_be(&number) && !number.may_be(&number));
        assert!(!number.is_elsewhere(&hash));
        let tagged = RunHost::of("green---my-orders-1.us-east1.run.app").unwrap();
        assert_eq!((tagged.tag(), tagged.service()), (Some("green"), "my-orders"));
        assert_eq!(RunHost::of("orders-abcdefghij-zz.a.run.app").unwrap().region(), "zz");
    }

    #[test]
    fn what_cloud_run_gives_nobody_is_none() {
        for host in
            ["orders.example.com", "orders.a.run.app", "orders.us-central1.run.app", "run.app"]
        {
            assert_eq!(RunHost::of(host), None, "{host}");
        }
    }
}
