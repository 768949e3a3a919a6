//! What the demo prints for people to try.

use crate::settings::{DEFAULT_DATA_DIR, Settings};

use super::people::Person;

/// Addresses, log-ins, and cURL lines that work as they are. Variables come first, so each line can be pasted alone.
pub(super) fn text(settings: &Settings, people: &[Person], password: &str, internal_key: &str) -> String {
    let base = settings.url.as_deref().unwrap_or_default();
    let mut text = format!(
        "\nThe platform answers at {base}\nTry every call in a browser: {base}/docs\n\nLog-ins (password {password}):\n"
    );
    for person in people {
        text.push_str(&format!("  {:4} {:18} {}\n", person.name, person.email, person.user));
    }
    if let Some(person) = people.first() {
        text.push_str(&lines(base, &trust(settings), person, password, internal_key));
        text.push_str(&books(settings));
    }
    text.push_str("\nStop with Ctrl-C; the next start carries on. A simulated crowd is at work:\n");
    text
}

/// What cURL must be told to believe an encrypted platform.
fn trust(settings: &Settings) -> String {
    match &settings.tls.roots {
        Some(roots) if settings.tls.listener.is_some() => {
            format!("\nexport CURL_CA_BUNDLE='{}'", roots.display())
        }
        Some(_) | None => String::new(),
    }
}

fn lines(base: &str, trust: &str, person: &Person, password: &str, internal_key: &str) -> String {
    let Person { name, email, user, token } = person;
    format!(
        r#"
Paste these first ({name}'s token holds for an hour; the log-in below makes a new one):

BASE={base}{trust}
KEY={internal_key}
USER_ID={user}
TOKEN={token}

Then any of these:

# Log in.
curl -sS $BASE/v1/auth/login -H 'content-type: application/json' -d '{{"email": "{email}", "password": "{password}"}}'

# Send an emotion, as a phone's backend does. Repeat it: the same eventId counts once.
curl -sS $BASE/v1/emotions/stream -H "x-internal-key: $KEY" -H 'content-type: application/json' -d '{{"userId": "'$USER_ID'", "timestamp": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'", "emotionEvent": {{"type": "joy", "metrics": {{"positivity": 0.9, "intensity": 0.4, "stress_level": 0.1}}}}, "eventId": "my-first-emotion"}}'

# Send a transaction.
curl -sS $BASE/v1/transactions -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{{"userId": "'$USER_ID'", "amount": 129.90, "merchant": "Livraria", "category": "books", "transactionId": "my-first-purchase"}}'

# Ask for credit. The answer explains itself, and stands for five minutes.
curl -sS -X POST $BASE/v1/users/$USER_ID/credit-analysis -H "authorization: Bearer $TOKEN"

# See the offers, and what {name} was told.
curl -sS "$BASE/v1/users/$USER_ID/offers?page=1&page_size=10" -H "authorization: Bearer $TOKEN"
curl -sS $BASE/v1/users/$USER_ID/notifications -H "authorization: Bearer $TOKEN"

# The same as a stream: what {name} was told so far, and then whatever comes within three seconds.
curl -sN --max-time 3 "$BASE/v1/users/$USER_ID/notifications/stream?after=0" -H "authorization: Bearer $TOKEN"
"#
    )
}

/// How to balance the books: of this data folder, whichever it is.
fn books(settings: &Settings) -> String {
    let folder = settings.data_dir.display().to_string();
    let option = if folder == DEFAULT_DATA_DIR { String::new() } else { format!(" --data-dir '{folder}'") };
    format!(
        "\n# Balance the books of this very process, in another terminal:\ntarget/release/ecs verify{option}\n"
    )
}
