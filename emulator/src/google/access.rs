//! The access tokens that are in force.

use std::collections::{HashMap, VecDeque};

use remint_idtoken::UnixTime;

/// How many there are at most. Google has no such bound; whoever asks for more
/// than that within an hour has lost the first ones.
const MOST: usize = 100_000;

/// Whose an access token is, as IAM writes members, for what and until when.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) member: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: UnixTime,
}

/// All of them by their text.
#[derive(Default)]
pub(super) struct AccessTokens {
    tokens: HashMap<String, Access>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl AccessTokens {
    /// Puts one in. The oldest make room where their time is over or there are
    /// too many.
    pub(super) fn add(&mut self, token: String, access: Access, now: UnixTime) {
        while let Some(oldest) = self.order.front() {
            let is_over = self.get(oldest, now).is_none();
            if !is_over && self.order.len() < MOST {
                break;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.tokens.remove(&oldest);
            }
        }
        self.order.push_back(token.clone());
        self.tokens.insert(token, access);
    }

    pub(super) fn get(&self, token: &str, now: UnixTime) -> Option<&Access> {
        self.tokens.get(token).filter(|it| it.expires_at > now)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(expires_at: u64) -> Access {
        let member = "user:a@example.com".to_owned();
        Access { member, scopes: Vec::new(), expires_at: UnixTime(expires_at) }
    }

    #[test]
    fn the_oldest_make_room_when_there_are_too_many() {
        let mut all = AccessTokens::default();
        for number in 0..=MOST {
            all.add(number.to_string(), access(10), UnixTime(0));
        }
        assert_eq!((all.tokens.len(), all.order.len()), (MOST, MOST));
        assert!(all.get("0", UnixTime(0)).is_none() && all.get("1", UnixTime(0)).is_some());
    }

    #[test]
    fn those_whose_time_is_over_go() {
        let mut all = AccessTokens::default();
        all.add("a".to_owned(), access(10), UnixTime(0));
        assert!(all.get("a", UnixTime(9)).is_some() && all.get("a", UnixTime(10)).is_none());
        all.add("b".to_owned(), access(20), UnixTime(10));
        assert_eq!((all.tokens.len(), all.order.len()), (1, 1));
    }
}
