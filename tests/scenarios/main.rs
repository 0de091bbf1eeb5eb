//! Whole-switch scenarios over real mTLS. Each ends by verifying and replaying its log from disk.
//!
//! Bad input, and where it is tested:
//!
//! | bad input | test |
//! |---|---|
//! | a switch that forwards a request it did not log | `provider_side::a_request_without_a_receipt_never_reaches_the_backend` |
//! | … with another log's receipt | `provider_side::a_receipt_of_another_log_or_another_request_is_none` |
//! | no client certificate | `identity::without_a_client_certificate_nobody_comes_in` |
//! | a client certificate of another authority | `identity::a_certificate_of_another_authority_is_nobody` |
//! | an expired client certificate | `identity::an_expired_certificate_is_nobody`, `identity::a_connection_ends_with_its_certificate` |
//! | a certificate that the switch never recorded | `identity::a_certificate_without_a_registry_entry_asks_nothing` |
//! | an outside authority's certificate that nobody bound | `identity::an_outside_authoritys_certificate_speaks_for_a_system_once_its_agency_bound_it` |
//! | a certificate, system or agency that was revoked | `revocation::*` |
//! | a person's certificate without the role | `roles::a_certificate_alone_gives_no_role` |
//! | a call that is not for one's role | `roles::every_rpc_is_open_to_the_roles_of_its_row_and_to_nobody_else` |
//! | more than a quota or a rate | `quotas::*` |
//! | a seal key of another system | `identity::a_seal_or_a_connection_of_another_system_is_a_wrong_signer` |
//! | a seal of another use or another switch | `identity::a_seal_for_another_use_or_another_switch_is_worthless` |
//! | a changed header, index, path | `headers::a_changed_header_place_or_path_breaks_the_seal` |
//! | a changed payload, a changed salt | `headers::a_changed_payload_or_salt_never_reaches_the_backend` |
//! | a non-canonical header: duplicate field, unknown field, wide varint, wrong order | `headers::a_header_in_another_form_is_malformed` |
//! | a duplicate exchange id | `freshness::a_duplicate_is_told_what_became_of_the_first` |
//! | too old, too new | `freshness::the_window_ends_to_the_millisecond` |
//! | an unknown version | `headers::another_version_is_told_apart_from_garbage` |
//! | a payload over the limit | `headers::what_is_over_a_limit_is_refused` |
//! | empty, huge, truncated and random frames | `frames::*`, `headers::truncated_and_random_headers_are_refused_each_time` |
//! | a provider that answers for another exchange | `answers::an_answer_to_another_exchange_is_invalid` |
//! | … answers twice | `answers::a_second_answer_is_recorded_as_late_and_changes_nothing` |
//! | … answers late | `answers::a_late_answer_is_recorded_and_changes_nothing` |
//! | … dies half way | `answers::a_provider_that_dies_half_way_has_failed` |
//! | … never answers | `answers::a_provider_that_never_answers_is_a_deadline` |
//! | … returns fields outside the grant | `answers::a_field_that_was_not_asked_for_is_invalid`, `answers::the_adapter_itself_lets_no_other_field_out` |
//! | a trailer that lies about its chunks | `streams::lying::a_trailer_that_lies_is_seen_by_the_switch_or_by_the_consumer` |
//! | too many chunks, empty ones, huge ones; no trailer | `streams::lying::chunks_that_may_not_be_and_a_stream_without_a_trailer_are_void` |
//! | chunks for who did not ask for them | `streams::lying::who_did_not_ask_for_chunks_gets_none` |
//! | every wrong chunk, trailer, item and sealed payload in one table | `refusals::forms::*` |
//! | a manifest that lies: an item too many, too few, out of order, twice | `batches::a_manifest_that_lies_about_its_items_never_reaches_the_backend` |
//! | results too many or too few | `batches::results_too_many_or_too_few_are_not_handed_out_and_are_disputed` |
//! | one answer to many items, many to one | `batches::items_are_answered_by_items_and_one_question_by_one_answer` |
//! | a consumer, a provider, a broker killed in the middle of a batch | `batches::processes::*` |
//! | a consumer that does not read its stream | `streams::a_consumer_that_does_not_read_holds_up_nobody_else` |
//! | a consumer that hangs up | `hang_up::*` |
//! | a consumer that reads none of its answers | `calls::whoever_reads_no_answer_holds_up_no_exchange_and_no_deadline` |
//! | a failing sync while exchanges run | `log_faults::nothing_is_acknowledged_after_a_failed_sync` |
//! | a disk that is full while exchanges run | `disk_full::a_full_disk_ends_the_process_and_loses_nothing` |
//! | a second broker on the same store | `log_faults::a_second_broker_on_the_same_store_is_refused` |
//! | a tail cut at every byte of its last frames | `tail::a_tail_cut_anywhere_in_its_last_frames_opens_whole_or_not_at_all` |
//! | … with a flipped bit | `tail::a_flipped_bit_in_the_tail_is_never_believed` |
//! | … missing | `tail::a_missing_tail_is_refused_with_the_repair` |
//! | … from another log | `tail::a_tail_of_another_log_is_refused` |
//! | a store shorter than its published checkpoint | `log_faults::a_log_shorter_than_its_published_checkpoint_is_refused` |
//! | a log put back to an older copy with everything in it | `witnesses::a_log_that_was_put_back_does_not_start_and_does_not_go_on` |
//! | an empty store | `log_faults::an_empty_or_lost_store_is_rebuilt` |
//! | a payload that breaks its contract | `contracts::a_request_that_breaks_its_schema_is_refused_before_the_backend_saw_it` |
//! | a time-stamp authority that is away, slow, endless, or answers with another's token | `trusted_time::*` |
//! | a switch whose clock is wrong | `trusted_time::a_clock_that_is_wrong_is_convicted_by_the_authority` |
//! | a header that names other persons than its payload | `people::a_header_names_the_persons_of_its_payload_or_the_backend_sees_nothing` |
//! | a payload in the open where the agreement wants it sealed | `blind::restricted_data_goes_sealed_or_not_at_all` |
//! | … sealed to a key that is not there, or of another request | `blind::what_does_not_open_never_reaches_the_backend` |
//! | … an answer in the open to a sealed request | `blind::an_open_answer_to_a_sealed_request_is_invalid` |
//! | the glass broken without a person or a case | `reviews::the_glass_is_not_broken_without_a_person_and_a_case` |
//! | … while a review is overdue | `reviews::an_overdue_review_stops_the_next_look_until_it_is_given_and_outlives_a_restart` |
//! | a review by who asked, twice, or of another entry | `reviews::only_who_was_asked_reviews_what_waits_and_nobody_else` |
//! | a switch that is searched: memory, log, disk | `blind::searched::*` |
//! | a submission as a call, a call as one, one in the open or for too long; the same twice | `submissions::by_hand::what_is_no_submission_is_refused_and_the_same_twice_is_one` |
//! | submissions over the room there is | `submissions::a_full_queue_refuses_with_a_time_and_has_room_again` |
//! | two who collect one answer, and strangers | `submissions::by_hand::two_who_collect_get_the_same_until_one_has_it_and_strangers_get_nothing` |
//! | a submission that expires, is taken back, or is not permitted any more | `submissions::its_time_a_withdrawal_and_a_revocation_end_it_on_record` |
//! | a switch killed while submissions come and go | `submissions::processes::*` |
//! | any real process killed with SIGKILL at any step of an exchange in chunks, a batch, a submission, a case | `kills::*` |
//! | a member of a country that is not admitted; a question across the border that nobody opened; one after a withdrawal | `abroad::*` |
//! | a configuration with several mistakes | `configuration::every_mistake_is_told_at_once` |
//! | a consumer killed in the middle of a case; a case run twice | `cases::*` |
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod abroad;
mod agreements;
mod answers;
mod authority_keys;
mod batches;
mod blind;
mod calls;
mod cases;
mod configuration;
mod contracts;
mod disk_full;
mod docs;
mod doctor;
mod events;
mod exchange;
mod frames;
mod freshness;
mod hang_up;
mod headers;
mod health;
mod identity;
mod journals;
mod key_alarms;
mod kill9;
mod kills;
mod limits;
mod log_faults;
mod log_key;
mod measured;
mod people;
mod provider_side;
mod quotas;
mod reading;
mod refusals;
mod renewal;
mod restart;
mod reviews;
mod revocation;
mod rewound;
mod roles;
mod rows;
mod shutdown;
mod streams;
mod submissions;
mod tail;
mod tidy;
mod trusted_time;
mod uploads;
mod witnesses;
