//! What a queue changes in its tasks' requests, as the API writes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::overrides::HttpOverrides;
use crate::target::ApiError;
use crate::target::wire::{self as shared, Oidc};

/// `HttpTarget` of a queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct HttpTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_override: Option<UriOverride>,
    #[serde(skip_serializing_if = "String::is_empty")]
    http_method: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    header_overrides: Vec<HeaderOverride>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_token: Option<Oidc>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct UriOverride {
    #[serde(skip_serializing_if = "String::is_empty")]
    scheme: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    host: String,
    /// A 64-bit number, which JSON has as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_override: Option<PathOverride>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_override: Option<QueryOverride>,
    #[serde(skip_serializing_if = "String::is_empty")]
    uri_override_enforce_mode: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PathOverride {
    path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct QueryOverride {
    query_params: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HeaderOverride {
    header: Header,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Header {
    key: String,
    value: String,
}

impl HttpTarget {
    pub(super) fn resolved(self) -> Result<HttpOverrides, ApiError> {
        let uri = self.uri_override.unwrap_or_default();
        if !["", "ALWAYS", "URI_OVERRIDE_ENFORCE_MODE_UNSPECIFIED"]
            .contains(&uri.uri_override_enforce_mode.as_str())
        {
            return Err(ApiError::invalid("only the uriOverrideEnforceMode ALWAYS is emulated"));
        }
        let scheme = match uri.scheme.as_str() {
            "" | "SCHEME_UNSPECIFIED" => None,
            "HTTP" => Some("http".to_owned()),
            "HTTPS" => Some("https".to_owned()),
            _ => return Err(ApiError::invalid("the scheme must be HTTP or HTTPS")),
        };
        let port = match uri.port {
            None => None,
            Some(port) => {
                let text = port.as_str().map_or_else(|| port.to_string(), str::to_owned);
                Some(text.parse().map_err(|_| ApiError::invalid(format!("{text:?} is no port")))?)
            }
        };
        let method = match self.http_method.as_str() {
            "" | "HTTP_METHOD_UNSPECIFIED" => None,
            name => Some(shared::method(name)?),
        };
        let headers = self.header_overrides.into_iter().map(|it| (it.header.key, it.header.value));
        Ok(HttpOverrides {
            scheme,
            host: Some(uri.host).filter(|host| !host.is_empty()),
            port,
            path: uri.path_override.map(|it| it.path),
            query: uri.query_override.map(|it| it.query_params),
            method,
            headers: headers.collect(),
            oidc: self.oidc_token.as_ref().map(Oidc::resolved).transpose()?,
        })
    }

    /// None if it changes nothing.
    pub(in super::super) fn of(http: &HttpOverrides) -> Option<Self> {
        if *http == HttpOverrides::default() {
            return None;
        }
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let header = |(key, value): &(String, String)| HeaderOverride {
            header: Header { key: key.clone(), value: value.clone() },
        };
        Some(Self {
            uri_override: Some(UriOverride {
                scheme: text(&http.scheme).to_ascii_uppercase(),
                host: text(&http.host),
                port: http.port.map(|port| port.to_string().into()),
                path_override: http.path.clone().map(|path| PathOverride { path }),
                query_override: http
                    .query
                    .clone()
                    .map(|query_params| QueryOverride { query_params }),
                uri_override_enforce_mode: String::new(),
            }),
            http_method: http.method.as_ref().map(ToString::to_string).unwrap_or_default(),
            header_overrides: http.headers.iter().map(header).collect(),
            oidc_token: http.oidc.as_ref().map(Oidc::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_s_target_reads_back_the_same() {
        let json = json!({
            "uriOverride": {
                "scheme": "HTTP", "host": "h", "port": "81",
                "pathOverride": { "path": "/p" }, "queryOverride": { "queryParams": "a=b" },
            },
            "httpMethod": "PUT",
            "headerOverrides": [{ "header": { "key": "k", "value": "v" } }],
            "oidcToken": { "serviceAccountEmail": "a@b" },
        });
        let target: HttpTarget = serde_json::from_value(json.clone()).unwrap();
        let http = target.resolved().unwrap();
        assert_eq!(serde_json::to_value(HttpTarget::of(&http).unwrap()).unwrap(), json);
    }
}
