//! Accounts, log-in, consents, credit decisions and offers.
//!
//! Who may do what: a user whatever concerns themselves; `users:create` provisions; `users:read-any` reads any user's
//! account, consents and offers; `credit:write-any` analyses and accepts for any user. Consent is given and withdrawn by
//! the user in person, whatever a token may do otherwise. That a user doesn't exist is told only to those who may act
//! for them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use ecs_cache::Cache;
use ecs_domain::Clock;
use ecs_domain::consent::ConsentRule;
use ecs_domain::policy::Policy;
use ecs_store::Store;
use ecs_web::Auth;
use ecs_web::handles::CreditAnalysis;
use ecs_work::Wake;

mod accept;
mod accounts;
mod analysis;
mod consents;
mod exact;
mod features;
mod keyed;
mod login;
mod offers;
mod passwords;
mod policy_file;
mod problems;
mod state;
mod users;

pub use policy_file::{PolicyError, built_in, parse};

use passwords::Passwords;
use state::State;

/// What the role needs.
pub struct Deps {
    /// Verifies tokens, and makes them at log-in.
    pub auth: Arc<Auth>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// User data, features and analysis results; [`Cache::none`] gives the same answers.
    pub cache: Cache,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The model.
    pub credit_analysis: Arc<dyn CreditAnalysis>,
    /// What a score leads to: [`built_in`], or a file that [`parse`] read.
    pub policy: Policy,
    /// What silence about consent means.
    pub consent: ConsentRule,
    /// How much work a password's hash is: 12, and 4 in tests.
    pub bcrypt_cost: u32,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// Wakes the relay of the outbox after an acceptance.
    pub outbox: Wake,
}

/// The role.
pub struct UserAndCredit {
    state: State,
}

impl UserAndCredit {
    /// Makes the role.
    #[must_use]
    pub fn create(deps: Deps) -> Self {
        let passwords = Passwords::new(deps.bcrypt_cost);
        Self { state: State::new(deps, passwords) }
    }

    /// Its calls, as the gateway has them.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/v1/auth/register", post(accounts::register))
            .route("/v1/auth/login", post(login::login))
            .route("/v1/users", post(accounts::provision))
            .route("/v1/users/{user_id}", get(accounts::show))
            .route("/v1/users/{user_id}/credit-analysis", post(analysis::analyse))
            .route("/v1/users/{user_id}/offers", get(offers::list))
            .route(
                "/v1/users/{user_id}/consents/{purpose}",
                get(consents::show).put(consents::give).delete(consents::withdraw),
            )
            .route("/v1/credit-offers/{offer_id}/accept", post(accept::accept))
            .with_state(self.state.clone())
    }
}
