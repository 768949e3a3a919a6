//! Transactions, each connection those of one user.

use std::net::SocketAddr;
use std::ops::Range;

use ecs_domain::UserId;

use super::{NAME, Numbers, Requests, put, request, slot};

/// `POST /v1/transactions`, each connection one user with their own token.
pub(crate) struct Transactions {
    bytes: Vec<u8>,
    name: Range<usize>,
    numbers: Numbers,
}

impl Transactions {
    pub(crate) fn new(
        user: UserId,
        token: &str,
        address: SocketAddr,
        connection: u64,
    ) -> anyhow::Result<Self> {
        let body = format!(
            r#"{{"userId":"{user}","amount":129.90,"transactionId":"{NAME}","merchant":"Padaria Central","category":"groceries","channel":"card"}}"#
        );
        let token = format!("authorization: Bearer {token}");
        let text = request("/v1/transactions", &token, "application/json", body.len(), address) + &body;
        Ok(Self { name: slot(&text, NAME)?, bytes: text.into_bytes(), numbers: Numbers::of(connection) })
    }
}

impl Requests for Transactions {
    fn next(&mut self) -> Option<&[u8]> {
        put(&mut self.bytes, &self.name, format_args!("{:020}", self.numbers.next()));
        Some(&self.bytes)
    }

    fn accepted(&self, _: &[u8]) -> anyhow::Result<u64> {
        Ok(1)
    }
}
