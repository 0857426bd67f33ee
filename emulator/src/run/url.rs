//! The URLs that a service or function has in a region, and what a host at its
//! front end stands for.

use sha2::{Digest, Sha256};

use crate::config::{Kind, Service};

/// Between a traffic tag and the rest of the host (Cloud Run, "Rollbacks,
/// gradual rollouts, and traffic migration").
const AFTER_TAG: &str = "---";

/// Hosts under these names belong to Google: at a front end they are this
/// service's or nobody's.
const GOOGLE_S: [&str; 2] = [".run.app", ".cloudfunctions.net"];

/// The origins, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) kind: Kind,
    pub(crate) deterministic: String,
    pub(crate) hashed: String,
    pub(crate) function: String,
    tags: Vec<String>,
}

/// What a request is for, as its host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'u> {
    /// The service, at a URL of its own or a name in front of it.
    Service {
        /// The traffic tag that was called.
        tag: Option<&'u str>,
        /// Whether the host is one of the service's `run.app` hosts.
        at_own_url: bool,
    },
    /// The function of the first generation.
    Function {
        /// The path of the function at the host, which the container does not
        /// see. None if the host is not Google's: whatever passed the request
        /// on knew which function it is for.
        below: Option<&'u str>,
    },
    /// Nothing that is here, and the code that says so.
    Nothing(&'static str),
}

impl Urls {
    pub(crate) fn new(service: &Service, project: (&str, u64), region: &str) -> Self {
        let (project_id, project_number) = project;
        let (hash, code) = (project_hash(project_number), region_code(region));
        let name = &service.name;
        Self {
            kind: service.kind,
            deterministic: format!("https://{name}-{project_number}.{region}.run.app"),
            hashed: format!("https://{name}-{hash}-{code}.a.run.app"),
            function: format!("https://{region}-{project_id}.cloudfunctions.net/{name}"),
            tags: service.tags.clone(),
        }
    }

    /// All hosts that it answers to, which its certificate is for. That of
    /// functions may be shared with others.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let own = self.own_hosts();
        let tagged = self.tags.iter().flat_map(|tag| {
            let with_tag = move |host: &&str| format!("{tag}{AFTER_TAG}{host}");
            self.own_hosts().iter().map(with_tag).collect::<Vec<_>>()
        });
        let untagged = own.iter().map(|host| (*host).to_owned());
        untagged.chain(tagged).chain([self.function_host().to_owned()]).collect()
    }

    /// The `run.app` hosts without a tag. A function of the first generation
    /// has none.
    fn own_hosts(&self) -> Vec<&str> {
        match self.kind {
            Kind::CloudRun => vec![host_of(&self.deterministic), host_of(&self.hashed)],
            Kind::Function => Vec::new(),
        }
    }

    /// The host that all functions of the project in the region share.
    pub(crate) fn function_host(&self) -> &str {
        host_of(&self.function)
    }

    /// The path of the function at that host: a slash and its name.
    fn function_path(&self) -> &str {
        let rest = self.function.trim_start_matches("https://");
        rest.strip_prefix(self.function_host()).unwrap_or_default()
    }

    /// What a request to `host`, which has no port, is for.
    pub(super) fn target(&self, host: &str, path: &str) -> Target<'_> {
        let host = host.to_ascii_lowercase();
        if host == self.function_host() {
            return match is_below(self.function_path(), path) {
                true => Target::Function { below: Some(self.function_path()) },
                false => Target::Nothing("no_such_function"),
            };
        }
        let own = self.own_hosts();
        if own.contains(&host.as_str()) {
            return Target::Service { tag: None, at_own_url: true };
        }
        if let Some((tag, rest)) = host.split_once(AFTER_TAG)
            && own.contains(&rest)
        {
            let tag = self.tags.iter().find(|it| *it == tag).map(String::as_str);
            return match tag {
                Some(tag) => Target::Service { tag: Some(tag), at_own_url: true },
                None => Target::Nothing("no_such_tag"),
            };
        }
        if GOOGLE_S.iter().any(|suffix| host.ends_with(suffix)) {
            return Target::Nothing("no_such_service");
        }
        match self.kind {
            Kind::CloudRun => Target::Service { tag: None, at_own_url: false },
            Kind::Function => Target::Function { below: None },
        }
    }

    /// What the front end takes as its own audience. Google's samples show
    /// URLs with and without the slash; no source promises more than that. The
    /// audience of a tagged URL stays the URL without the tag.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = String> {
        let both = [&self.deterministic, &self.hashed];
        both.into_iter().flat_map(|url| [url.clone(), format!("{url}/")])
    }
}

fn host_of(url: &str) -> &str {
    let rest = url.trim_start_matches("https://");
    rest.split('/').next().unwrap_or(rest)
}

/// Whether `path` is `prefix` or below it.
pub(super) fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Stands in for the random letters that Google gives a project: ten letters
/// and digits, always the same for a number.
fn project_hash(project_number: u64) -> String {
    let digest = Sha256::digest(project_number.to_be_bytes());
    let letter = |byte: &u8| char::from_digit(u32::from(byte % 36), 36).unwrap_or('x');
    digest.iter().take(10).map(letter).collect()
}

/// The abbreviation of a region in a hash URL. Regions whose abbreviation is
/// not known here are spelt out, so that no two share a URL.
fn region_code(region: &str) -> String {
    let code = match region {
        "asia-east1" => "de",
        "asia-northeast1" => "an",
        "asia-southeast1" => "as",
        "australia-southeast1" => "ts",
        "europe-north1" => "lz",
        "europe-west1" => "ew",
        "europe-west2" => "nw",
        "europe-west3" => "ey",
        "europe-west4" => "ez",
        "southamerica-east1" => "rj",
        "us-central1" => "uc",
        "us-east1" => "ue",
        "us-east4" => "uk",
        "us-west1" => "uw",
        other => return other.replace('-', ""),
    };
    code.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: (&str, u64) = ("demo", 123_456_789_012);

    fn service(kind: Kind, tags: &[&str]) -> Service {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Service { name: "orders".into(), kind, tags, ..Service::default() }
    }

    fn urls(region: &str) -> Urls {
        Urls::new(&service(Kind::CloudRun, &[]), PROJECT, region)
    }

    #[test]
    fn both_urls_have_google_s_form_and_stay_the_same() {
        let found = urls("europe-west1");
        assert_eq!(found.deterministic, "https://orders-123456789012.europe-west1.run.app");
        let hash = project_hash(123_456_789_012);
        assert_eq!(found.hashed, format!("https://orders-{hash}-ew.a.run.app"));
        assert!(hash.len() == 10 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(found, urls("europe-west1"));
    }

    #[test]
    fn no_two_regions_share_a_url() {
        let url = |region| urls(region).hashed;
        assert_ne!(url("me-west1"), url("me-central1"));
        assert_ne!(url("us-east1"), url("us-east4"));
    }

    #[test]
    fn the_audiences_are_both_urls_with_and_without_a_slash() {
        let urls = Urls::new(&service(Kind::CloudRun, &["canary"]), PROJECT, "us-east1");
        let audiences: Vec<_> = urls.audiences().collect();
        assert_eq!(audiences.len(), 4);
        assert!(audiences.contains(&format!("{}/", urls.hashed)));
    }

    #[test]
    fn its_hosts_are_the_urls_with_each_tag_and_that_of_functions() {
        let urls = Urls::new(&service(Kind::CloudRun, &["a", "b"]), PROJECT, "us-east1");
        let hosts = urls.hosts();
        assert_eq!(hosts.len(), 7);
        assert!(hosts.contains(&"b---orders-123456789012.us-east1.run.app".to_owned()));
        assert!(hosts.contains(&format!("a---{}", host_of(&urls.hashed))));
        assert!(hosts.contains(&"us-east1-demo.cloudfunctions.net".to_owned()));
        let function = Urls::new(&service(Kind::Function, &["a"]), PROJECT, "us-east1");
        assert_eq!(function.hosts(), ["us-east1-demo.cloudfunctions.net"]);
    }

    #[test]
    fn the_host_says_what_is_called() {
        let urls = Urls::new(&service(Kind::CloudRun, &["canary"]), PROJECT, "us-east1");
        let service = |tag, at_own_url| Target::Service { tag, at_own_url };
        let own = "orders-123456789012.us-east1.run.app";
        for (host, target) in [
            (own.to_owned(), service(None, true)),
            (own.to_uppercase(), service(None, true)),
            (host_of(&urls.hashed).to_owned(), service(None, true)),
            (format!("canary---{own}"), service(Some("canary"), true)),
            (format!("other---{own}"), Target::Nothing("no_such_tag")),
            (own.replace("orders", "users"), Target::Nothing("no_such_service")),
            (own.replace("us-east1", "us-east4"), Target::Nothing("no_such_service")),
            ("lb.example.com".to_owned(), service(None, false)),
            ("127.0.0.1".to_owned(), service(None, false)),
        ] {
            assert_eq!(urls.target(&host, "/"), target, "{host}");
        }
    }

    #[test]
    fn a_function_is_found_by_its_path_at_the_host_that_all_share() {
        let host = "us-east1-demo.cloudfunctions.net";
        for kind in [Kind::CloudRun, Kind::Function] {
            let urls = Urls::new(&service(kind, &[]), PROJECT, "us-east1");
            let found = Target::Function { below: Some("/orders") };
            for (path, target) in [
                ("/orders", found),
                ("/orders/", found),
                ("/orders/a", found),
                ("/ordersx", Target::Nothing("no_such_function")),
                ("/", Target::Nothing("no_such_function")),
            ] {
                assert_eq!(urls.target(host, path), target, "{path}");
            }
        }
        let function = Urls::new(&service(Kind::Function, &[]), PROJECT, "us-east1");
        assert_eq!(function.target("lb.example", "/"), Target::Function { below: None });
        let none = Target::Nothing("no_such_service");
        assert_eq!(function.target("orders-123456789012.us-east1.run.app", "/"), none);
    }
}
