//! What worker roles share: supervised tasks, the consumer loop, the outbox relay, the books.
