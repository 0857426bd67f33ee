//! The command that mends what a front end refuses, most likely.

use remint_idtoken::Reason;

use super::command::{number_of, of_region, or_word, run_command, service_of};
use super::{REGION, SERVICE, iap_agent};
use crate::config::Kind;

/// The agent as which IAP calls what is behind it. The number of its project
/// stands in one of the URLs that a service has, and in none of a load balancer's.
fn agent_before(host: &str) -> String {
    format!("--member={}", iap_agent(number_of(host).unwrap_or("PROJECT_NUMBER")))
}

/// Tells the OAuth client ID of the IAP before a load balancer's backend.
const CLIENT_ID_OF_IAP: &str = "gcloud compute backend-services describe BACKEND_SERVICE \
                                --global --format='value(iap.oauth2ClientId)'";

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
pub(crate) fn remedy(place: &Place<'_>, reason: Reason) -> Option<String> {
    let of_service = |setting: &str| (place.kind == Kind::CloudRun).then(|| update(place, setting));
    match reason {
        // It is granted already, or was taken away by mistake.
        Reason::IamPropagating if place.kind == Kind::Iap => {
            remedy(place, Reason::IapInvokerMissing)
        }
        Reason::InvokerMissing | Reason::IamPropagating => {
            let grant = of_region(place.kind, place.host, place.path, place.account);
            grant.map(|grant| grant.command)
        }
        Reason::IapInvokerMissing => Some(run_command(names(place), &agent_before(place.host))),
        Reason::IngressRefused => of_service("--ingress=all"),
        Reason::AudienceMismatch if is_plain(place.audience) => {
            of_service(&format!("--add-custom-audiences={}", place.audience))
        }
        Reason::RegionFull => of_service("--max-instances=MAX_INSTANCES"),
        Reason::IapAccessMissing => {
            let grant = of_region(Kind::Iap, place.host, place.path, place.account);
            grant.map(|grant| grant.command)
        }
        // Which audience it wants. To take IAP out of the way is no remedy.
        Reason::IapTokenRefused => Some(CLIENT_ID_OF_IAP.to_owned()),
        _ => None,
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

    fn of(kind: Kind, host: &str, audience: &str, reason: Reason) -> Option<String> {
        remedy(&Place { kind, host, path: "", account: Some("g@p"), audience }, reason)
    }

    #[test]
    fn each_reason_has_its_command_with_the_values_of_this_deployment() {
        let update = "gcloud run services update orders --region=europe-west1";
        for (reason, command) in [
            (
                Reason::InvokerMissing,
                "gcloud run services add-iam-policy-binding orders --region=europe-west1 \
                 --member=serviceAccount:g@p --role=roles/run.invoker"
                    .to_owned(),
            ),
            (Reason::IngressRefused, format!("{update} --ingress=all")),
            (
                Reason::AudienceMismatch,
                format!("{update} --add-custom-audiences=https://a.example"),
            ),
            (Reason::RegionFull, format!("{update} --max-instances=MAX_INSTANCES")),
        ] {
            assert_eq!(of(Kind::CloudRun, HOST, "https://a.example", reason), Some(command));
        }
        let iap = of(Kind::Iap, "iap.example", "", Reason::IapInvokerMissing).unwrap();
        assert!(iap.contains("binding SERVICE --region=REGION --member=serviceAccount:service-"));
        assert!(iap.contains(":service-PROJECT_NUMBER@gcp-sa-iap."), "{iap}");
        let direct = of(Kind::Iap, HOST, "", Reason::IapInvokerMissing).unwrap();
        assert!(direct.contains("binding orders --region=europe-west1 "), "{direct}");
        assert!(direct.contains(":service-123@gcp-sa-iap."), "{direct}");
        assert_eq!(of(Kind::Other, "x.example", "a", Reason::IngressRefused), None);
        let accessor = of(Kind::Iap, "iap.example", "", Reason::IapAccessMissing).unwrap();
        assert!(accessor.contains("serviceAccount:g@p --role=roles/iap.httpsResourceAccessor"));
        let client = of(Kind::Iap, "iap.example", "", Reason::IapTokenRefused).unwrap();
        assert!(client.starts_with("gcloud compute backend-services describe BACKEND_SERVICE"));
        let granted = of(Kind::Iap, HOST, "", Reason::IamPropagating);
        assert_eq!(granted, Some(direct), "what was granted, or taken away by mistake");
    }

    #[test]
    fn no_audience_means_anything_to_a_shell() {
        for audience in ["", "a b", "$(reboot)", "a;b", "a,b", "'"] {
            assert_eq!(of(Kind::CloudRun, HOST, audience, Reason::AudienceMismatch), None);
        }
    }
}
