//! Values that a browser keeps for IAP, and can't change.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::UnixTime;
use serde_json::Value;

use crate::issuer::KeyError;

/// Where a value is good for: one is never taken for the other.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Session,
    SignIn,
}

/// A key that never leaves the process. Its values are good until their `exp`.
pub(super) struct Seal(hmac::Key);

impl Seal {
    pub(super) fn new() -> Result<Self, KeyError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(Self).map_err(|_| KeyError::Generate)
    }

    pub(super) fn close(&self, purpose: Purpose, value: &Value) -> String {
        let text = URL_SAFE_NO_PAD.encode(value.to_string());
        let tag = hmac::sign(&self.0, signed(purpose, &text).as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What was closed for this purpose, and whether its time is not over.
    pub(super) fn open(
        &self,
        purpose: Purpose,
        text: &str,
        now: UnixTime,
    ) -> Option<(Value, bool)> {
        let (text, tag) = text.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.0, signed(purpose, text).as_bytes(), &tag).ok()?;
        let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let is_current = value.get("exp")?.as_u64()? > now.0;
        Some((value, is_current))
    }
}

fn signed(purpose: Purpose, text: &str) -> String {
    let name = match purpose {
        Purpose::Session => "session",
        Purpose::SignIn => "sign-in",
    };
    format!("{name} {text}")
}

/// Something that nobody can guess.
pub(super) fn random() -> Option<String> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_good_for_its_purpose_key_and_time() {
        let (seal, other) = (Seal::new().unwrap(), Seal::new().unwrap());
        let value = json!({ "email": "u@example.com", "exp": 100 });
        let text = seal.close(Purpose::Session, &value);
        let open = |seal: &Seal, purpose, now| seal.open(purpose, &text, UnixTime(now));
        assert_eq!(open(&seal, Purpose::Session, 99), Some((value.clone(), true)));
        assert_eq!(open(&seal, Purpose::Session, 100), Some((value, false)));
        assert_eq!(open(&seal, Purpose::SignIn, 99), None);
        assert_eq!(open(&other, Purpose::Session, 99), None);
    }

    #[test]
    fn a_changed_value_is_none() {
        let seal = Seal::new().unwrap();
        let text = seal.close(Purpose::Session, &json!({ "email": "a", "exp": 100 }));
        let (_, tag) = text.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(json!({ "email": "b", "exp": 100 }).to_string());
        for bad in [format!("{forged}.{tag}"), format!("{text}A"), String::new(), "a.b".into()] {
            assert_eq!(seal.open(Purpose::Session, &bad, UnixTime(1)), None, "{bad}");
        }
    }
}
