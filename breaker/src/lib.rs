//! A circuit breaker: opens after failures in a row, and lets probes find out when to close.
