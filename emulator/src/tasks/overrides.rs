//! What a queue changes in its tasks' requests (`Queue.httpTarget`, which the
//! REST API of v2 has; the published protocol buffers of v2 do not).

use http::Method;

use crate::target::{ApiError, HttpTarget, OidcToken};

/// The changes. Where a member is not set, the task's own counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpOverrides {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The host.
    pub host: Option<String>,
    /// The port; 0 takes the task's away.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<String>,
    /// The query, without question mark.
    pub query: Option<String>,
    /// The method. With one that allows no body, the task's is left out.
    pub method: Option<Method>,
    /// Headers, which win over the task's.
    pub headers: Vec<(String, String)>,
    /// The token.
    pub oidc: Option<OidcToken>,
}

impl HttpOverrides {
    /// The task's target as this queue sends it.
    ///
    /// # Errors
    /// If no URL comes of it.
    pub(super) fn apply(&self, target: &HttpTarget) -> Result<HttpTarget, ApiError> {
        let mut changed = target.clone();
        if let Some(endpoint) = self.address(target) {
            changed.endpoint = endpoint.parse().map_err(|_| {
                ApiError::invalid(format!(
                    "the queue's httpTarget makes {endpoint:?} of a task's URL"
                ))
            })?;
        }
        if let Some(method) = &self.method {
            changed.method = method.clone();
            if ![Method::POST, Method::PUT, Method::PATCH].contains(method) {
                changed.body.clear();
            }
        }
        let is_overridden =
            |name: &str| self.headers.iter().any(|(over, _)| over.eq_ignore_ascii_case(name));
        changed.headers.retain(|(name, _)| !is_overridden(name));
        changed.headers.extend(self.headers.iter().cloned());
        if self.oidc.is_some() {
            changed.oidc.clone_from(&self.oidc);
        }
        Ok(changed)
    }

    /// None if the task's address stays as it was written.
    fn address(&self, target: &HttpTarget) -> Option<String> {
        let is_set = self.scheme.is_some()
            || self.host.is_some()
            || self.port.is_some()
            || self.path.is_some()
            || self.query.is_some();
        if !is_set {
            return None;
        }
        let own = &target.endpoint;
        let scheme = self.scheme.as_deref().unwrap_or(if own.is_https { "https" } else { "http" });
        let (own_host, own_port) = match own.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => (host, port),
            _ => (own.authority.as_str(), ""),
        };
        let host = self.host.as_deref().unwrap_or(own_host);
        let port = match self.port {
            Some(0) => String::new(),
            Some(port) => format!(":{port}"),
            None if own_port.is_empty() => String::new(),
            None => format!(":{own_port}"),
        };
        let (own_path, own_query) =
            own.path_and_query.split_once('?').unwrap_or((&own.path_and_query, ""));
        let path = self.path.as_deref().unwrap_or(own_path).trim_start_matches('/');
        let query = match self.query.as_deref().unwrap_or(own_query) {
            "" => String::new(),
            query => format!("?{query}"),
        };
        Some(format!("{scheme}://{host}{port}/{path}{query}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(overrides: &HttpOverrides, url: &str) -> String {
        let target = HttpTarget::new(url.parse().unwrap());
        overrides.apply(&target).unwrap().endpoint.to_string()
    }

    #[test]
    fn each_part_of_the_address_is_replaced_on_its_own() {
        let none = HttpOverrides::default;
        assert_eq!(address(&none(), "https://A"), "https://A");
        let host = HttpOverrides { host: Some("b".into()), ..none() };
        assert_eq!(address(&host, "https://a:81/p?q"), "https://b:81/p?q");
        let port = HttpOverrides { port: Some(0), ..none() };
        assert_eq!(address(&port, "https://a:81/p?q"), "https://a/p?q");
        let rest = HttpOverrides {
            scheme: Some("http".into()),
            path: Some("/x".into()),
            query: Some("y=z".into()),
            ..none()
        };
        assert_eq!(address(&rest, "https://a/p?q"), "http://a/x?y=z");
    }

    #[test]
    fn method_headers_and_token_are_the_queue_s() {
        let oidc = Some(OidcToken { account: "a@b".into(), audience: None });
        let overrides = HttpOverrides {
            method: Some(Method::GET),
            headers: vec![("X-A".into(), "queue".into())],
            oidc: oidc.clone(),
            ..HttpOverrides::default()
        };
        let target = HttpTarget {
            body: b"hi".to_vec(),
            headers: vec![("x-a".into(), "task".into()), ("b".into(), "task".into())],
            ..HttpTarget::new("https://a/".parse().unwrap())
        };
        let changed = overrides.apply(&target).unwrap();
        assert_eq!((changed.method, changed.body, changed.oidc), (Method::GET, vec![], oidc));
        let headers = [("b", "task"), ("X-A", "queue")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(changed.headers, headers);
    }
}
