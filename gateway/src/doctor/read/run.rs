//! Reading services of Cloud Run
//! (<https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services>;
//! names and values as in its discovery document, `run-api.json` of
//! googleapis/google-api-go-client).

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::{Client, RUN};
use crate::config::Region;
use crate::doctor::facts::{Behind, Ingress, Place, Project, Read, RunService};
use crate::doctor::place::{Named, is_location, named};
use crate::doctor::policy::{Binding, Policy};
use crate::percent::encoded;

/// What was found of a region's service.
pub(super) struct Found {
    pub(super) place: Option<Place>,
    pub(super) run: Read<RunService>,
    pub(super) policy: Read<Policy>,
    pub(super) elsewhere: Option<(Place, RunService)>,
}

/// Looks for the service behind a region: in the project that its URL names, and
/// if it is not there, in `own`, since the number may be mistyped.
pub(super) async fn read(
    client: &Client,
    region: &Region,
    own: &Project,
    others: &BTreeMap<String, Project>,
) -> Found {
    let nothing = |why: &str| Found {
        place: None,
        run: Read::Unread(why.into()),
        policy: Read::Unread(why.into()),
        elsewhere: None,
    };
    let Some(Named { project: of_url, service, location }) = named(region) else {
        return nothing("its URL does not tell");
    };
    let project = match &of_url {
        Some(name) if !own.is_named(name) => others.get(name).and_then(|it| it.name.clone()),
        _ => own.name.clone(),
    };
    let Some(project) = project.or(of_url) else {
        return nothing("the project is not known: say --project");
    };
    let mut place = Place { project, service, location };
    let mut run = get(client, &place).await;
    if let (None, Some(name)) = (run.is(), own.name.as_ref().filter(|it| **it != place.project)) {
        let here = Place { project: name.clone(), ..place.clone() };
        let found = get(client, &here).await;
        // What may not be read there says nothing of what was asked for first.
        if found.is().is_some() || found == Read::Missing {
            (place, run) = (here, found);
        }
    }
    let mut elsewhere = None;
    let by_name = Some(&*region.name).filter(|name| is_location(name) && **name != *place.location);
    if let (Read::Missing, Some(name)) = (&run, by_name) {
        let other = Place { location: name.to_owned(), ..place.clone() };
        elsewhere = get(client, &other).await.is().cloned().map(|run| (other, run));
    }
    let policy = match run.is() {
        Some(_) => policy_of(client, &place).await,
        None => Read::Missing,
    };
    Found { place: Some(place), run, policy, elsewhere }
}

fn path(place: &Place) -> String {
    let Place { project, service, location } = place;
    let [project, service, location] =
        [project, service, location].map(|name| encoded(name.as_bytes()));
    format!("/v2/projects/{project}/locations/{location}/services/{service}")
}

async fn get(client: &Client, place: &Place) -> Read<RunService> {
    client.get(RUN, &path(place)).await.map(|it| service(&it))
}

async fn policy_of(client: &Client, place: &Place) -> Read<Policy> {
    client.policy_by_get(RUN, &path(place)).await.map(|it| policy(&it))
}

/// A service whose place is known.
pub(super) async fn behind(client: &Client, place: Place) -> Behind {
    let (run, policy) = tokio::join!(get(client, &place), policy_of(client, &place));
    Behind { place, run, policy }
}

fn service(document: &Value) -> RunService {
    let texts = |name| {
        let list = document.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let flag = |name| document.get(name).and_then(Value::as_bool).unwrap_or_default();
    let text = |name| document.get(name).and_then(Value::as_str);
    let mut urls = texts("urls");
    // Older answers have this one alone.
    urls.extend(text("uri").map(str::to_owned).filter(|uri| !urls.contains(uri)));
    RunService {
        urls,
        custom_audiences: texts("customAudiences"),
        ingress: match text("ingress") {
            Some("INGRESS_TRAFFIC_INTERNAL_ONLY") => Ingress::InternalOnly,
            Some("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER") => Ingress::InternalAndLoadBalancing,
            Some("INGRESS_TRAFFIC_NONE") => Ingress::Nobody,
            _ => Ingress::All,
        },
        invoker_iam_disabled: flag("invokerIamDisabled"),
        default_uri_disabled: flag("defaultUriDisabled"),
        iap_enabled: flag("iapEnabled"),
    }
}

/// A policy of IAM (<https://cloud.google.com/iam/docs/reference/rest/v1/Policy>).
pub(super) fn policy(document: &Value) -> Policy {
    let bindings = document.get("bindings").and_then(Value::as_array).into_iter().flatten();
    let pairs = bindings.flat_map(|binding| {
        let role = binding.get("role").and_then(Value::as_str).unwrap_or_default();
        let condition = binding.pointer("/condition/expression").and_then(Value::as_str);
        let members = binding.get("members").and_then(Value::as_array).into_iter().flatten();
        members.filter_map(Value::as_str).map(move |member| Binding {
            role: role.to_owned(),
            member: member.to_owned(),
            condition: condition.map(str::to_owned),
        })
    });
    Policy(pairs.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_is_read_with_what_counts_by_default() {
        let read = service(&json!({ "uri": "https://a", "urls": ["https://b", "https://a"] }));
        assert_eq!(read.urls, ["https://b", "https://a"]);
        assert_eq!(read, RunService { urls: read.urls.clone(), ..RunService::default() });
        let read = service(&json!({
            "uri": "https://a",
            "ingress": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
            "customAudiences": ["c"],
            "iapEnabled": true, "invokerIamDisabled": true, "defaultUriDisabled": true,
        }));
        assert_eq!(read.audiences(), ["https://a", "https://a/", "c"]);
        assert_eq!(read.ingress, Ingress::InternalAndLoadBalancing);
        assert!(read.iap_enabled && read.invoker_iam_disabled && read.default_uri_disabled);
    }

    #[test]
    fn a_policy_is_read_member_by_member() {
        let read = policy(&json!({ "bindings": [
            { "role": "r", "members": ["user:a@b", "c"], "condition": { "expression": "false" } },
        ] }));
        let binding = |member: &str| Binding {
            role: "r".to_owned(),
            member: member.to_owned(),
            condition: Some("false".to_owned()),
        };
        assert_eq!(read, Policy(["user:a@b", "c"].map(binding).into()));
        assert_eq!(policy(&json!({})), Policy::default());
    }
}
