//! What became of records that were sent together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Why a record is not known to be durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The library has no room for it. It was not sent.
    Full,
    /// The broker said no.
    Refused(String),
    /// Nothing was heard. It may be durable or not.
    Unheard(String),
}

/// What became of a record.
pub(crate) type Fate = Result<(), Failure>;

/// A record's place among those that were sent together.
pub(crate) struct Ticket {
    pub(crate) batch: Arc<Batch>,
    pub(crate) place: usize,
}

impl Ticket {
    pub(crate) fn tell(&self, fate: Fate) {
        self.batch.tell(self.place, fate);
    }
}

/// Records that were sent together, and whom to tell.
pub(crate) struct Batch(Mutex<Fates>);

struct Fates {
    known: Vec<Option<Fate>>,
    unknown: usize,
    reply: Option<oneshot::Sender<Vec<Fate>>>,
}

impl Batch {
    pub(crate) fn new(count: usize) -> (Arc<Self>, oneshot::Receiver<Vec<Fate>>) {
        let (reply, results) = oneshot::channel();
        let fates = Fates { known: vec![None; count], unknown: count, reply: Some(reply) };
        (Arc::new(Self(Mutex::new(fates))), results)
    }

    fn tell(&self, place: usize, fate: Fate) {
        let mut fates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = fates.known.get_mut(place).filter(|known| known.is_none()) else { return };
        *known = Some(fate);
        fates.unknown -= 1;
        if fates.unknown == 0
            && let Some(reply) = fates.reply.take()
        {
            let all = std::mem::take(&mut fates.known).into_iter().flatten().collect();
            // Who asked may have gone away; the records are durable all the same.
            let _ = reply.send(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_hears_of_itself_and_the_last_word_ends_the_wait() {
        let (batch, mut results) = Batch::new(3);
        batch.tell(2, Err(Failure::Full));
        batch.tell(0, Ok(()));
        batch.tell(0, Err(Failure::Full));
        assert!(results.try_recv().is_err());
        batch.tell(1, Ok(()));
        assert_eq!(results.try_recv().unwrap(), [Ok(()), Ok(()), Err(Failure::Full)]);
    }
}
