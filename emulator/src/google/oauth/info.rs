//! What can be learnt of a token, as people ask by hand
//! (<https://developers.google.com/identity/sign-in/web/backend-auth#calling-the-tokeninfo-endpoint>).

use serde_json::{Map, Value, json};

use super::{Form, Oauth, Refused, answered, refused};
use crate::answers::Answer;
use crate::google::asked::Outcome;
use crate::issuer::{Assertion, subject_of};

impl Oauth<'_> {
    /// `?id_token=` or `?access_token=`.
    pub(in crate::google) fn info(&self, query: &str) -> Answer {
        let form = Form(query);
        let result = match (form.field("id_token"), form.field("access_token")) {
            (token, _) if !token.is_empty() => self.of_id_token(&token),
            (_, token) if !token.is_empty() => self.of_access_token(&token),
            _ => refused(
                "invalid_request",
                "Either access_token, id_token, or token_handle required",
            ),
        };
        answered(result, Outcome::default()).0
    }

    /// The claims of a token of Google's that is good now, all as texts, and the
    /// members of its header.
    fn of_id_token(&self, token: &str) -> Result<Value, Refused> {
        let good = Assertion::parse(token).and_then(|parsed| {
            let header = parsed.header().clone();
            let key = self.issuer.published_key(parsed.key_id()?)?;
            Some((header, parsed.verified_by(&key)?))
        });
        let Some((header, claims)) = good else {
            return refused("invalid_token", "Invalid Value");
        };
        let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
        if expires <= self.issuer.now().0 {
            return refused("invalid_token", "Invalid Value");
        }
        let members = [claims, header].into_iter().filter_map(|part| match part {
            Value::Object(members) => Some(members),
            _ => None,
        });
        let as_text = |value: Value| match value {
            flag @ Value::Bool(_) => flag.to_string().into(),
            number @ Value::Number(_) => number.to_string().into(),
            other => other,
        };
        let all = members.flatten().map(|(name, value)| (name, as_text(value)));
        Ok(Value::Object(all.collect::<Map<_, _>>()))
    }

    fn of_access_token(&self, token: &str) -> Result<Value, Refused> {
        let now = self.issuer.now();
        let Some(access) = self.accounts.access(token, now) else {
            return refused("invalid_token", "Invalid Value");
        };
        let mut info = json!({
            "scope": access.scopes.join(" "),
            "exp": access.expires_at.0.to_string(),
            "expires_in": access.expires_at.since(now).as_secs().to_string(),
            "access_type": "online",
        });
        if let (Some((_, email)), Some(members)) =
            (access.member.split_once(':').filter(|(_, it)| it.contains('@')), info.as_object_mut())
        {
            let subject = Value::from(subject_of(email));
            members.extend([
                ("azp".to_owned(), subject.clone()),
                ("aud".to_owned(), subject.clone()),
                ("sub".to_owned(), subject),
                ("email".to_owned(), email.into()),
                ("email_verified".to_owned(), "true".into()),
            ]);
        }
        Ok(info)
    }
}
