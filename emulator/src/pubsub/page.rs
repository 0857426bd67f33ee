//! Lists, page by page.

use tonic::Status;

/// How many a page has unless the caller says.
const USUAL: usize = 100;
const MOST: usize = 1000;

/// One page of things in the order of their names, and where the next begins;
/// nothing if it was the last. A page's token is the last name before it.
pub(super) fn page<'a, T>(
    all: impl Iterator<Item = (&'a String, &'a T)>,
    size: i32,
    token: &str,
) -> Result<(Vec<&'a T>, String), Status> {
    let size = usize::try_from(size)
        .map_err(|_| Status::invalid_argument("page_size must not be negative"))?;
    let size = if size == 0 { USUAL } else { size.min(MOST) };
    let mut rest = all.filter(|(name, _)| name.as_str() > token).peekable();
    let (mut found, mut last) = (Vec::new(), None);
    while let Some((name, it)) = rest.next_if(|_| found.len() < size) {
        found.push(it);
        last = Some(name);
    }
    let next = rest.peek().and(last);
    Ok((found, next.cloned().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn pages_together_are_the_whole_list() {
        let all: BTreeMap<_, _> = ["a", "b", "c"].map(|it| (it.to_owned(), it)).into();
        let (first, token) = page(all.iter(), 2, "").unwrap();
        assert_eq!((first, token.as_str()), (vec![&"a", &"b"], "b"));
        let (second, token) = page(all.iter(), 2, &token).unwrap();
        assert_eq!((second, token.as_str()), (vec![&"c"], ""));
        assert_eq!(page(all.iter(), 3, "").unwrap().1, "");
        assert_eq!(page(all.iter(), 0, "").unwrap().0.len(), 3);
        assert!(page(all.iter(), -1, "").is_err());
    }
}
