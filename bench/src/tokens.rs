//! The loads: which tokens the requests carry.

use remint_emulator::Issuer;
use remint_tests::attack::good_claims;
use serde_json::{Value, json};

use crate::report::grouped;

/// Long enough for the longest run, and within what any setup admits.
const LIFETIME: u64 = 12 * 3600;
/// How many tokens [`Load::Few`] has: more than `jwt_authn` remembers unless
/// told otherwise (100), fewer than ours does.
const FEW: usize = 500;

/// What the requests of a measurement carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Good tokens, one after the other, and then from the first again.
    Distinct,
    /// The first of them alone: an eighth, or fewer.
    Few,
    /// One good token, in each request.
    Repeated,
    /// Good tokens, one after the other, in requests without a body: what
    /// refusals are compared with.
    Bodiless,
    /// No token.
    Missing,
    /// Distinct tokens, each signed by somebody else.
    Forged,
    /// Distinct tokens whose time is over.
    Expired,
    /// Distinct tokens for somebody else.
    WrongAudience,
    /// Distinct tokens of somebody else.
    WrongCaller,
}

/// The tokens of every load.
pub struct Tokens {
    distinct: Vec<String>,
    forged: Vec<String>,
    expired: Vec<String>,
    wrong_audience: Vec<String>,
    wrong_caller: Vec<String>,
}

impl Load {
    /// Those that are admitted.
    pub const GOOD: [Self; 3] = [Self::Distinct, Self::Few, Self::Repeated];
    /// Those that must be refused.
    pub const BAD: [Self; 5] =
        [Self::Missing, Self::Forged, Self::Expired, Self::WrongAudience, Self::WrongCaller];

    /// Whether its requests have a body. Envoy closes the connection after an
    /// answer of its own to a request whose body is still to come, whoever
    /// refuses it: that would be measured instead.
    #[must_use]
    pub fn has_body(self) -> bool {
        Self::GOOD.contains(&self)
    }

    /// What it is called in a file name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Distinct => "distinct",
            Self::Few => "few",
            Self::Repeated => "repeated",
            Self::Bodiless => "bodiless",
            Self::Missing => "missing",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::WrongAudience => "wrong-audience",
            Self::WrongCaller => "wrong-caller",
        }
    }

    /// What it is called in a table.
    #[must_use]
    pub fn shown(self, tokens: &Tokens) -> String {
        match self {
            Self::Distinct | Self::Few => {
                format!("{} distinct", grouped(&tokens.of(self).len().to_string()))
            }
            Self::Repeated => "one".to_owned(),
            Self::Bodiless => "accepted".to_owned(),
            Self::Missing => "no token".to_owned(),
            Self::Forged => "forged signature".to_owned(),
            Self::Expired => "expired".to_owned(),
            Self::WrongAudience => "wrong audience".to_owned(),
            Self::WrongCaller => "wrong caller".to_owned(),
        }
    }
}

impl Tokens {
    /// Has them signed: `count` for each load that has many. `impostor` is
    /// somebody who signs with a key of their own under the issuer's key id.
    #[must_use]
    pub fn mint(issuer: &Issuer, impostor: &Issuer, count: usize) -> Self {
        let (now, header) = (issuer.now().0, issuer.header());
        let many = |signer: &Issuer, change: &dyn Fn(&mut Value)| {
            let token = |mut claims: Value| {
                change(&mut claims);
                signer.sign(&header, &claims)
            };
            claims(now, count).map(token).collect()
        };
        let set = |name: &'static str, value: &'static str| {
            move |claims: &mut Value| claims[name] = json!(value)
        };
        Self {
            distinct: many(issuer, &|_| {}),
            forged: many(impostor, &|_| {}),
            expired: many(issuer, &|claims| claims["exp"] = json!(now - 3600)),
            wrong_audience: many(issuer, &set("aud", "https://elsewhere.example.com")),
            wrong_caller: many(issuer, &set("email", "stranger@elsewhere.example.com")),
        }
    }

    /// The good ones alone.
    #[must_use]
    pub fn good(issuer: &Issuer, count: usize) -> Self {
        let header = issuer.header();
        let distinct = claims(issuer.now().0, count).map(|it| issuer.sign(&header, &it)).collect();
        let none = Vec::new;
        Self {
            distinct,
            forged: none(),
            expired: none(),
            wrong_audience: none(),
            wrong_caller: none(),
        }
    }

    /// The tokens of a load; none if it has none.
    #[must_use]
    pub fn of(&self, load: Load) -> &[String] {
        match load {
            Load::Distinct | Load::Bodiless => &self.distinct,
            Load::Few => &self.distinct[..self.distinct.len().div_ceil(8).min(FEW)],
            Load::Repeated => &self.distinct[..1],
            Load::Missing => &[],
            Load::Forged => &self.forged,
            Load::Expired => &self.expired,
            Load::WrongAudience => &self.wrong_audience,
            Load::WrongCaller => &self.wrong_caller,
        }
    }
}

/// Claims that differ in the second at which they were made, as those of a
/// sender that mints often do. All were made before the expired ones ended.
fn claims(now: u64, count: usize) -> impl Iterator<Item = Value> {
    (now - 7200 - count as u64..).take(count).map(move |made| {
        let mut claims = good_claims(made);
        claims["exp"] = json!(now + LIFETIME);
        claims
    })
}
