//! Who may call: one extractor for each answer, and it stands first among a handler's arguments.
//!
//! So a handler's signature is its policy. [`policed!`](crate::policed) takes no handler without one, and writes into the platform's
//! document what it asks for; a test walks the document and tries every call without it.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use ecs_domain::UserId;
use ecs_domain::permission::{Grant, Permission};
use http::request::Parts;

use super::{Auth, Identity, service_keys};
use crate::Problem;
use crate::params::PathParams;

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requires {
    /// Nothing.
    Nothing,
    /// A token: whatever is done concerns its user.
    Token,
    /// The token of the user whose affair it is, and nobody else's.
    InPerson,
    /// The token of the user whose affair it is, or one with this permission.
    OwnOr(Permission),
    /// A token with this permission.
    Permission(Permission),
    /// A service key with this permission.
    ServiceKey(Permission),
}

/// An extractor that is a policy.
pub trait Policy {
    /// What it asks for.
    const REQUIRES: Requires;
}

/// Everybody.
#[derive(Debug, Clone, Copy)]
pub struct Anyone;

/// Whoever bears a token, in their own affairs.
#[derive(Debug, Clone)]
pub struct Bearer(pub Identity);

/// The user of the path's `{user_id}` in person: no permission stands in for them.
#[derive(Debug, Clone, Copy)]
pub struct InPerson(pub UserId);

/// Whoever may act in the affairs of the path's `{user_id}`: the user, and bearers of the permission `G`.
#[derive(Debug, Clone)]
pub struct Own<G> {
    /// Whose affairs these are.
    pub user: UserId,
    /// Who acts.
    pub identity: Identity,
    permission: PhantomData<G>,
}

/// Whoever may act in the affairs of a user that the body names, which is read after this: see [`ActingFor::require`].
#[derive(Debug, Clone)]
pub struct ActingFor<G> {
    /// Who acts.
    pub identity: Identity,
    permission: PhantomData<G>,
}

/// The same for what is taken in: it goes on with what was last known of permissions while news can't be had.
#[derive(Debug, Clone)]
pub struct SendingFor<G>(ActingFor<G>);

/// Bearers of the permission `G`.
#[derive(Debug, Clone)]
pub struct Holding<G> {
    /// Who acts.
    pub identity: Identity,
    permission: PhantomData<G>,
}

/// Services, and senders that the operator trusts: those with a key that has the permission `G`.
#[derive(Debug, Clone, Copy)]
pub struct Service<G>(PhantomData<G>);

impl Policy for Anyone {
    const REQUIRES: Requires = Requires::Nothing;
}

impl Policy for Bearer {
    const REQUIRES: Requires = Requires::Token;
}

impl Policy for InPerson {
    const REQUIRES: Requires = Requires::InPerson;
}

impl<G: Grant> Policy for Own<G> {
    const REQUIRES: Requires = Requires::OwnOr(G::PERMISSION);
}

impl<G: Grant> Policy for ActingFor<G> {
    const REQUIRES: Requires = Requires::OwnOr(G::PERMISSION);
}

impl<G: Grant> Policy for SendingFor<G> {
    const REQUIRES: Requires = Requires::OwnOr(G::PERMISSION);
}

impl<G: Grant> Policy for Holding<G> {
    const REQUIRES: Requires = Requires::Permission(G::PERMISSION);
}

impl<G: Grant> Policy for Service<G> {
    const REQUIRES: Requires = Requires::ServiceKey(G::PERMISSION);
}

impl<G: Grant> ActingFor<G> {
    /// 403 unless it may act for `user`.
    pub fn require(&self, user: UserId) -> Result<(), Problem> {
        own_or(&self.identity, user, G::PERMISSION)
    }
}

impl<G: Grant> SendingFor<G> {
    /// 403 unless it may send for `user`.
    pub fn require(&self, user: UserId) -> Result<(), Problem> {
        self.0.require(user)
    }
}

fn own_or(identity: &Identity, user: UserId, permission: Permission) -> Result<(), Problem> {
    if identity.user == user || identity.permissions.contains(&permission) {
        return Ok(());
    }
    Err(Problem::forbidden(Requires::OwnOr(permission).refusal()))
}

impl Requires {
    /// What who doesn't meet it is told.
    #[must_use]
    pub fn refusal(self) -> String {
        match self {
            Self::Nothing | Self::Token => "this may not be done".to_owned(),
            Self::InPerson => "the user is not the token's, and this is done in person".to_owned(),
            Self::OwnOr(_) => "the user is not the token's".to_owned(),
            Self::Permission(permission) | Self::ServiceKey(permission) => {
                format!("the permission {permission} is needed")
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Anyone {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

impl Bearer {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        Identity::current(parts, auth).map(Self)
    }
}

impl InPerson {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let identity = Identity::current(parts, auth)?;
        let user = user_of_path(parts).await?;
        if identity.user != user {
            return Err(Problem::forbidden(Self::REQUIRES.refusal()));
        }
        Ok(Self(user))
    }
}

impl<G: Grant> Own<G> {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let identity = Identity::current(parts, auth)?;
        let user = user_of_path(parts).await?;
        own_or(&identity, user, G::PERMISSION)?;
        Ok(Self { user, identity, permission: PhantomData })
    }
}

impl<G: Grant> ActingFor<G> {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        Ok(Self { identity: Identity::current(parts, auth)?, permission: PhantomData })
    }
}

impl<G: Grant> SendingFor<G> {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        Ok(Self(ActingFor { identity: Identity::last_known(parts, auth)?, permission: PhantomData }))
    }
}

impl<G: Grant> Holding<G> {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let identity = Identity::current(parts, auth)?;
        identity.require(G::PERMISSION)?;
        Ok(Self { identity, permission: PhantomData })
    }
}

impl<G: Grant> Service<G> {
    async fn admit(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        service_keys::verify(parts, auth, G::PERMISSION)?;
        Ok(Self(PhantomData))
    }
}

async fn user_of_path(parts: &mut Parts) -> Result<UserId, Problem> {
    PathParams::from_request_parts(parts, &()).await?.id("user_id")
}

/// Makes each an extractor over the role's `Auth`.
macro_rules! extract {
    ($($policy:ident $(<$G:ident>)?),* $(,)?) => {$(
        impl<S $(, $G: Grant)?> FromRequestParts<S> for $policy $(<$G>)?
        where
            S: Send + Sync,
            Arc<Auth>: FromRef<S>,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                Self::admit(parts, &Arc::<Auth>::from_ref(state)).await
            }
        }
    )*};
}

extract!(Bearer, InPerson, Own<G>, ActingFor<G>, SendingFor<G>, Holding<G>, Service<G>);
