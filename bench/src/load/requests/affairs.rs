//! What a customer who has opened the app wants: a decision, and to see what there is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::decisions::Personal;
use super::{Applicants, Requests, USER};

/// For one customer after the other: a decision, their offers, their notifications, their account.
pub(crate) struct Affairs {
    requests: [Personal; 4],
    applicants: Arc<Applicants>,
    /// Whose turn it is. All connections share it.
    next: Arc<AtomicUsize>,
    customer: usize,
    step: usize,
}

impl Affairs {
    pub(crate) fn new(
        applicants: &Arc<Applicants>,
        address: SocketAddr,
        next: &Arc<AtomicUsize>,
    ) -> anyhow::Result<Self> {
        let personal = |method: &str, rest: &str| {
            Personal::new(&format!("{method} /v1/users/{USER}{rest}"), applicants, address)
        };
        Ok(Self {
            requests: [
                personal("POST", "/credit-analysis")?,
                personal("GET", "/offers")?,
                personal("GET", "/notifications")?,
                personal("GET", "")?,
            ],
            applicants: Arc::clone(applicants),
            next: Arc::clone(next),
            customer: 0,
            step: 0,
        })
    }
}

impl Requests for Affairs {
    const ACCEPTED: u16 = 200;

    fn next(&mut self) -> Option<&[u8]> {
        let step = self.step % self.requests.len();
        self.step += 1;
        if step == 0 {
            self.customer = self.next.fetch_add(1, Ordering::Relaxed) % self.applicants.0.len();
        }
        Some(self.requests.get_mut(step)?.of(self.applicants.0.get(self.customer)?))
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

    #[test]
    fn a_customer_asks_for_everything_before_the_next_one_does() {
        let population = Population::new(2, Timestamp::now());
        let applicants = Arc::new(Applicants::new(population.users()).unwrap());
        let mut affairs =
            Affairs::new(&applicants, ([127, 0, 0, 1], 80).into(), &Arc::new(AtomicUsize::new(0))).unwrap();
        for user in population.users().iter().cycle().take(3) {
            for (method, rest) in
                [("POST", "/credit-analysis"), ("GET", "/offers"), ("GET", "/notifications"), ("GET", "")]
            {
                let text = String::from_utf8(affairs.next().unwrap().to_vec()).unwrap();
                let line = format!("{method} /v1/users/{user}{rest} HTTP/1.1\r\n");
                assert!(text.starts_with(&line) && text.contains("authorization: Bearer ey"), "{text}");
            }
        }
    }
}
