//! Handlers whose first argument is a policy, as routes that say so.

use std::marker::PhantomData;

use axum::handler::Handler;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::policy::{Policy, Requires};
use crate::openapi::operations;

/// The part of an operation that says what it asks for.
pub const ACCESS: &str = "x-access";

/// Arguments of a handler of which the first is a policy.
pub trait Policed {
    /// What the policy asks for.
    const REQUIRES: Requires;
}

/// What a handler asks for, over the state of its role.
#[derive(Debug, Clone, Copy)]
pub struct Required<S>(Requires, PhantomData<fn(S)>);

/// What `handler` asks for. One without a policy doesn't compile.
#[must_use]
pub fn required<H, T, S>(_: H) -> Required<S>
where
    H: Handler<T, S>,
    T: Policed,
{
    Required(T::REQUIRES, PhantomData)
}

/// A handler as [`PolicedRoutes::policed`] takes it.
#[macro_export]
macro_rules! policed {
    ($handler:path) => {
        ($crate::openapi::routes!($handler), $crate::auth::required($handler))
    };
}

/// Routes whose handlers have policies.
pub trait PolicedRoutes<S>: Sized {
    /// Adds the route of a handler, and to its operation what the policy asks for: `.policed(policed!(handler))`.
    #[must_use]
    fn policed(self, route: (UtoipaMethodRouter<S>, Required<S>)) -> Self;
}

impl<S: Clone + Send + Sync + 'static> PolicedRoutes<S> for OpenApiRouter<S> {
    fn policed(self, ((schemas, mut paths, router), required): (UtoipaMethodRouter<S>, Required<S>)) -> Self {
        for item in paths.paths.values_mut() {
            operations(item).for_each(|operation| required.0.describe(operation));
        }
        self.routes((schemas, paths, router))
    }
}

impl Requires {
    /// How the document names it, with the permission that it is about.
    fn in_words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Nothing => ("anyone", None),
            Self::Token => ("token", None),
            Self::InPerson => ("in-person", None),
            Self::OwnOr(permission) => ("own-or-permission", Some(permission.as_str())),
            Self::Permission(permission) => ("permission", Some(permission.as_str())),
            Self::ServiceKey(permission) => ("service-key", Some(permission.as_str())),
        }
    }

    fn describe(self, operation: &mut Operation) {
        let (who, permission) = self.in_words();
        let scheme = match self {
            Self::Nothing => None,
            Self::Token | Self::InPerson | Self::OwnOr(_) | Self::Permission(_) => Some("bearer"),
            Self::ServiceKey(_) => Some("internalKey"),
        };
        operation.security = scheme.map(|scheme| vec![SecurityRequirement::new(scheme, [""; 0])]);
        if !matches!(self, Self::Nothing | Self::Token) {
            let refused = || ResponseBuilder::new().description(self.refusal()).build().into();
            operation.responses.responses.entry("403".to_owned()).or_insert_with(refused);
        }
        let access = match permission {
            Some(permission) => json!({"who": who, "permission": permission}),
            None => json!({"who": who}),
        };
        let access = ExtensionsBuilder::new().add(ACCESS, access).build();
        operation.extensions.get_or_insert_default().merge(access);
    }
}

/// For handlers with so many arguments, the policy included. The first marks how the last one is taken.
macro_rules! first_of {
    ($($other:ident)*) => {
        impl<M, P: Policy, $($other),*> Policed for (M, P, $($other,)*) {
            const REQUIRES: Requires = P::REQUIRES;
        }
    };
}

first_of!();
first_of!(A);
first_of!(A B);
first_of!(A B C);
first_of!(A B C D);
first_of!(A B C D E);
first_of!(A B C D E F);
