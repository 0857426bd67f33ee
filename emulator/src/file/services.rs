//! Services and their regions.

use remint_idtoken::config::Reader;

use super::values::{audience, invoker, list, name, port, text_if};
use super::{backend, put};
use crate::config::{Ingress, Kind, Service, ServiceRegion, is_name};

const KINDS: [(&str, Kind); 2] = [("cloud_run", Kind::CloudRun), ("function", Kind::Function)];

const INGRESSES: [(&str, Ingress); 3] = [
    ("all", Ingress::All),
    ("internal", Ingress::Internal),
    ("internal-and-cloud-load-balancing", Ingress::InternalAndLoadBalancing),
];

pub(super) fn read(from: &Reader<'_>) -> Option<Vec<Service>> {
    let services = list(from, read_service)?;
    from.distinct("service", services.iter().map(|service| service.name.as_str()));
    Some(services)
}

fn read_service(from: &Reader<'_>) -> Option<Service> {
    let mut object = from.object()?;
    let name = object.need("name").and_then(|it| name(&it));
    let regions = object.need("regions").and_then(|it| read_regions(&it));
    let mut service = Service::default();
    put(&mut object, "kind", |it| it.choice(&KINDS), &mut service.kind);
    put(&mut object, "invokers", invokers, &mut service.invokers);
    put(&mut object, "custom_audiences", audiences, &mut service.custom_audiences);
    let disabled = &mut service.invoker_iam_disabled;
    put(&mut object, "invoker_iam_disabled", Reader::flag, disabled);
    put(&mut object, "ingress", ingress, &mut service.ingress);
    put(&mut object, "tags", read_tags, &mut service.tags);
    put(&mut object, "concurrency", |it| concurrency(it).map(Some), &mut service.concurrency);
    put(&mut object, "backend", backend::read, &mut service.backend);
    object.finish();
    Some(Service { name: name?, regions: regions?, ..service })
}

fn read_regions(from: &Reader<'_>) -> Option<Vec<ServiceRegion>> {
    let regions = from.list(read_region)?;
    from.distinct("region", regions.iter().map(|region| region.name.as_str()));
    Some(regions)
}

/// A region that differs in nothing is its name.
fn read_region(from: &Reader<'_>) -> Option<ServiceRegion> {
    if !from.is_mapping() {
        return name(from).map(|name| ServiceRegion::new(&name));
    }
    let mut object = from.object()?;
    let name = object.need("name").and_then(|it| name(&it));
    let mut region = ServiceRegion::default();
    put(&mut object, "invokers", |it| invokers(it).map(Some), &mut region.invokers);
    let own_audiences = |it: &Reader<'_>| audiences(it).map(Some);
    put(&mut object, "custom_audiences", own_audiences, &mut region.custom_audiences);
    put(&mut object, "ingress", |it| ingress(it).map(Some), &mut region.ingress);
    put(&mut object, "backend", |it| backend::read(it).map(Some), &mut region.backend);
    put(&mut object, "port", port, &mut region.port);
    object.finish();
    Some(ServiceRegion { name: name?, ..region })
}

fn invokers(from: &Reader<'_>) -> Option<Vec<String>> {
    list(from, invoker)
}

fn audiences(from: &Reader<'_>) -> Option<Vec<String>> {
    list(from, audience)
}

fn ingress(from: &Reader<'_>) -> Option<Ingress> {
    from.choice(&INGRESSES)
}

fn read_tags(from: &Reader<'_>) -> Option<Vec<String>> {
    let what = "tag: use a-z, 0-9 and -, with a letter first and no - last";
    // Three hyphens end the tag in a host.
    let is_tag = |text: &str| is_name(text) && !text.contains("---");
    let tags = list(from, |tag| text_if(tag, is_tag, what))?;
    from.distinct("tag", tags.iter().map(String::as_str));
    Some(tags)
}

/// Cloud Run allows up to 1000 requests at an instance, of which there may be
/// many.
fn concurrency(from: &Reader<'_>) -> Option<u32> {
    from.whole_within(1, 1_000_000).and_then(|number| u32::try_from(number).ok())
}
