//! Which table is in which section, and why the others are in none.

use super::Section;

/// Where a table's rows about a person are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// In this section.
    In(Section),
    /// Nowhere, for this reason.
    LeftOut(&'static str),
}

/// Tables that are told.
const TOLD: [(&str, Section); 22] = [
    ("users", Section::Profile),
    ("consents", Section::Consents),
    ("consent_history", Section::ConsentHistory),
    ("transactions", Section::Transactions),
    ("emotional_events", Section::EmotionEvents),
    ("emotional_events_summary", Section::EmotionSummaries),
    ("emotion_inbox", Section::EmotionEventIds),
    ("credit_limits", Section::CreditLimits),
    ("decisions", Section::Decisions),
    ("decision_reviews", Section::Reviews),
    ("notifications", Section::Notifications),
    ("sessions", Section::Sessions),
    ("user_rights", Section::Access),
    ("user_attributes", Section::Attributes),
    ("evaluations", Section::Evaluations),
    ("webhooks", Section::Webhooks),
    ("webhook_deliveries", Section::WebhookDeliveries),
    ("audit_entries", Section::Audit),
    ("dead_letters", Section::DeadLetters),
    ("idempotency_keys", Section::KeptAnswers),
    ("outbox", Section::Outbox),
    ("exports", Section::Exports),
];

/// Tables that are left out, of either engine, and why.
pub const LEFT_OUT: [(&str, &str); 20] = [
    ("aged", "what went for its age, of everybody together"),
    ("audit_batches", "digests over entries of everybody, which tell nothing of anybody"),
    (
        "backtest_flips",
        "which decisions a draft of the rules would have made otherwise, kept for 30 days; the decisions themselves are told",
    ),
    ("backtests", "what drafts of the rules would have meant for everybody together"),
    ("changes", "numbers by which tokens end, kept for a day; the act itself is in the audit log"),
    ("decision_batches", "digests over entries of everybody, which tell nothing of anybody"),
    ("decision_log", "digests of decisions with their ids and times; the decisions themselves are told"),
    ("erasures", "that somebody is being erased, which their receipt tells"),
    ("export_chunks", "the bytes of archives, which hold what is here"),
    ("newest_change", "one number for the whole platform"),
    ("policies", "the rules for everybody; what somebody did about them is in the audit log"),
    ("raw_floor", "one day for the whole platform"),
    ("replay", "how far the rebuilding of aggregates came, which concerns nobody in particular"),
    ("replay_log", "copies of emotion events while aggregates are rebuilt from the log, dropped behind that"),
    ("replay_shadow", "differences to emotion_summaries while aggregates are rebuilt, dropped behind that"),
    ("schema_migrations", "which tables this version of the program made"),
    ("vault_of_keys", "by what the vault is known, for the whole platform"),
    ("watch_days", "how many decisions fell where on each day, of everybody together"),
    ("watch_progress", "one number for the whole platform"),
    ("watch_standings", "what was told of models and groups, and of nobody in them"),
];

/// Where this table's rows are told; `None` when nobody has thought about it.
#[must_use]
pub fn held_in(table: &str) -> Option<Held> {
    let told = TOLD.iter().find(|(name, _)| *name == table).map(|(_, section)| Held::In(*section));
    let left_out = || LEFT_OUT.iter().find(|(name, _)| *name == table).map(|(_, why)| Held::LeftOut(why));
    told.or_else(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_of_one_table() {
        let sections: Vec<Section> = TOLD.iter().map(|(_, section)| *section).collect();
        assert_eq!(sections, Section::ALL);
        assert_eq!(held_in("emotional_events"), Some(Held::In(Section::EmotionEvents)));
        assert_eq!(held_in("raw_floor"), Some(Held::LeftOut("one day for the whole platform")));
        assert_eq!(held_in("secrets"), None);
    }

    /// Who reads the documentation finds the same reasons.
    #[test]
    fn the_documentation_tells_what_is_left_out_and_why() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/export.md");
        let page = std::fs::read_to_string(page).unwrap();
        for (table, why) in LEFT_OUT {
            let row = format!("| `{table}` | {why} |");
            assert!(page.contains(&row), "docs/export.md lacks: {row}");
        }
        for (table, section) in TOLD {
            let row = format!("| `{}` | `{table}` |", section.as_str());
            assert!(page.contains(&row), "docs/export.md lacks: {row}");
        }
    }
}
