//! Services and their regions.

use std::sync::Arc;

use remint_idtoken::Policy;
use remint_idtoken::config::Reader;

use super::{Origin, Region, Service, connections, routes};

/// Which regions were tried is kept in one word.
pub(crate) const MAX_REGIONS: usize = 64;

pub(super) fn read(from: &Reader<'_>, policy: Option<&Policy>) -> Option<Vec<Service>> {
    let services = from.list(|service| read_service(service, policy))?;
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

fn read_service(from: &Reader<'_>, policy: Option<&Policy>) -> Option<Service> {
    let mut object = from.object()?;
    let name = object.need("name").and_then(|name| shared(&name));
    let routes = object.need("rules").and_then(|list| list.list(|rule| routes::read(rule, policy)));
    let regions = object.need("regions").and_then(|list| read_regions(&list));
    object.finish();
    Some(Service { name: name?, routes: routes?, regions: regions? })
}

fn read_regions(from: &Reader<'_>) -> Option<Vec<Region>> {
    let regions = from.list(read_region)?;
    if regions.len() > MAX_REGIONS {
        from.problem(format!("must not be more than {MAX_REGIONS}"));
    }
    from.distinct("name", regions.iter().map(|region| &*region.name));
    let urls: Vec<String> = regions.iter().map(|region| region.origin.to_string()).collect();
    from.distinct("url", urls.iter().map(String::as_str));
    Some(regions)
}

fn read_region(from: &Reader<'_>) -> Option<Region> {
    let mut object = from.object()?;
    let name = object.need("name").and_then(|name| shared(&name));
    let allow_plaintext = object.maybe("allow_plaintext", Reader::flag);
    let is_allowed = allow_plaintext.flatten().unwrap_or_default();
    let origin = object.need("url").and_then(|url| read_origin(&url, is_allowed));
    let audience = object.maybe("audience", read_audience);
    let protocol = object.maybe("protocol", connections::protocol);
    object.finish();
    let (name, origin) = (name?, origin?);
    let audience = audience?.unwrap_or_else(|| origin.audience().into());
    Some(Region { name, origin, audience, protocol: protocol?.unwrap_or_default() })
}

/// Who reads a region's token on the way can use it until it expires.
fn read_origin(from: &Reader<'_>, allow_plaintext: bool) -> Option<Origin> {
    let origin = from.parsed(Origin::parse)?;
    if !origin.is_private() && !allow_plaintext {
        from.problem(format!(
            "{:?}: tokens would travel in clear text; use https://, or say \"allow_plaintext: true\"",
            origin.to_string()
        ));
        return None;
    }
    Some(origin)
}

fn read_audience(from: &Reader<'_>) -> Option<Arc<str>> {
    from.parsed(|text| match text.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(Arc::from(text)),
        false => Err(format!("{text:?} is no audience: it is compared letter by letter")),
    })
}

fn shared(from: &Reader<'_>) -> Option<Arc<str>> {
    from.text().map(Arc::from)
}
