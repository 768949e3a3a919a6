//! E-mail addresses, compared without regard to case.

use std::borrow::Cow;
use std::str::FromStr;

use crate::redacted;

/// An e-mail address in lower case, so that one person isn't two. It doesn't print: use [`Email::as_str`] on purpose.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The address in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = Cow<'static, str>;

    /// Takes what could be an address: one `@`, something before it, a dotted domain after it, no spaces.
    /// Whether mail arrives there only sending mail would tell.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Some letters are longer in lower case, and what is kept must be an address when it is read again.
        let text = text.trim().to_lowercase();
        let fits = text.len() <= 254 && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        match text.split_once('@') {
            Some((local, domain)) if fits && !local.is_empty() && is_domain(domain) => Ok(Self(text)),
            _ => Err("must be an e-mail address".into()),
        }
    }
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.') && !domain.contains('@') && domain.split('.').all(|label| !label.is_empty())
}

redacted!(Email => "Email");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_without_regard_to_case() {
        let check = |input: &str, expect: Option<&str>| {
            let read = input.parse::<Email>().ok();
            assert_eq!(read.as_ref().map(Email::as_str), expect, "{input}");
        };
        check("Ana@Example.COM", Some("ana@example.com"));
        check(" ana@example.com ", Some("ana@example.com"));
        check("ana@example", None);
        check("@example.com", None);
        check("ana@@example.com", None);
        check("ana@example..com", None);
        check("a b@example.com", None);
        check(&format!("{}@example.com", "a".repeat(250)), None);
        check("JOSÉ@Exámple.com", Some("josé@exámple.com"));
    }

    #[test]
    fn what_was_read_once_is_read_again() {
        // `İ` has 2 bytes, its lower case 3; `K` is the sign for kelvin.
        for letter in ["İ", "Σ", "ẞ", "K", "Ǆ"] {
            for count in [1, 80, 82, 120, 126, 200] {
                let input = format!("{}@example.com", letter.repeat(count));
                if let Ok(email) = input.parse::<Email>() {
                    assert!(email.as_str().parse() == Ok(email.clone()), "{input}");
                }
            }
        }
        assert!(format!("{}@example.com", "İ".repeat(120)).parse::<Email>().is_err());
    }

    #[test]
    fn an_address_does_not_print() {
        let email: Email = "ana@example.com".parse().unwrap();
        assert!(!format!("{email:?}").contains("ana"));
    }
}
