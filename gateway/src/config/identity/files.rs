//! The files in which Google's tools keep credentials.
//!
//! They are read by hand: an error of serde's can quote what it stumbled over,
//! and that may be a secret. Members that are not needed here are left alone,
//! because Google adds some from time to time.

use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{
    AccessSource, AuthorizedUser, ExternalAccount, Identity, Impersonation, Secret,
    ServiceAccountKey, SigningKey, SubjectPlace,
};
use crate::config::files::Files;
use crate::config::{Endpoint, Origin};
use crate::limited_file;

/// Google's are about 2 kB.
const MAX_BYTES: usize = 64 * 1024;
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// Before the account in the URL of an impersonation.
const ACCOUNTS: &str = "/v1/projects/-/serviceAccounts/";

/// What the configuration says instead of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Overrides {
    /// Where tokens are exchanged: the token endpoint or STS.
    pub(super) token_url: Option<Endpoint>,
    /// Where IAM Credentials are.
    pub(super) endpoint: Option<Origin>,
}

/// What one file holds.
#[derive(Debug)]
pub(super) enum Credential {
    Key(ServiceAccountKey),
    User(AuthorizedUser),
    External(ExternalAccount, Option<Target>),
    Impersonated(Impersonation),
}

/// Whom a file wants to impersonate, and where.
#[derive(Debug)]
pub(super) struct Target {
    account: String,
    pub(super) endpoint: Origin,
}

impl Credential {
    /// Reads a file.
    pub(super) fn load(file: &Path, overrides: &Overrides, files: &Files) -> Result<Self, String> {
        let shown = file.display();
        let bytes = limited_file::read(file, MAX_BYTES)
            .map_err(|error| format!("{shown} can't be read: {error}"))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{shown} can't be read as JSON: {error}"))?;
        let read = Members::of(&value).and_then(|members| Self::read(members, overrides));
        let credential = read.map_err(|problem| format!("{shown} can't be read: {problem}"))?;
        for stranger in credential.strangers(overrides) {
            files.warn(format!(
                "{shown} has credentials sent to {stranger}, which is not Google's: if that is \
                 meant, name it in the configuration, as \"token_url\" or \"endpoint\""
            ));
        }
        Ok(credential)
    }

    fn read(members: Members<'_>, overrides: &Overrides) -> Result<Self, String> {
        match members.text("type")? {
            "service_account" => Ok(Self::Key(members.key(overrides)?)),
            "authorized_user" => Ok(Self::User(members.user(overrides)?)),
            "external_account" => {
                let target = members.maybe_target(overrides)?;
                Ok(Self::External(members.external(overrides)?, target))
            }
            "impersonated_service_account" => members.impersonation(overrides),
            other => Err(format!(
                "\"type\" is {other:?}; supported are service_account, external_account, \
                 impersonated_service_account and authorized_user"
            )),
        }
    }

    /// As a source of ID tokens.
    pub(super) fn identity(self) -> Result<Identity, String> {
        match self {
            Self::Key(key) => Ok(Identity::Key(key)),
            Self::Impersonated(impersonation) => Ok(Identity::Impersonated(impersonation)),
            Self::External(external, Some(target)) => {
                Ok(Identity::Impersonated(target.impersonated_by(AccessSource::External(external))))
            }
            Self::External(_, None) => Err(
                "it has no \"service_account_impersonation_url\", and a federated identity has \
                 no ID tokens of its own: create it with --service-account, or use it as the \
                 \"source\" of \"identity: { impersonate: … }\""
                    .to_owned(),
            ),
            Self::User(_) => {
                Err("it holds a person's credentials, for which Google mints no ID token for a \
                 region's audience: say \"identity: { impersonate: { service_account: EMAIL } }\", \
                 or run gcloud auth application-default login --impersonate-service-account=EMAIL"
                    .to_owned())
            }
        }
    }

    /// As a source of access tokens.
    pub(super) fn access(self) -> AccessSource {
        match self {
            Self::Key(key) => AccessSource::Key(key),
            Self::User(user) => AccessSource::User(user),
            Self::Impersonated(inner) => AccessSource::Impersonated(Box::new(inner)),
            Self::External(external, None) => AccessSource::External(external),
            Self::External(external, Some(target)) => {
                let inner = target.impersonated_by(AccessSource::External(external));
                AccessSource::Impersonated(Box::new(inner))
            }
        }
    }
}

impl Target {
    fn impersonated_by(self, source: AccessSource) -> Impersonation {
        let Self { account, endpoint } = self;
        Impersonation { account, delegates: Vec::new(), endpoint, source }
    }
}

/// An account's address or numeric id: it becomes a part of a path.
pub(super) fn account(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no address of a service account")),
    }
}

/// A file's members.
#[derive(Clone, Copy)]
struct Members<'f>(&'f Map<String, Value>);

impl<'f> Members<'f> {
    fn of(value: &'f Value) -> Result<Self, String> {
        value.as_object().map(Self).ok_or_else(|| "it is no JSON object".to_owned())
    }

    fn text(self, name: &str) -> Result<&'f str, String> {
        let text = self.maybe_text(name)?;
        text.ok_or_else(|| format!("{name:?} is missing"))
    }

    fn maybe_text(self, name: &str) -> Result<Option<&'f str>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(format!("{name:?} is no text, or empty")),
        }
    }

    fn below(self, name: &str) -> Result<Self, String> {
        let value = self.0.get(name).ok_or_else(|| format!("{name:?} is missing"))?;
        Self::of(value).map_err(|_| format!("{name:?} is no JSON object"))
    }

    fn token_url(self, name: &str, overrides: &Overrides) -> Result<Endpoint, String> {
        match &overrides.token_url {
            Some(url) => Ok(url.clone()),
            None => Endpoint::parse(self.maybe_text(name)?.unwrap_or(TOKEN_URL)),
        }
    }

    fn key(self, overrides: &Overrides) -> Result<ServiceAccountKey, String> {
        let key = SigningKey::read(self.text("private_key")?, self.text("private_key_id")?);
        Ok(ServiceAccountKey {
            email: account(self.text("client_email")?)?,
            key: key.map_err(|problem| format!("\"private_key\" {problem}"))?,
            token_url: self.token_url("token_uri", overrides)?,
        })
    }

    fn user(self, overrides: &Overrides) -> Result<AuthorizedUser, String> {
        Ok(AuthorizedUser {
            client_id: self.text("client_id")?.to_owned(),
            client_secret: Secret(self.text("client_secret")?.to_owned()),
            refresh_token: Secret(self.text("refresh_token")?.to_owned()),
            token_url: self.token_url("token_uri", overrides)?,
            quota_project: self.maybe_text("quota_project_id")?.map(str::to_owned),
        })
    }

    fn external(self, overrides: &Overrides) -> Result<ExternalAccount, String> {
        let source = self.below("credential_source")?;
        let place = source.place()?;
        let token_url = match &overrides.token_url {
            Some(url) => url.clone(),
            None => Endpoint::parse(self.text("token_url")?)?,
        };
        Ok(ExternalAccount {
            audience: self.text("audience")?.to_owned(),
            subject_token_type: self.text("subject_token_type")?.to_owned(),
            token_url,
            place,
            field: source.field()?,
        })
    }

    fn place(self) -> Result<SubjectPlace, String> {
        if let Some(file) = self.maybe_text("file")? {
            return Ok(SubjectPlace::File(PathBuf::from(file)));
        }
        if let Some(url) = self.maybe_text("url")? {
            let is_aws = self.0.contains_key("environment_id");
            if !is_aws {
                let url = Endpoint::parse_near(url)?;
                return Ok(SubjectPlace::Url { url, headers: self.headers()? });
            }
        }
        let known = [
            ("environment_id", "AWS"),
            ("executable", "executable"),
            ("certificate", "certificate"),
        ];
        let kind = known.iter().find(|(name, _)| self.0.contains_key(*name));
        Err(format!(
            "its \"credential_source\" is of the kind {:?}; supported are those with \"file\" or \"url\"",
            kind.map_or("unknown", |(_, kind)| kind),
        ))
    }

    fn headers(self) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        if !self.0.contains_key("headers") {
            return Ok(Vec::new());
        }
        let headers = self.below("headers")?;
        let read = |name: &String| {
            let wrong = || format!("the header {name:?} is none");
            let value = headers.text(name)?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            Ok((name.parse().map_err(|_| wrong())?, value))
        };
        headers.0.keys().map(read).collect()
    }

    /// The member of a JSON document that holds the token, if it is one.
    fn field(self) -> Result<Option<String>, String> {
        if !self.0.contains_key("format") {
            return Ok(None);
        }
        let format = self.below("format")?;
        match format.text("type")? {
            "text" => Ok(None),
            "json" => Ok(Some(format.text("subject_token_field_name")?.to_owned())),
            other => Err(format!("the format {other:?} is none of: text, json")),
        }
    }

    fn impersonation(self, overrides: &Overrides) -> Result<Credential, String> {
        let target = self.maybe_target(overrides)?;
        let target = target.ok_or("\"service_account_impersonation_url\" is missing")?;
        let source = Credential::read(self.below("source_credentials")?, overrides)?;
        if matches!(source, Credential::Impersonated(_)) {
            return Err("\"source_credentials\" are impersonated too: use \"delegates\"".to_owned());
        }
        let delegates = match self.0.get("delegates") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(delegate).collect::<Result<_, _>>()?,
            Some(_) => return Err("\"delegates\" is no list".to_owned()),
        };
        let inner = target.impersonated_by(source.access());
        Ok(Credential::Impersonated(Impersonation { delegates, ..inner }))
    }

    fn maybe_target(self, overrides: &Overrides) -> Result<Option<Target>, String> {
        const NAME: &str = "service_account_impersonation_url";
        let Some(text) = self.maybe_text(NAME)? else {
            return Ok(None);
        };
        let wrong = || format!("{NAME:?} is no …{ACCOUNTS}EMAIL:generateAccessToken");
        let url = Endpoint::parse(text)?;
        let below = url.path().strip_prefix(ACCOUNTS).ok_or_else(wrong)?;
        let (name, _) = below.rsplit_once(':').ok_or_else(wrong)?;
        let endpoint = overrides.endpoint.clone().unwrap_or_else(|| url.origin().clone());
        Ok(Some(Target { account: account(name)?, endpoint }))
    }
}

/// Files name delegates by address, or as `projects/-/serviceAccounts/EMAIL`.
fn delegate(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("\"delegates\" holds something that is no text")?;
    account(text.strip_prefix("projects/-/serviceAccounts/").unwrap_or(text))
}
