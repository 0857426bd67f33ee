//! Which fields an update changes.

use prost_types::FieldMask;
use tonic::Status;

/// The fields of an update, in the spelling of the protocol.
pub(super) struct Mask(Vec<String>);

impl Mask {
    /// Without a field there is nothing to update, which Pub/Sub refuses.
    pub(super) fn of(mask: Option<&FieldMask>) -> Result<Self, Status> {
        match mask.filter(|mask| !mask.paths.is_empty()) {
            Some(mask) => Ok(Self(mask.paths.iter().map(|path| snake_case(path)).collect())),
            None => Err(Status::invalid_argument("The update_mask must be set and name a field.")),
        }
    }

    /// Hands each field to `change`, which says whether it can be changed.
    pub(super) fn each(&self, mut change: impl FnMut(&str) -> bool) -> Result<(), Status> {
        match self.0.iter().find(|field| !change(field)) {
            None => Ok(()),
            Some(field) => {
                let text = format!(
                    "Invalid update_mask provided in the request: {field} can't be updated."
                );
                Err(Status::invalid_argument(text))
            }
        }
    }
}

/// Masks in JSON are spelt like its members.
fn snake_case(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_field() {
        for path in ["pushConfig", "push_config"] {
            assert_eq!(snake_case(path), "push_config");
        }
    }

    #[test]
    fn an_update_of_nothing_or_of_something_unknown_is_refused() {
        assert!(Mask::of(None).is_err());
        let paths = vec!["labels".to_owned(), "topic".to_owned()];
        let mask = Mask::of(Some(&FieldMask { paths })).unwrap();
        let error = mask.each(|field| field == "labels").unwrap_err();
        assert!(error.message().contains("topic"));
    }
}
