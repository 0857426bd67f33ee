//! What is said of a deployment.

use remint_idtoken::Reason;
use serde_json::{Value, json};

use super::catalogue::Check;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Green,
    /// Worth a look: it may be meant so.
    Amber,
    /// Requests are refused, or anybody gets in.
    Red,
}

impl Level {
    /// A word that is told apart without colours.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "ok",
            Self::Amber => "look",
            Self::Red => "WRONG",
        }
    }

    pub(crate) fn colour(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check that it failed.
    pub check: Check,
    /// What it is about: `region orders/us`, `subscription orders`.
    pub subject: String,
    /// What is wrong, with the values.
    pub cause: String,
    /// The reason for which requests are refused, if they are.
    pub reason: Option<Reason>,
    /// What to do, where the command alone does not tell.
    pub advice: Option<String>,
    /// The command that mends it, or shows what is needed to.
    pub command: Option<String>,
}

impl Finding {
    pub(crate) fn new(check: Check, subject: &str, cause: impl Into<String>) -> Self {
        let (subject, cause) = (subject.to_owned(), cause.into());
        Self { check, subject, cause, reason: check.entry().reason, advice: None, command: None }
    }

    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    pub(crate) fn advised(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    pub(crate) fn mended_by(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.check.entry().level
    }

    /// Whether it says the same of something else.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let said = |it: &Self| (it.check, it.cause.clone(), it.advice.clone(), it.command.clone());
        said(self) == said(other)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut shown = json!({
            "level": self.level().colour(),
            "check": self.check.entry().code,
            "subject": self.subject,
            "cause": self.cause,
        });
        let reason = self.reason.map(|reason| Value::from(reason.code()));
        let text = |it: &Option<String>| it.clone().map(Value::from);
        let more =
            [("reason", reason), ("advice", text(&self.advice)), ("command", text(&self.command))];
        if let Some(members) = shown.as_object_mut() {
            let known =
                more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            members.extend(known);
        }
        shown
    }
}
