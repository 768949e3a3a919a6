//! What an operator asks of a running platform: the books.
