//! Accepts emotion events over HTTP and makes them durable on the bus.
