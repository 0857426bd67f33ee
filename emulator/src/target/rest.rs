//! What REST methods read and answer.

use http::Request;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::answers::Answer;
use crate::api;
use crate::google::query_value;

/// The longest document: a task has at most 1 MB (Cloud Tasks, "Quotas and
/// limits"), which base64 makes longer.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// The request's JSON; nothing counts as `{}`.
///
/// # Errors
/// If it is none, or has members that the API does not know.
pub(crate) async fn document<T: DeserializeOwned>(body: Incoming) -> Result<T, ApiError> {
    Ok(api::body(body, MAX_BODY).await?)
}

/// A parameter of the query, empty if it is missing.
pub(crate) fn query<B>(request: &Request<B>, name: &str) -> String {
    query_value(request.uri().query(), name).unwrap_or_default()
}

/// The answer where there is no such method.
pub(crate) fn no_such_method() -> Answer {
    api::answer(Err::<(), _>(ApiError::not_found("Method not found.")))
}

/// Which part of a list is asked for (AIP-158).
pub(crate) struct Page {
    pub(crate) size: i32,
    /// The number of items that were on earlier pages.
    pub(crate) token: String,
}

impl Page {
    pub(crate) fn of<B>(request: &Request<B>) -> Result<Self, ApiError> {
        let size = query(request, "pageSize");
        let wrong = |_| ApiError::invalid(format!("{size:?} is no page size"));
        let size = if size.is_empty() { 0 } else { size.parse().map_err(wrong)? };
        Ok(Self { size, token: query(request, "pageToken") })
    }

    /// That part, and the token of the next one; empty if there is none.
    pub(crate) fn cut<T>(&self, all: Vec<T>, largest: usize) -> Result<(Vec<T>, String), ApiError> {
        let from = match self.token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| ApiError::invalid("no such page token"))?,
        };
        let size =
            usize::try_from(self.size).map_err(|_| ApiError::invalid("no such page size"))?;
        let size = if size == 0 { largest } else { size.min(largest) };
        let end: usize = size.saturating_add(from);
        let next = if end < all.len() { end.to_string() } else { String::new() };
        Ok((all.into_iter().skip(from).take(size).collect(), next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_make_up_the_whole_list() {
        let mut token = String::new();
        let mut seen = Vec::new();
        loop {
            let (page, next) = Page { size: 2, token }.cut(vec![1, 2, 3, 4, 5], 100).unwrap();
            seen.push(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, [vec![1, 2], vec![3, 4], vec![5]]);
        assert!(Page { size: -1, token: String::new() }.cut(vec![1], 1).is_err());
        assert!(Page { size: 0, token: "x".into() }.cut(vec![1], 1).is_err());
    }
}
