//! Reviews of decisions by people: `POST /v1/decisions/{decision_id}/review` asks for one, and officers work on `/v1/reviews`.
//!
//! An officer who overturns a decision says what is offered instead, on terms that the policy has (`ecs_domain::review::permits`). So the
//! person gets an answer, and not only another try with the model that has denied them.

mod ask;
mod conclude;
mod queue;
mod view;

pub(crate) use ask::{__path_ask, ask};
pub(crate) use conclude::{__path_conclude, conclude};
pub(crate) use queue::{__path_claim, __path_list, claim, list};
pub(crate) use view::ReviewView;

use ecs_domain::review::{Refusal, Review};
use ecs_store::ReviewChange;
use ecs_web::Problem;

/// The review after a step, or why it was not taken.
fn changed(change: ReviewChange) -> Result<Review, Problem> {
    match change {
        ReviewChange::Done(review) => Ok(review),
        ReviewChange::Refused(Refusal::Own) => {
            Err(Problem::forbidden("nobody reviews a decision about themselves"))
        }
        ReviewChange::Refused(Refusal::Taken) => {
            Err(Problem::conflict("another officer has claimed the review"))
        }
        ReviewChange::Refused(Refusal::NotClaimed) => {
            Err(Problem::conflict("the review was not claimed yet"))
        }
        ReviewChange::Refused(Refusal::Concluded) => Err(Problem::conflict("the review is concluded")),
        ReviewChange::Unknown => Err(Problem::not_found("there is no such review")),
    }
}
