//! Resource names (AIP-122): `projects/P/locations/L/queues/Q`.

use super::ApiError;

/// The ids of a resource name with these collections, such as
/// `["projects", "locations"]`.
///
/// # Errors
/// If it is no such name.
pub(crate) fn parts<'n, const N: usize>(
    name: &'n str,
    collections: [&str; N],
) -> Result<[&'n str; N], ApiError> {
    let mut segments = name.split('/');
    let mut ids = [""; N];
    let mut is_such = true;
    for (collection, id) in collections.iter().zip(ids.iter_mut()) {
        is_such &= segments.next() == Some(collection);
        *id = segments.next().unwrap_or_default();
        is_such &= !id.is_empty();
    }
    if is_such && segments.next().is_none() {
        return Ok(ids);
    }
    let form: Vec<_> = collections.iter().map(|it| format!("{it}/ID")).collect();
    let form = form.join("/");
    Err(ApiError::invalid(format!("{name:?} is no resource name of the form {form}")))
}

/// Whether it is made of letters, digits, hyphens and these characters, and no
/// longer than that.
pub(crate) fn is_id(id: &str, also: &str, longest: usize) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || also.contains(c);
    (1..=longest).contains(&id.len()) && id.chars().all(allowed)
}

/// The id of a task or a job that its user chose.
///
/// # Errors
/// If it can't be one.
pub(crate) fn chosen_id(id: &str) -> Result<&str, ApiError> {
    match is_id(id, "_", 500) {
        true => Ok(id),
        false => Err(ApiError::invalid(format!(
            "{id:?} is no id: use letters, digits, hyphens and underscores, at most 500"
        ))),
    }
}

/// An id of Google's choice: twenty digits, as Cloud Tasks' are.
///
/// # Errors
/// If the machine has no randomness.
pub(crate) fn random_id() -> Result<String, ApiError> {
    let mut bytes = [0_u8; 8];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| ApiError::precondition("this machine has no random numbers"))?;
    Ok(format!("{:020}", u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_form_of_its_collections() {
        let collections = ["projects", "locations", "queues"];
        assert_eq!(parts("projects/p/locations/l/queues/q", collections), Ok(["p", "l", "q"]));
        for bad in [
            "",
            "projects/p/locations/l/queues/",
            "projects/p/locations/l/queues/q/tasks/t",
            "projects/p/locations/l/jobs/q",
        ] {
            assert!(parts(bad, collections).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_of_google_s_choice_is_one_that_users_may_choose() {
        assert!(is_id(&random_id().unwrap(), "", 20));
        assert!(is_id("a_b", "_", 3) && !is_id("a_b", "", 3) && !is_id("abcd", "", 3));
    }
}
