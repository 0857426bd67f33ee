//! IAM policies, as far as they tell who may do something.

/// An IAM policy, one member at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy(pub(crate) Vec<Binding>);

/// A member's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) role: String,
    pub(crate) member: String,
    /// The expression on which it depends (IAM, "Overview of IAM Conditions").
    pub(crate) condition: Option<String>,
}

/// Whether a policy gives a member one of several roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Yes,
    /// That can't be told from here, and why.
    Unclear(String),
    No,
}

impl Policy {
    /// Whether a member has one of these roles, by name or as one of everybody.
    pub(crate) fn held(&self, roles: &[&str], member: &str) -> Held {
        let mut unclear = None;
        for Binding { role, member: its, condition } in &self.0 {
            let is_named = its.eq_ignore_ascii_case(member);
            let is_role = roles.contains(&role.as_str());
            match condition {
                None if is_role && (is_named || is_everybody(its)) => return Held::Yes,
                Some(condition) if is_role && is_named => {
                    unclear = Some(format!("it has {role} on the condition {condition}"));
                }
                _ if is_role && is_set(its) => {
                    unclear = unclear.or_else(|| Some(format!("{its} has {role}")));
                }
                // What a role of one's own permits stands elsewhere.
                _ if is_named && !role.starts_with("roles/") => {
                    unclear = unclear.or_else(|| Some(format!("it has {role}")));
                }
                _ => {}
            }
        }
        unclear.map_or(Held::No, Held::Unclear)
    }

    /// The same without groups: that the gateway is in a group of a project's
    /// owners is no guess to make.
    pub(crate) fn without_sets(&self) -> Self {
        Self(self.0.iter().filter(|it| !is_set(&it.member)).cloned().collect())
    }

    /// Whether somebody has one of these roles, whoever it is.
    pub(crate) fn has_any(&self, roles: &[&str]) -> bool {
        self.0.iter().any(|it| roles.contains(&it.role.as_str()))
    }

    /// Everybody, if they have one of these roles.
    pub(crate) fn everybody(&self, roles: &[&str]) -> Option<&str> {
        let mut members = self.0.iter().filter(|it| roles.contains(&it.role.as_str()));
        members.find(|it| is_everybody(&it.member)).map(|it| it.member.as_str())
    }
}

fn is_everybody(member: &str) -> bool {
    ["allUsers", "allAuthenticatedUsers"].contains(&member)
}

/// Whether a member stands for several, who may be service accounts. Those of
/// `domain:` are people, and `projectOwner:` and the like have their role in the
/// project (IAM, "Principal identifiers").
fn is_set(member: &str) -> bool {
    ["group:", "principalSet:"].iter().any(|start| member.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [&str; 1] = ["roles/run.invoker"];

    fn binding(role: &str, member: &str, condition: Option<&str>) -> Binding {
        let condition = condition.map(str::to_owned);
        Binding { role: role.to_owned(), member: member.to_owned(), condition }
    }

    fn held(role: &str, member: &str, condition: Option<&str>) -> Held {
        Policy(vec![binding(role, member, condition)]).held(&ROLES, "serviceAccount:a@b")
    }

    #[test]
    fn a_role_is_held_by_name_in_any_case_or_as_everybody() {
        for member in ["serviceAccount:a@b", "serviceaccount:A@B", "allUsers"] {
            assert_eq!(held("roles/run.invoker", member, None), Held::Yes, "{member}");
        }
        for member in ["serviceAccount:c@b", "user:a@b", "deleted:serviceAccount:a@b?uid=1"] {
            assert_eq!(held("roles/run.invoker", member, None), Held::No, "{member}");
        }
        assert_eq!(held("roles/viewer", "serviceAccount:a@b", None), Held::No);
    }

    #[test]
    fn conditions_sets_and_custom_roles_are_unclear_unless_something_else_is_clear() {
        let unclear =
            |role, member, condition| matches!(held(role, member, condition), Held::Unclear(_));
        assert!(unclear("roles/run.invoker", "serviceAccount:a@b", Some("false")));
        assert!(unclear("roles/run.invoker", "group:c@b", None));
        assert!(unclear("projects/p/roles/caller", "serviceAccount:a@b", None));
        for member in ["allUsers", "domain:b", "projectOwner:p"] {
            assert_eq!(held("roles/run.invoker", member, Some("false")), Held::No, "{member}");
        }
        let both = Policy(vec![
            binding("roles/run.invoker", "group:c@b", None),
            binding("roles/run.invoker", "serviceAccount:a@b", None),
        ]);
        assert_eq!(both.held(&ROLES, "serviceAccount:a@b"), Held::Yes);
        let group = Policy(vec![binding("roles/run.invoker", "group:c@b", None)]);
        assert_eq!(group.without_sets().held(&ROLES, "serviceAccount:a@b"), Held::No);
    }
}
