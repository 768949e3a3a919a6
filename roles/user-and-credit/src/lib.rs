//! Accounts, log-in, consents, credit decisions and offers.
//!
//! Who may do what: a user whatever concerns themselves; `users:create` provisions; `users:read-any` reads any user's
//! account, consents, decisions and offers; `credit:write-any` analyses and accepts for any user; `reviews:read` and `reviews:decide` look at
//! decisions again for those who ask for it. Consent is given and withdrawn by the user in person, whatever a token may do otherwise.
//! `privacy:write-any` has archives of what is held on any user made. `policies:write` drafts the credit policy, and somebody else with
//! `policies:approve` makes it active; `policies:backtest` has it asked of past decisions. That a user doesn't exist is told only to those who may act
//! for them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ecs_bus::Bus;
use ecs_cache::Cache;
use ecs_domain::Clock;
use ecs_domain::consent::ConsentRule;
use ecs_domain::evaluation::Materiality;
use ecs_limits::Limiter;
use ecs_metrics::Metrics;
use ecs_store::Store;
use ecs_vault::Keyring;
use ecs_web::Auth;
use ecs_web::handles::CreditAnalysis;
use ecs_web::idempotency::describe_replays;
use ecs_web::openapi::OpenApiRouter;
use ecs_web::{PolicedRoutes as _, policed};
use ecs_work::{Finisher, Policies, Supervisor, Wake};
use utoipa::openapi::OpenApi;

mod accept;
mod access;
mod accounts;
mod analysis;
mod attributes;
mod backtests;
mod change_password;
mod changes;
mod consents;
mod decisions;
mod erasures;
mod evaluations;
mod exports;
mod features;
mod guesses;
mod keyed;
mod login;
mod offers;
mod passwords;
mod policies;
mod problems;
mod reasons;
mod reviews;
mod sessions;
mod state;
mod users;
mod words;

pub use backtests::{BacktestReport, ask_again, told_by};
pub use changes::told;

use guesses::Guesses;
use passwords::Passwords;
use state::State;

/// What the role needs.
pub struct Deps {
    /// Verifies tokens, and makes them at log-in.
    pub auth: Arc<Auth>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The keys of people, of whom some want to be forgotten.
    pub keyring: Keyring,
    /// The bus, of which it is asked whether it has forgotten them, too.
    pub bus: Arc<dyn Bus>,
    /// How long the bus keeps events at most.
    pub bus_retention: Duration,
    /// User data, features and analysis results; [`Cache::none`] gives the same answers.
    pub cache: Cache,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The model. The handle itself sees to it that it answers in a short time.
    pub credit_analysis: Arc<dyn CreditAnalysis>,
    /// What a score leads to, and since when.
    pub policies: Arc<Policies>,
    /// What silence about consent means.
    pub consent: ConsentRule,
    /// How much somebody must have changed for another look.
    pub materiality: Materiality,
    /// How often an event may fail before it is a dead letter.
    pub delivery_limit: u32,
    /// How much work a password's hash is: 12, and 4 in tests.
    pub bcrypt_cost: u32,
    /// Counts guesses at passwords.
    pub limiter: Arc<dyn Limiter>,
    /// How long an access token holds.
    pub token_lifetime: Duration,
    /// How long a session can be refreshed.
    pub session_lifetime: Duration,
    /// Wakes the relay of the outbox after an acceptance.
    pub outbox: Wake,
    /// Sees writes through, with what must follow them.
    pub finisher: Finisher,
    /// Where decisions and repeated requests are counted.
    pub metrics: Metrics,
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
        let guesses = Guesses::new(&deps);
        Self { state: State::new(deps, passwords, guesses) }
    }

    /// Starts to build archives of what is held on people, to run backtests, to erase those who want to be forgotten, to evaluate those who want it, and to
    /// follow the policies.
    pub fn start(&self, supervisor: &Supervisor) {
        exports::start(&self.state, supervisor);
        backtests::start(&self.state, supervisor);
        erasures::start(&self.state, supervisor);
        evaluations::start(&self.state, supervisor);
        self.state.policies.follow(supervisor);
    }

    /// Its calls, as the gateway has them.
    pub fn routes(&self) -> Router {
        Self::api().with_state(self.state.clone()).into()
    }

    /// What it says of these calls: its part of the platform's document.
    #[must_use]
    pub fn openapi() -> OpenApi {
        let mut document = Self::api().into_openapi();
        describe_replays(&mut document);
        document
    }

    fn api() -> OpenApiRouter<State> {
        OpenApiRouter::default()
            .policed(policed!(accounts::register))
            .policed(policed!(login::login))
            .policed(policed!(sessions::refresh))
            .policed(policed!(sessions::log_out))
            .policed(policed!(sessions::log_out_everywhere))
            .policed(policed!(change_password::change_password))
            .policed(policed!(changes::follow))
            .policed(policed!(access::roles))
            .policed(policed!(access::show))
            .policed(policed!(access::change))
            .policed(policed!(accounts::provision))
            .policed(policed!(accounts::show))
            .policed(policed!(analysis::analyse))
            .policed(policed!(policies::draft))
            .policed(policed!(policies::list))
            .policed(policed!(policies::show))
            .policed(policed!(policies::approve))
            .policed(policed!(policies::withdraw))
            .policed(policed!(decisions::list))
            .policed(policed!(decisions::show))
            .policed(policed!(reviews::ask))
            .policed(policed!(reviews::list))
            .policed(policed!(reviews::claim))
            .policed(policed!(reviews::conclude))
            .policed(policed!(offers::list))
            .policed(policed!(accept::accept))
            .policed(policed!(consents::text))
            .policed(policed!(consents::history))
            .policed(policed!(consents::show))
            .policed(policed!(consents::give))
            .policed(policed!(consents::withdraw))
            .policed(policed!(erasures::ask))
            .policed(policed!(erasures::show))
            .policed(policed!(attributes::show))
            .policed(policed!(attributes::tell))
            .policed(policed!(attributes::delete))
            .merge(backtests::api())
            .merge(exports::api())
    }
}
