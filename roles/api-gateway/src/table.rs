//! Which paths there are, who may call them, and which role owns them.

use ecs_domain::permission::Permission;
use ecs_web::handles::Upstream;
use ecs_web::meter::matches;
use http::Method;

use crate::Upstreams;
use crate::limits::Class;

/// A row: methods on a path.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// What it may be called with.
    pub methods: &'static [Method],
    /// Segments in braces stand for any one segment.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// With which others its calls are counted against limits.
    pub class: Class,
    /// Who answers.
    pub target: Target,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// The bearer of a token; whether it may do this for that user is the role's to say.
    Token,
    /// The same, and what was last known of tokens is enough while news can't be had.
    TokenAsLastKnown,
    /// Who has a service key with this permission.
    Key(Permission),
}

/// The role that owns a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// emotion-ingestion
    EmotionIngestion,
    /// transaction-ingestion
    TransactionIngestion,
    /// user-and-credit
    UserAndCredit,
    /// credit-analysis
    CreditAnalysis,
    /// notification
    Notification,
    /// operations
    Operations,
    /// The gateway itself.
    Documentation,
}

const fn row(
    methods: &'static [Method],
    path: &'static str,
    access: Access,
    class: Class,
    target: Target,
) -> Route {
    Route { methods, path, access, class, target }
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];

/// Every route, the hottest first: rows are tried in order, and no request matches two of them.
pub const ROUTES: &[Route] = &[
    row(
        POST,
        "/v1/emotions/stream",
        Access::Key(Permission::EmotionsWriteAny),
        Class::Ingest,
        Target::EmotionIngestion,
    ),
    row(POST, "/v1/transactions", Access::TokenAsLastKnown, Class::Ingest, Target::TransactionIngestion),
    row(POST, "/v1/auth/register", Access::Public, Class::Credentials, Target::UserAndCredit),
    row(POST, "/v1/auth/login", Access::Public, Class::Credentials, Target::UserAndCredit),
    row(POST, "/v1/auth/refresh", Access::Public, Class::Credentials, Target::UserAndCredit),
    row(POST, "/v1/auth/logout", Access::Public, Class::Credentials, Target::UserAndCredit),
    row(POST, "/v1/auth/logout-everywhere", Access::Token, Class::Credentials, Target::UserAndCredit),
    row(&[Method::PUT], "/v1/auth/password", Access::Token, Class::Credentials, Target::UserAndCredit),
    row(GET, "/v1/access/changes", Access::Key(Permission::AccessFollow), Class::Read, Target::UserAndCredit),
    row(GET, "/v1/roles", Access::Token, Class::Read, Target::UserAndCredit),
    row(POST, "/v1/users", Access::Token, Class::Write, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}", Access::Token, Class::Read, Target::UserAndCredit),
    row(
        &[Method::GET, Method::PUT],
        "/v1/users/{user_id}/access",
        Access::Token,
        Class::Write,
        Target::UserAndCredit,
    ),
    row(POST, "/v1/users/{user_id}/erasure", Access::Token, Class::Write, Target::UserAndCredit),
    row(GET, "/v1/erasures/{receipt}", Access::Public, Class::Read, Target::UserAndCredit),
    row(POST, "/v1/users/{user_id}/credit-analysis", Access::Token, Class::Write, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}/decisions", Access::Token, Class::Read, Target::UserAndCredit),
    row(GET, "/v1/decisions/{decision_id}", Access::Token, Class::Read, Target::UserAndCredit),
    row(POST, "/v1/decisions/{decision_id}/review", Access::Token, Class::Write, Target::UserAndCredit),
    row(GET, "/v1/reviews", Access::Token, Class::Read, Target::UserAndCredit),
    row(POST, "/v1/reviews/{review_id}/claim", Access::Token, Class::Write, Target::UserAndCredit),
    row(POST, "/v1/reviews/{review_id}/outcome", Access::Token, Class::Write, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}/offers", Access::Token, Class::Read, Target::UserAndCredit),
    row(
        &[Method::GET, Method::PUT, Method::DELETE],
        "/v1/users/{user_id}/consents/{purpose}",
        Access::Token,
        Class::Write,
        Target::UserAndCredit,
    ),
    row(
        GET,
        "/v1/users/{user_id}/consents/{purpose}/history",
        Access::Token,
        Class::Read,
        Target::UserAndCredit,
    ),
    row(
        &[Method::GET, Method::PUT, Method::DELETE],
        "/v1/users/{user_id}/attributes",
        Access::Token,
        Class::Write,
        Target::UserAndCredit,
    ),
    row(
        &[Method::GET, Method::POST],
        "/v1/users/{user_id}/exports",
        Access::Token,
        Class::Write,
        Target::UserAndCredit,
    ),
    row(
        &[Method::GET, Method::DELETE],
        "/v1/users/{user_id}/exports/{export_id}",
        Access::Token,
        Class::Write,
        Target::UserAndCredit,
    ),
    row(
        GET,
        "/v1/users/{user_id}/exports/{export_id}/archive",
        Access::Token,
        Class::Read,
        Target::UserAndCredit,
    ),
    row(GET, "/v1/consents/{purpose}/text", Access::Token, Class::Read, Target::UserAndCredit),
    row(POST, "/v1/credit-offers/{offer_id}/accept", Access::Token, Class::Write, Target::UserAndCredit),
    row(
        &[Method::GET, Method::POST],
        "/v1/policies",
        Access::Token,
        Class::Operations,
        Target::UserAndCredit,
    ),
    row(GET, "/v1/policies/{version}", Access::Token, Class::Operations, Target::UserAndCredit),
    row(POST, "/v1/policies/{version}/approve", Access::Token, Class::Operations, Target::UserAndCredit),
    row(POST, "/v1/policies/{version}/withdraw", Access::Token, Class::Operations, Target::UserAndCredit),
    row(
        &[Method::GET, Method::POST],
        "/v1/policies/{version}/backtests",
        Access::Token,
        Class::Operations,
        Target::UserAndCredit,
    ),
    row(GET, "/v1/backtests/{backtest_id}", Access::Token, Class::Operations, Target::UserAndCredit),
    row(GET, "/v1/backtests/{backtest_id}/flips", Access::Token, Class::Operations, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}/notifications", Access::Token, Class::Read, Target::Notification),
    row(GET, "/v1/users/{user_id}/notifications/stream", Access::Token, Class::Read, Target::Notification),
    row(POST, "/v1/users/{user_id}/notifications/read", Access::Token, Class::Write, Target::Notification),
    row(
        &[Method::PUT],
        "/v1/users/{user_id}/notifications/{notification_id}/read",
        Access::Token,
        Class::Write,
        Target::Notification,
    ),
    row(
        &[Method::GET, Method::POST],
        "/v1/users/{user_id}/webhooks",
        Access::Token,
        Class::Write,
        Target::Notification,
    ),
    row(
        &[Method::GET, Method::PATCH, Method::DELETE],
        "/v1/users/{user_id}/webhooks/{webhook_id}",
        Access::Token,
        Class::Write,
        Target::Notification,
    ),
    row(
        POST,
        "/v1/users/{user_id}/webhooks/{webhook_id}/rotate-secret",
        Access::Token,
        Class::Write,
        Target::Notification,
    ),
    row(
        GET,
        "/v1/users/{user_id}/webhooks/{webhook_id}/deliveries",
        Access::Token,
        Class::Read,
        Target::Notification,
    ),
    row(
        POST,
        "/v1/users/{user_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
        Access::Token,
        Class::Write,
        Target::Notification,
    ),
    row(POST, "/v1/predict", Access::Key(Permission::ModelScore), Class::Write, Target::CreditAnalysis),
    row(POST, "/v1/research/exports", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/operations/books", Access::Token, Class::Operations, Target::Operations),
    row(POST, "/v1/operations/books/fates", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/operations/books/counted", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/operations/dead-letters", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/operations/dead-letter-counts", Access::Token, Class::Operations, Target::Operations),
    row(POST, "/v1/operations/dead-letters/replay", Access::Token, Class::Operations, Target::Operations),
    row(POST, "/v1/operations/dead-letters/drop", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/operations/dead-letters/{letter_id}", Access::Token, Class::Operations, Target::Operations),
    row(
        &[Method::GET, Method::POST],
        "/v1/operations/replay",
        Access::Token,
        Class::Operations,
        Target::Operations,
    ),
    row(GET, "/v1/audit/entries", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/audit/batches", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/decision-log/batches", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/decision-log/decisions", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/watch/drift", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/v1/watch/fairness", Access::Token, Class::Operations, Target::Operations),
    row(GET, "/openapi.json", Access::Public, Class::Documentation, Target::Documentation),
    row(GET, "/docs", Access::Public, Class::Documentation, Target::Documentation),
    row(GET, "/docs/{file}", Access::Public, Class::Documentation, Target::Documentation),
];

impl Route {
    /// Whether `path` is one of this row's paths.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        matches(self.path, path)
    }

    /// Whether the row takes this method. Who may GET may ask for the HEAD of it.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.methods.contains(method)
    }
}

impl Target {
    /// The role's name.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::EmotionIngestion => "emotion-ingestion",
            Self::TransactionIngestion => "transaction-ingestion",
            Self::UserAndCredit => "user-and-credit",
            Self::CreditAnalysis => "credit-analysis",
            Self::Notification => "notification",
            Self::Operations => "operations",
            Self::Documentation => "api-gateway",
        }
    }

    pub(crate) fn upstream(self, upstreams: &Upstreams) -> &Upstream {
        match self {
            Self::EmotionIngestion => &upstreams.emotion_ingestion,
            Self::TransactionIngestion => &upstreams.transaction_ingestion,
            Self::UserAndCredit => &upstreams.user_and_credit,
            Self::CreditAnalysis => &upstreams.credit_analysis,
            Self::Notification => &upstreams.notification,
            Self::Operations => &upstreams.operations,
            Self::Documentation => &upstreams.documentation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_and_method_stand_in_two_rows() {
        for (at, route) in ROUTES.iter().enumerate() {
            for other in &ROUTES[at + 1..] {
                let share = route.methods.iter().any(|method| other.takes(method));
                assert!(!(share && route.path == other.path), "{route:?} {other:?}");
            }
        }
    }
}
