//! Applications for credit, each with the applicant's own token.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use ecs_domain::UserId;

use super::{Requests, USER, put, put_user, slot};
use crate::platform;

/// Users with their tokens.
pub(crate) struct Applicants(pub(super) Vec<(UserId, String)>);

impl Applicants {
    pub(crate) fn new(users: &[UserId]) -> anyhow::Result<Self> {
        let tokens = platform::tokens()?;
        let with_token = |user: &UserId| anyhow::Ok((*user, platform::token(&tokens, *user)?));
        Ok(Self(users.iter().map(with_token).collect::<Result<_, _>>()?))
    }
}

/// A request without a body that its sender's id and token are put into.
pub(super) struct Personal {
    bytes: Vec<u8>,
    user: Range<usize>,
    token: Range<usize>,
}

impl Personal {
    /// `line` is method and path, with a placeholder for the id.
    pub(super) fn new(line: &str, applicants: &Applicants, address: SocketAddr) -> anyhow::Result<Self> {
        let (_, token) = applicants.0.first().context("nobody applies")?;
        // All tokens are as long as the first: their claims differ in the user and the second of their issue.
        let placeholder = "t".repeat(token.len());
        let text = format!(
            "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {placeholder}\r\ncontent-length: 0\r\n\r\n"
        );
        Ok(Self { user: slot(&text, USER)?, token: slot(&text, &placeholder)?, bytes: text.into_bytes() })
    }

    pub(super) fn of(&mut self, (user, token): &(UserId, String)) -> &[u8] {
        put_user(&mut self.bytes, &self.user, *user);
        put(&mut self.bytes, &self.token, format_args!("{token}"));
        &self.bytes
    }
}

/// `POST /v1/users/{user_id}/credit-analysis`.
pub(crate) struct Decisions {
    request: Personal,
    applicants: Arc<Applicants>,
    /// Who applies, one after the other.
    order: Box<dyn Iterator<Item = usize> + Send>,
}

impl Decisions {
    /// Everybody applies once, whichever connection comes to them. All connections share `next`.
    pub(crate) fn once(
        applicants: &Arc<Applicants>,
        address: SocketAddr,
        next: &Arc<AtomicUsize>,
    ) -> anyhow::Result<Self> {
        let next = Arc::clone(next);
        Self::new(applicants, address, (0..).map(move |_: u64| next.fetch_add(1, Ordering::Relaxed)))
    }

    /// The first applicants apply over and over, `each` of them on each connection.
    pub(crate) fn again(
        applicants: &Arc<Applicants>,
        address: SocketAddr,
        each: usize,
        connection: u64,
    ) -> anyhow::Result<Self> {
        let first = usize::try_from(connection)? * each;
        Self::new(applicants, address, (first..first + each).cycle())
    }

    fn new(
        applicants: &Arc<Applicants>,
        address: SocketAddr,
        order: impl Iterator<Item = usize> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let line = format!("POST /v1/users/{USER}/credit-analysis");
        Ok(Self {
            request: Personal::new(&line, applicants, address)?,
            applicants: Arc::clone(applicants),
            order: Box::new(order),
        })
    }
}

impl Requests for Decisions {
    const ACCEPTED: u16 = 200;

    fn next(&mut self) -> Option<&[u8]> {
        Some(self.request.of(self.applicants.0.get(self.order.next()?)?))
    }

    fn accepted(&self, _: &[u8]) -> anyhow::Result<u64> {
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use ecs_domain::Timestamp;

    use super::*;
    use crate::population::Population;

    const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

    #[test]
    fn everybody_applies_once_or_again_and_again() {
        let population = Population::new(5, Timestamp::now());
        let applicants = Arc::new(Applicants::new(population.users()).unwrap());
        let next = Arc::new(AtomicUsize::new(0));
        let user = |request: &[u8]| {
            let text = String::from_utf8(request.to_vec()).unwrap();
            assert!(text.ends_with("\r\n\r\n") && !text.contains("ttt"), "{text}");
            let place = population.users().iter().position(|user| text.contains(&user.to_string()));
            let place = place.unwrap();
            assert!(text.contains(&format!("Bearer {}\r\n", applicants.0[place].1)), "{text}");
            place
        };
        let once = || Decisions::once(&applicants, ADDRESS.into(), &next).unwrap();
        let (mut one, mut other) = (once(), once());
        let mut seen = Vec::new();
        while let (Some(first), second) = (one.next().map(user), other.next().map(user)) {
            seen.extend([Some(first), second].into_iter().flatten());
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        let mut again = Decisions::again(&applicants, ADDRESS.into(), 2, 1).unwrap();
        let seen: Vec<_> = (0..5).map(|_| user(again.next().unwrap())).collect();
        assert_eq!(seen, [2, 3, 2, 3, 2]);
    }
}
