"""The models that are made, and what their cards say of them."""

from dataclasses import dataclass

from . import additive, trees
from .features import EMPATHIC, FINANCIAL

TRAINED_AT = "2026-11-22"

RISK = "Probability that a simulated customer defaults on a small consumer credit within twelve months"
COMMON = (
    "Trained on simulated people whose defaults follow default-process-1. Nothing follows from it for real people.",
    "Customers without a single transaction were 1 of 200 in training, none of them here for more than 16 days, and "
    "nobody's last transaction was more than a month ago. What it says of an old account that lies idle rests on the "
    "shapes learned from others.",
    "Amounts are those of one base currency, with 85 as an ordinary purchase. Another currency wants another version.",
    "account_age_days counts from a simulated person's first day; in a deployment whose accounts are younger than their "
    "owners' custom it is too low.",
    "It has not been examined for disparate impact.",
)
_FEELING = (
    "Who felt nothing in the last 7 days is scored as if silence came by chance: 15 of 100 people in training had "
    "emotions removed at random. Of people of whom nothing is felt at all, the model without emotions knows more.",
    "Feelings were made to matter by the simulator. Whether they say anything of real repayment is not known.",
)


@dataclass(frozen=True)
class Version:
    """One model to be trained. `library` fits, predicts and tells what was fitted."""

    version: str
    library: object
    features: tuple
    purpose: str
    limits: tuple
    trained_at: str = TRAINED_AT


VERSIONS = (
    Version("financial-1", additive, FINANCIAL, f"{RISK}, from transactions and the account's age alone.", COMMON),
    Version("empathic-1", additive, EMPATHIC, f"{RISK}, with consent also from their emotions.", COMMON + _FEELING),
    Version(
        "financial-trees-1",
        trees,
        FINANCIAL,
        f"{RISK}, from transactions and the account's age alone: a challenger.",
        COMMON,
    ),
    Version(
        "empathic-trees-1",
        trees,
        EMPATHIC,
        f"{RISK}, with consent also from their emotions: a challenger.",
        COMMON + _FEELING,
    ),
)
