//! Places in the publish window.

use ecs_bus::Window;

/// Places in the window, which are given back however the publishing ends: whoever asked may go away in the middle of it.
pub(crate) struct Places<'a> {
    pub(crate) window: &'a Window,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        self.window.release(self.events, self.bytes);
    }
}
