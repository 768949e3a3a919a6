//! The platform's OpenAPI document: the roles' parts in one, with what belongs to the whole.
//!
//! It describes the platform, not a process: every role's calls are in it wherever the role runs.

use ecs_api_gateway::ApiGateway;
use ecs_credit_analysis::CreditAnalysis;
use ecs_emotion_ingestion::EmotionIngestion;
use ecs_notification::Notification;
use ecs_operations::Operations;
use ecs_transaction_ingestion::TransactionIngestion;
use ecs_user_and_credit::UserAndCredit;
use ecs_web::exposition::Exposition;
use ecs_web::health::Health;
use ecs_web::openapi::{complete, tag};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Info, InfoBuilder, License, OpenApi, OpenApiBuilder, Server, Tag};

/// What a reader should know before the first call.
const DESCRIPTION: &str = include_str!("description.md");

/// What each role says of its calls, in the order in which a reader meets them.
fn parts() -> [OpenApi; 9] {
    [
        EmotionIngestion::openapi(),
        TransactionIngestion::openapi(),
        UserAndCredit::openapi(),
        CreditAnalysis::openapi(),
        Notification::openapi(),
        Operations::openapi(),
        Health::openapi(),
        Exposition::openapi(),
        ApiGateway::openapi(),
    ]
}

/// The document as JSON, indented, with a line break at its end.
#[must_use]
pub fn json() -> String {
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let servers = [Server::new("/")];
    let mut document = OpenApiBuilder::new().info(info()).servers(Some(servers)).tags(Some(tags())).build();
    for part in parts() {
        document.merge(part);
    }
    complete(&mut document);
    document
}

/// Shapes that two roles describe differently under one name: merging keeps the first of them, so there must be none.
#[must_use]
pub fn clashes() -> Vec<String> {
    let merged = document();
    let shapes = merged.components.unwrap_or_default().schemas;
    let mut clashing = Vec::new();
    for mut part in parts() {
        complete(&mut part);
        for (name, shape) in part.components.unwrap_or_default().schemas {
            if shapes.get(&name) != Some(&shape) {
                clashing.push(name);
            }
        }
    }
    clashing
}

fn info() -> Info {
    let mut license = License::new("Apache License 2.0");
    license.identifier = Some(env!("CARGO_PKG_LICENSE").to_owned());
    InfoBuilder::new()
        .title("Empathic Credit System")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION.trim()))
        .license(Some(license))
        .build()
}

fn tags() -> Vec<Tag> {
    let tag =
        |name: &str, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    vec![
        tag(tag::ACCOUNTS, "Registration, log-in, and accounts that partners provide."),
        tag(tag::ACCESS, "Who may do what beyond their own affairs, and what ends a token before its time."),
        tag(tag::EVENTS, "What people feel and what they buy. A 202 means that it is on disk."),
        tag(
            tag::CREDIT,
            "Decisions with their explanation, offers and their acceptance, and the model by itself.",
        ),
        tag(tag::NOTIFICATIONS, "What customers are told, as a list and while it happens."),
        tag(tag::CONSENT, "What people say about the use of their data."),
        tag(
            tag::PRIVACY,
            "What people may ask of whoever keeps their data: everything that is held on them, and to be forgotten.",
        ),
        tag(tag::OPERATIONS, "For operators: the books, which account for every event, and dead letters."),
        tag(tag::HEALTH, "Whether a process lives and can serve. Every process answers for itself."),
        tag(tag::DOCUMENTATION, "This document and its page."),
    ]
}
