//! The consumers of one channel as one stream.
//!
//! They are one or two, so asking one after the other costs less than keeping a list of those that have something.

use std::future::poll_fn;
use std::task::{Context, Poll};

use futures::StreamExt;
use lapin::Consumer;
use lapin::message::Delivery;

#[derive(Default)]
pub(crate) struct Consumers(Vec<Consumer>);

impl Consumers {
    pub(crate) fn add(&mut self, consumer: Consumer) {
        self.0.push(consumer);
    }

    /// The next message of any of them; `None` when all have ended. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<lapin::Result<Delivery>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<lapin::Result<Delivery>>> {
        let mut place = 0;
        while let Some(consumer) = self.0.get_mut(place) {
            match consumer.poll_next_unpin(context) {
                Poll::Ready(Some(delivery)) => return Poll::Ready(Some(delivery)),
                Poll::Ready(None) => drop(self.0.swap_remove(place)),
                Poll::Pending => place += 1,
            }
        }
        if self.0.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}
