//! The events of the benchmark: the n-th event is the same in every row, whether it comes over HTTP or from memory.

use ecs_bus::payload::{EmotionPayload, TransactionPayload};
use ecs_bus::{Event, Headers};
use ecs_domain::emotion::{EmotionEvent, EmotionKind, Metrics, Unit};
use ecs_domain::transaction::Transaction;
use ecs_domain::{Day, EventId, Money, Timestamp, UserId, utc_day};
use jiff::{SignedDuration, ToSpan as _};
use uuid::Uuid;

/// The events are spread over today and the days before it, all within the retention of raw rows.
const DAYS: i32 = 5;
/// Every event happened at this time of its day; the first moment of a day is never in the future.
pub(crate) const TIME_OF_DAY: &str = "T00:00:01Z";
/// What everybody felt.
pub(crate) const KIND: &str = "calm";

/// The currency of the platform's default settings.
const CURRENCY: &str = "BRL";

/// Users and days. Every user exists in the store.
#[derive(Clone)]
pub(crate) struct Population {
    users: Vec<UserId>,
    days: Vec<Day>,
}

/// What varies from event to event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) user: UserId,
    pub(crate) day: Day,
    /// Thousandths: positivity, intensity, stress.
    pub(crate) metrics: [u16; 3],
}

impl Population {
    pub(crate) fn new(users: u32, now: Timestamp) -> Self {
        Self::of_days(users, DAYS, now)
    }

    /// The same with another number of days.
    pub(crate) fn of_days(users: u32, days: i32, now: Timestamp) -> Self {
        let today = utc_day(now);
        Self {
            users: (0..users).map(user).collect(),
            days: (0..days).map(|back| today.saturating_sub(back.days())).collect(),
        }
    }

    pub(crate) fn users(&self) -> &[UserId] {
        &self.users
    }

    /// The facts of the n-th event.
    pub(crate) fn facts(&self, n: u64) -> Facts {
        let random = mix(n);
        let thousandths = |shift: u32| u16::try_from((random >> shift) % 1000).unwrap_or_default();
        Facts {
            user: pick(&self.users, random).unwrap_or(user(0)),
            day: pick(&self.days, random >> 20).unwrap_or(Day::MIN),
            metrics: [thousandths(32), thousandths(40), thousandths(48)],
        }
    }

    /// The n-th event as the platform understands it. `name` is the id that its sender gave it.
    pub(crate) fn emotion(&self, n: u64) -> anyhow::Result<EmotionEvent> {
        let Facts { user, day, metrics } = self.facts(n);
        let unit = |thousandths: u16| {
            Unit::from_billionths(u32::from(thousandths) * 1_000_000)
                .ok_or_else(|| anyhow::anyhow!("{thousandths} thousandths are no fraction"))
        };
        let [positivity, intensity, stress] = metrics;
        Ok(EmotionEvent {
            id: EventId::derive(user, &name(n)),
            user,
            occurred_at: format!("{day}{TIME_OF_DAY}").parse()?,
            kind: EmotionKind::new(KIND.to_owned()).map_err(|why| anyhow::anyhow!("{KIND}: {why}"))?,
            metrics: Metrics {
                positivity: unit(positivity)?,
                intensity: unit(intensity)?,
                stress: unit(stress)?,
            },
        })
    }

    /// The n-th transaction: of one user after the other, within the last thirty days.
    pub(crate) fn transaction(&self, n: u64, now: Timestamp) -> anyhow::Result<Transaction> {
        let random = mix(n);
        let user = pick(&self.users, n).unwrap_or(user(0));
        let ago = SignedDuration::from_mins(i64::try_from(random % (30 * 24 * 60))?);
        Ok(Transaction {
            id: EventId::derive(user, &name(n)).into(),
            user,
            amount: Money::from_minor_units(i64::try_from(100 + (random >> 20) % 50_000)?),
            currency: CURRENCY.parse().map_err(|why| anyhow::anyhow!("{CURRENCY}: {why}"))?,
            occurred_at: now - ago,
            merchant: Some("Padaria Central".to_owned()),
            category: Some("groceries".to_owned()),
            channel: Some("card".to_owned()),
            client_id: Some(name(n)),
        })
    }

    /// The first events as they lie on the bus.
    pub(crate) fn events(&self, count: u64) -> anyhow::Result<Vec<Event>> {
        (0..count).map(|n| self.event(n)).collect()
    }

    /// The n-th event as it lies on the bus.
    pub(crate) fn event(&self, n: u64) -> anyhow::Result<Event> {
        let (trace_id, headers) = trace(n);
        Ok(EmotionPayload::event(&self.emotion(n)?, Some(&name(n)), &trace_id, headers))
    }
}

/// The n-th transaction as it lies on the bus.
pub(crate) fn transaction_event(n: u64, transaction: &Transaction) -> Event {
    let (trace_id, headers) = trace(n);
    TransactionPayload::event(transaction, &trace_id, headers)
}

/// What the n-th request is called, and the headers of its event.
fn trace(n: u64) -> (String, Headers) {
    let trace_id = format!("{:032x}", u128::from(mix(n)) << 64 | u128::from(n));
    let headers = Headers {
        request_id: Some(trace_id.clone()),
        traceparent: Some(format!("00-{trace_id}-{:016x}-01", mix(n))),
        ..Headers::current()
    };
    (trace_id, headers)
}

/// The id that the sender of the n-th event gives it: 20 characters.
pub(crate) fn name(n: u64) -> String {
    format!("{n:020}")
}

/// Somebody of whom no event of the population tells.
pub(crate) fn bystander(n: u32) -> UserId {
    user(u32::MAX - n)
}

pub(crate) fn user(n: u32) -> UserId {
    // Ids that the platform makes sort by time; these do, too.
    UserId::new(Uuid::from_u128(
        0x0199_0000_0000_7000_8000_0000_0000_0000 | u128::from(n) << 80 | u128::from(mix(n.into())) >> 4,
    ))
}

fn pick<T: Copy>(from: &[T], random: u64) -> Option<T> {
    let index = usize::try_from(random).ok()?.checked_rem(from.len())?;
    from.get(index).copied()
}

/// Spreads numbers evenly (the finaliser of SplitMix64).
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_unique_and_valid() {
        let population = Population::new(100, Timestamp::now());
        let ids: std::collections::HashSet<_> =
            (0..1000).map(|n| population.emotion(n).unwrap().id).collect();
        assert_eq!(ids.len(), 1000);
        let users: std::collections::HashSet<_> = population.users().iter().collect();
        assert_eq!(users.len(), 100);
        let transactions = (0..1000).map(|n| population.transaction(n, Timestamp::now()).unwrap());
        let ids: std::collections::HashSet<_> = transactions.map(|transaction| transaction.id).collect();
        assert_eq!(ids.len(), 1000);
        let event = population.event(7).unwrap();
        assert_eq!(EmotionPayload::decode(&event).unwrap(), population.emotion(7).unwrap());
    }
}
