//! Two who decide, two who accept, a sweep, a relay, two who activate, and the clock, over one user's offers.

use ecs_domain::offer::OfferStatus;
use stateright::semantics::SequentialSpec;
use stateright::{Model, Property};

use super::{Answer, Call, Offer, Offers, STANDS};

const LAST_TICK: u8 = 4;
const OFFERS: u8 = 2;
const ACTORS: usize = 2;
const TRIES: u8 = 2;
/// How many crashes, and how many deliveries that are made twice.
const MISHAPS: u8 = 2;

/// The world with a planted fault, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// What is wrong.
    pub fault: Option<Fault>,
}

/// What can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Whether a decision stands is looked up first, as in a cache, and the new one is kept afterwards.
    DecidesInTwoSteps,
    /// Whether an offer is open is looked up first, and it is accepted afterwards.
    AcceptsInTwoSteps,
    /// The sweep goes by the time alone.
    SweepsWhatWasAccepted,
    /// The notification is put into the outbox after the activation was committed.
    NotifiesAfterwards,
    /// The notification is put into the outbox before the activation.
    NotifiesBeforehand,
}

/// Where everybody stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    clock: u8,
    offers: Offers,
    deciders: [Step; ACTORS],
    accepters: [(Step, u8); ACTORS],
    activators: [Step; ACTORS],
    /// By offer: messages that the relay has not published yet, and deliveries that wait.
    outbox: [u8; OFFERS as usize],
    waiting: [u8; OFFERS as usize],
    /// By offer: how often somebody was told that it is accepted, or active, by his own doing.
    accepted: [u8; OFFERS as usize],
    activated: [u8; OFFERS as usize],
    repeats: u8,
    mishaps: u8,
}

/// Where somebody stands in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// In none.
    Idle,
    /// He has the offer's delivery, or has looked at the offer, and does the rest with his next step.
    Holding(u8),
    /// Half of it is done.
    Half(u8),
}

/// What may happen next; the first number says to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Makes a decision.
    Decide(usize),
    /// Accepts an offer.
    Accept(usize, u8),
    /// Ends the call that is half done.
    GoOn(usize),
    /// The sweep of those past their time.
    Expire,
    /// Publishes a message.
    Relay(u8),
    /// Publishes a message, and crashes before it is noted.
    RelayTwice(u8),
    /// Takes a delivery.
    Take(usize, u8),
    /// Activates, and acknowledges.
    Activate(usize),
    /// Crashes; the delivery comes again.
    Crash(usize),
    /// Activates, and crashes before the acknowledgement.
    ActivateAndCrash(usize),
    /// A tick passes.
    Tick,
}

impl Model for Life {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let none = [0; OFFERS as usize];
        vec![World {
            clock: 0,
            offers: Offers::default(),
            deciders: [Step::Idle; ACTORS],
            accepters: [(Step::Idle, TRIES); ACTORS],
            activators: [Step::Idle; ACTORS],
            outbox: none,
            waiting: none,
            accepted: none,
            activated: none,
            repeats: 0,
            mishaps: MISHAPS,
        }]
    }

    fn actions(&self, _: &World, actions: &mut Vec<Action>) {
        for actor in 0..ACTORS {
            actions.extend([Action::Decide(actor), Action::GoOn(actor), Action::Activate(actor)]);
            actions.extend([Action::Crash(actor), Action::ActivateAndCrash(actor)]);
            actions.extend(
                (0..OFFERS).flat_map(|offer| [Action::Accept(actor, offer), Action::Take(actor, offer)]),
            );
        }
        actions.extend((0..OFFERS).flat_map(|offer| [Action::Relay(offer), Action::RelayTwice(offer)]));
        actions.extend([Action::Expire, Action::Tick]);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        let possible = match action {
            Action::Decide(actor) => self.decide(&mut next, actor),
            Action::Accept(actor, offer) => self.accept(&mut next, actor, offer),
            Action::GoOn(actor) => next.go_on(actor),
            Action::Expire => self.expire(&mut next),
            Action::Relay(offer) => next.relay(offer, false),
            Action::RelayTwice(offer) => next.relay(offer, true),
            Action::Take(actor, offer) => next.take(actor, offer),
            Action::Activate(actor) => self.activate(&mut next, actor, false),
            Action::ActivateAndCrash(actor) => self.activate(&mut next, actor, true),
            Action::Crash(actor) => next.crash(actor),
            Action::Tick => {
                next.clock += 1;
                next.clock <= LAST_TICK
            }
        };
        (possible && next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an offer is accepted once", |_, world: &World| {
                world.accepted.iter().all(|n| *n <= 1)
            }),
            Property::always("an offer is activated once", |_, world: &World| {
                world.activated.iter().all(|n| *n <= 1)
            }),
            Property::always("what was accepted stays accepted", |_, world: &World| {
                let gone = |number: &u8| {
                    world.offers.offers.get(number).is_none_or(|offer| {
                        matches!(offer.status, OfferStatus::Offered | OfferStatus::Expired)
                    })
                };
                (0..OFFERS).filter(gone).all(|number| world.accepted[usize::from(number)] == 0)
            }),
            Property::always("one message for each acceptance", |_, world: &World| {
                world.all(|offer| {
                    let accepted = matches!(offer.status, OfferStatus::Accepted | OfferStatus::Active);
                    offer.approved == u8::from(accepted)
                })
            }),
            Property::always("one notification for each active offer", |_, world: &World| {
                world.all(|offer| offer.notified == u8::from(offer.status == OfferStatus::Active))
            }),
            Property::always("a decision stands", |_, world: &World| {
                let decisions = &world.offers.decisions;
                decisions.windows(2).all(|two| two[0].0 + STANDS <= two[1].0)
            }),
            Property::sometimes("an offer expires", |_, world: &World| {
                world.offers.offers.values().any(|offer| offer.status == OfferStatus::Expired)
            }),
            Property::sometimes("both offers become active", |_, world: &World| {
                world.activated.iter().all(|n| *n == 1)
            }),
            Property::sometimes("a delivery is repeated after the activation", |_, world: &World| {
                world.repeats > 1
            }),
        ]
    }
}

impl Life {
    fn decide(&self, world: &mut World, actor: usize) -> bool {
        // Each has an offer of his own to make.
        let number = u8::try_from(actor).unwrap_or(0);
        if world.deciders[actor] != Step::Idle || world.offers.offers.contains_key(&number) {
            return false;
        }
        if self.fault != Some(Fault::DecidesInTwoSteps) {
            world.offers.invoke(&Call::Decide(number, world.clock));
        } else if world.offers.standing(world.clock).is_none() {
            world.deciders[actor] = Step::Half(number);
        }
        true
    }

    fn accept(&self, world: &mut World, actor: usize, number: u8) -> bool {
        let (step, tries) = world.accepters[actor];
        if step != Step::Idle || tries == 0 {
            return false;
        }
        world.accepters[actor].1 -= 1;
        if self.fault == Some(Fault::AcceptsInTwoSteps) {
            let mut looked = world.offers.clone();
            if looked.invoke(&Call::Accept(number, world.clock)) == Answer::Done {
                world.accepters[actor].0 = Step::Half(number);
            }
        } else if world.offers.invoke(&Call::Accept(number, world.clock)) == Answer::Done {
            world.was_accepted(number);
        }
        true
    }

    fn expire(&self, world: &mut World) -> bool {
        world.offers.invoke(&Call::Expire(world.clock));
        if self.fault == Some(Fault::SweepsWhatWasAccepted) {
            for offer in world.offers.offers.values_mut().filter(|offer| offer.expires_at <= world.clock) {
                offer.status = OfferStatus::Expired;
            }
        }
        true
    }

    fn activate(&self, world: &mut World, actor: usize, crashes: bool) -> bool {
        let Step::Holding(number) = world.activators[actor] else { return false };
        if crashes && world.mishaps == 0 {
            return false;
        }
        let before = world.offers.offers.get(&number).copied();
        if self.fault == Some(Fault::NotifiesBeforehand) && before.is_some_and(|offer| offer.notified == 0) {
            // It does the rest when the delivery comes again.
            world.notify(number);
            return true;
        }
        let answer = world.offers.invoke(&Call::Activate(number, world.clock));
        if answer == Answer::Done {
            world.activated[usize::from(number)] += 1;
        } else {
            world.repeats += 1;
        }
        world.activators[actor] = Step::Idle;
        if self.fault == Some(Fault::NotifiesAfterwards) && answer == Answer::Done {
            world.offers.offers.entry(number).and_modify(|offer| offer.notified -= 1);
            world.activators[actor] = Step::Half(number);
        } else if crashes {
            world.mishaps -= 1;
            world.waiting[usize::from(number)] += 1;
        }
        true
    }
}

impl World {
    fn all(&self, check: impl Fn(&Offer) -> bool) -> bool {
        self.offers.offers.values().all(check)
    }

    fn was_accepted(&mut self, number: u8) {
        self.accepted[usize::from(number)] += 1;
        self.outbox[usize::from(number)] += 1;
    }

    fn notify(&mut self, number: u8) {
        self.offers.offers.entry(number).and_modify(|offer| offer.notified += 1);
    }

    /// The second half of a call that a fault has cut in two.
    fn go_on(&mut self, actor: usize) -> bool {
        if let Step::Half(number) = std::mem::replace(&mut self.deciders[actor], Step::Idle) {
            self.offers.make(number, self.clock);
            return true;
        }
        if let Step::Half(number) = std::mem::replace(&mut self.accepters[actor].0, Step::Idle) {
            self.offers.offers.entry(number).and_modify(|offer| {
                offer.status = OfferStatus::Accepted;
                offer.approved += 1;
            });
            self.was_accepted(number);
            return true;
        }
        if let Step::Half(number) = self.activators[actor] {
            self.activators[actor] = Step::Idle;
            self.notify(number);
            return true;
        }
        false
    }

    fn relay(&mut self, number: u8, twice: bool) -> bool {
        let number = usize::from(number);
        if self.outbox[number] == 0 || (twice && self.mishaps == 0) {
            return false;
        }
        self.waiting[number] += 1;
        if twice {
            self.mishaps -= 1;
        } else {
            self.outbox[number] -= 1;
        }
        true
    }

    fn take(&mut self, actor: usize, number: u8) -> bool {
        if self.activators[actor] != Step::Idle || self.waiting[usize::from(number)] == 0 {
            return false;
        }
        self.waiting[usize::from(number)] -= 1;
        self.activators[actor] = Step::Holding(number);
        true
    }

    fn crash(&mut self, actor: usize) -> bool {
        let (Step::Holding(number) | Step::Half(number)) = self.activators[actor] else { return false };
        if self.mishaps == 0 {
            return false;
        }
        self.mishaps -= 1;
        self.activators[actor] = Step::Idle;
        self.waiting[usize::from(number)] += 1;
        true
    }
}
