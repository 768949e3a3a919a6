//! One test per behaviour of the bus contract, stamped over every transport.
