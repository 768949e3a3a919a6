//! The Empathic Credit System: one binary that runs any set of roles.
