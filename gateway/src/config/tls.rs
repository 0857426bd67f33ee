//! The certificate that callers see.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use remint_idtoken::config::{Object, Reader};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};

use super::files::Files;
use super::validity::not_after;
use remint_idtoken::UnixTime;

/// TLS for callers. Clones share the sessions that can be resumed.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    chain: Arc<[CertificateDer<'static>]>,
    not_after: Option<UnixTime>,
}

impl Tls {
    /// What connections are accepted with.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// When the certificate expires, if it tells.
    #[must_use]
    pub fn not_after(&self) -> Option<UnixTime> {
        self.not_after
    }

    /// Reads a chain and its key, both in PEM.
    ///
    /// # Errors
    /// Why they are no good, for people.
    fn load(certificate: &Path, key: &Path) -> Result<Self, String> {
        let shown = certificate.display();
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| format!("{shown} can't be read: {error}"))?;
        let leaf = chain.first().ok_or_else(|| format!("{shown} holds no certificate in PEM"))?;
        let not_after = not_after(leaf);
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("{} can't be read: {error}", key.display()))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = CertifiedKey::from_der(chain.clone(), private, &provider);
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                format!("the key in {} is not that of the certificate in {shown}", key.display())
            }
            error => format!("{shown} and {} can't be used: {error}", key.display()),
        })?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(certified));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS can't be set up: {error}"))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), chain: chain.into(), not_after })
    }
}

impl PartialEq for Tls {
    /// A key that fits a certificate is the certificate's key.
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    /// Holds nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// Outside: whether it can be read; inside: whether TLS is spoken.
pub(super) fn read(object: &mut Object<'_>, files: &Files) -> Option<Option<Tls>> {
    object.maybe("tls", |tls| read_tls(tls, files))
}

fn read_tls(from: &Reader<'_>, files: &Files) -> Option<Tls> {
    let mut object = from.object()?;
    let certificate = object.need("certificate").and_then(|file| file.text());
    let key = object.need("key").and_then(|file| file.text());
    object.finish();
    let (certificate, key) = (files.path(certificate?), files.path(key?));
    Tls::load(&certificate, &key).map_err(|problem| from.problem(problem)).ok()
}
