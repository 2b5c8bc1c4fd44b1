"""Each kind of fault that attacks and operators have found has a test of the right behaviour: the table of them.

A kind is not an input: another input of a kind is added to that kind's tests.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "packages/llm-gateway/tests"
SDK = "packages/llm-gateway-sdk/tests"

KINDS: dict[str, tuple[str, ...]] = {
    # What leaves.
    "a provider leads the client elsewhere": (
        "tests/attack/test_findings.py::test_a_redirect_leads_no_client_elsewhere",
        "tests/attack/test_findings.py::test_administration_redirects_nowhere",
        "tests/reliability/test_provider_faults.py::test_a_redirect_is_the_providers_error_on_every_route",
        "tests/reliability/test_front_door.py::test_administration_pages_redirect_nowhere",
    ),
    "headers and queries cross that only the gateway or a proxy should see": (
        "tests/attack/test_findings.py::test_what_a_proxy_put_on_a_request_stays_here",
        "tests/attack/test_findings.py::test_a_key_in_a_query_stays_here",
        "tests/attack/test_findings.py::test_directives_of_a_provider_do_not_reach_the_client",
        f"{GATEWAY}/wire/test_crossing.py::test_what_proxies_and_browsers_put_on_a_request_stays_here",
        f"{GATEWAY}/wire/test_crossing.py::test_what_is_meant_for_servers_and_browsers_does_not_reach_the_client",
        f"{GATEWAY}/wire/test_crossing.py::test_query_parameters",
    ),
    "a provider's error shows the key that it was sent": (
        "tests/attack/test_quoted_keys.py::test_it_reaches_no_client",
        "tests/attack/test_quoted_keys.py::test_nor_a_record",
        "tests/reliability/test_security.py::test_no_key_gets_into_answers_logs_or_traces",
    ),
    "embeddings pass a redaction unseen": (
        "tests/attack/test_redaction.py::test_texts_to_embed_are_hidden_in_every_shape",
    ),
    "a field of a request passes a redaction unseen": (
        "tests/losses/test_canary.py::test_a_canary_in_any_text_of_a_request_arrives_nowhere",
        "tests/attack/test_redaction.py::test_words_of_a_request_are_hidden_in_every_field",
        "tests/attack/test_redaction.py::test_a_key_that_is_written_twice_passes_no_secret",
    ),
    "a text that is cut over parts, or JSON within a text, passes a redaction unseen": (
        "tests/attack/test_split_and_escaped.py::test_what_goes_over_two_parts_is_hidden",
        "tests/attack/test_split_and_escaped.py::test_what_is_written_with_escapes_in_json_is_hidden",
        "tests/attack/test_split_and_escaped.py::test_so_it_is_in_the_results_of_a_batch",
        f"{GATEWAY}/exchange/realtime/test_edits.py::test_what_is_json_is_offered_as_the_json_of_a_tool",
    ),
    "what a client calls a value excludes it from a redaction": (
        "tests/attack/test_redaction.py::test_words_of_a_request_are_hidden_in_every_field",
        "tests/losses/test_canary.py::test_what_a_client_calls_a_value_excludes_it_from_nothing",
    ),
    "a receiver reads base64 that a redaction does not": (
        "tests/attack/test_redaction.py::test_words_of_a_request_are_hidden_in_every_field",
        f"{SDK}/test_encoded_text.py::test_a_text_is_found_in_every_form_and_written_back",
        f"{SDK}/test_encoded_text.py::test_latin_1_is_a_text_and_stays_it",
    ),
    "a number passes a redaction unseen": (
        "tests/attack/test_redaction.py::test_a_card_that_is_a_number_is_hidden_in_fields_that_no_dialect_reads",
        "tests/attack/test_redaction.py::test_a_card_that_is_a_number_in_a_reply_reaches_no_client",
    ),
    "a header, an address or an error page costs the square of its length": (
        "tests/attack/test_long_heads.py::test_no_head_costs_more_than_a_moment",
        "tests/attack/test_long_heads.py::test_no_error_page_costs_more_than_a_moment",
        "tests/attack/test_long_heads.py::test_words_of_the_echo_are_found_in_no_time",
        "tests/attack/test_regular_expressions.py::test_none_takes_more_than_linear_time",
        "tests/reliability/test_heavy_batches.py::test_a_large_upload_with_its_metadata_holds_up_no_other",
        "tests/reliability/test_heavy_batches.py::test_results_that_are_read_for_another_api_hold_up_no_other",
    ),
    "a field of a reply passes a redaction unseen": (
        "tests/losses/test_canary_replies.py::test_a_canary_in_any_text_of_a_reply_arrives_nowhere",
        "tests/losses/test_canary_replies.py::test_a_canary_in_any_text_of_an_error_arrives_nowhere",
        "tests/attack/test_redaction.py::test_words_of_a_reply_are_hidden_in_every_field",
    ),
    "a text in the place of a name or an id passes a redaction unseen": (
        "tests/attack/test_no_names.py::test_a_text_in_the_place_of_a_models_name_goes_nowhere",
        "tests/attack/test_no_names.py::test_a_text_in_the_place_of_an_id_or_a_word_is_recorded_nowhere",
    ),
    "what was hidden or refused is recorded in clear text": (
        "tests/attack/test_records.py::test_what_was_hidden_or_refused_is_recorded_nowhere",
        "tests/attack/test_records.py::test_nor_where_another_model_answered_in_place_of_the_one_that_quoted_it",
        f"{GATEWAY}/monitoring/test_logs.py::test_foreign_modules_write_lines_for_debugging_only_where_they_are_named",
        "tests/reliability/test_withholding.py::test_what_was_refused_is_in_no_view_of_the_request",
        "tests/reliability/test_withholding.py::test_a_retry_is_logged_without_the_providers_words",
    ),
    "what was hidden rests somewhere in clear text": (
        "tests/attack/test_at_rest.py::test_what_was_hidden_rests_in_no_file_and_is_on_no_page",
        "tests/attack/test_at_rest.py::test_what_was_hidden_is_not_in_redis",
    ),
    "explanations show secrets": (f"{GATEWAY}/config/test_explain.py::test_no_secret_is_shown",),
    "web pages use a gateway that asks for no credential": (
        "tests/attack/test_findings.py::test_pages_of_strangers_spend_nothing",
        f"{GATEWAY}/server/test_browser_guard.py::test_pages_of_strangers_are_refused",
    ),
    "a key opens what is not its own": (
        f"{GATEWAY}/exchange/test_rights.py::test_a_key_of_another_project_opens_no_route",
        "tests/attack/test_promised.py::test_what_a_key_has_made_is_not_given_to_the_next_key_of_the_list",
    ),
    "a provider's page runs as one of the gateway's": (
        "tests/attack/test_findings.py::test_a_page_of_a_provider_runs_no_script_at_the_address_of_the_console",
    ),
    # What holds others up.
    "one request holds the event loop": (
        "tests/reliability/test_heavy_bodies.py::test_a_heavy_request_holds_up_no_other",
        "tests/reliability/test_heavy_bodies.py::test_neither_does_another_operation_nor_a_heavy_reply",
        f"{GATEWAY}/exchange/test_alignment.py::test_many_equal_items_take_no_time",
        f"{GATEWAY}/exchange/test_part_heads.py::test_no_head_takes_long",
        f"{SDK}/web/test_cookies.py::test_no_header_takes_long",
        f"{GATEWAY}/exchange/realtime/test_peer.py"
        "::test_frames_without_a_message_do_not_delay_others_and_are_bounded_in_pace",
        f"{GATEWAY}/exchange/realtime/test_session.py"
        "::test_more_values_than_are_taken_are_refused_and_the_session_goes_on",
    ),
    "strangers starve those who are known": (
        "tests/reliability/test_front_door.py::test_uploads_without_a_key_are_refused_before_their_body_and_hold_nothing",
        f"{GATEWAY}/server/test_uploads.py::test_when_it_grows_scarce_each_address_has_its_share",
        f"{GATEWAY}/server/http1/test_pace.py::test_what_came_long_ago_does_not_pay_for_drops_now",
    ),
    "slow readers fill the memory": (
        "tests/reliability/test_front_door.py::test_clients_that_read_nothing_are_cut_off_where_they_hold_too_much_together",
        f"{GATEWAY}/server/test_slow_readers.py::test_large_replies_are_bounded_also_where_few_clients_have_them",
        f"{GATEWAY}/server/test_slow_readers.py::test_the_address_that_holds_most_is_cut_and_no_other",
    ),
    "one part that hangs takes others with it": (
        "tests/attack/test_hooks.py::test_hung_hooks_keep_no_others_from_their_work",
        "tests/reliability/test_workers.py::test_a_worker_that_hangs_is_replaced_and_metrics_go_on_without_it",
        "packages/jwt-auth/tests/test_key_set.py::test_an_issuer_that_hangs_delays_no_caller_whose_key_is_known",
    ),
    "a hook that goes on keeps its client or the process": (
        "tests/attack/test_hooks.py::test_a_hook_that_goes_on_keeps_neither_its_client_nor_the_process",
        "tests/reliability/test_front_door.py::test_a_second_signal_ends_whatever_plugins_do",
    ),
    "what an extension raises ends the connection or the process": (
        "tests/attack/test_hooks.py::test_whatever_a_hook_raises_ends_its_request_alone",
        "tests/attack/test_extensions.py::test_a_provider_ends_its_request_alone",
        "tests/attack/test_extensions.py::test_a_plugin_that_can_not_be_made_ready_or_closed_changes_nothing",
    ),
    # Start and end.
    "a start that fails for good is repeated": (
        "tests/reliability/test_workers.py::test_a_start_that_always_fails_ends_with_its_reason",
    ),
    "the port is open during a drain": (
        "tests/reliability/test_workers.py::test_a_connection_during_a_drain_is_refused_at_once",
    ),
    "what a shutdown cuts off ends as if it were whole, or as the client's doing": (
        "tests/reliability/test_front_door.py::test_what_is_cut_off_by_the_end_of_a_drain_gets_an_error",
        "tests/reliability/test_front_door.py::test_clients_that_left_and_requests_that_were_cut_off_are_recorded_as_such",
    ),
    "one address means two things": ("tests/reliability/test_workers.py::test_all_addresses_means_both_families",),
    "a library's variables are settings unknowingly": (
        "tests/attack/test_findings.py::test_variables_of_the_server_library_do_not_stop_the_start",
        "tests/reliability/test_workers.py::test_variables_of_the_server_library_have_no_effect",
    ),
    # Numbers, names and addresses from outside.
    "numbers of a provider are not bounded": (
        "tests/attack/test_findings.py::test_a_rate_limit_in_a_header_costs_no_answer",
        "tests/attack/test_findings.py::test_an_open_breaker_is_not_open_for_ever",
        f"{SDK}/test_waiting.py::test_no_text_raises_and_every_number_is_bounded",
        "tests/reliability/test_provider_faults.py::test_numbers_in_headers_never_cost_an_answer",
        f"{GATEWAY}/test_breaker.py::test_whatever_happens_it_is_never_closed_off_for_longer_than_the_longest_pause",
    ),
    "lengths and statuses that are no such numbers": (
        "tests/attack/test_lengths.py::test_a_client_with_such_a_length_is_refused_and_nothing_after_it_is_heard",
        "tests/attack/test_lengths.py::test_a_reply_with_such_a_length_is_the_providers_error",
        "tests/attack/test_lengths.py::test_a_reply_with_such_a_status_is_the_providers_error",
    ),
    "a provider reads a form in another way than the gateway": (
        f"{GATEWAY}/exchange/test_multipart.py::test_no_other_field_comes_twice_wherever_the_second_is",
        f"{GATEWAY}/exchange/test_multipart.py::test_a_part_whose_name_can_be_read_in_two_ways_is_refused",
        f"{GATEWAY}/exchange/test_part_heads.py::test_what_can_be_read_in_two_ways_is_refused",
        "tests/endpoints/test_batches.py::test_a_form_of_which_another_reader_may_read_other_lines_is_refused",
        "tests/endpoints/test_batches.py::test_no_batch_is_made_of_a_file_whose_lines_were_not_seen",
    ),
    "a provider reads another model than the one that was looked at": (
        "tests/attack/test_one_model.py::test_a_second_model_does_not_leave",
    ),
    "an open breaker forgets what it learns": (f"{GATEWAY}/test_breaker.py::test_an_open_breaker_takes_the_later_end",),
    "a policy is bound to a spelling": (
        "tests/attack/test_findings.py::test_no_spelling_of_a_path_goes_around_a_guard",
        f"{GATEWAY}/test_conditions.py::test_no_spelling_of_a_path_goes_around_a_guard",
        f"{GATEWAY}/test_conditions.py::test_a_model_is_guarded_under_all_its_names",
    ),
    "the part of an address list that the client writes is believed": (
        "tests/attack/test_findings.py::test_a_client_writes_no_address_for_itself",
        f"{GATEWAY}/server/test_client_address.py::test_whatever_a_client_writes_in_front_changes_nothing",
    ),
    "credentials can be guessed without limit": (
        "tests/attack/test_guesses.py::test_guesses_at_all_doors_are_counted_together",
        "tests/attack/test_guesses.py::test_who_has_one_credential_cannot_try_others_without_end",
        f"{SDK}/test_guesses.py::test_a_subscriber_with_many_ipv6_addresses_has_the_guesses_of_one",
    ),
    "an id that a client chooses is taken for unique": (
        "packages/limits/tests/test_sharing.py::test_requests_that_a_client_has_named_alike_take_a_place_each",
    ),
    "a cookie lets credentials be guessed": (
        f"{GATEWAY}/server/test_page_host.py::test_what_is_signed_for_browsers_lets_no_credential_be_guessed",
    ),
    "more than the star of an alias is special": (
        "tests/attack/test_findings.py::test_only_the_star_of_an_alias_is_special",
        f"{GATEWAY}/test_models.py::test_only_the_star_of_an_alias_is_special",
    ),
    "a model's name leads out of its path": (
        "tests/reliability/test_provider_faults.py::test_a_model_name_cannot_lead_out_of_its_path",
    ),
    # Whose fault.
    "a success without an answer": (
        "tests/attack/test_findings.py::test_a_success_without_an_answer_is_a_failure",
        "tests/attack/test_findings.py::test_a_page_in_place_of_an_answer_is_a_failure",
        "tests/reliability/test_empty_success.py::test_another_model_answers_in_place_of_an_empty_reply",
    ),
    "an unreadable reply is the plugin's that reads it first": (
        "tests/attack/test_findings.py::test_an_unreadable_reply_is_not_the_plugins_failure",
        "tests/reliability/test_provider_faults.py::test_a_reply_that_a_plugin_is_the_first_to_read_is_the_providers_failure",
    ),
    "statuses blame the request by default": (
        "tests/attack/test_findings.py::test_a_status_that_blames_no_request_is_a_failure",
        f"{SDK}/test_errors.py::test_few_statuses_blame_the_request",
    ),
    "a fallback for some causes takes the retries of others": (
        "tests/attack/test_findings.py::test_a_fallback_for_some_causes_leaves_the_retries_of_others",
        "tests/reliability/test_fallback.py::test_a_fallback_for_some_causes_leaves_the_retries_of_all_others",
    ),
    "settings that can't work are found by requests": (
        "tests/attack/test_findings.py::test_settings_that_can_not_work_are_found_by_check",
        "tests/attack/test_findings.py::test_keys_that_can_not_be_sent_are_found_by_check",
        f"{GATEWAY}/test_provider_checks.py::test_addresses_that_can_not_work",
        f"{GATEWAY}/test_provider_checks.py::test_certificates_that_can_not_be_loaded",
        f"{GATEWAY}/test_provider_checks.py::test_credentials_that_can_not_be_sent",
    ),
    "a reply in a coding that no client can read": (
        "tests/attack/test_findings.py::test_a_coding_that_was_not_undone_is_named",
        "tests/reliability/test_content_coding.py::test_every_endpoint_names_the_coding_that_it_can_not_read",
    ),
    "refusals leave nothing": (
        "tests/attack/test_refusals.py::test_refusals_from_the_head_are_logged_and_counted",
        "tests/reliability/test_front_door.py::test_out_of_descriptors_it_writes_a_log_line_and_recovers",
        f"{GATEWAY}/test_banner.py::test_a_project_without_authentication_on_a_public_address_is_noticed_by_check",
    ),
    # What is renewed, and what is read.
    "a renewed certificate is not taken": (
        f"{GATEWAY}/providers/transport/test_tls.py::test_a_renewed_file_is_used_by_the_next_connection",
    ),
    "a file of variables is cut": (
        "tests/attack/test_findings.py::test_a_quoted_variable_goes_over_several_lines",
        f"{GATEWAY}/config/test_env.py::test_a_quoted_value_goes_over_several_lines",
        f"{GATEWAY}/config/test_env.py::test_a_quote_that_is_not_closed_is_a_problem_with_its_line",
    ),
    "a managed prompt is moved out of its place": (
        "tests/attack/test_findings.py::test_a_managed_prompt_stays_where_instructions_are",
        "packages/prompt-manager/tests/test_plugin.py::test_instructions_of_the_responses_api_stay_instructions",
    ),
    "the image keeps the spool elsewhere": ("tests/test_deployment.py::test_what_the_image_keeps_is_on_its_volume",),
    "a head can be read in two ways": (
        "tests/attack/test_odd_heads.py::test_what_may_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read",
        "tests/attack/test_findings.py::test_odd_heads_are_refused",
    ),
    "a text that can't be written as UTF-8 is a fault": (
        "tests/losses/test_half_letters.py::test_no_text_of_a_request_is_a_fault",
        "tests/losses/test_half_letters.py::test_no_text_or_key_for_any_endpoint_is_a_fault",
        "tests/losses/test_half_letters.py::test_no_text_of_a_reply_is_a_fault",
    ),
    "a model's name is taken for an identifier": (
        "tests/attack/test_findings.py::test_a_model_with_a_slash_and_a_colon_is_found",
    ),
    "a script may not read what its SDK goes by": ("tests/attack/test_findings.py::test_cors_shows_what_clients_read",),
}
"""The kind of fault, and the tests that hold its absence."""


_PROCESSES = "needs the processes and measurements of tests/reliability, which start this version"
NOT_LIVE: dict[str, str] = {
    "one request holds the event loop": _PROCESSES,
    "strangers starve those who are known": _PROCESSES,
    "slow readers fill the memory": _PROCESSES,
    "a start that fails for good is repeated": _PROCESSES,
    "the port is open during a drain": _PROCESSES,
    "what a shutdown cuts off ends as if it were whole, or as the client's doing": _PROCESSES,
    "one address means two things": _PROCESSES,
    "explanations show secrets": "a command prints them, without a server",
    "an id that a client chooses is taken for unique": "depends on what is under way at one moment",
    "a cookie lets credentials be guessed": "is a matter of how long a derivation takes",
    "a provider reads a form in another way than the gateway": "the endpoint is newer than the attack",
    "an open breaker forgets what it learns": "depends on the order of two replies, which a clock of the test decides",
    "a model's name leads out of its path": "needs the signed addresses of providers on other hosts",
    "a renewed certificate is not taken": "needs a certificate authority and a clock of the test",
    "the image keeps the spool elsewhere": "is a line of the image's description",
    "a text that can't be written as UTF-8 is a fault": "the inputs are generated from the types of the vendors' SDKs",
}
"""Kinds of which no test can be run against another version by `ATTACKED_PYTHON`, and why."""


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_tests(kind: str) -> None:
    for test in KINDS[kind]:
        file, _, name = test.partition("::")
        assert name in names_in(file), f"{test} is gone: what shows now that this does not happen?"


def test_each_kind_is_tried_on_a_running_gateway_of_any_version_or_has_a_reason() -> None:
    live = {kind for kind, tests in KINDS.items() if any(test.startswith("tests/attack/") for test in tests)}

    assert set(KINDS) - live == set(NOT_LIVE)
