//! The production engine of the store: PostgreSQL with replicas.
