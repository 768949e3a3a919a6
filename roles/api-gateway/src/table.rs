//! Which paths there are, who may call them, and which role owns them.

use ecs_domain::permission::Permission;
use ecs_web::handles::Upstream;
use ecs_web::meter::matches;
use http::Method;

use crate::Edge;

/// A row: methods on a path.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// What it may be called with.
    pub methods: &'static [Method],
    /// Segments in braces stand for any one segment.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
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

const fn row(methods: &'static [Method], path: &'static str, access: Access, target: Target) -> Route {
    Route { methods, path, access, target }
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];

/// Every route, the hottest first: rows are tried in order, and no request matches two of them.
pub const ROUTES: &[Route] = &[
    row(POST, "/v1/emotions/stream", Access::Key(Permission::EmotionsWriteAny), Target::EmotionIngestion),
    row(POST, "/v1/transactions", Access::TokenAsLastKnown, Target::TransactionIngestion),
    row(POST, "/v1/auth/register", Access::Public, Target::UserAndCredit),
    row(POST, "/v1/auth/login", Access::Public, Target::UserAndCredit),
    row(POST, "/v1/auth/refresh", Access::Public, Target::UserAndCredit),
    row(POST, "/v1/auth/logout", Access::Public, Target::UserAndCredit),
    row(POST, "/v1/auth/logout-everywhere", Access::Token, Target::UserAndCredit),
    row(&[Method::PUT], "/v1/auth/password", Access::Token, Target::UserAndCredit),
    row(GET, "/v1/auth/changes", Access::Key(Permission::AccessFollow), Target::UserAndCredit),
    row(GET, "/v1/roles", Access::Token, Target::UserAndCredit),
    row(POST, "/v1/users", Access::Token, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}", Access::Token, Target::UserAndCredit),
    row(&[Method::GET, Method::PUT], "/v1/users/{user_id}/access", Access::Token, Target::UserAndCredit),
    row(POST, "/v1/users/{user_id}/credit-analysis", Access::Token, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}/offers", Access::Token, Target::UserAndCredit),
    row(
        &[Method::GET, Method::PUT, Method::DELETE],
        "/v1/users/{user_id}/consents/{purpose}",
        Access::Token,
        Target::UserAndCredit,
    ),
    row(POST, "/v1/credit-offers/{offer_id}/accept", Access::Token, Target::UserAndCredit),
    row(GET, "/v1/users/{user_id}/notifications", Access::Token, Target::Notification),
    row(GET, "/v1/users/{user_id}/notifications/stream", Access::Token, Target::Notification),
    row(POST, "/v1/users/{user_id}/notifications/read", Access::Token, Target::Notification),
    row(
        &[Method::PUT],
        "/v1/users/{user_id}/notifications/{notification_id}/read",
        Access::Token,
        Target::Notification,
    ),
    row(&[Method::GET, Method::POST], "/v1/users/{user_id}/webhooks", Access::Token, Target::Notification),
    row(
        &[Method::GET, Method::PATCH, Method::DELETE],
        "/v1/users/{user_id}/webhooks/{webhook_id}",
        Access::Token,
        Target::Notification,
    ),
    row(POST, "/v1/users/{user_id}/webhooks/{webhook_id}/rotate-secret", Access::Token, Target::Notification),
    row(GET, "/v1/users/{user_id}/webhooks/{webhook_id}/deliveries", Access::Token, Target::Notification),
    row(
        POST,
        "/v1/users/{user_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
        Access::Token,
        Target::Notification,
    ),
    row(POST, "/v1/predict", Access::Key(Permission::ModelScore), Target::CreditAnalysis),
    row(GET, "/v1/operations/books", Access::Token, Target::Operations),
    row(POST, "/v1/operations/books/fates", Access::Token, Target::Operations),
    row(GET, "/v1/operations/books/counted", Access::Token, Target::Operations),
    row(GET, "/v1/operations/dead-letters", Access::Token, Target::Operations),
    row(GET, "/v1/operations/dead-letter-counts", Access::Token, Target::Operations),
    row(POST, "/v1/operations/dead-letters/replay", Access::Token, Target::Operations),
    row(POST, "/v1/operations/dead-letters/drop", Access::Token, Target::Operations),
    row(GET, "/v1/operations/dead-letters/{letter_id}", Access::Token, Target::Operations),
    row(&[Method::GET, Method::POST], "/v1/operations/replay", Access::Token, Target::Operations),
    row(GET, "/openapi.json", Access::Public, Target::Documentation),
    row(GET, "/docs", Access::Public, Target::Documentation),
    row(GET, "/docs/{file}", Access::Public, Target::Documentation),
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

    pub(crate) fn upstream(self, Edge { deps, documentation }: &Edge) -> &Upstream {
        match self {
            Self::EmotionIngestion => &deps.emotion_ingestion,
            Self::TransactionIngestion => &deps.transaction_ingestion,
            Self::UserAndCredit => &deps.user_and_credit,
            Self::CreditAnalysis => &deps.credit_analysis,
            Self::Notification => &deps.notification,
            Self::Operations => &deps.operations,
            Self::Documentation => documentation,
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
