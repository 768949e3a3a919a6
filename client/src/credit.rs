//! Calls about credit: analysis, offers, acceptance.

use ecs_domain::{Money, OfferId, Rate, Timestamp, UserId};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::transport::{Auth, path};
use crate::{CallError, Client};

/// The answer to an application for credit.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Analysis {
    /// Whose.
    pub user_id: UserId,
    /// Yes or no.
    pub approved: bool,
    /// 0 is no risk, 1 certain default.
    pub ml_risk_score: f64,
    /// What is offered, when it is a yes.
    pub offer: Option<OfferedTerms>,
    /// Why not, when it is a no.
    pub reason: Option<String>,
}

ecs_domain::redacted!(Analysis => "Analysis");

/// What is offered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OfferedTerms {
    /// The offer, by which to accept it.
    pub offer_id: OfferId,
    /// How much may be drawn.
    pub credit_limit: Money,
    /// Percent per year.
    pub interest_rate: Rate,
    /// `SHORT_TERM` or `LONG_TERM`.
    pub credit_type: String,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

/// A page of offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OfferPage {
    /// How many the user has in all.
    pub total: u64,
    /// Those on this page.
    pub items: Vec<OfferItem>,
}

/// An offer and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OfferItem {
    /// `offered`, `accepted`, `active` or `expired`.
    pub status: String,
    /// Which offer.
    pub offer_id: OfferId,
    /// How much may be drawn.
    pub credit_limit: Money,
    /// Percent per year.
    pub interest_rate: Rate,
    /// `SHORT_TERM` or `LONG_TERM`.
    pub credit_type: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acceptance {
    user_id: UserId,
}

#[derive(Serialize)]
struct Nothing {}

impl Client {
    /// Applies for credit.
    pub async fn analyse(&self, user: UserId) -> Result<Analysis, CallError> {
        let path = path(format!("/v1/users/{user}/credit-analysis"))?;
        self.call(Method::POST, path, Auth::Token, &Nothing {}).await
    }

    /// A user's offers, the newest first.
    pub async fn offers(&self, user: UserId, page: u32, size: u32) -> Result<OfferPage, CallError> {
        let path = path(format!("/v1/users/{user}/offers?page={page}&page_size={size}"))?;
        self.get(path, Auth::Token).await
    }

    /// Accepts an offer. It is activated in the background. It is retried.
    pub async fn accept(&self, offer: OfferId, user: UserId) -> Result<(), CallError> {
        let path = path(format!("/v1/credit-offers/{offer}/accept"))?;
        self.create(path, Auth::Token, &Acceptance { user_id: user }).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::{Stub, Trouble};
    use uuid::Uuid;

    #[tokio::test]
    async fn an_acceptance_is_repeated_under_its_key() {
        let stub = Stub::start().await;
        let accept = async || {
            stub.client.accept(OfferId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2))).await
        };
        let troubles = [Trouble::TakenButBroken, Trouble::UnderWay, Trouble::Busy(0)];
        stub.memory.lock().unwrap().acceptance_troubles.extend(troubles);
        accept().await.unwrap();
        accept().await.unwrap();
        stub.memory.lock().unwrap().acceptance_troubles.push_back(Trouble::Status(409));
        assert!(matches!(accept().await, Err(CallError::Refused { status: 409, .. })), "final");
        let keys = stub.memory.lock().unwrap().keys.clone();
        assert!(keys[..4].iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(keys.len(), 6);
        assert!(keys[4] != keys[0] && keys[5] != keys[4], "each call has a key of its own: {keys:?}");
    }
}
