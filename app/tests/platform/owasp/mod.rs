//! One named test per item of the OWASP API Security Top 10 of 2023, against the platform as it is served.
//!
//! What can be derived from the OpenAPI document is: a call that is added is tried without a line of test, and a call that
//! doesn't say who may make it fails. What a part alone promises (a header that is sent too slowly, a connection over the
//! cap, a token of each wrong form) is tested beside that part in more depth.

mod calls;
mod flows;
mod levels;
mod limits;
mod properties;
mod scene;
mod surface;
mod tokens;
mod upstream;
