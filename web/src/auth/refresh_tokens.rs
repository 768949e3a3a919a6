//! Refresh tokens: a session, the number of the token within it, and a MAC over both.
//!
//! So a token that was made up is refused before the store is asked, the store holds nothing that opens a session, and the same
//! token is made again for whoever lost the answer.

use uuid::Uuid;

use super::Auth;
use super::opaque::Opaque;

/// What refresh tokens begin with, so that scanners of leaked secrets know one when they see it.
const PREFIX: &str = "ecsr_";
/// Sets the keys of these tokens apart from those of others, which come from the same secrets.
const LABEL: &str = "ecs/token/refresh/1";
/// A session's id and a number.
const TOLD: usize = 16 + 4;

/// Makes and reads refresh tokens, under the secrets that access tokens are signed with.
#[derive(Clone)]
pub struct RefreshTokens(Opaque<TOLD>);

/// What a refresh token tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its session.
    pub session: Uuid,
    /// Which of the session's tokens it is, from 0.
    pub number: u32,
}

impl RefreshToken {
    fn bytes(self) -> [u8; TOLD] {
        let mut bytes = [0; TOLD];
        bytes[..16].copy_from_slice(self.session.as_bytes());
        bytes[16..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

impl RefreshTokens {
    /// Tokens that are made under the signing secret, and hold under the accepted ones, too.
    #[must_use]
    pub fn new(auth: &Auth) -> Self {
        Self(Opaque::new(PREFIX, auth.tokens.macs(LABEL)))
    }

    /// The token. It is the same one however often it is made, until the secret is changed.
    #[must_use]
    pub fn make(&self, token: RefreshToken) -> String {
        self.0.seal(&token.bytes())
    }

    /// What a token tells that was made under one of the secrets.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<RefreshToken> {
        let told = self.0.open(text)?;
        let (session, number) = told.split_at(16);
        let number = u32::from_be_bytes(number.try_into().ok()?);
        Some(RefreshToken { session: Uuid::from_slice(session).ok()?, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{SecretKey, Tokens};
    use crate::secret::Secret;

    fn key(letter: &str) -> SecretKey {
        SecretKey::new(Secret::new(letter.repeat(32))).unwrap()
    }

    fn tokens(tokens: &Tokens) -> RefreshTokens {
        RefreshTokens(Opaque::new(PREFIX, tokens.macs(LABEL)))
    }

    const TOKEN: RefreshToken = RefreshToken { session: Uuid::from_u128(7), number: 258 };

    #[test]
    fn a_token_tells_what_it_was_made_of_and_is_made_alike() {
        let tokens = tokens(&Tokens::new(&key("a")));
        let text = tokens.make(TOKEN);
        assert_eq!(tokens.read(&text), Some(TOKEN));
        assert_eq!(tokens.make(TOKEN), text);
        assert_ne!(tokens.make(RefreshToken { number: 259, ..TOKEN })[45..], text[45..]);
    }

    #[test]
    fn what_was_made_up_or_changed_is_no_token() {
        let tokens = tokens(&Tokens::new(&key("a")));
        let text = tokens.make(TOKEN);
        for at in PREFIX.len()..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(tokens.read(std::str::from_utf8(&forged).unwrap()), None, "changed at {at}");
        }
        for made_up in ["", "ecsr_", "ecsr_0", &text[1..], &text[..text.len() - 2], &format!("{text}00")] {
            assert_eq!(tokens.read(made_up), None, "{made_up}");
        }
        assert_eq!(tokens.read(&format!("ecsr_{}", "é".repeat(TOLD + 32))), None);
    }

    #[test]
    fn a_token_holds_while_its_key_is_accepted() {
        let text = tokens(&Tokens::new(&key("a"))).make(TOKEN);
        assert_eq!(tokens(&Tokens::with_keys(&key("b"), &[key("a")])).read(&text), Some(TOKEN));
        assert_eq!(tokens(&Tokens::new(&key("b"))).read(&text), None);
    }
}
