//! Services and their regions.

use remint_idtoken::Policy;
use remint_idtoken::config::Reader;

use super::attempts::{self, Given};
use super::identity::Identities;
use super::{Region, Service, TokenHeader, outlier, region, routes, shared, telling};

/// Which regions were tried is kept in one word.
pub(crate) const MAX_REGIONS: usize = 64;

pub(super) fn read(
    from: &Reader<'_>,
    policy: Option<&Policy>,
    identities: &Identities<'_>,
) -> Option<Vec<Service>> {
    let services = from.list(|service| read_service(service, policy, identities))?;
    from.distinct("service", services.iter().map(|service| &*service.name));
    let routes = services.iter().flat_map(|service| &service.routes);
    let claimed: Vec<&str> = routes.map(|route| &*route.rule).collect();
    from.distinct("rule", claimed.iter().copied());
    for rule in policy.map(Policy::rules).unwrap_or_default() {
        if !claimed.contains(&&**rule.name()) {
            from.problem(format!(
                "the policy's rule {:?} belongs to no service: name it in one's \"rules\"",
                rule.name()
            ));
        }
    }
    Some(services)
}

fn read_service(
    from: &Reader<'_>,
    policy: Option<&Policy>,
    identities: &Identities<'_>,
) -> Option<Service> {
    let mut object = from.object()?;
    let name = object.need("name").and_then(|name| shared(&name));
    let attempts = Given::of_service(&mut object);
    let budget = object.maybe("retry_budget", attempts::retry_budget);
    let for_all = attempts.unwrap_or_default();
    let route = |rule: &Reader<'_>| routes::read(rule, policy, for_all);
    let routes = object.need("rules").and_then(|list| list.list(route));
    let identity = identities.of_service(&mut object);
    let headers = telling::read_headers(&mut object);
    let (token_header, host) = headers.unwrap_or_default();
    let regions = object.need("regions").and_then(|list| read_regions(&list, token_header));
    let outlier = outlier::read_outlier(&mut object);
    let probe = outlier::read_probe(&mut object);
    object.finish();
    let (routes, regions) = (routes?, regions?);
    telling::check(from, policy, &routes, &regions);
    attempts.and(headers)?;
    Some(Service {
        name: name?,
        routes,
        identity: identity?,
        regions,
        host,
        retry_budget: budget?.unwrap_or_default(),
        outlier: outlier?,
        probe: probe?,
    })
}

fn read_regions(from: &Reader<'_>, token_header: TokenHeader) -> Option<Vec<Region>> {
    let regions = from.list(|region| region::read(region, token_header))?;
    if regions.len() > MAX_REGIONS {
        from.problem(format!("must not be more than {MAX_REGIONS}"));
    }
    from.distinct("name", regions.iter().map(|region| &*region.name));
    let urls: Vec<String> = regions.iter().map(Region::url).collect();
    from.distinct("url", urls.iter().map(String::as_str));
    Some(regions)
}
