//! Makes the chosen roles, gives each just what it needs, starts their tasks, and returns the process's routes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use ecs_domain::Clock;
use ecs_limits::Limiter;
use ecs_metrics::Metrics;
use ecs_web::Auth;
use ecs_web::auth::Checkpoints;
use ecs_web::handles::{CreditAnalysis, HttpCreditAnalysis, RemoteOptions, Upstream};
use ecs_work::policies::Written;
use ecs_work::{Finisher, Policies, Relay, RelayDeps, Supervisor, Wake};
use tokio_util::sync::CancellationToken;

use super::remotes::{self, Remotes};
use super::{Storage, counting, limiting};
use crate::role::Role;
use crate::service_keys;
use crate::settings::Settings;

/// How long a log-in lasts.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the roles of a process are made of.
pub(super) struct Process<'a> {
    pub(super) settings: &'a Settings,
    pub(super) storage: &'a Storage,
    pub(super) metrics: &'a Metrics,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) auth: Arc<Auth>,
    pub(super) supervisor: &'a Supervisor,
    /// Is cancelled when the intake ends: long before the supervisor's.
    pub(super) stopping: CancellationToken,
}

/// Starts the chosen roles and returns what they serve: the gateway's routes where it runs, else those of the roles.
pub(super) fn roles(process: Process<'_>) -> anyhow::Result<Router> {
    let options = RemoteOptions {
        // A role that hangs leaves the other half to the others.
        max_in_flight: (process.settings.http.max_in_flight / 2).max(1),
        tls: remotes::tls(process.settings)?,
        ..RemoteOptions::new(process.metrics.clone(), process.stopping.clone())
    };
    super::changes::follow(&process, options.clone())?;
    if let Some(path) = &process.settings.service_keys_file {
        service_keys::follow(path, &process.auth, process.supervisor)?;
    }
    let remotes = Remotes::new(&process.settings.services, options);
    let limiter = limiting::limiter(process.settings, process.metrics)?;
    let analysis = credit_analysis(&process)?;
    let composer = Composer { process, remotes, outbox: Wake::new(), limiter, analysis };
    let served = composer.http_roles()?;
    composer.workers()?;
    counting::watch(&composer)?;
    if composer.has(Role::ApiGateway) {
        return composer.gateway(&served);
    }
    Ok(served.into_iter().fold(Router::new(), |routes, (_, role)| routes.merge(role)))
}

/// Each stream holds a connection; the other half of them is for those who ask and go.
pub(super) fn max_streams(settings: &Settings) -> usize {
    settings.http.max_connections / 2
}

struct Composer<'a> {
    process: Process<'a>,
    remotes: Remotes<'a>,
    outbox: Wake,
    limiter: Arc<dyn Limiter>,
    /// The models, where they run here: their routes and their callers share them.
    analysis: Option<ecs_credit_analysis::CreditAnalysis>,
}

/// The role with the models, where it runs here.
fn credit_analysis(process: &Process<'_>) -> anyhow::Result<Option<ecs_credit_analysis::CreditAnalysis>> {
    let settings = process.settings;
    if !settings.roles.contains(Role::CreditAnalysis) {
        return Ok(None);
    }
    let role = ecs_credit_analysis::CreditAnalysis::create(ecs_credit_analysis::Deps {
        auth: Arc::clone(&process.auth),
        models: settings.models.clone(),
        metrics: process.metrics.clone(),
    });
    let role = role.context("ECS_MODELS_FILE, ECS_MODELS_DIR")?;
    role.start(process.supervisor);
    Ok(Some(role))
}

impl<'a> std::ops::Deref for Composer<'a> {
    type Target = Process<'a>;

    fn deref(&self) -> &Process<'a> {
        &self.process
    }
}

impl Composer<'_> {
    fn has(&self, role: Role) -> bool {
        self.settings.roles.contains(role)
    }

    /// The routes of each chosen role that serves HTTP.
    fn http_roles(&self) -> anyhow::Result<Vec<(Role, Router)>> {
        let mut served = Vec::new();
        let mut serve = |role: Role, routes: &dyn Fn() -> anyhow::Result<Router>| -> anyhow::Result<()> {
            if self.has(role) {
                served.push((role, routes()?));
            }
            Ok(())
        };
        serve(Role::EmotionIngestion, &|| self.emotion_ingestion())?;
        serve(Role::TransactionIngestion, &|| self.transaction_ingestion())?;
        serve(Role::UserAndCredit, &|| self.user_and_credit())?;
        serve(Role::CreditAnalysis, &|| {
            self.analysis.as_ref().map(|role| role.routes()).context("credit-analysis was not made")
        })?;
        serve(Role::Notification, &|| self.notification())?;
        serve(Role::Operations, &|| self.operations())?;
        Ok(served)
    }

    fn emotion_ingestion(&self) -> anyhow::Result<Router> {
        let role = ecs_emotion_ingestion::EmotionIngestion::create(ecs_emotion_ingestion::Deps {
            auth: Arc::clone(&self.auth),
            bus: Arc::clone(self.storage.bus()?),
            clock: Arc::clone(self.clock),
            limits: ecs_emotion_ingestion::StreamLimits::default(),
        });
        Ok(role.routes())
    }

    fn transaction_ingestion(&self) -> anyhow::Result<Router> {
        let role = ecs_transaction_ingestion::TransactionIngestion::create(ecs_transaction_ingestion::Deps {
            auth: Arc::clone(&self.auth),
            bus: Arc::clone(self.storage.bus()?),
            clock: Arc::clone(self.clock),
            base_currency: self.settings.currency,
        });
        Ok(role.routes())
    }

    fn user_and_credit(&self) -> anyhow::Result<Router> {
        let role = ecs_user_and_credit::UserAndCredit::create(ecs_user_and_credit::Deps {
            auth: Arc::clone(&self.auth),
            store: Arc::clone(self.storage.store()?),
            keyring: self.storage.keyring()?.clone(),
            bus: Arc::clone(self.storage.bus()?),
            bus_retention: self.longest_on_bus(),
            cache: self.storage.cache.clone(),
            clock: Arc::clone(self.clock),
            credit_analysis: self.analyst()?,
            policies: Arc::new(self.policies()?),
            consent: self.settings.consent,
            materiality: self.settings.materiality,
            delivery_limit: self.settings.delivery_limit,
            bcrypt_cost: self.settings.bcrypt_cost,
            limiter: Arc::clone(&self.limiter),
            token_lifetime: TOKEN_LIFETIME,
            session_lifetime: self.settings.session_lifetime,
            outbox: self.outbox.clone(),
            finisher: Finisher::start(self.supervisor),
            metrics: self.metrics.clone(),
        });
        role.start(self.supervisor);
        Ok(role.routes())
    }

    /// Those in the store, behind the operator's file or the policy that is built in.
    fn policies(&self) -> anyhow::Result<Policies> {
        let read = |path: &PathBuf| -> anyhow::Result<Written> {
            let text = std::fs::read_to_string(path)?;
            Ok(Written::read(text)?)
        };
        let first = self
            .settings
            .policy_file
            .as_ref()
            .map(|path| read(path).with_context(|| format!("ECS_POLICY_FILE {}", path.display())));
        let store = Arc::clone(self.storage.store()?) as _;
        Policies::new(store, first.transpose()?).context("the built-in policies")
    }

    /// The model as its callers hold it, here or elsewhere.
    fn analyst(&self) -> anyhow::Result<Arc<dyn CreditAnalysis>> {
        if let Some(here) = &self.analysis {
            return Ok(here.handle());
        }
        let remote = self.remotes.of(Role::CreditAnalysis)?;
        Ok(Arc::new(HttpCreditAnalysis::new(remote, self.auth.keys.shown().clone())))
    }

    /// Serves what its worker keeps, so the role has both.
    fn notification(&self) -> anyhow::Result<Router> {
        let role = ecs_notification::Notification::create(ecs_notification::Deps {
            auth: Arc::clone(&self.auth),
            bus: Arc::clone(self.storage.bus()?),
            store: Arc::clone(self.storage.store()?),
            clock: Arc::clone(self.clock),
            bus_retention: self.bus_retention(),
            delivery_limit: self.settings.delivery_limit,
            metrics: self.metrics.clone(),
            stopping: self.stopping.clone(),
            streams: ecs_notification::StreamOptions {
                max_streams: max_streams(self.settings),
                ..ecs_notification::StreamOptions::default()
            },
            webhooks: ecs_notification::WebhookOptions {
                reach: self.settings.webhooks,
                denied: self.settings.webhooks_deny.clone(),
                ..ecs_notification::WebhookOptions::default()
            },
        })?;
        role.start(self.supervisor);
        Ok(role.routes())
    }

    /// Forgets old letters besides what it serves.
    fn operations(&self) -> anyhow::Result<Router> {
        let retention = &self.settings.retention;
        let role = ecs_operations::Operations::create(ecs_operations::Deps {
            auth: Arc::clone(&self.auth),
            bus: Arc::clone(self.storage.bus()?),
            store: Arc::clone(self.storage.store()?),
            clock: Arc::clone(self.clock),
            raw_retention_days: retention.raw_emotion_days,
            stress: self.settings.stress,
            bus_retention: self.longest_on_bus(),
            lifetimes: retention.lifetimes,
            keyring: self.storage.keyring()?.clone(),
            outbox: self.outbox.clone(),
            checkpoints: Arc::new(Checkpoints::new(&self.auth)?),
            checkpoint_file: self.settings.checkpoints(),
            watch: self.settings.watch,
            alert_retention: self.bus_retention(),
            delivery_limit: self.settings.delivery_limit,
            metrics: self.metrics.clone(),
        });
        role.start(self.supervisor);
        Ok(role.routes())
    }

    fn gateway(&self, served: &[(Role, Router)]) -> anyhow::Result<Router> {
        let upstream = |role: Role| -> anyhow::Result<Upstream> {
            match served.iter().find(|(served, _)| *served == role) {
                Some((_, routes)) => Ok(Upstream::in_process(role.as_str(), routes.clone())),
                None => Ok(Upstream::over_http(self.remotes.of(role)?)),
            }
        };
        let gateway = ecs_api_gateway::ApiGateway::create(ecs_api_gateway::Deps {
            auth: Arc::clone(&self.auth),
            emotion_ingestion: upstream(Role::EmotionIngestion)?,
            transaction_ingestion: upstream(Role::TransactionIngestion)?,
            user_and_credit: upstream(Role::UserAndCredit)?,
            credit_analysis: upstream(Role::CreditAnalysis)?,
            notification: upstream(Role::Notification)?,
            operations: upstream(Role::Operations)?,
            openapi: crate::openapi::json().into(),
            limiting: limiting::of_gateway(
                self.settings,
                &self.auth,
                self.metrics,
                Arc::clone(&self.limiter),
            ),
        });
        Ok(gateway.routes())
    }

    /// Roles that only work, and the relay where a role writes to the outbox.
    fn workers(&self) -> anyhow::Result<()> {
        if self.has(Role::EmotionProcessing) {
            self.emotion_processing()?;
        }
        if self.has(Role::TransactionProcessing) {
            self.transaction_processing()?;
        }
        if self.has(Role::CreditApplication) {
            self.credit_application()?;
        }
        if self.settings.roles.iter().any(Role::writes_outbox) {
            let deps = RelayDeps {
                bus: Arc::clone(self.storage.bus()?),
                store: Arc::clone(self.storage.store()?) as _,
                clock: Arc::clone(self.clock),
                wake: self.outbox.clone(),
            };
            Relay::create(deps).start(self.supervisor);
        }
        Ok(())
    }

    fn emotion_processing(&self) -> anyhow::Result<()> {
        let deps = ecs_emotion_processing::Deps {
            bus: Arc::clone(self.storage.bus()?),
            store: Arc::clone(self.storage.store()?),
            clock: Arc::clone(self.clock),
            rules: ecs_emotion_processing::Rules {
                consent: self.settings.consent,
                stress: self.settings.stress,
            },
            raw_retention_days: self.settings.retention.raw_emotion_days,
            bus_retention: DAY * u32::from(self.settings.retention.emotion_bus_days),
            delivery_limit: self.settings.delivery_limit,
            metrics: self.metrics.clone(),
        };
        ecs_emotion_processing::EmotionProcessing::create(deps).start(self.supervisor);
        Ok(())
    }

    fn transaction_processing(&self) -> anyhow::Result<()> {
        let deps = ecs_transaction_processing::Deps {
            bus: Arc::clone(self.storage.bus()?),
            store: Arc::clone(self.storage.store()?),
            clock: Arc::clone(self.clock),
            bus_retention: self.bus_retention(),
            delivery_limit: self.settings.delivery_limit,
            metrics: self.metrics.clone(),
        };
        ecs_transaction_processing::TransactionProcessing::create(deps).start(self.supervisor);
        Ok(())
    }

    fn credit_application(&self) -> anyhow::Result<()> {
        let deps = ecs_credit_application::Deps {
            bus: Arc::clone(self.storage.bus()?),
            store: Arc::clone(self.storage.store()?),
            cache: self.storage.cache.clone(),
            clock: Arc::clone(self.clock),
            outbox: self.outbox.clone(),
            bus_retention: self.bus_retention(),
            delivery_limit: self.settings.delivery_limit,
            metrics: self.metrics.clone(),
        };
        ecs_credit_application::CreditApplication::create(deps).start(self.supervisor);
        Ok(())
    }

    /// How long any event stays on the bus at most.
    fn longest_on_bus(&self) -> Duration {
        let retention = &self.settings.retention;
        DAY * u32::from(retention.bus_days.max(retention.emotion_bus_days))
    }

    fn bus_retention(&self) -> Duration {
        DAY * u32::from(self.settings.retention.bus_days)
    }
}
