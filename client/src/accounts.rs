//! Calls about people: registering, logging in, provisioning, consent, notifications.

use std::fmt;

use bytes::Bytes;
use ecs_domain::consent::Purpose;
use ecs_domain::{NotificationId, OfferId, Timestamp, UserId};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::transport::{Auth, one_piece, path, to_json};
use crate::{CallError, Client};

/// A registered account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a log-in yields.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    /// The bearer token.
    pub access_token: Token,
    /// For how many seconds it is good.
    pub expires_in: u64,
}

/// A bearer token. It doesn't print.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token itself, for those who mean to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A provisioned user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisioned {
    /// Their id.
    pub user: UserId,
    /// Whether this call made them; otherwise the external id was known before.
    pub created: bool,
}

/// A page of notifications.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NotificationPage {
    /// How many the user has in all.
    pub total: u64,
    /// Those on this page.
    pub items: Vec<NotificationItem>,
}

/// A notification as its user reads it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NotificationItem {
    /// Its id.
    #[serde(alias = "notificationId", alias = "id")]
    pub notification_id: NotificationId,
    /// What it is about, such as `CREDIT_LIMIT_APPLIED`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The headline.
    pub title: String,
    /// The text.
    pub message: String,
    /// The offer it speaks of, if it does.
    #[serde(default, alias = "offerId")]
    pub offer_id: Option<OfferId>,
}

/// Where a user's consent to a purpose stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ConsentAnswer {
    /// Whether it is given.
    pub granted: bool,
}

#[derive(Serialize)]
struct Login<'a> {
    email: &'a str,
    password: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provision<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

#[derive(Serialize)]
struct AccessChange<'a> {
    roles: &'a [&'a str],
    permissions: &'a [&'a str],
}

#[derive(Deserialize)]
struct Identified {
    id: UserId,
}

#[derive(Serialize)]
struct Grant {
    granted: bool,
}

impl Client {
    /// Registers somebody with an e-mail address and a password. It is retried.
    pub async fn register(&self, email: &str, password: &str) -> Result<Account, CallError> {
        let path = PathAndQuery::from_static("/v1/auth/register");
        self.create(path, Auth::Nothing, &Login { email, password }).await?.read()
    }

    /// Logs somebody in.
    pub async fn login(&self, email: &str, password: &str) -> Result<Session, CallError> {
        let path = PathAndQuery::from_static("/v1/auth/login");
        self.call(Method::POST, path, Auth::Nothing, &Login { email, password }).await
    }

    /// Makes a user without a password, or finds the one that `external_id` was given to before. It is retried.
    pub async fn provision(
        &self,
        external_id: Option<&str>,
        email: Option<&str>,
    ) -> Result<Provisioned, CallError> {
        let path = PathAndQuery::from_static("/v1/users");
        let answer = self.create(path, Auth::Token, &Provision { external_id, email }).await?;
        let Identified { id } = answer.read()?;
        Ok(Provisioned { user: id, created: answer.status == StatusCode::CREATED })
    }

    /// Replaces what a user may do beyond their own affairs.
    pub async fn change_access(
        &self,
        user: UserId,
        roles: &[&str],
        permissions: &[&str],
    ) -> Result<(), CallError> {
        let path = path(format!("/v1/users/{user}/access"))?;
        let change = AccessChange { roles, permissions };
        self.call::<serde::de::IgnoredAny>(Method::PUT, path, Auth::Token, &change).await.map(drop)
    }

    /// A user's notifications, the newest first.
    pub async fn notifications(
        &self,
        user: UserId,
        page: u32,
        size: u32,
    ) -> Result<NotificationPage, CallError> {
        let path = path(format!("/v1/users/{user}/notifications?page={page}&page_size={size}"))?;
        self.get(path, Auth::Token).await
    }

    /// Where a user's consent stands.
    pub async fn consent(&self, user: UserId, purpose: Purpose) -> Result<ConsentAnswer, CallError> {
        self.get(consent_path(user, purpose)?, Auth::Token).await
    }

    /// Gives consent in a user's name.
    pub async fn grant_consent(&self, user: UserId, purpose: Purpose) -> Result<(), CallError> {
        let body = one_piece(to_json(&Grant { granted: true })?);
        self.send_consent(Method::PUT, user, purpose, body).await
    }

    /// Withdraws consent in a user's name.
    pub async fn withdraw_consent(&self, user: UserId, purpose: Purpose) -> Result<(), CallError> {
        self.send_consent(Method::DELETE, user, purpose, one_piece(Bytes::new())).await
    }

    async fn send_consent(
        &self,
        method: Method,
        user: UserId,
        purpose: Purpose,
        body: crate::transport::RequestBody,
    ) -> Result<(), CallError> {
        let json = HeaderValue::from_static("application/json");
        let request = self.request(method, consent_path(user, purpose)?, Auth::Token, json, body)?;
        self.exchange(request).await?.good().map(drop)
    }
}

fn consent_path(user: UserId, purpose: Purpose) -> Result<PathAndQuery, CallError> {
    path(format!("/v1/users/{user}/consents/{purpose}"))
}
