//! The commands that mend something, with the user's own values, each one a
//! word of the shell.

use std::collections::BTreeMap;

use remint_idtoken::{Sender, shell_word};

use super::facts::{BackendService, Place, Reader, SenderFacts};

fn run(verb: &str, place: &Place, rest: &str) -> String {
    let Place { project, service, location } = place;
    let [project, service, location] = [project, service, location].map(|it| shell_word(it));
    format!("gcloud run services {verb} {service} --region={location} --project={project} {rest}")
}

/// Shows the URLs and audiences of a service.
pub(super) fn describe(place: &Place) -> String {
    run("describe", place, "--format='value(urls,customAudiences)'")
}

/// Lists the services of a name, in all regions.
pub(super) fn list(place: &Place) -> String {
    let project = shell_word(&place.project);
    let filter = shell_word(&format!("metadata.name={}", place.service));
    format!("gcloud run services list --project={project} --filter={filter}")
}

pub(super) fn update(place: &Place, flag: &str) -> String {
    run("update", place, flag)
}

pub(super) fn add_custom_audiences(place: &Place, audiences: &[&str]) -> String {
    let audiences = shell_word(&audiences.join(","));
    run("update", place, &format!("--add-custom-audiences={audiences}"))
}

/// Adds custom audiences to a service in all these locations.
pub(super) fn add_custom_audiences_in(places: &[&Place], audiences: &[&str]) -> Vec<String> {
    let audiences = shell_word(&audiences.join(","));
    run_in(places, "update", &format!("--add-custom-audiences={audiences}"))
}

/// Lets somebody call a service in all these locations.
pub(super) fn bind_in(places: &[&Place], member: &str) -> Vec<String> {
    let rest = format!("--member={} --role=roles/run.invoker", shell_word(member));
    run_in(places, "add-iam-policy-binding", &rest)
}

/// One command for each service of a project: a loop over its locations.
fn run_in(places: &[&Place], verb: &str, rest: &str) -> Vec<String> {
    let mut by_service: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for place in places {
        let service = (place.project.as_str(), place.service.as_str());
        by_service.entry(service).or_default().push(shell_word(&place.location));
    }
    let command = |((project, service), locations): ((&str, &str), Vec<String>)| {
        let [project, service] = [project, service].map(shell_word);
        let locations = locations.join(" ");
        format!(
            "for region in {locations}; do gcloud run services {verb} {service} \
             --region=\"$region\" --project={project} {rest}; done"
        )
    };
    by_service.into_iter().map(command).collect()
}

pub(super) fn bind(place: &Place, is_added: bool, member: &str) -> String {
    let verb = if is_added { "add-iam-policy-binding" } else { "remove-iam-policy-binding" };
    run(verb, place, &format!("--member={} --role=roles/run.invoker", shell_word(member)))
}

/// Sends a region the same request, by hand.
pub(super) fn try_it(url: &str, audience: &str, account: Option<&str>) -> String {
    let token = account.map(|account| {
        let (account, audience) = (shell_word(account), shell_word(audience));
        format!(
            " --header \"Authorization: Bearer $(gcloud auth print-identity-token \
             --impersonate-service-account={account} --audiences={audience})\""
        )
    });
    let (token, url) = (token.unwrap_or_default(), shell_word(url));
    format!("curl --silent --show-error --include{token} {url}")
}

/// Lets somebody read things of a project.
pub(super) fn let_read(role: &str, project: &str, reader: &Reader) -> String {
    let member = match reader {
        Reader::Account(account) => shell_word(&format!("serviceAccount:{account}")),
        Reader::Person => "\"user:$(gcloud config get account)\"".to_owned(),
        Reader::Unknown => "PRINCIPAL".to_owned(),
    };
    let project = shell_word(project);
    format!("gcloud projects add-iam-policy-binding {project} --member={member} --role={role}")
}

/// Turns an API on, by its host.
pub(super) fn enable(api: &str, project: &str) -> String {
    format!("gcloud services enable {api} --project={}", shell_word(project))
}

fn project_flag(project: Option<&str>) -> String {
    project.map(|it| format!(" --project={}", shell_word(it))).unwrap_or_default()
}

/// Lists the backend services of a project with their IAP.
pub(super) fn list_backends(project: Option<&str>) -> String {
    let columns = "table(name,region,id,iap.enabled,iap.oauth2ClientId)";
    let project = project_flag(project);
    format!("gcloud compute backend-services list{project} --format='{columns}'")
}

/// Turns IAP on.
pub(super) fn enable_iap(backend: &BackendService, project: Option<&str>) -> String {
    let scope = match &backend.location {
        None => "--global".to_owned(),
        Some(location) => format!("--region={}", shell_word(location)),
    };
    let (name, project) = (shell_word(&backend.name), project_flag(project));
    format!("gcloud compute backend-services update {name} {scope}{project} --iap=enabled")
}

/// Has IAP let somebody through.
pub(super) fn let_through(backend: &BackendService, project: Option<&str>, member: &str) -> String {
    let region = backend.location.as_deref().map(|it| format!(" --region={}", shell_word(it)));
    let [name, member] = [backend.name.as_str(), member].map(shell_word);
    format!(
        "gcloud iap web add-iam-policy-binding --resource-type=backend-services \
         --service={name}{}{} --member={member} --role=roles/iap.httpsResourceAccessor",
        region.unwrap_or_default(),
        project_flag(project)
    )
}

/// Lets somebody mint tokens of an account.
pub(super) fn let_mint(account: &str, member: &str) -> String {
    let (account, member) = (shell_word(account), shell_word(member));
    format!(
        "gcloud iam service-accounts add-iam-policy-binding {account} --member={member} \
         --role=roles/iam.serviceAccountTokenCreator"
    )
}

/// What a sender is to have instead of what it has.
#[derive(Default)]
pub(super) struct Wanted<'w> {
    pub(super) url: Option<&'w str>,
    pub(super) method: Option<&'w str>,
    pub(super) account: Option<&'w str>,
    pub(super) audience: Option<&'w str>,
}

/// Sets a sender to this. A subscription's push configuration is replaced as a
/// whole, so all of it is said.
pub(super) fn set(sender: &SenderFacts, project: Option<&str>, wanted: &Wanted<'_>) -> String {
    let name = shell_word(&sender.name);
    let place = sender.location.as_deref().map(|it| format!(" --location={}", shell_word(it)));
    let (place, project) = (place.unwrap_or_default(), project_flag(project));
    let mut flags = String::new();
    let mut flag = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            flags.push_str(&format!(" --{name}={}", shell_word(value)));
        }
    };
    let token = sender.token.as_ref();
    match sender.kind {
        Sender::PubSub | Sender::Eventarc => {
            let account = wanted.account.or(token.map(|it| it.account.as_str()));
            let audience = wanted.audience.or(token.and_then(|it| it.audience.as_deref()));
            flag("push-endpoint", wanted.url.or(Some(&sender.url)));
            flag("push-auth-service-account", account);
            flag("push-auth-token-audience", audience);
            match sender.unwrapped {
                None => {}
                Some(false) => flags.push_str(" --push-no-wrapper"),
                Some(true) => flags.push_str(" --push-no-wrapper --push-no-wrapper-write-metadata"),
            }
            format!("gcloud pubsub subscriptions modify-push-config {name}{project}{flags}")
        }
        Sender::Scheduler => {
            flag("uri", wanted.url);
            flag("http-method", wanted.method);
            flag("oidc-service-account-email", wanted.account);
            flag("oidc-token-audience", wanted.audience);
            format!("gcloud scheduler jobs update http {name}{place}{project}{flags}")
        }
        Sender::Tasks => {
            let uri = wanted.url.map(overrides);
            flag("http-uri-override", uri.as_deref());
            flag("http-method-override", wanted.method);
            flag("http-oidc-service-account-email-override", wanted.account);
            flag("http-oidc-token-audience-override", wanted.audience);
            format!("gcloud tasks queues update {name}{place}{project}{flags}")
        }
    }
}

/// As `gcloud tasks queues update --http-uri-override` takes a URL.
fn overrides(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    format!("scheme:https,host:{host},path:/{path},mode:always")
}

/// Gives a sender that many seconds.
pub(super) fn wait(sender: &SenderFacts, project: Option<&str>, seconds: u64) -> String {
    let name = shell_word(&sender.name);
    let place = sender.location.as_deref().map(|it| format!(" --location={}", shell_word(it)));
    let (place, project) = (place.unwrap_or_default(), project_flag(project));
    match sender.kind {
        Sender::Scheduler => format!(
            "gcloud scheduler jobs update http {name}{place}{project} --attempt-deadline={seconds}s"
        ),
        _ => format!("gcloud pubsub subscriptions update {name}{project} --ack-deadline={seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::facts::OidcToken;

    fn sender(kind: Sender) -> SenderFacts {
        SenderFacts {
            kind,
            name: "orders".to_owned(),
            location: (kind != Sender::PubSub).then(|| "us-central1".to_owned()),
            url: "https://orders.example.com/push".to_owned(),
            method: "POST".to_owned(),
            token: Some(OidcToken { account: "a@b".to_owned(), audience: None }),
            deadline: None,
            unwrapped: (kind == Sender::PubSub).then_some(false),
        }
    }

    #[test]
    fn a_push_configuration_is_said_as_a_whole() {
        let wanted = Wanted { audience: Some("https://o.example"), ..Wanted::default() };
        assert_eq!(
            set(&sender(Sender::PubSub), Some("p"), &wanted),
            "gcloud pubsub subscriptions modify-push-config orders --project=p \
             --push-endpoint=https://orders.example.com/push --push-auth-service-account=a@b \
             --push-auth-token-audience=https://o.example --push-no-wrapper"
        );
    }

    #[test]
    fn of_the_others_only_what_changes_is_said() {
        let wanted = Wanted { url: Some("https://h/p"), ..Wanted::default() };
        assert_eq!(
            set(&sender(Sender::Scheduler), None, &wanted),
            "gcloud scheduler jobs update http orders --location=us-central1 --uri=https://h/p"
        );
        assert_eq!(
            set(&sender(Sender::Tasks), None, &wanted),
            "gcloud tasks queues update orders --location=us-central1 \
             --http-uri-override=scheme:https,host:h,path:/p,mode:always"
        );
    }

    #[test]
    fn names_from_outside_are_one_word_of_the_shell() {
        let mut hostile = sender(Sender::Scheduler);
        hostile.name = "x; reboot".to_owned();
        let wanted = Wanted { audience: Some("$(id)"), ..Wanted::default() };
        let command = set(&hostile, Some("p"), &wanted);
        assert!(command.contains("'x; reboot'") && command.contains("='$(id)'"), "{command}");
    }
}
