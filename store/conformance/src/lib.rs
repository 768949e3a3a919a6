//! One test per behaviour of the store contract, stamped over every engine.
