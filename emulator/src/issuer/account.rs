//! Keys of service accounts, as Google hands them out in files.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::KeyError;
use super::key::Published;

/// A key of a service account.
#[derive(Clone, Debug)]
pub struct AccountKey {
    /// The account's address.
    pub email: String,
    /// The key's id.
    pub id: String,
    pem: String,
    public: Published,
}

impl AccountKey {
    /// A fresh key of 2048 bits.
    ///
    /// # Errors
    /// [`KeyError`] if none can be made.
    pub fn generate(email: &str) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generate;
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let public = Published::of(&pair, email)?;
        let (id, pem) = (public.id.clone(), pem(der.as_ref()));
        Ok(Self { email: email.to_owned(), id, pem, public })
    }

    /// The public key, as DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.public.spki
    }

    /// The public key, as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        self.public.jwk.clone()
    }

    /// The public key in a self-signed certificate, as PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.public.certificate
    }

    /// The file that Google hands out once, when the key is made. `token_url`
    /// is where its assertions are exchanged.
    #[must_use]
    pub fn file(&self, token_url: &str) -> String {
        let (_, domain) = self.email.split_once('@').unwrap_or_default();
        let file = json!({
            "type": "service_account",
            "project_id": domain.split('.').next(),
            "private_key_id": self.id,
            "private_key": self.pem,
            "client_email": self.email,
            "client_id": super::subject_of(&self.email),
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_url,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": format!(
                "https://www.googleapis.com/service_accounts/v1/metadata/x509/{}",
                self.email.replace('@', "%40")
            ),
            "universe_domain": "googleapis.com",
        });
        format!("{file:#}\n")
    }
}

fn pem(der: &[u8]) -> String {
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END PRIVATE KEY-----\n"
}
