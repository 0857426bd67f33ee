//! The requests: good ones, and every way we know to spoil them.

mod form;

use http::HeaderValue;
use remint_emulator::Issuer;
use remint_tests::attack::{bearer, good_claims};
use serde_json::{Value, json};

/// The audience that both filters accept.
pub(crate) const AUDIENCE: &str = "https://orders.example.com";

/// One request.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) authorization: Vec<HeaderValue>,
    /// Whether the specifications and Google would let it pass.
    pub(crate) is_valid: bool,
}

/// Makes cases, all from the same good token.
struct Maker<'i> {
    issuer: &'i Issuer,
    now: u64,
    cases: Vec<Case>,
}

/// All cases; their names are distinct.
pub(crate) fn all(issuer: &Issuer) -> Vec<Case> {
    let mut maker = Maker { issuer, now: issuer.now().0, cases: Vec::new() };
    maker.good();
    maker.truncated();
    maker.rearranged();
    maker.wrong_types();
    maker.twice();
    maker.times();
    maker.audiences_and_issuers();
    maker.large_and_nested();
    maker.odd_base64();
    maker.odd_headers();
    maker.odd_bytes();
    maker.odd_authorization();
    maker.cases
}

impl Maker<'_> {
    fn add(&mut self, name: impl Into<String>, is_valid: bool, token: &str) {
        self.add_raw(name, is_valid, vec![bearer(token)]);
    }

    fn add_raw(&mut self, name: impl Into<String>, is_valid: bool, values: Vec<HeaderValue>) {
        let name = name.into();
        assert!(self.cases.iter().all(|case| case.name != name), "{name} occurs twice");
        self.cases.push(Case { name, authorization: values, is_valid });
    }

    fn claims(&self) -> Value {
        good_claims(self.now)
    }

    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    /// A token with this text as its payload, well signed.
    fn payload(&self, text: &[u8]) -> String {
        self.issuer.sign_bytes(self.issuer.header().to_string().as_bytes(), text)
    }

    fn header(&self, text: &[u8]) -> String {
        self.issuer.sign_bytes(text, self.claims().to_string().as_bytes())
    }

    fn good_token(&self) -> String {
        self.issuer.sign_claims(&self.claims())
    }

    fn good(&mut self) {
        let token = self.good_token();
        self.add("good", true, &token);
        let no_extras = json!({"iss": "https://accounts.google.com", "aud": AUDIENCE,
            "exp": self.now + 60});
        let token = self.issuer.sign_claims(&no_extras);
        self.add("good: only iss, aud, exp", true, &token);
        let token = self.issuer.sign_claims(&self.with("more", json!({"a": [1, {"b": null}]})));
        self.add("good: further claims", true, &token);
        let text = format!(" {} \n", self.claims());
        let token = self.payload(text.as_bytes());
        self.add("good: white space around the claims", true, &token);
    }

    fn truncated(&mut self) {
        let token = self.good_token();
        for fortieth in 0..40 {
            let end = token.len() * fortieth / 40;
            self.add(format!("cut after {fortieth}/40"), false, &token[..end]);
        }
        self.add("cut: the last character", false, &token[..token.len() - 1]);
        self.add("cut: the first character", false, &token[1..]);
    }

    fn rearranged(&mut self) {
        let token = self.good_token();
        let parts: Vec<&str> = token.split('.').collect();
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 0, 2], [1, 1, 2]] {
            let swapped = order.map(|place| parts[place]).join(".");
            self.add(format!("parts in the order {order:?}"), false, &swapped);
        }
        let other = self.issuer.sign_claims(&self.with("sub", json!("7")));
        let foreign = other.rsplit('.').next().unwrap();
        let mixed = format!("{}.{}.{foreign}", parts[0], parts[1]);
        self.add("another token's signature", false, &mixed);
        for (name, token) in [
            ("four parts", format!("{token}.x")),
            ("a dot before", format!(".{token}")),
            ("a dot behind", format!("{token}.")),
            ("two parts", format!("{}.{}", parts[0], parts[1])),
            ("no signature", format!("{}.{}.", parts[0], parts[1])),
            ("no payload", format!("{}..{}", parts[0], parts[2])),
            ("no header", format!(".{}.{}", parts[1], parts[2])),
            ("only dots", "..".to_owned()),
            (
                "signature removed by Google",
                format!("{}.{}.SIGNATURE_REMOVED_BY_GOOGLE", parts[0], parts[1]),
            ),
        ] {
            self.add(name, false, &token);
        }
    }

    fn wrong_types(&mut self) {
        let names = ["iss", "aud", "exp", "iat", "nbf", "sub", "email", "email_verified", "hd"];
        let values = [
            json!(null),
            json!(true),
            json!(-1),
            json!(7.5),
            json!(""),
            json!("x"),
            json!([]),
            json!([1]),
            json!({}),
        ];
        for name in names {
            for value in &values {
                let is_date = name == "iat" || name == "nbf";
                let is_valid = match (name, value) {
                    ("sub" | "email" | "hd", Value::String(_)) => true,
                    ("email_verified", Value::Bool(_)) => true,
                    // A fraction of a second is a NumericDate; with an `iat`
                    // that long ago the token would live for decades.
                    (_, Value::Number(number)) => {
                        name == "nbf" && is_date && number.as_f64() == Some(7.5)
                    }
                    _ => false,
                };
                let token = self.issuer.sign_claims(&self.with(name, value.clone()));
                self.add(format!("{name} is {value}"), is_valid, &token);
            }
            let mut claims = self.claims();
            claims.as_object_mut().unwrap().remove(name);
            let is_valid = !["iss", "aud", "exp"].contains(&name);
            let token = self.issuer.sign_claims(&claims);
            self.add(format!("{name} is missing"), is_valid, &token);
        }
    }

    fn twice(&mut self) {
        let claims = self.claims().to_string();
        for name in ["iss", "aud", "exp", "iat", "sub", "email", "email_verified", "more"] {
            let first = format!("{{\"{name}\":0,\"more\":0,{}", &claims[1..]);
            let token = self.payload(first.as_bytes());
            self.add(format!("{name} twice"), false, &token);
        }
        let header = self.issuer.header().to_string();
        let token = self.header(format!("{{\"alg\":\"none\",{}", &header[1..]).as_bytes());
        self.add("alg twice", false, &token);
        let nested = format!("{{\"more\":{{\"a\":1,\"a\":2}},{}", &claims[1..]);
        let token = self.payload(nested.as_bytes());
        self.add("a nested name twice", false, &token);
    }

    fn times(&mut self) {
        let now = self.now;
        for (name, is_valid, changes) in [
            ("expired an hour ago", false, json!({"iat": now - 7200, "exp": now - 3600})),
            ("expired within the skew", true, json!({"iat": now - 3600, "exp": now - 5})),
            ("expired beyond the skew", false, json!({"iat": now - 3700, "exp": now - 100})),
            ("expires in the year 9999", false, json!({"exp": 253_402_300_799_u64})),
            ("expires after u64", false, json!({"exp": 1e30})),
            ("valid in an hour", false, json!({"nbf": now + 3600})),
            ("valid within the skew", true, json!({"nbf": now + 10})),
            ("issued in an hour", false, json!({"iat": now + 3600, "exp": now + 7200})),
            ("issued within the skew", true, json!({"iat": now + 10})),
            ("valid for two days", false, json!({"exp": now + 172_800})),
            (
                "exp with a fraction",
                true,
                json!({"exp": 0.5 + u32::try_from(now + 60).map(f64::from).unwrap()}),
            ),
            ("exp as text", false, json!({"exp": (now + 60).to_string()})),
        ] {
            let mut claims = self.claims();
            for (claim, value) in changes.as_object().unwrap() {
                claims[claim.as_str()] = value.clone();
            }
            let token = self.issuer.sign_claims(&claims);
            self.add(name, is_valid, &token);
        }
        let claims = self.claims().to_string();
        let exponent = claims.replace(&format!("\"exp\":{}", now + 3600), "\"exp\":1.9e9");
        let is_short = 1_900_000_000_u64.saturating_sub(now) <= 86_400;
        let token = self.payload(exponent.as_bytes());
        self.add("exp as 1.9e9", is_short, &token);
    }

    fn audiences_and_issuers(&mut self) {
        for (value, is_valid) in [
            (json!("https://orders.example.com/"), false),
            (json!("http://orders.example.com"), false),
            (json!("orders.example.com"), false),
            (json!("https://ORDERS.example.com"), false),
            (json!("https://orders.example.com/push"), false),
            (json!("https://orders.example.com?x"), false),
            (json!("https://orders.example.com:443"), false),
            (json!(" https://orders.example.com"), false),
            (json!("https://orders.example.com\u{0}"), false),
            (json!(["https://orders.example.com"]), true),
            (json!(["https://elsewhere.example", "https://orders.example.com"]), true),
            (json!(["https://elsewhere.example"]), false),
            (json!(["https://orders.example.com", 1]), false),
            (json!(["https://orders.example.com", null]), false),
            (json!([["https://orders.example.com"]]), false),
            (json!({"https://orders.example.com": 1}), false),
        ] {
            let token = self.issuer.sign_claims(&self.with("aud", value.clone()));
            self.add(format!("aud is {value}"), is_valid, &token);
        }
        for (value, is_valid) in [
            ("accounts.google.com", true),
            ("https://accounts.google.com/", false),
            ("http://accounts.google.com", false),
            ("https://ACCOUNTS.google.com", false),
            ("https://evil.example", false),
            ("https://cloud.google.com/iap", false),
        ] {
            let token = self.issuer.sign_claims(&self.with("iss", json!(value)));
            self.add(format!("iss is {value}"), is_valid, &token);
        }
    }

    fn large_and_nested(&mut self) {
        for (depth, is_valid) in [(5, true), (50, false), (120, false), (500, false), (2000, false)]
        {
            let nest = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let claims = self.claims().to_string();
            let text = format!("{{\"more\":{nest},{}", &claims[1..]);
            let token = self.payload(text.as_bytes());
            self.add(format!("nested {depth} deep"), is_valid, &token);
        }
        for (size, is_valid) in [(1000, true), (8000, true), (20_000, false), (40_000, false)] {
            let token = self.issuer.sign_claims(&self.with("more", json!("x".repeat(size))));
            self.add(format!("a claim of {size} characters"), is_valid, &token);
        }
        let many: serde_json::Map<String, Value> =
            (0..500).map(|number| (format!("c{number}"), json!(number))).collect();
        let token = self.issuer.sign_claims(&self.with("more", json!(many)));
        self.add("five hundred claims", true, &token);
    }
}
