"""Simulated people: who they are for training and for measuring, read from the simulator or made by it.

Training and measuring share neither a seed nor a day on which a history ends, so a model is measured on people and on
times of the year that it has not met.
"""

import subprocess
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from .features import EMOTIONS, EMPATHIC, names

# How far back a history goes: a last transaction may lie beyond the month that is counted.
HISTORY_DAYS = 60
# Of a hundred people in training, how many lose all emotions, and how many those of the last week.
WITHOUT_EMOTIONS, WITHOUT_WEEK = 10, 5
MASK_SEED = 7


@dataclass(frozen=True)
class Crowd:
    """People of one seed, looked at after their last day."""

    seed: int
    users: int
    last: date

    @property
    def first(self):
        """The first day of their history."""
        return self.last - timedelta(days=HISTORY_DAYS - 1)

    @property
    def file(self):
        """What their file is called."""
        return f"crowd-{self.seed}-{self.users}-{self.last}.csv"


def _crowds(first_seed, users, first_day, count, every):
    days = [first_day + timedelta(days=every * number) for number in range(count)]
    return [Crowd(first_seed + number, users, day) for number, day in enumerate(days)]


# The steps are no multiple of a month or a week, so that ends of histories fall on all kinds of days.
TRAINING = _crowds(101, 25_000, date(2025, 11, 1), count=12, every=31)
UNSEEN = _crowds(901, 50_000, date(2025, 11, 17), count=6, every=63)


def load(crowds, folder, simulator):
    """All people of these crowds. Files that aren't in the folder are made by the simulator first."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return pd.concat([_load(crowd, folder, simulator) for crowd in crowds], ignore_index=True)


def _load(crowd, folder, simulator):
    path = folder / crowd.file
    if not path.exists():
        part = path.with_suffix(".part")
        arguments = [crowd.seed, crowd.users, crowd.first, crowd.last, part]
        subprocess.run([simulator, *map(str, arguments)], check=True)
        part.rename(path)
    columns = ["persona", "probability", "defaulted", *names(EMPATHIC)]
    return pd.read_csv(path, usecols=columns)[columns]


def masked(people, without_emotions=WITHOUT_EMOTIONS, without_week=WITHOUT_WEEK, seed=MASK_SEED):
    """The same people, of whom some have felt nothing that the platform heard of.

    Hardly any simulated person is silent for a week, and real ones will be. Who is silent is drawn by chance alone, so a
    model learns of silence that it says nothing: the score falls back on what else is known.
    """
    people = people.copy()
    draw = np.random.default_rng(seed).integers(0, 100, len(people))
    silent = draw < without_emotions
    quiet = (draw >= without_emotions) & (draw < without_emotions + without_week)
    means = [name for name in names(EMOTIONS) if name.startswith("avg_")]
    people.loc[silent | quiet, means] = np.nan
    people.loc[quiet, "stress_events_30d"] -= people.loc[quiet, "stress_events_7d"]
    people.loc[silent, "stress_events_30d"] = 0.0
    people.loc[silent | quiet, "stress_events_7d"] = 0.0
    return people
