//! The edge: authentication before the body, then the role that owns the route.
