//! Calls of receivers on this machine, which answer what a test wants.
