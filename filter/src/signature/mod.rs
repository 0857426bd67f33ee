//! Who checks signatures: the host, at native speed, or this module.

mod host;
mod module;

use std::cell::Cell;

use proxy_wasm::types::LogLevel;
use remint_idtoken::{PublicKey, SignatureError, SignatureScheme};

pub use host::HostSignatures;
pub use module::{ModuleKey, ModuleSignatures};

use crate::host::NoAnswer;

/// Whom [`Signatures`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckedBy {
    /// The host function `verify_signature`. A host that turns out to have
    /// none is not asked again: this module does the work then.
    Host,
    /// This module, for hosts that are known to have no such function.
    Module,
}

/// Signature checks by the host or by this module.
pub struct Signatures {
    by: Cell<CheckedBy>,
    host: HostSignatures,
    log: fn(&str),
}

/// A key that is ready for the module, and as the host wants it.
pub struct Key {
    public: PublicKey,
    ready: ModuleKey,
}

impl Signatures {
    /// Asks whom the configuration says.
    #[must_use]
    pub fn new(by: CheckedBy) -> Self {
        Self {
            by: Cell::new(by),
            host: HostSignatures::default(),
            log: |message| crate::host::log(LogLevel::Warn, message),
        }
    }

    /// Who checks at present.
    #[must_use]
    pub fn checked_by(&self) -> CheckedBy {
        self.by.get()
    }
}

impl SignatureScheme for Signatures {
    type Key = Key;

    /// Whoever checks, a key that is not valid is refused here: the host says
    /// of such a key no more than that the signature is wrong.
    fn load(&self, key: &PublicKey) -> Result<Key, SignatureError> {
        Ok(Key { public: key.clone(), ready: ModuleSignatures.load(key)? })
    }

    fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        if self.by.get() == CheckedBy::Host {
            match self.host.ask(&key.public, signed, signature) {
                Ok(verdict) => return verdict,
                Err(NoAnswer::Missing) => {
                    self.by.set(CheckedBy::Module);
                    (self.log)(
                        "remint: this host has no function verify_signature: signatures are \
                         checked in the module, which takes longer",
                    );
                }
                Err(failed) => return Err(failed.into()),
            }
        }
        ModuleSignatures.verify(&key.ready, signed, signature)
    }
}

#[cfg(test)]
mod tests;
