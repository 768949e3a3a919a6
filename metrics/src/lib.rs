//! What the platform counts and times, under documented names, as Prometheus reads it.
