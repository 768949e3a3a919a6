//! Private PostgreSQL, NATS and Redis servers for tests, benchmarks and demonstrations.
