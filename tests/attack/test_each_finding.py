"""Each thing that attacks and operators' reports have found, and the tests which show that it does not happen now.

`test_kinds.py` has the kinds of fault and further inputs of each; here every single finding is looked up.
"""

from __future__ import annotations

import pytest
from test_kinds import names_in

ATTACK = "tests/attack"
RELIABILITY = "tests/reliability"
GATEWAY = "packages/llm-gateway/tests"
SDK = "packages/llm-gateway-sdk/tests"
FINDINGS = f"{ATTACK}/test_findings.py::test_"
REDACTION = f"{ATTACK}/test_redaction.py::test_"
FAULTS = f"{RELIABILITY}/test_provider_faults.py::test_"
DOOR = f"{RELIABILITY}/test_front_door.py::test_"
WORKERS = f"{RELIABILITY}/test_workers.py::test_"
CHECKS = f"{GATEWAY}/test_provider_checks.py::test_"
CANARIES = (
    "tests/losses/test_canary.py::test_a_canary_in_any_text_of_a_request_arrives_nowhere",
    "tests/losses/test_canary_replies.py::test_a_canary_in_any_text_of_a_reply_arrives_nowhere",
    "tests/losses/test_canary_replies.py::test_a_canary_in_any_text_of_an_error_arrives_nowhere",
)

BY_ATTACKS: dict[str, tuple[str, ...]] = {
    # High
    "a provider's redirect leads clients elsewhere, with key and prompt": (
        f"{FINDINGS}a_redirect_leads_no_client_elsewhere",
        f"{FAULTS}a_redirect_is_the_providers_error_on_every_route",
    ),
    "one request holds the event loop": (
        f"{RELIABILITY}/test_heavy_bodies.py::test_a_heavy_request_holds_up_no_other",
        f"{RELIABILITY}/test_heavy_bodies.py::test_neither_does_another_operation_nor_a_heavy_reply",
        f"{RELIABILITY}/test_heavy_bodies.py::test_more_values_than_are_taken_are_refused_in_the_clients_shape",
        f"{GATEWAY}/exchange/test_alignment.py::test_many_equal_items_take_no_time",
    ),
    "uploads of strangers that never end deny larger requests to all": (
        f"{DOOR}uploads_without_a_key_are_refused_before_their_body_and_hold_nothing",
        f"{GATEWAY}/server/test_uploads.py::test_when_it_grows_scarce_each_address_has_its_share",
        f"{GATEWAY}/server/http1/test_pace.py::test_what_came_long_ago_does_not_pay_for_drops_now",
    ),
    "texts to embed pass a redaction in other shapes": (f"{REDACTION}texts_to_embed_are_hidden_in_every_shape",),
    "the second of two reasoning fields, or of two equal keys, passes a redaction": (
        f"{REDACTION}words_of_a_request_are_hidden_in_every_field",
        f"{REDACTION}words_of_a_reply_are_hidden_in_every_field",
        f"{REDACTION}a_key_that_is_written_twice_passes_no_secret",
    ),
    "what was hidden or refused is in spans, logs, attempts or the spool": (
        f"{ATTACK}/test_records.py::test_what_was_hidden_or_refused_is_recorded_nowhere",
        f"{RELIABILITY}/test_withholding.py::test_what_was_refused_is_in_no_view_of_the_request",
        f"{RELIABILITY}/test_withholding.py::test_the_text_of_an_error_is_recorded_as_plugins_have_left_it",
        f"{RELIABILITY}/test_withholding.py::test_a_retry_is_logged_without_the_providers_words",
    ),
    # Medium
    "who a caller is, as a proxy has established, goes to providers": (
        f"{FINDINGS}what_a_proxy_put_on_a_request_stays_here",
        f"{FINDINGS}a_key_in_a_query_stays_here",
        f"{GATEWAY}/wire/test_crossing.py::test_whatever_comes_is_only_ever_left_out",
    ),
    "a breaker stays open, or a retry waits, for as long as a provider says": (
        f"{FINDINGS}an_open_breaker_is_not_open_for_ever",
        f"{GATEWAY}/test_breaker.py::test_no_retry_after_opens_it_for_longer_than_the_longest_pause",
        f"{FAULTS}a_long_wait_before_another_try_goes_to_the_client",
    ),
    "a number in a header makes a failure of a good reply": (
        f"{FINDINGS}a_rate_limit_in_a_header_costs_no_answer",
        f"{FAULTS}numbers_in_headers_never_cost_an_answer",
    ),
    "detached hooks that hang stop those of all projects": (
        f"{ATTACK}/test_hooks.py::test_hung_hooks_keep_no_others_from_their_work",
        f"{GATEWAY}/exchange/test_detached.py::test_hooks_of_one_plugin_that_hang_stop_those_of_no_other",
        f"{GATEWAY}/exchange/test_detached.py::test_a_hook_that_hangs_is_ended",
    ),
    "headers of a provider direct browsers and proxies": (
        f"{FINDINGS}directives_of_a_provider_do_not_reach_the_client",
        f"{GATEWAY}/wire/test_crossing.py::test_what_is_meant_for_servers_and_browsers_does_not_reach_the_client",
    ),
    "any web page uses a gateway without keys": (
        f"{FINDINGS}pages_of_strangers_spend_nothing",
        f"{ATTACK}/test_websocket_doors.py::test_pages_of_strangers_open_none",
        f"{GATEWAY}/server/test_browser_guard.py::test_pages_of_strangers_are_refused",
    ),
    "pages, documents, schemas, metadata, errors and interrupted streams pass a redaction": (
        *CANARIES,
        f"{REDACTION}words_of_a_request_are_hidden_in_every_field",
        f"{REDACTION}words_of_a_reply_are_hidden_in_every_field",
    ),
    "another spelling of a route avoids a condition on its path": (
        f"{FINDINGS}no_spelling_of_a_path_goes_around_a_guard",
        f"{GATEWAY}/test_conditions.py::test_no_spelling_of_a_path_goes_around_a_guard",
    ),
    "the entry of an address list that a client wrote is believed": (
        f"{FINDINGS}a_client_writes_no_address_for_itself",
        f"{GATEWAY}/server/test_client_address.py::test_whatever_a_client_writes_in_front_changes_nothing",
    ),
    "a worker that hangs takes the metrics of all away and is not replaced": (
        f"{WORKERS}a_worker_that_hangs_is_replaced_and_metrics_go_on_without_it",
    ),
    "a small compressed stream inflates without end and without a pause": (
        f"{FAULTS}a_stream_of_nothing_that_was_packed_small_does_not_hold_the_loop",
    ),
    # Low
    "a model named `..` leads out of its path": (f"{FAULTS}a_model_name_cannot_lead_out_of_its_path",),
    "a reply in a coding that was not asked for arrives as garbage": (
        f"{FINDINGS}a_coding_that_was_not_undone_is_named",
        f"{RELIABILITY}/test_content_coding.py::test_every_endpoint_names_the_coding_that_it_can_not_read",
    ),
    "bounds of events and headers do not hold on every way": (
        f"{FAULTS}one_event_is_bounded_on_every_way",
        f"{FINDINGS}a_providers_head_is_bounded_as_configured",
    ),
    "a web page in place of an answer is a success": (
        f"{FINDINGS}a_page_in_place_of_an_answer_is_a_failure",
        f"{FAULTS}another_model_answers_in_the_place_of_one_that_does_not_speak_its_api",
    ),
    "what a hook raises ends the process or the connection": (
        f"{ATTACK}/test_hooks.py::test_whatever_a_hook_raises_ends_its_request_alone",
        f"{FAULTS}nothing_that_a_hook_raises_ends_the_gateway",
        f"{FAULTS}a_reply_header_that_cannot_be_written_costs_no_connection",
    ),
    "a hook that swallows its cancellation keeps client and process": (
        f"{ATTACK}/test_hooks.py::test_a_hook_that_goes_on_keeps_neither_its_client_nor_the_process",
        f"{FAULTS}a_hook_that_swallows_its_cancellation_ends_its_request",
        f"{DOOR}a_second_signal_ends_whatever_plugins_do",
    ),
    "streams that a shutdown cuts off end without an error": (
        f"{DOOR}what_is_cut_off_by_the_end_of_a_drain_gets_an_error",
    ),
    "a client that half-closes gets nothing": (f"{DOOR}a_client_that_half_closes_gets_its_whole_reply",),
    "many pipelined offers of an upgrade end the connection": (
        f"{GATEWAY}/server/http1/test_parser.py::test_thousands_of_pipelined_offers_to_upgrade_are_all_declined",
    ),
    "a 100 for HTTP/1.0, no host or two, a coding besides chunked": (
        f"{FINDINGS}odd_heads_are_refused",
        f"{GATEWAY}/server/http1/test_parser.py::test_only_http_1_1_gets_a_continue",
        f"{ATTACK}/test_odd_heads.py::test_what_may_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read",
    ),
    "slow readers hold memory without a bound": (
        f"{DOOR}clients_that_read_nothing_are_cut_off_where_they_hold_too_much_together",
        f"{RELIABILITY}/test_http_edges.py::test_a_client_that_reads_nothing_holds_little_memory_and_is_cut_off",
    ),
    "the password of the dashboard can be guessed without limit": (
        "packages/clickhouse-tracer-plugin/tests/dashboard/test_app.py"
        "::test_guesses_at_the_password_are_limited_by_address",
        f"{ATTACK}/test_guesses.py::test_guesses_at_all_doors_are_counted_together",
    ),
    "explanations show secrets; defaults nested without end are a traceback": (
        f"{GATEWAY}/config/test_explain.py::test_no_secret_is_shown",
        f"{GATEWAY}/config/test_env.py::test_defaults_nested_without_end_are_a_problem",
    ),
    "a length with 204; statuses beyond 599": (
        f"{FAULTS}a_reply_without_a_body_has_no_length",
        f"{FAULTS}statuses_without_a_meaning_are_errors_of_the_provider",
        f"{ATTACK}/test_lengths.py::test_a_reply_with_such_a_status_is_the_providers_error",
    ),
    "no word where descriptors are used up, nor of a project without authentication": (
        f"{DOOR}out_of_descriptors_it_writes_a_log_line_and_recovers",
        f"{GATEWAY}/test_banner.py::test_a_project_without_authentication_on_a_public_address_is_noticed_by_check",
    ),
    "what a provider stores for one caller can be read by another": (
        "tests/endpoints/test_kept_by_provider.py::test_and_no_other_caller_does",
        "tests/endpoints/test_batches.py::test_what_belongs_to_one_caller_is_hidden_from_others",
        "tests/end_to_end/test_responses_memory.py::test_another_caller_finds_nothing",
    ),
    "the image resolves what it installs anew each time": (
        "tests/test_deployment.py::test_the_lock_of_the_image_has_all_that_the_packages_need_with_hashes",
        "tests/test_deployment.py::test_the_image_installs_nothing_of_others_but_the_lock",
    ),
}

BY_OPERATORS: dict[str, tuple[str, ...]] = {
    "clients follow a provider's redirect": BY_ATTACKS[
        "a provider's redirect leads clients elsewhere, with key and prompt"
    ],
    "credentials that a proxy put on a request go to the provider": BY_ATTACKS[
        "who a caller is, as a proxy has established, goes to providers"
    ],
    "a redaction does not see a number of fields": (
        CANARIES[0],
        f"{REDACTION}words_of_a_request_are_hidden_in_every_field",
    ),
    "the leftmost forwarded address counts, with its port": (
        f"{FINDINGS}a_client_writes_no_address_for_itself",
        f"{GATEWAY}/server/test_client_address.py::test_an_entry_is_an_address_with_its_port_cut_off_or_nothing",
        f"{GATEWAY}/server/test_client_address.py::test_the_entry_of_the_outermost_trusted_proxy_is_the_client",
    ),
    "a 200 without an answer is a success": (
        f"{FINDINGS}a_success_without_an_answer_is_a_failure",
        f"{RELIABILITY}/test_empty_success.py::test_another_model_answers_in_place_of_an_empty_reply",
        f"{RELIABILITY}/test_empty_success.py::test_a_stream_of_the_clients_own_api_without_content_falls_back",
    ),
    "an unreadable reply is the failure of the plugin that reads it first": (
        f"{FINDINGS}an_unreadable_reply_is_not_the_plugins_failure",
        f"{FAULTS}a_reply_that_a_plugin_is_the_first_to_read_is_the_providers_failure",
    ),
    "settings of connections that can't work are found by the first request": (
        f"{FINDINGS}settings_that_can_not_work_are_found_by_check",
        f"{CHECKS}addresses_that_can_not_work",
        f"{CHECKS}addresses_that_are_probably_not_meant_give_a_notice",
        f"{CHECKS}credentials_that_can_not_be_sent",
        f"{CHECKS}headers_that_can_not_be_sent",
        f"{CHECKS}proxies_that_can_not_work",
        f"{CHECKS}certificates_that_can_not_be_loaded",
        f"{CHECKS}limits_of_nothing",
    ),
    "a start that can't succeed is repeated for ever": (f"{WORKERS}a_start_that_always_fails_ends_with_its_reason",),
    "with workers the port is open during a drain": (f"{WORKERS}a_connection_during_a_drain_is_refused_at_once",),
    "what a drain cuts off is booked as the client's leaving": (
        f"{DOOR}what_is_cut_off_by_the_end_of_a_drain_gets_an_error",
        f"{DOOR}clients_that_left_and_requests_that_were_cut_off_are_recorded_as_such",
    ),
    "metrics are all or nothing": (f"{WORKERS}a_worker_that_hangs_is_replaced_and_metrics_go_on_without_it",),
    "every 4xx is the client's fault": (
        f"{FINDINGS}a_status_that_blames_no_request_is_a_failure",
        f"{SDK}/test_errors.py::test_few_statuses_blame_the_request",
    ),
    "a fallback for some causes takes the retries of others": (
        f"{FINDINGS}a_fallback_for_some_causes_leaves_the_retries_of_others",
        f"{RELIABILITY}/test_fallback.py::test_a_fallback_for_some_causes_leaves_the_retries_of_all_others",
    ),
    "a renewed certificate is not taken": (
        f"{GATEWAY}/providers/transport/test_tls.py::test_a_renewed_file_is_used_by_the_next_connection",
    ),
    "models with a slash or a colon can't be fetched": (f"{FINDINGS}a_model_with_a_slash_and_a_colon_is_found",),
    "a condition on a path goes by its spelling": BY_ATTACKS[
        "another spelling of a route avoids a condition on its path"
    ],
    "a managed prompt throws instructions out of their place": (
        f"{FINDINGS}a_managed_prompt_stays_where_instructions_are",
        "packages/prompt-manager/tests/test_plugin.py::test_instructions_of_the_responses_api_stay_instructions",
    ),
    "`::` means two things": (f"{WORKERS}all_addresses_means_both_families",),
    "the bound of connections is documented as one in all": (
        f"{GATEWAY}/providers/transport/test_pool.py::test_the_bound_is_that_of_each_origin",
    ),
    "brackets and question marks of an alias are special": (
        f"{FINDINGS}only_the_star_of_an_alias_is_special",
        f"{GATEWAY}/test_models.py::test_only_the_star_of_an_alias_is_special",
    ),
    "variables of OpenTelemetry have no effect; a trace state goes on without its parent": (
        f"{GATEWAY}/monitoring/test_otel.py::test_the_service_is_named_by_the_setting_then_by_the_environment",
        f"{GATEWAY}/monitoring/test_otel.py::test_the_sampler_of_the_environment_counts_where_none_is_written",
        f"{GATEWAY}/wire/test_crossing.py::test_a_trace_state_goes_on_with_a_valid_parent_alone",
    ),
    "an open breaker forgets a longer wait": (f"{GATEWAY}/test_breaker.py::test_an_open_breaker_takes_the_later_end",),
    "a quoted variable over several lines is cut": (
        f"{FINDINGS}a_quoted_variable_goes_over_several_lines",
        f"{GATEWAY}/config/test_env.py::test_a_quote_that_is_not_closed_is_a_problem_with_its_line",
    ),
    "the image keeps the spool off its volume": (
        "tests/test_deployment.py::test_what_the_image_keeps_is_on_its_volume",
    ),
    "keys that can not be sent are taken": (f"{FINDINGS}keys_that_can_not_be_sent_are_found_by_check",),
    "scripts of a named origin can't read what their SDK goes by": (
        f"{FINDINGS}cors_shows_what_clients_read",
        f"{CHECKS}origins_that_no_browser_sends",
    ),
    "administration redirects a slash at the end": (
        f"{FINDINGS}administration_redirects_nowhere",
        f"{DOOR}administration_pages_redirect_nowhere",
    ),
    "a coded reply arrives without its coding": BY_ATTACKS[
        "a reply in a coding that was not asked for arrives as garbage"
    ],
    "variables of the server's library stop the start": (
        f"{FINDINGS}variables_of_the_server_library_do_not_stop_the_start",
        f"{WORKERS}variables_of_the_server_library_have_no_effect",
    ),
}


@pytest.mark.parametrize("findings", [BY_ATTACKS, BY_OPERATORS], ids=["attacks", "operators"])
def test_each_finding_has_its_tests(findings: dict[str, tuple[str, ...]]) -> None:
    gone = [
        f"{finding}: {test}"
        for finding, tests in findings.items()
        for test in tests
        if test.partition("::")[2] not in names_in(test.partition("::")[0])
    ]

    assert not gone, "\n".join(gone)


def test_there_are_as_many_as_were_found() -> None:
    assert (len(BY_ATTACKS), len(BY_OPERATORS)) == (34, 29)
