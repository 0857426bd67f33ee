//! The command that mends what a front end refuses, most likely.

use remint_idtoken::Reason;

use super::command::{number_of, of_region, or_word, run_command, service_of};
use super::{REGION, SERVICE};
use crate::config::Kind;

/// The agent as which IAP calls what is behind it (IAP, "Enabling IAP for
/// Cloud Run"). The number of its project stands in one of the URLs that a
/// service has, and in none of a load balancer's.
fn iap_agent(host: &str) -> String {
    let number = number_of(host).unwrap_or("PROJECT_NUMBER");
    format!("--member=serviceAccount:service-{number}@gcp-sa-iap.iam.gserviceaccount.com")
}

/// What refused the gateway, and as whom it called.
pub(crate) struct Place<'p> {
    pub(crate) kind: Kind,
    pub(crate) host: &'p str,
    /// What stands before each path there.
    pub(crate) path: &'p str,
    pub(crate) account: Option<&'p str>,
    pub(crate) audience: &'p str,
}

/// The command for a shell, with names in capitals where a URL does not tell
/// them. None if it takes no command, or one that is not known.
pub(crate) fn remedy(place: &Place<'_>, reason: Option<Reason>) -> Option<String> {
    let of_service = |setting: &str| (place.kind == Kind::CloudRun).then(|| update(place, setting));
    match reason {
        Some(Reason::InvokerMissing) => {
            let grant = of_region(place.kind, place.host, place.path, place.account);
            grant.map(|grant| grant.command)
        }
        Some(Reason::IapInvokerMissing) => Some(run_command(names(place), &iap_agent(place.host))),
        Some(Reason::IngressRefused) => of_service("--ingress=all"),
        Some(Reason::AudienceMismatch) if is_plain(place.audience) => {
            of_service(&format!("--add-custom-audiences={}", place.audience))
        }
        // It has as many instances as it may have.
        None => of_service("--max-instances=MAX_INSTANCES"),
        Some(_) => None,
    }
}

fn names<'p>(place: &Place<'p>) -> [&'p str; 2] {
    let (service, region) = service_of(place.host).unzip();
    [(service, SERVICE), (region, REGION)].map(or_word)
}

fn update(place: &Place<'_>, setting: &str) -> String {
    let [service, region] = names(place);
    format!("gcloud run services update {service} --region={region} {setting}")
}

/// Audiences are texts from a configuration: only what means nothing to a shell,
/// and is one value to gcloud, reaches a command. A service's own URLs are
/// accepted anyway (Cloud Run, "Use custom audiences").
fn is_plain(audience: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
    !audience.is_empty() && !audience.ends_with(".run.app") && audience.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "orders-123.europe-west1.run.app";

    fn of(kind: Kind, host: &str, audience: &str, reason: Option<Reason>) -> Option<String> {
        remedy(&Place { kind, host, path: "", account: Some("g@p"), audience }, reason)
    }

    #[test]
    fn each_reason_has_its_command_with_the_values_of_this_deployment() {
        let update = "gcloud run services update orders --region=europe-west1";
        for (reason, command) in [
            (
                Some(Reason::InvokerMissing),
                "gcloud run services add-iam-policy-binding orders --region=europe-west1 \
                 --member=serviceAccount:g@p --role=roles/run.invoker"
                    .to_owned(),
            ),
            (Some(Reason::IngressRefused), format!("{update} --ingress=all")),
            (
                Some(Reason::AudienceMismatch),
                format!("{update} --add-custom-audiences=https://a.example"),
            ),
            (None, format!("{update} --max-instances=MAX_INSTANCES")),
        ] {
            assert_eq!(of(Kind::CloudRun, HOST, "https://a.example", reason), Some(command));
        }
        let iap = of(Kind::Iap, "iap.example", "", Some(Reason::IapInvokerMissing)).unwrap();
        assert!(iap.contains("binding SERVICE --region=REGION --member=serviceAccount:service-"));
        assert!(iap.contains(":service-PROJECT_NUMBER@gcp-sa-iap."), "{iap}");
        let direct = of(Kind::Iap, HOST, "", Some(Reason::IapInvokerMissing)).unwrap();
        assert!(direct.contains("binding orders --region=europe-west1 "), "{direct}");
        assert!(direct.contains(":service-123@gcp-sa-iap."), "{direct}");
        assert_eq!(of(Kind::Other, "x.example", "a", Some(Reason::IngressRefused)), None);
    }

    #[test]
    fn no_audience_means_anything_to_a_shell() {
        for audience in ["", "a b", "$(reboot)", "a;b", "a,b", "'"] {
            assert_eq!(of(Kind::CloudRun, HOST, audience, Some(Reason::AudienceMismatch)), None);
        }
    }
}
