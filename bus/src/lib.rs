//! The contract of the event bus, its subjects and its payloads.
