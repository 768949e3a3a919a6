//! What happens now: event after event, each by whoever is likely to act at its moment.
//!
//! The rate is the sender's affair. The rhythm decides who acts: at three in the morning mostly those who don't sleep.

use ecs_domain::Timestamp;

use super::noise::Dice;
use super::purchases;
use super::rhythm::Moment;
use super::{
    BURST, BURST_DAYS, BURST_LEAST, BURST_MORE, Event, Kind, Persona, Population, Traits, Zone, burst_length,
    mood,
};

/// Asks for an event of a live run.
const LIVE: u64 = 5;
/// How often somebody is drawn anew because they are less busy than others.
const DRAWS: u32 = 8;
/// The busiest person.
const MOST_ACTIVITY: f64 = 1.4;

/// People of one persona and zone.
#[derive(Debug)]
struct Group {
    persona: Persona,
    zone: Zone,
    members: Vec<usize>,
}

/// A population from now on.
#[derive(Debug)]
pub struct Live {
    population: Population,
    groups: Vec<Group>,
    fraudsters: Vec<usize>,
    /// The share of transactions, where somebody chose it; else it follows from who acts.
    transaction_share: Option<f64>,
    /// Of how many events one stretch has a burst in it; `None` without bursts.
    stretch: Option<u64>,
}

impl Live {
    /// Lets the population act. `transaction_share` is of all events, 0 to 1.
    #[must_use]
    pub fn new(population: Population, transaction_share: Option<f64>) -> Self {
        let mut groups = Vec::new();
        for persona in Persona::ALL {
            for zone in Zone::ALL {
                let is_member = |person: &Traits| person.persona == persona && person.zone == zone;
                let people = population.people.iter().enumerate();
                let members: Vec<usize> =
                    people.filter(|(_, it)| is_member(it)).map(|(number, _)| number).collect();
                if !members.is_empty() {
                    groups.push(Group { persona, zone, members });
                }
            }
        }
        let people = population.people.iter().enumerate();
        let fraudsters =
            people.filter(|(_, it)| it.persona == Persona::Fraudster).map(|(number, _)| number).collect();
        let stretch = stretch(&population).filter(|_| transaction_share != Some(0.0));
        Self { population, groups, fraudsters, transaction_share, stretch }
    }

    /// The people.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Event `number`, happening at `at`; `None` when nobody is there.
    #[must_use]
    pub fn event(&self, number: u64, at: Timestamp) -> Option<Event> {
        let moment = Moment::new(at);
        if let Some((user, index)) = self.burst(number) {
            let mut dice = Dice::of(&[self.population.seed, LIVE, number]);
            let content = purchases::burst(&mut dice, index);
            return Some(Event { user, persona: Persona::Fraudster, at, index: 0, content });
        }
        let mut dice = Dice::of(&[self.population.seed, LIVE, number]);
        let (kind, group) = self.draw_group(&mut dice, &moment)?;
        let user = self.draw_member(&mut dice, group)?;
        let person = self.population.people.get(user)?;
        let content = match kind {
            Kind::Emotion => mood::emotion(&mut dice, person, &moment),
            Kind::Transaction => purchases::transaction(&mut dice, person),
        };
        Some(Event { user, persona: person.persona, at, index: 0, content })
    }

    fn draw_group(&self, dice: &mut Dice, moment: &Moment) -> Option<(Kind, &Group)> {
        let pace = |kind, group: &Group| {
            let each = self.population.rhythm.pace(group.persona, kind, group.zone, moment);
            each * group.members.len() as f64
        };
        let total = |kind| self.groups.iter().map(|group| pace(kind, group)).sum::<f64>();
        let share = match (self.transaction_share, self.stretch) {
            // What bursts add is taken off the others, so that the share is what was asked for.
            (Some(share), Some(stretch)) => {
                let bursts = mean_burst() / stretch as f64;
                ((share - bursts) / (1.0 - bursts)).max(0.0)
            }
            (Some(share), None) => share,
            (None, _) => {
                let transactions = total(Kind::Transaction);
                transactions / (transactions + total(Kind::Emotion))
            }
        };
        let kind = if dice.happens(share) { Kind::Transaction } else { Kind::Emotion };
        let mut left = dice.unit() * total(kind);
        let group = self.groups.iter().find(|group| {
            left -= pace(kind, group);
            left < 0.0
        });
        group.or_else(|| self.groups.last()).map(|group| (kind, group))
    }

    /// Busy people come up more often.
    fn draw_member(&self, dice: &mut Dice, group: &Group) -> Option<usize> {
        let mut user = *dice.pick(&group.members)?;
        for _ in 0..DRAWS {
            let activity = self.population.people.get(user)?.activity;
            if dice.happens(activity / MOST_ACTIVITY) {
                break;
            }
            user = *dice.pick(&group.members)?;
        }
        Some(user)
    }

    /// Whether event `number` belongs to a burst: whose, and its place in it. Every other event of a burst's stretch of
    /// numbers is the fraudster's, so a burst takes as long as the rate makes it.
    fn burst(&self, number: u64) -> Option<(usize, u32)> {
        let stretch = self.stretch?;
        let mut dice = Dice::of(&[self.population.seed, BURST, number / stretch]);
        let length = burst_length(&mut dice);
        let fraudster = *dice.pick(&self.fraudsters)?;
        let room = usize::try_from(stretch).ok()?.saturating_sub(2 * length as usize);
        let begin = dice.below(room.max(1)) as u64;
        let place = (number % stretch).checked_sub(begin)?;
        let index = u32::try_from(place / 2).ok()?;
        (place % 2 == 0 && index < length).then_some((fraudster, index))
    }
}

fn mean_burst() -> f64 {
    f64::from(BURST_LEAST) + (BURST_MORE - 1) as f64 / 2.0
}

/// Among how many events there is one burst when everybody does as much as on an average day.
fn stretch(population: &Population) -> Option<u64> {
    let fraudsters = population.people.iter().filter(|person| person.persona == Persona::Fraudster).count();
    let ordinary: f64 =
        population.people.iter().map(|person| person.activity * person.persona.events_a_day()).sum();
    let bursts = fraudsters as f64 * BURST_DAYS;
    let stretch = ordinary / bursts + mean_burst();
    // A crowd of fraudsters alone would have no room between its bursts.
    (fraudsters > 0).then(|| (stretch as u64).max(4 * (u64::from(BURST_LEAST) + BURST_MORE as u64)))
}

impl Persona {
    /// Without bursts.
    fn events_a_day(self) -> f64 {
        let profile = self.profile();
        profile.emotions + profile.transactions
    }
}
