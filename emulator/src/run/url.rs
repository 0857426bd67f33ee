//! The two URLs that Cloud Run gives a service in a region, and that of a
//! function of the same name.

use sha2::{Digest, Sha256};

/// The origins, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) deterministic: String,
    pub(crate) hashed: String,
    pub(crate) function: String,
}

impl Urls {
    pub(crate) fn new(service: &str, project: (&str, u64), region: &str) -> Self {
        let (project_id, project_number) = project;
        let (hash, code) = (project_hash(project_number), region_code(region));
        Self {
            deterministic: format!("https://{service}-{project_number}.{region}.run.app"),
            hashed: format!("https://{service}-{hash}-{code}.a.run.app"),
            function: format!("https://{region}-{project_id}.cloudfunctions.net/{service}"),
        }
    }

    /// The hosts, which its certificate is for.
    pub(crate) fn hosts(&self) -> [&str; 3] {
        [&self.deterministic, &self.hashed, &self.function].map(|url| {
            let rest = url.trim_start_matches("https://");
            rest.split('/').next().unwrap_or(rest)
        })
    }

    /// The path of the function at its host, if `host` is that.
    pub(crate) fn function_at(&self, host: &str) -> Option<&str> {
        let rest = self.function.strip_prefix("https://")?.strip_prefix(host)?;
        rest.starts_with('/').then_some(rest)
    }

    /// What the front end takes as its own audience. Google's samples show
    /// URLs with and without the slash; no source promises more than that.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = String> {
        let both = [&self.deterministic, &self.hashed];
        both.into_iter().flat_map(|url| [url.clone(), format!("{url}/")])
    }
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

    #[test]
    fn both_urls_have_google_s_form_and_stay_the_same() {
        let urls = Urls::new("orders", ("demo", 123_456_789_012), "europe-west1");
        assert_eq!(urls.deterministic, "https://orders-123456789012.europe-west1.run.app");
        let hash = project_hash(123_456_789_012);
        assert_eq!(urls.hashed, format!("https://orders-{hash}-ew.a.run.app"));
        assert!(hash.len() == 10 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(urls, Urls::new("orders", ("demo", 123_456_789_012), "europe-west1"));
    }

    #[test]
    fn no_two_regions_share_a_url() {
        let url = |region| Urls::new("orders", ("demo", 1), region).hashed;
        assert_ne!(url("me-west1"), url("me-central1"));
        assert_ne!(url("us-east1"), url("us-east4"));
    }

    #[test]
    fn the_audiences_are_both_urls_with_and_without_a_slash() {
        let urls = Urls::new("a", ("demo", 1), "us-east1");
        let audiences: Vec<_> = urls.audiences().collect();
        assert_eq!(audiences.len(), 4);
        assert!(audiences.contains(&format!("{}/", urls.hashed)));
        assert_eq!(urls.hosts()[0], "a-1.us-east1.run.app");
        assert_eq!(urls.hosts()[2], "us-east1-demo.cloudfunctions.net");
        assert_eq!(urls.function_at("us-east1-demo.cloudfunctions.net"), Some("/a"));
        assert_eq!(urls.function_at("us-east1-demo.cloudfunctions"), None);
    }
}
