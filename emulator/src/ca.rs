//! The emulator's own certificate authority, for its TLS listeners.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// Why a listener has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Making the certificate.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// Using it.
    #[error("a certificate could not be used")]
    Tls(#[from] rustls::Error),
}

/// Signs the listeners' certificates. It is made anew with every emulator and
/// its key never leaves the process.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    pub(crate) fn new() -> Result<Self, CaError> {
        let mut params = named("Remint emulator CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let pem = issuer.pem();
        Ok(Self { issuer, pem })
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS for a server of these names; `localhost` and `127.0.0.1` are added.
    pub(crate) fn server(&self, names: &[&str]) -> Result<Arc<ServerConfig>, CaError> {
        let mut params = named(names.first().copied().unwrap_or("localhost"));
        let all = names.iter().copied().chain(["localhost", "127.0.0.1"]);
        let all: Vec<String> = all.map(str::to_owned).collect();
        params.subject_alt_names = CertificateParams::new(all)?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // OpenSSL's strict mode, Python's default, refuses a leaf without it.
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.into()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
