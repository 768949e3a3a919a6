//! What HTTP roles share: problem responses, auth extractors, request ids, limits, server, handles to other roles.
