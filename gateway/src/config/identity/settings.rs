//! Reading `identity`.

use std::cell::OnceCell;

use remint_idtoken::config::{Kind, Object, Reader};

use super::adc::{Found, find, metadata_host, parse_host};
use super::files::{Credential, Overrides, account};
use super::{AccessSource, Identity, Impersonation, ServiceAccountKey};
use crate::config::files::Files;
use crate::config::{Endpoint, Environment, HostPort, Origin};

/// Where IAM Credentials are.
const IAM_HOST: &str = "iamcredentials.googleapis.com";

/// Reads identities: the one for all services, and those of their own.
pub(in crate::config) struct Identities<'a> {
    files: &'a Files,
    environment: &'a Environment,
    /// Outside: whether it can be read; inside: whether it is there.
    general: Option<Option<Identity>>,
    /// What Application Default Credentials have found, once they were needed.
    found: OnceCell<Option<Identity>>,
}

type Read<'a, T> = fn(&Identities<'a>, &Reader<'_>) -> Option<T>;

impl<'a> Identities<'a> {
    /// With the identity for all services, if the configuration has one.
    pub(in crate::config) fn read(
        object: &mut Object<'_>,
        files: &'a Files,
        environment: &'a Environment,
    ) -> Self {
        let mut this = Self { files, environment, general: None, found: OnceCell::new() };
        this.general = object.maybe("identity", |identity| this.identity(identity));
        this
    }

    /// The identity of one service: its own, else that for all, else what
    /// Application Default Credentials find.
    pub(in crate::config) fn of_service(&self, service: &mut Object<'_>) -> Option<Identity> {
        if let Some(own) = service.maybe("identity", |identity| self.identity(identity))? {
            return Some(own);
        }
        if let Some(general) = self.general.clone()? {
            return Some(general);
        }
        // Looked for once, and a mistake there is told once.
        let find = || {
            let found = self.found_identity(&Overrides::default());
            let tell = |problem| service.reader().problem(format!("no \"identity\": {problem}"));
            found.map_err(tell).ok()
        };
        self.found.get_or_init(find).clone()
    }

    /// The metadata server of the machine: the one that tokens come from, if
    /// they come from one.
    pub(in crate::config) fn metadata_host(&self) -> Result<HostPort, String> {
        let general = self.general.iter().flatten().next();
        match general.and_then(Identity::metadata_host) {
            Some(host) => Ok(host.clone()),
            None => metadata_host(self.environment),
        }
    }

    fn identity(&self, from: &Reader<'_>) -> Option<Identity> {
        self.only_one(
            from,
            &[
                ("metadata", |this, it| Some(Identity::Metadata { host: this.metadata(it)? })),
                ("service_account_key", |this, it| this.key(it).map(Identity::Key)),
                ("impersonate", |this, it| this.impersonation(it).map(Identity::Impersonated)),
                ("external_account", |this, it| this.external_account(it)?.identity_at(it)),
                ("default", |this, it| this.default(it, Self::found_identity)),
            ],
        )
    }

    /// Whose access tokens an impersonation begins with.
    fn source(&self, from: &Reader<'_>) -> Option<AccessSource> {
        self.only_one(
            from,
            &[
                ("metadata", |this, it| Some(AccessSource::Metadata { host: this.metadata(it)? })),
                ("service_account_key", |this, it| this.key(it).map(AccessSource::Key)),
                ("external_account", |this, it| this.external_account(it).map(Credential::access)),
                ("default", |this, it| this.default(it, Self::found_source)),
            ],
        )
    }

    /// Reads the one member that there may be.
    fn only_one<T>(&self, from: &Reader<'_>, choices: &[(&'static str, Read<'a, T>)]) -> Option<T> {
        let mut object = from.object()?;
        let mut given = Vec::new();
        for (name, read) in choices {
            given.extend(object.get(name).map(|member| (member, read)));
        }
        if given.len() != 1 {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            from.problem(format!("needs one of these, and only one: {}", names.join(", ")));
        }
        object.finish();
        // Mistakes in all of them are told.
        let read: Vec<_> = given.iter().map(|(member, read)| read(self, member)).collect();
        match read.len() {
            1 => read.into_iter().next()?,
            _ => None,
        }
    }

    fn metadata(&self, from: &Reader<'_>) -> Option<HostPort> {
        let given = match is_empty(from) {
            true => None,
            false => {
                let mut object = from.object()?;
                let host = object.maybe("host", |host| host.parsed(parse_host));
                object.finish();
                host?
            }
        };
        let of_environment = || {
            let host = metadata_host(self.environment);
            host.map_err(|problem| from.problem(problem)).ok()
        };
        given.or_else(of_environment)
    }

    fn key(&self, from: &Reader<'_>) -> Option<ServiceAccountKey> {
        let overrides = |object: &mut Object<'_>| {
            let token_url = object.maybe("token_url", |url| url.parsed(Endpoint::parse))?;
            Some(Overrides { token_url, endpoint: None })
        };
        match self.file(from, overrides)? {
            Credential::Key(key) => Some(key),
            _ => other_type(from, "service_account"),
        }
    }

    fn external_account(&self, from: &Reader<'_>) -> Option<Credential> {
        match self.file(from, Self::external)? {
            external @ Credential::External(..) => Some(external),
            _ => other_type(from, "external_account"),
        }
    }

    fn external(object: &mut Object<'_>) -> Option<Overrides> {
        let token_url = object.maybe("token_url", |url| url.parsed(Endpoint::parse));
        let endpoint = object.maybe("endpoint", |url| url.parsed(private_origin));
        Some(Overrides { token_url: token_url?, endpoint: endpoint? })
    }

    /// A mapping with a `file`, and what `overrides` reads.
    fn file(
        &self,
        from: &Reader<'_>,
        overrides: fn(&mut Object<'_>) -> Option<Overrides>,
    ) -> Option<Credential> {
        let mut object = from.object()?;
        let overrides = overrides(&mut object);
        let name = object.need("file");
        object.finish();
        let (name, overrides) = (name?, overrides?);
        name.parsed(|name| Credential::load(&self.files.path(name), &overrides, self.files))
    }

    fn default<T>(
        &self,
        from: &Reader<'_>,
        found: fn(&Self, &Overrides) -> Result<T, String>,
    ) -> Option<T> {
        let overrides = match is_empty(from) {
            true => Overrides::default(),
            false => {
                let mut object = from.object()?;
                let overrides = Self::external(&mut object);
                object.finish();
                overrides?
            }
        };
        found(self, &overrides).map_err(|problem| from.problem(problem)).ok()
    }

    fn found_identity(&self, overrides: &Overrides) -> Result<Identity, String> {
        match find(self.environment, self.files, overrides)? {
            Found::Metadata(host) => Ok(Identity::Metadata { host }),
            Found::File(file, credential) => credential
                .identity()
                .map_err(|problem| format!("{} is of no use: {problem}", file.display())),
        }
    }

    fn found_source(&self, overrides: &Overrides) -> Result<AccessSource, String> {
        match find(self.environment, self.files, overrides)? {
            Found::Metadata(host) => Ok(AccessSource::Metadata { host }),
            Found::File(_, credential) => Ok(credential.access()),
        }
    }

    fn impersonation(&self, from: &Reader<'_>) -> Option<Impersonation> {
        let mut object = from.object()?;
        let target = object.need("service_account").and_then(|name| name.parsed(account));
        let delegates = object.maybe("delegates", |list| list.list(|name| name.parsed(account)));
        let endpoint = object.maybe("endpoint", |url| url.parsed(private_origin));
        let source = object.maybe("source", |source| self.source(source));
        object.finish();
        let source = match source? {
            Some(source) => source,
            None => {
                let found = self.found_source(&Overrides::default());
                found.map_err(|problem| from.problem(problem)).ok()?
            }
        };
        Some(Impersonation {
            account: target?,
            delegates: delegates?.unwrap_or_default(),
            endpoint: endpoint?.or_else(|| Origin::of(true, IAM_HOST))?,
            source,
        })
    }
}

impl Credential {
    fn identity_at(self, from: &Reader<'_>) -> Option<Identity> {
        let identity = self.identity();
        identity.map_err(|problem| from.problem(format!("\"file\" is of no use: {problem}"))).ok()
    }
}

fn other_type<T>(from: &Reader<'_>, wanted: &str) -> Option<T> {
    from.problem(format!("\"file\" can't be read as a file of the type {wanted}: it has another"));
    None
}

/// `metadata:` with nothing after it asks for the defaults, as `{}` does.
fn is_empty(from: &Reader<'_>) -> bool {
    from.node().kind == Kind::Null
}

fn private_origin(text: &str) -> Result<Origin, String> {
    let endpoint = Endpoint::parse(text)?;
    match endpoint.path() {
        "/" => Ok(endpoint.origin().clone()),
        _ => Err(format!("{text:?} goes on after the host: leave the path out")),
    }
}
