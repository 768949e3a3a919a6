"""What a model may look at: names, units and directions as the platform has them (domain/src/scorecard.rs)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """One input. More of it raises or lowers the risk, or may do either; `reference` is what contributions compare with:
    about the middle of those who pay back."""

    name: str
    unit: str
    direction: str
    reference: float

    @property
    def constraint(self):
        """The direction as the training libraries want it."""
        return {"raises": 1, "lowers": -1, "either": 0}[self.direction]

    @property
    def may_be_missing(self):
        """Whether the platform may know nothing of it: days since what never happened, means of no emotion."""
        return self.name == "days_since_last_transaction" or self.unit == "0..1"


FINANCIAL = (
    Feature("transaction_count_30d", "count", "either", 36.0),
    Feature("avg_transaction_value_30d", "base currency", "either", 85.0),
    Feature("days_since_last_transaction", "days", "raises", 0.3),
    Feature("account_age_days", "days", "lowers", 870.0),
)
EMOTIONS = (
    Feature("avg_positivity_7d", "0..1", "lowers", 0.65),
    Feature("avg_intensity_7d", "0..1", "raises", 0.5),
    Feature("avg_stress_7d", "0..1", "raises", 0.3),
    Feature("stress_events_7d", "count", "raises", 0.0),
    Feature("stress_events_30d", "count", "raises", 0.0),
)
EMPATHIC = FINANCIAL + EMOTIONS


def names(features):
    """The names in order, which are the columns of the simulator's file."""
    return [feature.name for feature in features]
