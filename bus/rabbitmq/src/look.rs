//! Looking into a group's queues from outside of the group.
//!
//! Who looks has a message in his hands that is neither in its queue nor with a member. Somebody who counts meanwhile, in whatever
//! process, must not take the group for idle: so whoever looks has a place among the members, and answers for it as they do. One that
//! hangs counts as a member that doesn't answer.

use ecs_bus::BusError;
use lapin::options::BasicCancelOptions;
use lapin::{Channel, Consumer};

use crate::bus::Core;
use crate::link::away;
use crate::{names, puller};

/// A look at a group's queues.
pub(crate) struct Look<'a> {
    core: &'a Core,
    group: String,
    channel: Channel,
    /// How many events count as in its hands.
    events: u64,
    /// Its place, until it is given up.
    presence: Option<Consumer>,
}

impl<'a> Look<'a> {
    /// Takes a place among the members of the group with this queue. Nothing may be taken from its queues before.
    pub(crate) async fn begin(core: &'a Core, group: &str) -> Result<Self, BusError> {
        let channel = core.listen.channel().await?.channel;
        let presence = puller::consume(&channel, &names::members(group), 1).await?;
        // Later than the place is there and gone before it is: more answers than places would hide that somebody is silent.
        core.census.look(group, |looks| looks.channels += 1);
        Ok(Self { core, group: group.to_owned(), channel, events: 0, presence: Some(presence) })
    }

    /// Where messages are taken.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// From now on something is in its hands.
    pub(crate) fn holds(&mut self) {
        self.events += 1;
        self.core.census.look(&self.group, |looks| looks.events += 1);
    }

    /// Gives the place up. The server must have heard by now that what was taken goes back.
    pub(crate) async fn end(mut self) -> Result<(), BusError> {
        let Some(presence) = self.leave() else { return Ok(()) };
        let channel = self.channel.clone();
        let leaving = async {
            // The end of a channel alone is counted a while later, and whoever asks meanwhile waits for an answer that never comes.
            channel.basic_cancel(presence.tag(), BasicCancelOptions::default()).await?;
            channel.close(200, "OK".into()).await
        };
        leaving.await.map_err(|error| away(&error))
    }

    /// Answers no more.
    fn leave(&mut self) -> Option<Consumer> {
        let (presence, events) = (self.presence.take()?, self.events);
        self.core.census.look(&self.group, |looks| {
            looks.channels = looks.channels.saturating_sub(1);
            looks.events = looks.events.saturating_sub(events);
        });
        Some(presence)
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
