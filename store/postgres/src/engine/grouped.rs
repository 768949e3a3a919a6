//! Calls of many at the same time, done together.
//!
//! A call that is alone is done at once. What comes while others are under way waits for them, and is then done together: the more
//! there is to do, the less each of it costs, and nobody waits for company. When enough wait to be a group worth its statements, they
//! don't wait for the group before them either.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_store::StoreError;
use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::Fault;
use crate::column::get;

/// How many groups of a kind are under way at once: one is worked on by the server while another is on its way. A statement about one
/// person costs the server nearly as much as one about ten, so the second lane opens only for so many.
const LANES: usize = 2;
const WORTH_A_LANE: usize = 32;
/// The most calls of a group. What one statement does for so many is still soon done.
const MOST: usize = 128;

/// Work that is done for several calls as well as for one.
pub(crate) trait Together: Send + Sync + 'static {
    /// What is asked for.
    type Call: Send + Sync + 'static;
    /// What comes of it.
    type Answer: Send + 'static;

    /// Does all of it, and answers in the order of the calls. What fails for one must not fail for the others, so an error is an
    /// outage's.
    fn together(
        &self,
        calls: &[Self::Call],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, StoreError>> + Send;
}

/// One kind of work. Cheap to clone.
pub(crate) struct Grouped<W: Together>(Arc<Inner<W>>);

struct Inner<W: Together> {
    work: W,
    queue: Mutex<Queue<W>>,
}

type Told<A> = oneshot::Sender<Result<A, StoreError>>;

struct Queue<W: Together> {
    waiting: VecDeque<(W::Call, Told<W::Answer>)>,
    under_way: usize,
}

impl<W: Together> Grouped<W> {
    pub(crate) fn new(work: W) -> Self {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), under_way: 0 });
        Self(Arc::new(Inner { work, queue }))
    }

    /// Whoever gives up while it is done has it done all the same; who gives up before that has nothing done.
    pub(crate) async fn ask(&self, call: W::Call) -> Result<W::Answer, StoreError> {
        let (tell, told) = oneshot::channel();
        if let Some(lane) = self.0.put(call, tell) {
            tokio::spawn(lane.serve());
        }
        told.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the work was given up".to_owned())))
    }
}

impl<W: Together> Inner<W> {
    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call wait. Returns a lane when one is free for it.
    fn put(self: &Arc<Self>, call: W::Call, tell: Told<W::Answer>) -> Option<Lane<W>> {
        let mut queue = self.queue();
        queue.waiting.push_back((call, tell));
        let lanes = if queue.waiting.len() < WORTH_A_LANE { 1 } else { LANES };
        if queue.under_way >= lanes {
            return None;
        }
        queue.under_way += 1;
        Some(Lane { inner: Arc::clone(self), open: true })
    }
}

/// Calls, and whom to tell what came of each.
type Group<W> = (Vec<<W as Together>::Call>, Vec<Told<<W as Together>::Answer>>);

/// The right to do one group after the other, as long as somebody waits.
struct Lane<W: Together> {
    inner: Arc<Inner<W>>,
    open: bool,
}

impl<W: Together> Lane<W> {
    async fn serve(mut self) {
        while let Some((calls, tell)) = self.next() {
            match self.inner.work.together(&calls).await {
                Ok(answers) => {
                    tell.into_iter().zip(answers).for_each(|(tell, answer)| drop(tell.send(Ok(answer))))
                }
                Err(error) => tell.into_iter().for_each(|tell| drop(tell.send(Err(error.clone())))),
            }
        }
    }

    /// The next group, of those who still want it. The lane is given back when nobody waits: under the same lock, or who comes then
    /// would wait for ever.
    fn next(&mut self) -> Option<Group<W>> {
        let mut queue = self.inner.queue();
        let (mut calls, mut tell) = (Vec::new(), Vec::new());
        while calls.len() < MOST {
            let Some((call, told)) = queue.waiting.pop_front() else { break };
            if !told.is_closed() {
                calls.push(call);
                tell.push(told);
            }
        }
        if calls.is_empty() {
            queue.under_way -= 1;
            self.open = false;
            return None;
        }
        Some((calls, tell))
    }
}

impl<W: Together> Drop for Lane<W> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let mut queue = self.inner.queue();
        queue.under_way -= 1;
        if queue.under_way == 0 {
            // Nobody is left to serve them.
            queue.waiting.clear();
        }
    }
}

/// What there is for each of `count` calls: rows name the place of theirs, from 1, in the column `place`. What can't be read is an
/// error of its call alone.
pub(crate) fn placed<T>(
    count: usize,
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, Fault>,
) -> Result<Vec<Result<Option<T>, StoreError>>, Fault> {
    let mut answers: Vec<Result<Option<T>, StoreError>> = (0..count).map(|_| Ok(None)).collect();
    for row in rows {
        let place = usize::try_from(get::<_, i64>(row, "place")? - 1).ok();
        let answer = place.and_then(|place| answers.get_mut(place));
        let answer = answer.ok_or(Fault::Outage("the database answered what nobody asked"))?;
        *answer = read(row).map(Some).map_err(StoreError::from);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers, group by group as it is let.
    struct Doubling {
        groups: Arc<Mutex<Vec<usize>>>,
        gate: Arc<Semaphore>,
    }

    impl Together for Doubling {
        type Call = u64;
        type Answer = u64;

        async fn together(&self, calls: &[u64]) -> Result<Vec<u64>, StoreError> {
            self.groups.lock().unwrap().push(calls.len());
            self.gate.acquire().await.unwrap().forget();
            if calls.contains(&13) {
                return Err(StoreError::Unavailable("a dark day".to_owned()));
            }
            assert!(!calls.contains(&666), "it breaks");
            Ok(calls.iter().map(|number| number * 2).collect())
        }
    }

    /// A queue, how large its groups were, and what lets them through.
    type Scene = (Arc<Grouped<Doubling>>, Arc<Mutex<Vec<usize>>>, Arc<Semaphore>);

    fn doubling() -> Scene {
        let (groups, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
        let work = Doubling { groups: Arc::clone(&groups), gate: Arc::clone(&gate) };
        (Arc::new(Grouped::new(work)), groups, gate)
    }

    /// So many calls, all of which wait when it returns.
    async fn asked(
        grouped: &Arc<Grouped<Doubling>>,
        numbers: &[u64],
    ) -> Vec<tokio::task::JoinHandle<Result<u64, StoreError>>> {
        let mut calls = Vec::new();
        for number in numbers.iter().copied() {
            let grouped = Arc::clone(grouped);
            calls.push(tokio::spawn(async move { grouped.ask(number).await }));
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        calls
    }

    #[tokio::test]
    async fn who_comes_meanwhile_is_served_together() {
        let (grouped, groups, gate) = doubling();
        let calls = asked(&grouped, &[0, 1, 2, 3, 4]).await;
        assert_eq!(*groups.lock().unwrap(), [1], "who is alone does not wait");
        gate.add_permits(100);
        for (number, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap().unwrap(), number * 2);
        }
        assert_eq!(*groups.lock().unwrap(), [1, 4]);
        assert_eq!(grouped.ask(21).await.unwrap(), 42, "the lane is free again");
    }

    #[tokio::test]
    async fn nothing_is_done_for_whoever_gave_up_before() {
        let (grouped, groups, gate) = doubling();
        let calls = asked(&grouped, &[0, 1, 2, 3]).await;
        calls[2].abort();
        tokio::task::yield_now().await;
        gate.add_permits(100);
        for call in calls {
            drop(call.await);
        }
        assert_eq!(*groups.lock().unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn an_outage_is_told_to_all_and_a_fault_of_ours_stops_nobody_for_ever() {
        let (grouped, _, gate) = doubling();
        let calls = asked(&grouped, &[0, 1, 13, 14]).await;
        gate.add_permits(2);
        let mut ends = Vec::new();
        for call in calls {
            ends.push(call.await.unwrap().is_ok());
        }
        assert_eq!(ends, [true, false, false, false]);
        for _ in 0..3 {
            gate.add_permits(1);
            assert!(grouped.ask(666).await.is_err());
        }
        gate.add_permits(1);
        assert_eq!(grouped.ask(1).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_group_has_a_size() {
        let (grouped, groups, gate) = doubling();
        let numbers: Vec<u64> = (100..).take(1 + WORTH_A_LANE + MOST + 5).collect();
        let calls = asked(&grouped, &numbers).await;
        gate.add_permits(100);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(*groups.lock().unwrap(), [1, WORTH_A_LANE, MOST, 5]);
    }
}
