//! Coarse attributes that people told of themselves.

use async_trait::async_trait;
use ecs_domain::attributes::Attributes;
use ecs_domain::consent::Purpose;
use ecs_domain::{Timestamp, UserId};
use ecs_vault::Keyring;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::sealed::{column, open};

/// The purpose that attributes are kept for.
pub const PURPOSE: Purpose = Purpose::Demographics;

/// Attributes, each user's as one row.
///
/// They are there only while the user's consent to [`PURPOSE`] is: whoever takes it back ([`Consents`](crate::Consents)) deletes
/// them in the same transaction. Silence is a no, whatever holds for emotions. Nothing but this trait, the pages of
/// [`Research`](crate::Research), and those of the [`Watch`](crate::watch::Watch) over fairness reads them, and what is read for
/// many people at once is only counted.
#[async_trait]
pub trait AttributesOfUsers: Send + Sync + 'static {
    /// Replaces what the user told. `None`, and nothing is kept, unless their consent is there in the same transaction.
    async fn put_attributes(
        &self,
        user: UserId,
        attributes: Attributes,
        now: Timestamp,
    ) -> Result<Option<StoredAttributes>, StoreError>;

    /// What the user told; `None` when that is nothing.
    async fn attributes(&self, user: UserId) -> Result<Option<StoredAttributes>, StoreError>;

    /// What these people told, whoever of them told anything, in any order. It may be a little old.
    async fn attributes_of(&self, users: &[UserId]) -> Result<Vec<(UserId, Attributes)>, StoreError>;

    /// Deletes what the user told. Returns whether there was anything.
    async fn delete_attributes(&self, user: UserId) -> Result<bool, StoreError>;
}

/// What a user told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttributes {
    /// What.
    pub attributes: Attributes,
    /// When they told it.
    pub updated_at: Timestamp,
}

/// Both attributes as the one text that engines keep. No statement looks into it.
#[derive(Serialize, Deserialize)]
struct Text<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    age_band: Option<&'a str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
}

/// The text of attributes.
///
/// # Errors
/// Never, but serde's writer says that it might.
pub fn attributes_text(attributes: &Attributes) -> Result<String, StoreError> {
    let text = Text {
        age_band: attributes.age_band.map(ecs_domain::attributes::AgeBand::as_str),
        region: attributes.region.as_ref().map(ecs_domain::attributes::Region::as_str),
    };
    serde_json::to_string(&text).map_err(|_| corrupt())
}

/// The attributes of a text.
///
/// # Errors
/// It isn't one of [`attributes_text`]'s.
pub fn parse_attributes(text: &str) -> Result<Attributes, StoreError> {
    let text: Text<'_> = serde_json::from_str(text).map_err(|_| corrupt())?;
    let age_band = text.age_band.map(str::parse).transpose().map_err(|_| corrupt())?;
    let region = text.region.map(str::parse).transpose().map_err(|_| corrupt())?;
    Ok(Attributes { age_band, region })
}

/// Opens what stands in these rows. Whoever has no key any more is left out: they are being erased.
pub async fn open_attributes(
    rows: Vec<(UserId, String)>,
    keyring: &Keyring,
) -> Result<Vec<(UserId, Attributes)>, StoreError> {
    let people: Vec<UserId> = rows.iter().map(|(user, _)| *user).collect();
    let keys = keyring.known(&people).await?;
    let opened = rows.into_iter().zip(keys).filter_map(|((user, value), key)| {
        let text = open(Some(&key?), column::ATTRIBUTES, value);
        Some(text.and_then(|text| Ok((user, parse_attributes(&text)?))))
    });
    opened.collect()
}

/// Says nothing of the value: it is about a person.
fn corrupt() -> StoreError {
    StoreError::Corrupt("the attributes of a user can't be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let check = |age_band: Option<&str>, region: Option<&str>, expect: &str| {
            let attributes = Attributes {
                age_band: age_band.map(|band| band.parse().unwrap()),
                region: region.map(|region| region.parse().unwrap()),
            };
            let text = attributes_text(&attributes).unwrap();
            assert_eq!(text, expect);
            assert_eq!(parse_attributes(&text).unwrap(), attributes);
        };
        check(Some("25-34"), Some("BR-SP"), r#"{"age_band":"25-34","region":"BR-SP"}"#);
        check(None, Some("BR"), r#"{"region":"BR"}"#);
        check(None, None, "{}");
        for odd in ["", "7", r#"{"age_band":"17"}"#] {
            assert!(parse_attributes(odd).is_err(), "{odd}");
        }
    }
}
