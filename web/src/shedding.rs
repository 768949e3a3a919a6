//! Bounds on what goes on at once. What is beyond them is refused at once, before anything of it is accepted: a queue
//! in front of a process that can't keep up only makes every answer late.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Places, of which there are only so many. A clone has the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Room>);

#[derive(Debug)]
struct Room {
    taken: AtomicUsize,
    most: usize,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Room>);

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Room { taken: AtomicUsize::new(0), most }))
    }

    /// A place, if there is one left.
    pub(crate) fn take(&self) -> Option<Place> {
        // Counting first and looking afterwards needs one step where a comparison could need many.
        let place = Place(Arc::clone(&self.0));
        let before = self.0.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.0.most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that keeps a place until it has been sent or its client is gone.
pub(crate) struct Seated {
    body: Body,
    _place: Place,
}

impl Seated {
    pub(crate) fn new(body: Body, place: Place) -> Self {
        Self { body, _place: place }
    }
}

impl HttpBody for Seated {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.clone().take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none());
        assert!(places.take().is_none(), "who was refused holds nothing");
        drop(first);
        assert!(places.take().is_some());
    }
}
