//! The outbox and its relays: rows are claimed, published and removed, while processes die and clocks jump.

use stateright::{Model, Property};

/// How many rows there are.
pub const ROWS: usize = 2;
/// How many relays run.
pub const RELAYS: usize = 2;
/// For how many ticks rows are claimed.
pub const LEASE: i8 = 2;
/// How many ticks a clock goes back when it jumps.
pub const JUMP: i8 = 4;

/// The outbox with a planted fault, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    /// What is wrong.
    pub fault: Option<Fault>,
    /// What may happen how often.
    pub limits: Limits,
}

/// How far the exploration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The last tick.
    pub clock: i8,
    /// Crashes of one relay or of the whole process.
    pub crashes: u8,
    /// Jumps of the clock backwards.
    pub jumps: u8,
    /// Events that the bus refuses.
    pub refusals: u8,
}

/// What can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Rows are removed before they are published.
    FinishesFirst,
    /// Rows that the bus refused are removed with the others.
    FinishesWhatWasRefused,
    /// A claim isn't written down.
    ForgetsToClaim,
    /// A claim from before the clock was set back counts until the clock is there again.
    HonoursFutureClaims,
    /// The relay remembers the last row it has seen, and looks at those behind it.
    FollowsACursor,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    /// Its transaction isn't committed.
    Unwritten,
    /// It waits; a claim on it holds until this tick.
    Waits(i8),
    /// It was removed.
    Gone,
}

/// What a relay has in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hand {
    /// Which rows.
    pub rows: [bool; ROWS],
    /// Those of them that the bus took, which are removed next; `None` before it was asked.
    pub published: Option<[bool; ROWS]>,
    /// Until when the claim holds.
    pub until: i8,
    /// Whether the bus has refused some of it before, so that the relay may let go.
    pub tried: bool,
}

/// Where everything stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// What time it is.
    pub clock: i8,
    /// The rows.
    pub rows: [Row; ROWS],
    /// How often each was published, counted up to three.
    pub published: [u8; ROWS],
    /// What each relay has in hand.
    pub hands: [Option<Hand>; RELAYS],
    /// What may still happen.
    pub left: Limits,
    /// Whether the clock was ever set back.
    jumped: bool,
    /// Rows up to this one were seen, for a relay that follows a cursor.
    cursor: usize,
}

/// What may happen next; the first number says to which relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A row's transaction commits.
    Commit(usize),
    /// A relay claims what is free.
    Claim(usize),
    /// The bus takes what a relay has in hand, but the rows that are named here.
    Publish(usize, [bool; ROWS]),
    /// A relay removes what was published.
    Finish(usize),
    /// A relay leaves what was refused to others.
    LetGo(usize),
    /// A relay dies.
    Crash(usize),
    /// The process dies and starts anew.
    Restart,
    /// A tick passes.
    Tick,
    /// The clock is set back.
    JumpBack,
}

impl Outbox {
    /// Without a fault.
    #[must_use]
    pub fn sound(limits: Limits) -> Self {
        Self { fault: None, limits }
    }

    /// The world before anything happened.
    #[must_use]
    pub fn start(&self) -> World {
        World {
            clock: 0,
            rows: [Row::Unwritten; ROWS],
            published: [0; ROWS],
            hands: [None; RELAYS],
            left: self.limits,
            jumped: false,
            cursor: 0,
        }
    }

    /// What a claim at this moment gets.
    #[must_use]
    pub fn free(&self, world: &World) -> [bool; ROWS] {
        let is_free = |index: usize| match world.rows[index] {
            Row::Unwritten | Row::Gone => false,
            Row::Waits(_) if self.fault == Some(Fault::FollowsACursor) => index >= world.cursor,
            Row::Waits(until) => {
                let future =
                    until > world.clock + 2 * LEASE && self.fault != Some(Fault::HonoursFutureClaims);
                until <= world.clock || future
            }
        };
        std::array::from_fn(is_free)
    }

    /// What `action` makes of `world`; `None` when it isn't possible.
    #[must_use]
    pub fn apply(&self, world: &World, action: Action) -> Option<World> {
        let mut next = *world;
        match action {
            Action::Commit(row) => {
                let row = next.rows.get_mut(row).filter(|row| **row == Row::Unwritten)?;
                *row = Row::Waits(i8::MIN);
            }
            Action::Claim(relay) => self.claim(&mut next, relay)?,
            Action::Publish(relay, refused) => self.publish(&mut next, relay, refused)?,
            Action::Finish(relay) => self.finish(&mut next, relay)?,
            Action::LetGo(relay) => {
                next.hands[relay].take().filter(|hand| hand.tried && hand.published.is_none())?;
            }
            Action::Crash(relay) => {
                next.hands[relay].take()?;
                next.left.crashes = next.left.crashes.checked_sub(1)?;
            }
            Action::Restart => {
                next.left.crashes = next.left.crashes.checked_sub(1)?;
                next.hands = [None; RELAYS];
                next.rows
                    .iter_mut()
                    .filter(|row| matches!(row, Row::Waits(_)))
                    .for_each(|row| *row = Row::Waits(i8::MIN));
            }
            Action::Tick => {
                next.clock += 1;
                (next.clock <= self.limits.clock).then_some(())?;
            }
            Action::JumpBack => {
                next.left.jumps = next.left.jumps.checked_sub(1)?;
                next.clock -= JUMP;
                next.jumped = true;
            }
        }
        Some(next)
    }

    fn claim(&self, world: &mut World, relay: usize) -> Option<()> {
        let rows = self.free(world);
        if world.hands[relay].is_some() || rows == [false; ROWS] {
            return None;
        }
        let until = world.clock + LEASE;
        let marked = if self.fault == Some(Fault::ForgetsToClaim) { i8::MIN } else { until };
        each(rows, |row| {
            world.rows[row] =
                if self.fault == Some(Fault::FinishesFirst) { Row::Gone } else { Row::Waits(marked) };
            world.cursor = row + 1;
        });
        world.hands[relay] = Some(Hand { rows, published: None, until, tried: false });
        Some(())
    }

    fn publish(&self, world: &mut World, relay: usize, refused: [bool; ROWS]) -> Option<()> {
        let hand = world.hands[relay].as_mut().filter(|hand| hand.published.is_none())?;
        let named = count(refused);
        if (0..ROWS).any(|row| refused[row] && !hand.rows[row]) {
            return None;
        }
        world.left.refusals = world.left.refusals.checked_sub(named)?;
        let taken = std::array::from_fn(|row| hand.rows[row] && !refused[row]);
        each(taken, |row| world.published[row] = (world.published[row] + 1).min(3));
        hand.tried |= named > 0;
        // What is refused is tried again; there is nothing to remove when all of it was.
        hand.published = (taken != [false; ROWS]).then_some(taken);
        Some(())
    }

    fn finish(&self, world: &mut World, relay: usize) -> Option<()> {
        let hand = world.hands[relay].as_mut()?;
        let published = hand.published.take()?;
        let gone = if self.fault == Some(Fault::FinishesWhatWasRefused) { hand.rows } else { published };
        each(gone, |row| world.rows[row] = Row::Gone);
        let rest = std::array::from_fn(|row| hand.rows[row] && !published[row]);
        hand.rows = rest;
        if rest == [false; ROWS] {
            world.hands[relay] = None;
        }
        Some(())
    }

    /// Whether all that waits is published, and gone, when nothing goes wrong from here on for the length of two leases.
    fn drains(&self, world: &World) -> bool {
        let mut world = World { hands: [None; RELAYS], ..*world };
        world.left = Limits { refusals: 0, ..world.left };
        for _ in 0..=2 * LEASE {
            if self.claim(&mut world, 0).is_some() {
                let done =
                    self.publish(&mut world, 0, [false; ROWS]).and_then(|()| self.finish(&mut world, 0));
                debug_assert!(done.is_some(), "a relay with rows in hand can publish them");
            }
            world.clock += 1;
        }
        world.rows.iter().all(|row| !matches!(row, Row::Waits(_)))
    }
}

impl World {
    /// Two relays hold a row, though neither claim has run out and the clock was never set back.
    fn is_held_twice(&self) -> bool {
        let [Some(one), Some(other)] = &self.hands else { return false };
        let shared = (0..ROWS).any(|row| one.rows[row] && other.rows[row] && self.rows[row] != Row::Gone);
        shared && !self.jumped && self.clock < one.until.min(other.until)
    }
}

impl Model for Outbox {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend((0..ROWS).map(Action::Commit));
        for relay in 0..RELAYS {
            actions.extend([
                Action::Claim(relay),
                Action::Finish(relay),
                Action::LetGo(relay),
                Action::Crash(relay),
            ]);
            if world.hands[relay].is_some() {
                actions.extend((0..1 << ROWS).map(|bits: u8| Action::Publish(relay, set(bits))));
            }
        }
        actions.extend([Action::Restart, Action::Tick, Action::JumpBack]);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.apply(world, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is removed unpublished", |_, world: &World| {
                (0..ROWS).all(|row| world.rows[row] != Row::Gone || world.published[row] > 0)
            }),
            Property::always("no two relays hold the same row", |_, world: &World| !world.is_held_twice()),
            Property::always("what waits gets out within two leases", |model: &Self, world| {
                model.drains(world)
            }),
            Property::sometimes("everything is gone", |_, world: &World| world.rows == [Row::Gone; ROWS]),
            Property::sometimes("a row is published twice", |_, world: &World| world.published.contains(&2)),
            Property::sometimes("two relays hold the same row after a jump", |_, world: &World| {
                let [Some(one), Some(other)] = &world.hands else { return false };
                world.jumped && (0..ROWS).any(|row| one.rows[row] && other.rows[row])
            }),
        ]
    }
}

/// The rows whose bits are set.
#[must_use]
pub fn set(bits: u8) -> [bool; ROWS] {
    std::array::from_fn(|row| bits & (1 << row) != 0)
}

fn each(rows: [bool; ROWS], mut work: impl FnMut(usize)) {
    (0..ROWS).filter(|row| rows[*row]).for_each(&mut work);
}

fn count(rows: [bool; ROWS]) -> u8 {
    rows.into_iter().map(u8::from).sum()
}
