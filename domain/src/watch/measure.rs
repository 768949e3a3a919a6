//! What is watched of a decision, and the fine bins that it is counted in.

use std::str::FromStr;

use crate::decision::Decision;
use crate::scorecard::Input;

/// How many bins the values of a measure fall into. They are fixed, so counts of different days add up.
pub const BINS: u8 = 200;
/// The bin of a value that isn't there.
pub const MISSING: u8 = BINS;

/// Something that a decision has one value of, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The model's score.
    Score,
    /// A feature.
    Feature(Input),
}

/// How values are spread over the bins.
#[derive(Clone, Copy)]
enum Scale {
    /// All bins are as wide, from 0 to 1.
    Linear,
    /// By ln(1 + value), from 0 to this value and whatever lies beyond.
    Log(f64),
}

impl Measure {
    /// Everything that is watched.
    pub const ALL: [Self; 10] = [
        Self::Score,
        Self::Feature(Input::TransactionCount30d),
        Self::Feature(Input::AvgTransactionValue30d),
        Self::Feature(Input::DaysSinceLastTransaction),
        Self::Feature(Input::AccountAgeDays),
        Self::Feature(Input::AvgPositivity7d),
        Self::Feature(Input::AvgIntensity7d),
        Self::Feature(Input::AvgStress7d),
        Self::Feature(Input::StressEvents7d),
        Self::Feature(Input::StressEvents30d),
    ];

    /// Its name: `score`, or the feature's.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Feature(input) => input.as_str(),
        }
    }

    /// The value that a decision has of it.
    #[must_use]
    pub fn of(self, decision: &Decision) -> Option<f64> {
        match self {
            Self::Score => Some(decision.assessment.risk_score),
            Self::Feature(input) => input.of(&decision.features),
        }
    }

    /// The bin that a decision falls into.
    #[must_use]
    pub fn bin(self, decision: &Decision) -> u8 {
        self.of(decision).map_or(MISSING, |value| self.bin_of(value))
    }

    /// The bin of a value. What lies beyond the scale is in its first or last bin.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is held within the bins")]
    pub fn bin_of(self, value: f64) -> u8 {
        let share = match self.scale() {
            Scale::Linear => value,
            Scale::Log(most) => value.max(0.0).ln_1p() / most.ln_1p(),
        };
        (share * f64::from(BINS)).clamp(0.0, f64::from(BINS - 1)) as u8
    }

    /// The value at which a bin begins. Nothing lies below the first; the one behind the last is the scale's end.
    #[must_use]
    pub fn begin_of(self, bin: u8) -> f64 {
        let share = f64::from(bin) / f64::from(BINS);
        match self.scale() {
            Scale::Linear => share,
            Scale::Log(most) => (share * most.ln_1p()).exp_m1(),
        }
    }

    fn scale(self) -> Scale {
        match self {
            Self::Score
            | Self::Feature(Input::AvgPositivity7d | Input::AvgIntensity7d | Input::AvgStress7d) => {
                Scale::Linear
            }
            Self::Feature(Input::TransactionCount30d | Input::StressEvents7d | Input::StressEvents30d) => {
                Scale::Log(1e5)
            }
            Self::Feature(Input::AvgTransactionValue30d) => Scale::Log(1e7),
            // A century.
            Self::Feature(Input::DaysSinceLastTransaction | Input::AccountAgeDays) => Scale::Log(36_525.0),
        }
    }
}

impl FromStr for Measure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == text).ok_or(())
    }
}
