//! What a token says, with the types that the claims must have.

use std::fmt;

use serde_json::Value;

use crate::json::Object;
use crate::time::{UnixTime, YEAR_9999};

/// The claims of a Google ID token that decide about it, and all the others
/// beside them.
///
/// A claim that is present has the type that its specification gives it
/// (RFC 7519, section 4.1; OpenID Connect Core, section 5.1), or the token is
/// malformed: a claim of another type is never taken for a missing one.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `aud`: one, or several, any of which counts.
    pub audiences: Vec<String>,
    /// `sub`: for a Google account its numeric id.
    pub subject: Option<String>,
    /// `email`, whether verified or not: see [`Claims::verified_email`].
    email: Option<String>,
    email_verified: Option<bool>,
    /// `hd`: the Workspace domain, absent for service accounts.
    pub hosted_domain: Option<String>,
    /// `exp`, rounded down.
    pub expires_at: UnixTime,
    /// `iat`, rounded up.
    pub issued_at: Option<UnixTime>,
    /// `nbf`, rounded up.
    pub not_before: Option<UnixTime>,
    all: Object,
}

/// Why a set of claims can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// A claim that no ID token goes without.
    #[error("the claim {0:?} is missing")]
    Missing(&'static str),
    /// A claim of a type that its specification does not give it.
    #[error("the claim {0:?} is not {1}")]
    Type(&'static str, &'static str),
}

impl Claims {
    pub(crate) fn read(all: Object) -> Result<Self, ClaimsError> {
        let claims = Fields(&all);
        Ok(Self {
            issuer: claims.text("iss")?.ok_or(ClaimsError::Missing("iss"))?,
            audiences: claims.audiences()?,
            subject: claims.text("sub")?,
            email: claims.text("email")?,
            email_verified: claims.flag("email_verified")?,
            hosted_domain: claims.text("hd")?,
            expires_at: claims.date("exp", f64::floor)?.ok_or(ClaimsError::Missing("exp"))?,
            issued_at: claims.date("iat", f64::ceil)?,
            not_before: claims.date("nbf", f64::ceil)?,
            all,
        })
    }

    /// The same, where the issuer may vouch for the address by being who it
    /// is: a token that says nothing of it then says yes.
    ///
    /// Not so where it passes on what somebody else says: for users of Identity
    /// Platform IAP writes `securetoken.google.com/PROJECT:ADDRESS`, and claims
    /// of theirs under `gcip` (Google, "Getting the user's identity"); anybody
    /// may have registered there with any address.
    pub(crate) fn vouched_for(self, by_issuer: bool) -> Self {
        let is_foreign = self.all.contains_key("gcip")
            || self.email.as_ref().is_none_or(|email| email.contains([':', '/']));
        let email_verified = self.email_verified.or((by_issuer && !is_foreign).then_some(true));
        Self { email_verified, ..self }
    }

    /// The caller's address, if the issuer vouches for it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified == Some(true))
    }

    /// The address as the token claims it, for people to read: it decides
    /// nothing.
    #[must_use]
    pub fn claimed_email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// Every claim of the token, also those this crate has no name for.
    #[must_use]
    pub fn all(&self) -> &serde_json::Map<String, Value> {
        &self.all
    }
}

impl fmt::Display for Claims {
    /// Who this is about, in a few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.verified_email(), &self.subject) {
            (Some(email), _) => f.write_str(email),
            (None, Some(subject)) => write!(f, "subject {subject}"),
            (None, None) => f.write_str("nobody in particular"),
        }
    }
}

/// Claims by name and type.
struct Fields<'a>(&'a Object);

impl Fields<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, ClaimsError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(ClaimsError::Type(name, "a string")),
        }
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, ClaimsError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(ClaimsError::Type(name, "true or false")),
        }
    }

    fn audiences(&self) -> Result<Vec<String>, ClaimsError> {
        let wrong = ClaimsError::Type("aud", "a string or a list of strings");
        match self.0.get("aud") {
            None => Err(ClaimsError::Missing("aud")),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(several)) => several
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong.clone()))
                .collect(),
            Some(_) => Err(wrong),
        }
    }

    /// A `NumericDate`, which may have a fraction; `round` takes it to the
    /// whole second that is stricter.
    fn date(
        &self,
        name: &'static str,
        round: fn(f64) -> f64,
    ) -> Result<Option<UnixTime>, ClaimsError> {
        let wrong = ClaimsError::Type(name, "a number of seconds since 1970");
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = match value {
            Value::Number(number) if number.is_u64() => number.as_u64(),
            Value::Number(number) => number.as_f64().map(round).and_then(whole_seconds),
            _ => None,
        };
        match seconds {
            Some(seconds) if seconds <= YEAR_9999 => Ok(Some(UnixTime(seconds))),
            _ => Err(wrong),
        }
    }
}

/// A rounded number as seconds, if it lies between 1970 and the year 9999.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the range was checked in the line above, and ends far below 2^53"
)]
fn whole_seconds(rounded: f64) -> Option<u64> {
    (0.0..=YEAR_9999 as f64).contains(&rounded).then_some(rounded as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    fn read(text: &str) -> Result<Claims, ClaimsError> {
        Claims::read(parse_object(text.as_bytes()).unwrap())
    }

    #[test]
    fn the_claims_of_a_service_account_are_read() {
        let claims = read(
            r#"{"iss":"https://accounts.google.com","aud":"https://a.example","sub":"104",
                "azp":"104","email":"a@b.iam.gserviceaccount.com","email_verified":true,
                "iat":1700000000,"exp":1700003600}"#,
        )
        .unwrap();
        assert_eq!(claims.verified_email(), Some("a@b.iam.gserviceaccount.com"));
        assert_eq!(claims.audiences, ["https://a.example"]);
        assert_eq!(claims.expires_at, UnixTime(1_700_003_600));
        assert_eq!(claims.all()["azp"], "104");
    }

    #[test]
    fn an_address_counts_only_if_the_issuer_verified_it() {
        for flag in ["", r#","email_verified":false"#] {
            let claims =
                read(&format!(r#"{{"iss":"i","aud":"a","exp":1,"email":"a@b"{flag}}}"#)).unwrap();
            assert_eq!(claims.verified_email(), None);
            assert_eq!(claims.claimed_email(), Some("a@b"));
        }
    }

    #[test]
    fn an_issuer_vouches_for_addresses_of_its_own_accounts_alone() {
        let vouched = |more: &str| {
            let claims = read(&format!(r#"{{"iss":"i","aud":"a","exp":1{more}}}"#)).unwrap();
            claims.vouched_for(true).verified_email().map(str::to_owned)
        };
        assert_eq!(vouched(r#","email":"a@b.example""#).as_deref(), Some("a@b.example"));
        for foreign in [
            "",
            r#","email":"a@b.example","email_verified":false"#,
            r#","email":"a@b.example","gcip":{"email":"a@b.example"}"#,
            r#","email":"securetoken.google.com/project:a@b.example""#,
        ] {
            assert_eq!(vouched(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_claim_of_another_type_is_an_error_and_not_a_missing_claim() {
        let base = [
            ("iss", r#""i""#),
            ("aud", r#""a""#),
            ("exp", "1"),
            ("sub", r#""s""#),
            ("email", r#""e""#),
            ("email_verified", "true"),
            ("hd", r#""h""#),
            ("iat", "1"),
            ("nbf", "1"),
        ];
        for (wrong, _) in base {
            let members: Vec<String> = base
                .iter()
                .map(|(n, v)| format!("{n:?}:{}", if *n == wrong { "{}" } else { v }))
                .collect();
            let result = read(&format!("{{{}}}", members.join(",")));
            assert!(matches!(result, Err(ClaimsError::Type(name, _)) if name == wrong), "{wrong}");
        }
    }

    #[test]
    fn fractions_of_a_second_are_rounded_to_the_stricter_side() {
        let claims = read(r#"{"iss":"i","aud":"a","exp":10.9,"nbf":3.1,"iat":2.0}"#).unwrap();
        assert_eq!(claims.expires_at, UnixTime(10));
        assert_eq!(claims.not_before, Some(UnixTime(4)));
        assert_eq!(claims.issued_at, Some(UnixTime(2)));
    }

    #[test]
    fn dates_before_1970_and_after_9999_are_errors() {
        for bad in ["-1", "-0.5e3", "1e300", "253402300800", "18446744073709551615", "\"1\""] {
            let result = read(&format!(r#"{{"iss":"i","aud":"a","exp":{bad}}}"#));
            assert!(matches!(result, Err(ClaimsError::Type("exp", _))), "{bad}");
        }
    }
}
