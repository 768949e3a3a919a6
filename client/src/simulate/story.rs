//! Which event comes at which number.

use ecs_domain::Timestamp;

use super::Plan;
use super::plan::When;
use super::population::{Event, History, Live, Population, VERSION};

/// The events of a plan by number.
#[derive(Debug)]
pub struct Story {
    time: Time,
    tag: String,
}

#[derive(Debug)]
enum Time {
    Live(Live),
    History(History),
}

impl Story {
    /// The story that a plan tells.
    pub fn new(plan: &Plan) -> anyhow::Result<Self> {
        let population = Population::new(plan.seed, plan.users as usize, &plan.mix);
        let time = match plan.when {
            When::Now => Time::Live(Live::new(population, plan.transaction_share)),
            When::Then(window) => Time::History(History::new(population, window)?),
        };
        Ok(Self { time, tag: format!("{VERSION}-{}", plan.mix.tag()) })
    }

    /// Who is in it.
    #[must_use]
    pub fn population(&self) -> &Population {
        match &self.time {
            Time::Live(live) => live.population(),
            Time::History(history) => history.population(),
        }
    }

    /// How many events it has; a live one has no end.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        match &self.time {
            Time::Live(_) => None,
            Time::History(history) => Some(history.total()),
        }
    }

    /// Event `number`. A live one happens at `now`, one of a history at its own time.
    #[must_use]
    pub fn event(&self, number: u64, now: Timestamp) -> Option<Event> {
        match &self.time {
            Time::Live(live) => live.event(number, now),
            Time::History(history) => history.event(number),
        }
    }

    /// The sender's id of event `number`. In a live run it belongs to the run; in a history to the user's day, so that
    /// the same history sent twice, or a longer one that holds it, counts once.
    #[must_use]
    pub fn client_id(&self, plan: &Plan, number: u64, event: &Event) -> String {
        match &self.time {
            Time::Live(_) => plan.client_id(number),
            Time::History(_) => {
                format!("{}-{}-{}", self.tag, ecs_domain::utc_day(event.at), event.index)
            }
        }
    }
}
