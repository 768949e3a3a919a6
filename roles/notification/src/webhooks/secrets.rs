//! The secrets of webhooks, sealed for the store and opened for signing.

use ecs_domain::{Timestamp, WebhookId};
use ecs_store::{SealedSecrets, Webhook};
use ecs_vault::{SealError, Seals};
use ecs_web::Auth;
use ecs_web::auth::seals;

use super::signature::SigningSecret;

/// Sets the keys of these seals apart from whatever else comes of the platform's secrets.
const LABEL: &str = "ecs/webhook/secret/1";

/// Seals secrets, and opens them.
pub(crate) struct Secrets(Seals);

impl Secrets {
    /// Under keys derived from those of tokens.
    pub(crate) fn new(auth: &Auth) -> Result<Self, SealError> {
        seals(auth, LABEL).map(Self)
    }

    /// The secret as the store keeps it.
    pub(crate) fn seal(&self, of: WebhookId, secret: &SigningSecret) -> Result<Vec<u8>, SealError> {
        self.0.seal(of.uuid().as_bytes(), secret.bytes())
    }

    /// The secrets that hold at `now`, the newest first; `None` when one can't be opened.
    pub(crate) fn open(&self, webhook: &Webhook, now: Timestamp) -> Option<Vec<SigningSecret>> {
        let SealedSecrets { current, previous } = &webhook.secrets;
        let previous = previous.as_ref().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed);
        let open =
            |sealed: &Vec<u8>| SigningSecret::from_bytes(self.0.open(webhook.id.uuid().as_bytes(), sealed)?);
        [Some(current), previous].into_iter().flatten().map(open).collect()
    }

    /// What every seal of today begins with.
    pub(crate) fn current(&self) -> &[u8] {
        self.0.current()
    }

    /// The same secrets under the key of today. A previous one that doesn't hold any more is left out.
    pub(crate) fn reseal(&self, webhook: &Webhook, now: Timestamp) -> Option<SealedSecrets> {
        let about = webhook.id.uuid();
        let anew =
            |sealed: &[u8]| self.0.seal(about.as_bytes(), &self.0.open(about.as_bytes(), sealed)?).ok();
        let previous = webhook.secrets.previous.as_ref().filter(|(_, until)| now < *until);
        let previous = previous.map(|(sealed, until)| Some((anew(sealed)?, *until)));
        Some(SealedSecrets {
            current: anew(&webhook.secrets.current)?,
            previous: previous.map_or(Some(None), |previous| previous.map(Some))?,
        })
    }
}
