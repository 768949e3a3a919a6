//! One test per behaviour of the store contract, stamped over every engine.
//!
//! An engine implements [`Harness`] in its tests and calls [`conformance!`] with it. Behaviours are plain functions:
//! they panic at the first surprise, as tests do.
#![expect(clippy::unwrap_used, reason = "this crate is made of tests")]

pub mod accounts;
pub mod ageing;
pub mod applicants;
pub mod attributes;
pub mod audit;
pub mod backtests;
pub mod biography;
pub mod books;
pub mod consents;
pub mod credit;
pub mod dead_letters;
pub mod decision_log;
pub mod dropped;
pub mod emotions;
pub mod erasures;
pub mod evaluations;
pub mod exports;
pub mod features;
pub mod fixtures;
mod harness;
pub mod idempotency;
pub mod life;
pub mod log_replays;
pub mod logged_reviews;
pub mod notifications;
pub mod outbox;
pub mod own_decisions;
pub mod personal_data;
pub mod policies;
pub mod replays;
pub mod research;
pub mod retention;
pub mod reviews;
pub mod rights;
pub mod sessions;
pub mod transactions;
pub mod watch;
pub mod webhook_deliveries;
pub mod webhooks;

#[doc(hidden)]
pub use ecs_conformance;
pub use harness::{Harness, SummaryRow};

/// Stamps every behaviour as a test of the harness `$harness`. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! conformance {
    ($harness:ty) => {
        $crate::ecs_conformance::stamp! { $crate, "store", $harness;
            accounts: registering_makes_an_account, an_address_is_taken_once_whatever_its_case,
                credentials_are_for_those_with_a_password, provisioning_is_idempotent_by_external_id,
                provisioning_does_not_take_an_address_over, of_many_registrations_at_once_one_wins;
            sessions: tokens_carry_a_session_to_its_end, a_token_that_comes_again_ends_its_session,
                within_the_leeway_a_token_may_come_again, of_many_exchanges_at_once_one_is_first,
                a_log_out_ends_one_session_or_all, a_password_is_replaced_with_what_hangs_on_it, a_session_needs_its_user,
                no_session_outlives_the_password_that_began_it,
                sessions_past_their_end_go;
            rights: rights_are_replaced_as_a_whole, a_refused_change_changes_nothing,
                of_admins_who_leave_at_once_one_stays, sessions_tell_what_their_user_may_do, what_ends_a_token_is_told,
                a_follower_goes_on_behind_the_last_change, no_change_appears_behind_a_follower, old_changes_go;
            dropped: what_goes_for_its_age_is_told, what_retention_drops_is_told, nothing_goes_untold;
            audit: an_entry_whose_key_is_not_to_be_had_waits_alone, what_is_done_is_told, what_is_done_about_letters_is_told, entries_are_found_and_come_in_pages,
                batches_chain_every_entry, of_those_who_seal_at_once_one_does;
            consents: what_was_said_last_holds, saying_the_same_again_keeps_its_time, what_was_said_is_kept_with_what_was_shown,
                consent_of_an_unknown_user_is_refused, what_many_said_is_each_their_own;
            erasures: what_is_personal_stands_sealed, no_key_is_made_for_nobody, what_was_plain_is_sealed, a_request_ends_what_somebody_is_known_by,
                credit_stands_in_the_way_unless_it_goes_along, whoever_is_being_erased_gets_nothing_more, the_last_admin_is_not_erased,
                nothing_is_left_of_whoever_was_erased, raw_events_are_found_by_themselves, much_is_erased_piece_by_piece, nothing_of_the_erased_is_taken_in,
                a_tombstone_from_elsewhere_is_heeded, the_erased_are_listed, a_store_knows_its_vault, an_erasure_tells_how_far_it_is,
                the_audit_log_outlives_whom_it_is_about;
            attributes: attributes_are_replaced_as_a_whole, without_consent_no_attributes_are_kept,
                attributes_go_with_their_consent;
            evaluations: a_fold_notes_a_change_of_those_who_said_yes, a_change_during_a_look_is_another_one,
                a_look_that_takes_too_long_is_anothers, an_evaluation_is_asked_for_over_the_outbox, an_evaluation_makes_one_offer,
                an_evaluation_adds_nothing_to_an_offer, whoever_takes_their_yes_back_is_left_alone;
            research: a_month_is_counted_from_its_first_instant_to_its_last, only_those_who_agree_are_counted,
                people_come_in_pages;
            emotions: an_event_counts_once, repeats_in_one_batch_count_once, the_same_id_on_another_day_is_another_event,
                the_same_id_of_another_user_is_another_event, unknown_users_do_not_cost_their_batch_mates,
                order_does_not_change_a_bit, batches_at_the_same_time_count_once, without_consent_events_are_discarded,
                what_was_discarded_stays_discarded, what_was_counted_stays_counted_when_consent_is_withdrawn,
                an_event_past_its_raw_retention_counts_once, the_floor_may_move_between_two_deliveries,
                means_derive_from_sums;
            transactions: a_transaction_counts_once, transactions_of_unknown_users_are_reported;
            features: windows_end_where_they_should, stress_events_are_those_at_the_threshold_in_their_window,
                a_new_user_has_empty_features, an_unknown_user_has_none, features_of_many_at_once_are_each_their_own, sums_of_huge_amounts_do_not_overflow;
            credit: a_decision_is_read_as_it_was_made, a_denial_is_kept, a_decision_stands_for_a_while,
                a_decision_that_does_not_stand_is_returned_all_the_same, decisions_at_the_same_time_are_one, a_decision_that_fails_leaves_no_offer,
                offers_are_listed_newest_first, an_offer_is_accepted_once, accepts_at_the_same_time_are_one,
                an_expired_offer_is_not_accepted, anothers_offer_is_unknown, an_offer_is_activated_once,
                an_offer_that_was_not_accepted_is_not_activated, offers_expire, what_somebody_could_owe_is_added_up,
                a_denial_for_an_earlier_one_does_not_count, a_decision_over_other_facts_is_refused, the_same_room_is_given_once,
                decisions_of_many_at_once_are_each_their_own;
            applicants: an_applicant_is_what_the_single_calls_tell;
            decision_log: every_decision_is_logged_with_it, batches_chain_every_decision,
                of_those_who_seal_decisions_at_once_one_does, a_change_of_a_decision_is_told, it_is_told_why_a_decision_is_gone,
                the_decision_log_outlives_whom_it_is_about, logged_decisions_come_in_pages,
                what_is_left_of_each_decision_is_told, decisions_from_before_the_log_are_digested_with_their_seal, numbers_of_decisions_come_back_to_the_bit;
            logged_reviews: conclusions_are_logged;
            watch: sealed_decisions_are_watched_in_their_turn, of_those_who_count_a_batch_at_once_one_does,
                counts_of_days_are_added_up, what_is_told_changes_once, people_count_with_their_last_answer;
            policies: a_draft_is_read_as_it_was_made, a_version_and_a_text_are_taken_once, policies_are_listed_newest_first,
                a_second_person_makes_a_policy_active, a_policy_is_withdrawn_before_its_time,
                changes_of_a_policy_at_the_same_time_are_in_turn, what_is_done_about_policies_is_told, a_policy_stays_as_it_is;
            backtests: a_backtest_goes_from_the_wish_to_its_report, so_many_backtests_are_under_way,
                an_attempt_at_a_backtest_that_lost_its_lease_writes_nothing, reopening_keeps_backtests,
                flips_go_with_their_people_and_with_their_backtest, decisions_are_counted_by_their_time,
                a_backtest_reads_the_decisions_of_its_days;
            own_decisions: decisions_are_listed_newest_first, anothers_decision_is_unknown,
                whoever_has_no_key_any_more_has_no_decisions;
            reviews: a_review_goes_from_the_wish_to_the_conclusion, a_decision_has_one_review_at_a_time,
                of_many_wishes_at_once_one_is_first, anothers_decision_is_not_reviewed, a_wish_and_its_answer_are_one,
                of_officers_who_claim_at_once_one_does, a_claim_that_leads_to_nothing_is_taken_over,
                nobody_reviews_their_own_affairs, who_concludes_has_claimed, an_overturned_decision_makes_an_offer,
                a_conclusion_that_fails_leaves_nothing, reviews_are_listed_by_when_they_are_due, the_backlog_is_counted,
                what_is_written_about_a_review_stands_sealed, steps_of_a_review_are_audited, reviews_go_with_their_decision;
            idempotency: a_key_is_claimed_once, requests_at_the_same_time_are_one, an_answer_is_replayed_to_the_byte,
                another_request_is_told_from_the_same_one, scopes_do_not_meet, a_released_key_is_free,
                a_claim_runs_out, a_claim_of_the_future_is_none, a_registration_and_its_answer_are_one,
                a_provision_and_its_answer_are_one, a_decision_and_its_answer_are_one,
                an_acceptance_and_its_answer_are_one, without_an_effect_no_answer_is_kept,
                whoever_lost_the_claim_changes_nothing, whoever_lost_the_claim_says_nothing,
                reopening_frees_claims_and_keeps_answers, old_answers_go;
            outbox: claims_do_not_overlap, a_claim_runs_out, a_claim_runs_out_though_the_clock_was_set_back, what_is_finished_is_gone;
            notifications: a_notification_is_kept_once, notifications_count_per_user,
                a_notification_for_nobody_is_not_kept, a_reader_goes_on_behind_the_last_it_has_seen,
                last_numbers_are_told_for_many_users_at_once, a_follower_misses_nothing_while_many_write,
                a_notification_speaks_of_an_offer_or_a_decision, reading_is_noted_once, reading_up_to_a_number_marks_all_of_them, only_their_user_marks_notifications;
            webhooks: a_webhook_is_its_users, nobody_has_more_webhooks_than_one_may,
                a_notification_makes_one_delivery_for_each_webhook,
                webhooks_come_and_go_while_notifications_are_kept, a_webhook_that_fails_for_good_is_disabled,
                secrets_change_with_an_overlap, a_webhook_moves_with_its_deliveries;
            webhook_deliveries: claims_of_deliveries_do_not_overlap, a_claim_of_a_delivery_runs_out,
                a_failed_attempt_is_made_again, no_host_gets_more_than_its_share, a_delivery_is_resent,
                a_log_of_attempts_has_an_end, old_deliveries_go, reopening_keeps_deliveries;
            exports: an_export_is_its_users, of_those_who_ask_at_once_one_is_first, a_person_keeps_so_many_exports,
                claims_of_exports_do_not_overlap, an_attempt_that_lost_its_lease_writes_nothing,
                an_attempt_is_given_back_or_up, archives_expire, a_removed_export_is_gone,
                asking_for_an_export_is_audited, reopening_keeps_exports;
            personal_data: a_person_is_told_everything, nothing_is_told_of_somebody_else, pages_follow_each_other,
                rows_are_told_in_the_same_words, what_is_kept_inside_is_told, what_was_done_is_told_to_both;
            dead_letters: a_dead_letter_is_kept_once, original_bytes_are_kept,
                letters_are_found_by_each_of_their_properties, letters_come_in_pages, letters_are_counted_by_sort,
                a_replay_moves_the_event_into_the_outbox, a_replayed_event_that_fails_again_waits_again,
                a_history_has_an_end, a_dropped_letter_keeps_its_ids_and_no_payload, the_books_know_of_replays,
                decided_letters_are_forgotten, replays_at_the_same_time_are_one;
            books: fates_say_what_became_of_events, counted_events_come_in_pages, counted_transactions_come_in_pages,
                totals_add_up, a_summary_that_is_off_is_found, offers_are_accounted_for;
            retention: raw_rows_go_and_aggregates_stay, days_without_their_raw_rows_are_not_compared, a_late_redelivery_after_retention_counts_once,
                old_ids_go, a_repeat_renews_the_id, retention_works_in_pieces;
            ageing: summaries_go_and_their_events_stay_counted, denials_and_expired_offers_go_and_what_was_accepted_stays,
                numbers_of_notifications_go_on_behind_those_that_went, transactions_go_by_their_arrival,
                letters_that_waited_too_long_are_dropped, secrets_go_when_their_overlap_is_over, ageing_works_in_pieces;
            replays: what_is_right_is_confirmed, a_row_that_is_off_is_healed_at_the_switch,
                a_row_that_is_richer_than_its_events_is_kept, what_is_not_kept_is_carried_over, what_goes_meanwhile_is_carried_over, folds_go_on_throughout,
                a_replay_goes_on_where_it_was, another_threshold_begins_anew,
                pieces_at_the_same_time_are_each_rebuilt_once;
            log_replays: days_are_rebuilt_from_the_log, the_log_comes_before_the_raw_rows,
                only_counted_events_have_a_part, nothing_gets_poorer, the_log_outlives_the_raw_rows,
                folds_go_on_while_days_are_rebuilt, a_replay_from_the_log_goes_on_where_it_was,
                another_plan_begins_anew, an_abandoned_replay_is_given_up;
            life: reopening_keeps_everything, a_closed_store_is_unavailable;
        }
    };
}
