//! The section `load_balancers`.

use remint_idtoken::config::Reader;

use super::values::{audience, email, host, list, name, number, port};
use crate::config::{Iap, IapIdentity, LoadBalancer, Picking};

/// Reads a list of
///
/// ```yaml
/// load_balancers:
///   - host: orders.example.com
///     port: 8443            # any free one without it
///     service: orders
///     picking: nearest      # or e.g. {us-central1: 3, europe-west1: 1}
///     iap:
///       enabled: true       # false keeps the rest, and asks nobody
///       client_id: 123-abc.apps.googleusercontent.com
///       backend_service: "4182736450918273645"
///       users: [user@example.com]
///       identity: service_agent   # or client_id
/// ```
pub(super) fn read(from: &Reader<'_>) -> Option<Vec<LoadBalancer>> {
    let balancers = list(from, read_one)?;
    from.distinct("host", balancers.iter().map(|it| it.host.as_str()));
    Some(balancers)
}

fn read_one(from: &Reader<'_>) -> Option<LoadBalancer> {
    let mut object = from.object()?;
    let host = object.need("host").and_then(|it| host::name(&it));
    let port = object.maybe("port", port);
    let service = object.need("service").and_then(|it| name(&it));
    let picking = object.maybe("picking", read_picking);
    let iap = object.maybe("iap", read_iap);
    object.finish();
    Some(LoadBalancer {
        host: host?,
        port: port?.unwrap_or(0),
        service: service?,
        picking: picking?.unwrap_or_default(),
        iap: iap?,
    })
}

fn read_picking(from: &Reader<'_>) -> Option<Picking> {
    if !from.is_mapping() {
        return from.choice(&[("nearest", ())]).map(|()| Picking::Nearest);
    }
    let weight = |(name, it): (&str, Reader<'_>)| {
        Some((name.to_owned(), u32::try_from(it.whole_within(0, 1_000_000)?).ok()?))
    };
    let weights: Vec<_> = from.object()?.entries().into_iter().map(weight).collect();
    let weights: Vec<(String, u32)> = weights.into_iter().collect::<Option<_>>()?;
    if weights.iter().all(|(_, weight)| *weight == 0) {
        from.problem("gives no region a weight");
        return None;
    }
    Some(Picking::Weighted(weights))
}

fn read_iap(from: &Reader<'_>) -> Option<Iap> {
    let mut object = from.object()?;
    let enabled = object.maybe("enabled", Reader::flag);
    let client_id = object.need("client_id").and_then(|it| audience(&it));
    let backend_service = object.need("backend_service").and_then(|it| number(&it));
    let users = object.need("users").and_then(|it| list(&it, email));
    let identities =
        [("service_agent", IapIdentity::ServiceAgent), ("client_id", IapIdentity::ClientId)];
    let identity = object.maybe("identity", |it| it.choice(&identities));
    object.finish();
    Some(Iap {
        enabled: enabled?.unwrap_or(true),
        client_id: client_id?,
        backend_service: backend_service?,
        users: users?,
        identity: identity?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use remint_idtoken::config::{Problem, yaml};

    use super::*;

    fn parsed(text: &str) -> Result<Vec<LoadBalancer>, Vec<String>> {
        let tell = |it: &Problem| format!("{}: {}", it.path, it.message);
        yaml::read(text, read).map_err(|all| all.iter().map(tell).collect())
    }

    #[test]
    fn everything_can_be_said() {
        let read = parsed(
            "
- host: Orders.example.com
  port: 8443
  service: orders
  picking: { us-central1: 3, europe-west1: 1 }
  iap:
    enabled: false
    client_id: 123-abc.apps.googleusercontent.com
    backend_service: \"4182736450918273645\"
    users: [user@example.com]
    identity: client_id
",
        );
        let weights = [("us-central1".to_owned(), 3), ("europe-west1".to_owned(), 1)];
        let expected = LoadBalancer {
            host: "orders.example.com".into(),
            port: 8443,
            service: "orders".into(),
            picking: Picking::Weighted(weights.into()),
            iap: Some(Iap {
                enabled: false,
                client_id: "123-abc.apps.googleusercontent.com".into(),
                backend_service: 4_182_736_450_918_273_645,
                users: vec!["user@example.com".into()],
                identity: IapIdentity::ClientId,
            }),
        };
        assert_eq!(read, Ok(vec![expected]));
    }

    #[test]
    fn little_has_to_be_said() {
        let [plain] =
            <[_; 1]>::try_from(parsed("[{host: a.example, service: s}]").unwrap()).unwrap();
        assert_eq!((plain.port, plain.picking, plain.iap), (0, Picking::Nearest, None));
        let iap = "{client_id: c, backend_service: 42, users: [u@example.com]}";
        let text = format!("[{{host: a.example, service: s, picking: nearest, iap: {iap}}}]");
        let iap = parsed(&text).unwrap().remove(0).iap.unwrap();
        assert_eq!((iap.backend_service, iap.identity), (42, IapIdentity::ServiceAgent));
        assert!(iap.enabled);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let problems = parsed(
            "
- host: https://a
  port: 65536
  service: orders
  picking: { us-central1: 0 }
- host: a.example
  service: orders
  picking: random
  iap:
    client_id: c
    backend_service: 4182736450918273645
    users: [everybody]
    identity: me
    admins: []
",
        );
        let problems = problems.unwrap_err();
        let places: Vec<_> = problems.iter().filter_map(|it| it.split(": ").next()).collect();
        let expected = [
            "[0].host",
            "[0].port",
            "[0].picking",
            "[1].picking",
            "[1].iap.backend_service",
            "[1].iap.users[0]",
            "[1].iap.identity",
            "[1].iap.admins",
        ];
        assert_eq!(places.len(), expected.len(), "{problems:#?}");
        assert!(expected.iter().all(|place| places.contains(place)), "{problems:#?}");
    }

    #[test]
    fn no_two_have_the_same_host() {
        let problems = parsed("[{host: a.b, service: s}, {host: A.b, service: t}]").unwrap_err();
        assert!(problems[0].contains("\"a.b\" occurs twice"), "{problems:?}");
    }
}
