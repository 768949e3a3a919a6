//! Calls about credit policies.

use serde::Deserialize;

use crate::transport::{Auth, path};
use crate::{CallError, Client};

#[derive(Deserialize)]
struct Policy {
    text: String,
}

impl Client {
    /// The file of a version of the policy; `None` when there is none of that name.
    pub async fn policy_text(&self, version: &str) -> Result<Option<String>, CallError> {
        match self.get::<Policy>(path(format!("/v1/policies/{version}"))?, Auth::Token).await {
            Ok(policy) => Ok(Some(policy.text)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
