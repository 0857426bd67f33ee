//! Where the gateway runs.

use std::sync::Arc;

use remint_idtoken::config::{Object, Reader};

use super::identity::Identities;
use super::{Environment, HostPort};

/// The region in which the gateway runs: services are called there first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locality {
    /// It does not matter.
    Anywhere,
    /// This one.
    Region(Arc<str>),
    /// The metadata server at this host knows it.
    Ask(HostPort),
}

/// Without `region` the metadata server is asked on Cloud Run, which says with
/// `K_SERVICE` that it is there.
pub(super) fn read(
    object: &mut Object<'_>,
    identities: &Identities<'_>,
    environment: &Environment,
) -> Option<Locality> {
    let given = object.maybe("region", Reader::text)?;
    let asks = given == Some("auto") || given.is_none() && environment.is_cloud_run;
    match given {
        _ if asks => match identities.metadata_host() {
            Ok(host) => Some(Locality::Ask(host)),
            Err(problem) => {
                object.reader().problem(problem);
                None
            }
        },
        Some(name) => Some(Locality::Region(name.into())),
        None => Some(Locality::Anywhere),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::GOOD;
    use super::*;
    use std::path::Path;

    fn read(before: &str, is_cloud_run: bool) -> Locality {
        let environment = Environment { is_cloud_run, ..Environment::default() };
        let text = format!("{before}\n{GOOD}");
        Config::read(&text, Path::new(""), &environment).unwrap().locality
    }

    #[test]
    fn the_region_is_asked_for_on_cloud_run_or_where_the_configuration_says_so() {
        let host = HostPort::parse("metadata.google.internal", Some(80)).unwrap();
        assert_eq!(read("", false), Locality::Anywhere);
        assert_eq!(read("", true), Locality::Ask(host.clone()));
        assert_eq!(read("region: auto", false), Locality::Ask(host));
        let of = |identity: &str| {
            let text = format!("region: auto\nidentity: {identity}\n{GOOD}");
            let text = text.replace("identity:\n  metadata: {}\n", "");
            Config::read(&text, Path::new(""), &Environment::default()).unwrap().locality
        };
        let other = Locality::Ask(HostPort::parse("127.0.0.1:81", None).unwrap());
        let metadata = "{ metadata: { host: \"127.0.0.1:81\" } }";
        assert_eq!(of(metadata), other);
        let target = format!("{{ impersonate: {{ service_account: a@p, source: {metadata} }} }}");
        assert_eq!(of(&target), other);
        let named = Locality::Region("us-central1".into());
        assert_eq!(read("region: us-central1", true), named);
    }
}
