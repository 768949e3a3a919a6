//! The platform seen from outside: HTTP client, simulator, importer, journal.
