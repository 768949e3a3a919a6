//! Hierarchical keys: `ecs:v1:user:{id}:features`.

use std::fmt;

use ecs_domain::UserId;

/// What is invalidated as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything that is cached about one user.
    User(UserId),
}

impl Scope {
    /// Where the scope's generation is kept.
    #[must_use]
    pub fn generation_key(self) -> String {
        format!("{self}:generation")
    }
}

impl fmt::Display for Scope {
    /// `v1` is the version of the entries' format: a release that changes the format changes it, and finds none of the
    /// old ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "ecs:v1:user:{user}"),
        }
    }
}

/// One cached value: its scope, and its name within the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// What it is invalidated with.
    pub scope: Scope,
    /// Such as `features`. `generation` is taken.
    pub name: &'static str,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn keys_are_hierarchical() {
        let scope = Scope::User(UserId::new(Uuid::from_u128(7)));
        let user = "ecs:v1:user:00000000-0000-0000-0000-000000000007";
        assert_eq!(Key { scope, name: "features" }.to_string(), format!("{user}:features"));
        assert_eq!(scope.generation_key(), format!("{user}:generation"));
    }
}
