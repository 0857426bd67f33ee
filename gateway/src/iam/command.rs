//! The command that lets an account call what stands in a region.

use remint_idtoken::policy::RunHost;

use super::{BACKEND_SERVICE, FUNCTION, REGION, SERVICE};
use crate::config::Kind;

/// A binding of IAM, as the command that makes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RegionGrant {
    /// The command, for a shell.
    pub(super) command: String,
    /// What its URL does not tell: these words stand for it.
    pub(super) untold: Vec<&'static str>,
}

/// The command that lets `account` call what stands in a region: at that host
/// and below that path. None if Google does not guard it.
pub(super) fn of_region(
    kind: Kind,
    host: &str,
    path: &str,
    account: Option<&str>,
) -> Option<RegionGrant> {
    let member = format!("--member=serviceAccount:{}", account.unwrap_or(super::ACCOUNT));
    let (command, told) = match kind {
        Kind::CloudRun => {
            let (service, region) = service_of(host).unzip();
            let names = [(service, SERVICE), (region, REGION)];
            (run_command(names.map(or_word), &member), names.to_vec())
        }
        Kind::CloudFunction => {
            let names = [(function_of(path), FUNCTION), (function_region(host), REGION)];
            (function_command(names.map(or_word), &member), names.to_vec())
        }
        Kind::Iap => {
            let names = [(None, BACKEND_SERVICE)];
            (iap_command(names.map(or_word), &member), names.to_vec())
        }
        Kind::Other => return None,
    };
    let is_untold = |(name, word): (Option<&str>, _)| name.is_none().then_some(word);
    Some(RegionGrant { command, untold: told.into_iter().filter_map(is_untold).collect() })
}

pub(super) fn or_word<'n>((name, word): (Option<&'n str>, &'static str)) -> &'n str {
    name.unwrap_or(word)
}

pub(super) fn run_command([service, region]: [&str; 2], member: &str) -> String {
    format!(
        "gcloud run services add-iam-policy-binding {service} --region={region} {member} \
         --role=roles/run.invoker"
    )
}

fn function_command([function, region]: [&str; 2], member: &str) -> String {
    format!(
        "gcloud functions add-iam-policy-binding {function} --region={region} {member} \
         --role=roles/cloudfunctions.invoker"
    )
}

fn iap_command([backend]: [&str; 1], member: &str) -> String {
    format!(
        "gcloud iap web add-iam-policy-binding --resource-type=backend-services \
         --service={backend} {member} --role=roles/iap.httpsResourceAccessor"
    )
}

/// Service and region of `[TAG---]SERVICE-PROJECTNUMBER.REGION.run.app`. The
/// host of a service's other URL, `SERVICE-HASH-RC.a.run.app`, tells neither:
/// names may have hyphens, and the region is abbreviated.
pub(super) fn service_of(host: &str) -> Option<(&str, &str)> {
    let [service, _, region] = parts_of(host)?;
    Some((service, region))
}

/// The number of the project in that URL.
pub(super) fn number_of(host: &str) -> Option<&str> {
    let [_, number, _] = parts_of(host)?;
    Some(number)
}

fn parts_of(host: &str) -> Option<[&str; 3]> {
    let host = RunHost::of(host)?;
    let (service, region) = (host.service(), host.region());
    let are_names = is_name(service) && is_name(region);
    host.project_number().filter(|_| are_names).map(|number| [service, number, region])
}

/// What is called at a path; what follows the first segment is the function's
/// own affair.
fn function_of(path: &str) -> Option<&str> {
    path.split('/').nth(1).filter(|name| is_name(name))
}

/// The region of `REGION-PROJECT.cloudfunctions.net`. Names of regions have one
/// hyphen.
fn function_region(host: &str) -> Option<&str> {
    let name = host.strip_suffix(".cloudfunctions.net")?;
    let end = name.match_indices('-').nth(1)?.0;
    name.get(..end).filter(|name| is_name(name))
}

/// Hosts of URLs may have characters that mean something to a shell; names of
/// Google's have none.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(kind: Kind, host: &str, path: &str, account: Option<&str>) -> String {
        of_region(kind, host, path, account).unwrap().command
    }

    #[test]
    fn each_kind_of_region_has_its_own_command() {
        let host = "europe-west1-my-project.cloudfunctions.net";
        for path in ["/orders", "/orders/new"] {
            assert_eq!(
                command(Kind::CloudFunction, host, path, Some("g@p")),
                "gcloud functions add-iam-policy-binding orders --region=europe-west1 \
                 --member=serviceAccount:g@p --role=roles/cloudfunctions.invoker"
            );
        }
        let unknown = of_region(Kind::CloudFunction, "127.0.0.1", "/orders", None).unwrap();
        assert!(unknown.command.contains("--region=REGION --member=serviceAccount:GATEWAY_SER"));
        assert_eq!(unknown.untold, [REGION]);
        let iap = of_region(Kind::Iap, "x.example", "", None).unwrap();
        assert!(iap.command.ends_with("--role=roles/iap.httpsResourceAccessor"));
        assert_eq!(iap.untold, [BACKEND_SERVICE]);
        assert_eq!(of_region(Kind::Other, "x.example", "", None), None);
    }

    #[test]
    fn the_command_names_service_and_region_where_the_host_tells_them() {
        let host = "green---my-orders-123.us-central1.run.app";
        let grant = of_region(Kind::CloudRun, host, "", Some("g@p")).unwrap();
        assert_eq!(
            grant.command,
            "gcloud run services add-iam-policy-binding my-orders --region=us-central1 \
             --member=serviceAccount:g@p --role=roles/run.invoker"
        );
        assert!(grant.untold.is_empty());
        for host in ["orders-abc-uc.a.run.app", "example.com", "127.0.0.1:80"] {
            let grant = of_region(Kind::CloudRun, host, "", None).unwrap();
            assert!(grant.command.contains(" SERVICE --region=REGION "), "{host}");
            assert_eq!(grant.untold, [SERVICE, REGION]);
        }
    }

    proptest! {
        #[test]
        fn no_host_or_path_gives_a_shell_more_than_names(
            host in "[a-z$`;&|'()*!\\-]{0,12}-[0-9]{1,3}\\.[a-z$;`\\-]{1,8}\\.run\\.app",
            function in "[a-z$`;&|'()*!\\-]{0,9}-[a-z;$]{1,4}-[a-z]{1,4}\\.cloudfunctions\\.net",
            path in "/[a-z$`;&|'()*! /]{0,9}",
        ) {
            for (kind, host) in [(Kind::CloudRun, &host), (Kind::CloudFunction, &function)] {
                let line = command(kind, host, &path, None);
                let is_harmless = |c: char| c.is_ascii_alphanumeric() || " -_=:./".contains(c);
                prop_assert!(line.chars().all(is_harmless), "{}", line);
            }
        }
    }
}
