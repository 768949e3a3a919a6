//! The embedded bus's protocol: publishers who wait for one writer's flush, members who take and acknowledge, and a
//! crash between any two steps.
//!
//! The random sequences in `bus/embedded/tests/model` hold the real bus to its contract one call after the other; this is
//! about the writer's steps, which no test can stop in between.

use stateright::{Model, Property};

/// How many publishers there are; each publishes its own event, again if it gets no answer.
const PUBLISHERS: usize = 2;
const MEMBERS: usize = 2;
/// Events that may get into the log, repetitions included.
const MOST: usize = 4;

/// The protocol with a planted fault, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCommit {
    /// What is wrong.
    pub fault: Option<Fault>,
    /// How often the process dies.
    pub crashes: u8,
}

/// What can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Publishers are answered before the flush.
    AnswersFirst,
    /// Events are shown to members before the flush.
    ShowsFirst,
    /// The cursor that is written is the highest acknowledgement.
    WritesTheHighest,
    /// The cursor that is written is what was handed out.
    WritesWhatWasHandedOut,
    /// What a member held when it left is handed out again, and so is what others hold.
    HandsBackTooMuch,
}

/// Where everything stands. Positions count from 0; a cursor is the number of positions in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// What is on disk: events by position, and the group's cursor.
    log: Vec<usize>,
    cursor: usize,
    /// What only the process knows.
    memory: Memory,
    /// Publishers that were told that their event is durable.
    told: [bool; PUBLISHERS],
    /// Positions that some member acknowledged at some time.
    acked: [bool; MOST],
    repeated: bool,
    crashes: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Memory {
    queue: Vec<usize>,
    writer: Writer,
    /// How much of the log members may see.
    head: usize,
    /// The next position that is new to the group.
    next: usize,
    /// Positions that were handed back.
    again: Vec<usize>,
    held: [Option<usize>; MEMBERS],
    settled: [bool; MOST],
}

/// What the writer is doing, with whose events and which cursor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
enum Writer {
    #[default]
    Idle,
    Commits(Vec<usize>, usize),
    Shows(Vec<usize>),
    Answers(Vec<usize>),
}

/// What may happen next; the number says to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Hands an event to the queue.
    Publish(usize),
    /// The writer takes the next of its steps.
    Write,
    /// A member is given the next event.
    Take(usize),
    /// A member acknowledges.
    Ack(usize),
    /// A member goes, and comes again.
    Leave(usize),
    /// The process dies and starts anew.
    Crash,
}

impl Model for GroupCommit {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            log: Vec::new(),
            cursor: 0,
            memory: Memory::default(),
            told: [false; PUBLISHERS],
            acked: [false; MOST],
            repeated: false,
            crashes: self.crashes,
        }]
    }

    fn actions(&self, _: &World, actions: &mut Vec<Action>) {
        actions.extend((0..PUBLISHERS).map(Action::Publish));
        for member in 0..MEMBERS {
            actions.extend([Action::Take(member), Action::Ack(member), Action::Leave(member)]);
        }
        actions.extend([Action::Write, Action::Crash]);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Publish(publisher) => next.publish(publisher)?,
            Action::Write => self.write(&mut next)?,
            Action::Take(member) => next.take(member)?,
            Action::Ack(member) => {
                let position = next.memory.held[member].take()?;
                next.memory.settled[position] = true;
                next.acked[position] = true;
            }
            Action::Leave(member) => {
                let position = next.memory.held[member].take()?;
                next.memory.again.push(position);
                if self.fault == Some(Fault::HandsBackTooMuch) {
                    next.memory.again.extend(next.memory.held.iter().flatten());
                }
            }
            Action::Crash => {
                next.crashes = next.crashes.checked_sub(1)?;
                next.memory = Memory { head: next.log.len(), next: next.cursor, ..Memory::default() };
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what was promised is durable", |_, world: &World| {
                (0..PUBLISHERS).all(|publisher| !world.told[publisher] || world.log.contains(&publisher))
            }),
            Property::always("members see what is durable", |_, world: &World| {
                world.memory.held.iter().flatten().all(|position| *position < world.log.len())
            }),
            Property::always("progress passes nothing that wasn't acknowledged", |_, world: &World| {
                world.cursor <= world.log.len() && world.acked[..world.cursor].iter().all(|acked| *acked)
            }),
            Property::always("no two members hold the same event", |_, world: &World| {
                let held = world.memory.held;
                held[0].is_none() || held[0] != held[1]
            }),
            Property::always("what was written as acknowledged doesn't come again", |_, world: &World| {
                world.memory.held.iter().flatten().all(|position| *position >= world.cursor)
            }),
            Property::sometimes("all that was published is settled", |_, world: &World| {
                world.told == [true; PUBLISHERS] && world.cursor == world.log.len()
            }),
            Property::sometimes(
                "two events share a flush",
                |_, world: &World| matches!(&world.memory.writer, Writer::Answers(batch) if batch.len() == 2),
            ),
            Property::sometimes("an acknowledged event comes again after a crash", |_, world: &World| {
                world.repeated
            }),
        ]
    }
}

impl GroupCommit {
    /// One step of the writer: it takes what waits, flushes it, shows it, and answers.
    fn write(&self, world: &mut World) -> Option<()> {
        let memory = &mut world.memory;
        memory.writer = match std::mem::take(&mut memory.writer) {
            Writer::Idle => {
                let batch = std::mem::take(&mut memory.queue);
                let cursor = self.progress(memory);
                if batch.is_empty() && cursor == world.cursor {
                    return None;
                }
                if self.fault == Some(Fault::AnswersFirst) {
                    batch.iter().for_each(|publisher| world.told[*publisher] = true);
                }
                if self.fault == Some(Fault::ShowsFirst) {
                    memory.head += batch.len();
                }
                Writer::Commits(batch, cursor)
            }
            Writer::Commits(batch, cursor) => {
                world.log.extend_from_slice(&batch);
                world.cursor = cursor;
                Writer::Shows(batch)
            }
            Writer::Shows(batch) => {
                memory.head = world.log.len();
                Writer::Answers(batch)
            }
            Writer::Answers(batch) => {
                batch.iter().for_each(|publisher| world.told[*publisher] = true);
                Writer::Idle
            }
        };
        Some(())
    }

    /// The cursor that is written with the next flush. After a restart everything in front of `next` that isn't in
    /// memory was settled before it.
    fn progress(&self, memory: &Memory) -> usize {
        let open = memory.held.iter().flatten().chain(&memory.again).min();
        let contiguous = open.copied().unwrap_or(memory.next);
        match self.fault {
            Some(Fault::WritesTheHighest) => memory
                .settled
                .iter()
                .rposition(|settled| *settled)
                .map_or(contiguous, |last| contiguous.max(last + 1)),
            Some(Fault::WritesWhatWasHandedOut) => memory.next,
            _ => contiguous,
        }
    }
}

impl World {
    fn publish(&mut self, publisher: usize) -> Option<()> {
        let memory = &mut self.memory;
        let under_way = match &memory.writer {
            Writer::Idle => &[],
            Writer::Commits(batch, _) | Writer::Shows(batch) | Writer::Answers(batch) => batch.as_slice(),
        };
        let busy = memory.queue.contains(&publisher) || under_way.contains(&publisher);
        let room = self.log.len() + memory.queue.len() + under_way.len() < MOST;
        if self.told[publisher] || busy || !room {
            return None;
        }
        memory.queue.push(publisher);
        Some(())
    }

    fn take(&mut self, member: usize) -> Option<()> {
        let memory = &mut self.memory;
        if memory.held[member].is_some() {
            return None;
        }
        let position = match memory.again.pop() {
            Some(position) => position,
            None if memory.next < memory.head => {
                memory.next += 1;
                memory.next - 1
            }
            None => return None,
        };
        self.repeated |= self.acked[position];
        memory.held[member] = Some(position);
        Some(())
    }
}
