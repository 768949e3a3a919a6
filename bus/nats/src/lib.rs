//! The transport over NATS JetStream.
