//! A model that gives a score and no reasons. What is inside can't be looked into, so no direction of it can be proved, and nothing says
//! exactly what led to a score: it may be listened to, and never decides.

use std::fmt;
use std::sync::Arc;

use super::{Card, Direction, Fault, Row};

/// Whatever computes such a model.
pub trait Compute: Send + Sync {
    /// The log-odds of default by one value per feature, in the card's order and none missing. `None` where nothing comes of it.
    fn log_odds(&self, values: &[f64]) -> Option<f64>;
}

/// A model whose inside isn't known here.
#[derive(Clone)]
pub struct Opaque {
    compute: Arc<dyn Compute>,
    /// SHA-256 of what it was made of.
    digest: String,
    /// Stands in for what is missing, with as many values as there are features.
    reference: Vec<f64>,
}

impl Opaque {
    pub(super) fn new(compute: Arc<dyn Compute>, digest: String, card: &Card) -> Result<Self, Fault> {
        for (at, feature) in card.features.iter().enumerate() {
            if feature.direction != Direction::Either {
                let rule = "must be either, for nothing else can be proved of this model";
                return Err(Fault::new(format!("features[{at}].direction"), rule));
            }
        }
        let reference: Vec<f64> = card.features.iter().map(|feature| feature.reference).collect();
        if compute.log_odds(&reference).is_none() {
            return Err(Fault::new("features", "nothing comes of the references"));
        }
        Ok(Self { compute, digest, reference })
    }

    /// The log-odds of default; not a number where nothing comes of it.
    pub(super) fn log_odds(&self, row: &Row) -> f64 {
        let value = |(feature, reference): (usize, &f64)| {
            let value = row.at(feature);
            if value.is_nan() { *reference } else { value }
        };
        let values: Vec<f64> = self.reference.iter().enumerate().map(value).collect();
        self.compute.log_odds(&values).unwrap_or(f64::NAN)
    }
}

/// Two are the same if they were made of the same.
impl PartialEq for Opaque {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.reference == other.reference
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opaque").field("digest", &self.digest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Feature, Kind, Learned};
    use super::*;
    use crate::scorecard::Input;

    /// The first value less the second, of what isn't both.
    struct Difference;

    impl Compute for Difference {
        fn log_odds(&self, values: &[f64]) -> Option<f64> {
            let &[first, second] = values else { return None };
            (first != second).then_some(first - second)
        }
    }

    fn card(direction: Direction, references: [f64; 2]) -> Card {
        let inputs = [Input::TransactionCount30d, Input::AccountAgeDays];
        let feature = |(input, reference)| Feature { input, direction, reference };
        let features = inputs.into_iter().zip(references).map(feature).collect();
        Card { version: "made-1".to_owned(), digest: "digest".to_owned(), features }
    }

    fn model(direction: Direction, references: [f64; 2], made_of: &str) -> Result<Learned, String> {
        let learned = Learned::opaque(card(direction, references), made_of.to_owned(), Arc::new(Difference));
        learned.map_err(|fault| fault.to_string())
    }

    #[test]
    fn it_computes_with_references_for_what_is_missing_and_explains_nothing() {
        let model = model(Direction::Either, [3.0, 1.0], "a").unwrap();
        assert_eq!(model.formula().kind(), Kind::Onnx);
        let check = |row: [Option<f64>; 2], expect: Option<f64>| {
            let explained = model.explain(&Row::new(row));
            assert_eq!(expect.is_none(), explained.log_odds.is_nan(), "{row:?}");
            assert!(expect.is_none_or(|expect| explained.log_odds == expect), "{row:?}");
            assert_eq!(explained.contributions, [0.0; super::super::WIDTH]);
        };
        check([Some(5.0), Some(2.0)], Some(3.0));
        check([None, Some(2.0)], Some(1.0));
        check([Some(5.0), None], Some(4.0));
        check([None, None], Some(2.0));
        check([Some(2.0), Some(2.0)], None);
    }

    #[test]
    fn what_cant_be_proved_or_computed_is_refused() {
        let check = |direction, references, expect: &str| {
            assert_eq!(model(direction, references, "a").unwrap_err(), expect);
        };
        let rule = "features[0].direction: must be either, for nothing else can be proved of this model";
        check(Direction::Raises, [3.0, 1.0], rule);
        check(Direction::Lowers, [3.0, 1.0], rule);
        check(Direction::Either, [3.0, 3.0], "features: nothing comes of the references");
        check(Direction::Either, [3.0, f64::NAN], "features[1].reference: must be a finite number");
    }

    #[test]
    fn two_are_the_same_if_they_were_made_of_the_same() {
        let made = |made_of| model(Direction::Either, [3.0, 1.0], made_of).unwrap();
        assert_eq!(made("a"), made("a"));
        assert_ne!(made("a"), made("b"));
    }
}
