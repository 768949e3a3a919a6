//! Activates accepted offers, each once.
