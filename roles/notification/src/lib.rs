//! Keeps a customer's notifications and serves them.
