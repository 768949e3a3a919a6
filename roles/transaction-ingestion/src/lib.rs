//! Accepts transactions over HTTP and makes them durable on the bus.
