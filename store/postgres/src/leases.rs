//! Work that is claimed for a while: of several processes one has it in hand, and what it left half done goes first.

use ecs_domain::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::engine::{Fault, Session};

/// The statements of a claim.
pub(crate) struct Claim {
    /// Whether anything is due, which costs less than to look for it under locks. Takes the time.
    pub(crate) any_due: &'static str,
    /// Takes the next one in hand. Takes the time, and that at which the claim ends.
    pub(crate) claim: &'static str,
    /// Drops what an attempt before this one has left. Takes the id.
    pub(crate) clear: &'static str,
}

impl Claim {
    /// Claims the next one, if one is due.
    pub(crate) async fn next<H>(
        &self,
        session: &Session,
        now: &Timestamp,
        until: &Timestamp,
        read: fn(&Row) -> Result<(Uuid, H), Fault>,
    ) -> Result<Option<H>, Fault> {
        if !session.query(self.any_due, &[now]).await?.only::<bool>()? {
            return Ok(None);
        }
        let mut flight = session.flight();
        flight.begin();
        let claimed = flight.add(self.claim, &[now, until]);
        let claimed = flight.send().await?.take(claimed).first().map(read).transpose()?;
        let (id, hold) = claimed.unzip();
        let mut flight = session.flight();
        if let Some(id) = &id {
            flight.add(self.clear, &[id]);
        }
        flight.commit();
        flight.send().await?;
        Ok(hold)
    }
}
