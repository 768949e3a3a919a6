//! Accounts, log-in, consents, credit decisions and offers.
