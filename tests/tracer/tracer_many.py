"""Many rows, made by the engine itself: what a gateway records in a month, in seconds instead of a month."""

from __future__ import annotations

from typing import Final

from llm_gateway_clickhouse_tracer.database.client import Database

__all__ = ["fill"]

_BLOCK: Final = 1_000_000

_INSERT: Final = """
INSERT INTO {table}
    (ts, request_id, interaction_id, session_id, project, adapter, dialect, operation, caller, principal, team, user_id,
    model_requested, model_routed, model_answered, provider, status, http_status, error_kind, error, attempts, stream,
    duration_us, ttft_us, input_tokens, output_tokens, cache_read_tokens, cost_usd, finish_reason, tool_calls, prompt,
    answer, request, response, method, path)
WITH
    number AS n, cityHash64(n) AS h, cityHash64(n, 1) AS g,
    if(n % 10 < 6, n, intDiv(n, 10) * 10 + 6) AS whole,
    intDiv(n, 10) AS block, block % 40 AS key, intDiv(block, 400) * 40 + key AS session,
    h % 100 < 4 AS failed, h % 100 = 4 AS refused,
    toUInt64(200000 + exp(6 + (g % 1000) / 125) * 400) AS spent,
    concat('Question ', toString(n), ': ', arrayStringConcat(arrayMap(i -> ['train', 'report', 'query', 'pool', 'haiku',
        'umbrella', 'index', 'summary'][1 + cityHash64(n, i) % 8], range(20)), ' ')) AS asked,
    concat('Answer ', toString(n), ': ', arrayStringConcat(arrayMap(i -> ['yes', 'table', 'rain', 'river', 'lock',
        'Tuesday', 'price', 'green'][1 + cityHash64(n, i, 2) % 8], range(30)), ' ')) AS answered
SELECT
    now64(6) - toIntervalMillisecond(toUInt64(({rows} - n) * {days} * 86400000. / {rows})),
    concat('req_', lower(hex(h)), toString(n)), concat('int_', lower(hex(cityHash64(whole, 3))), toString(whole)),
    concat('session-', toString(session)), ['production', 'development', 'research'][1 + key % 3], 'openai',
    'openai-chat', 'generate', concat('key-', toString(key)), concat('key_', toString(key)),
    ['search', 'support', 'billing', 'research', ''][1 + key % 5], concat('user-', toString(h % 5000)), 'default',
    ['gpt-mini', 'claude', 'gemini-flash', 'local'][1 + g % 4] AS model, model,
    ['openai', 'anthropic', 'gemini', 'openai'][1 + g % 4],
    multiIf(failed, 'error', refused, 'refused', 'ok'), multiIf(failed, 502, refused, 429, 200),
    multiIf(failed, 'overloaded', refused, 'limit', ''), if(failed, 'The provider is overloaded', ''), if(failed, 2, 1),
    h % 2, spent, if(h % 2, intDiv(spent, 4), NULL), 200 + h % 3000, 20 + g % 900, h % 150, (200 + h % 3000) * 0.000001,
    if(failed, '', 'stop'), if(n % 10 > 6, ['look_up'], []), asked, if(failed, '', answered),
    concat('{{"model":"default","messages":[{{"role":"user","content":[{{"type":"text","text":"', asked, '"}}]}}]}}'),
    concat('{{"choices":[{{"index":0,"message":{{"role":"assistant","content":[{{"type":"text","text":"', answered,
        '"}}]}},"finish_reason":"stop"}}]}}'),
    'POST', '/v1/chat/completions'
FROM numbers({start}, {count})"""


def fill(database: Database, rows: int, *, days: int = 30) -> None:
    """Spreads so many rows evenly over the days before now. Of ten requests four are one conversation with tools; four
    of a hundred fail, and one is refused. Forty keys have each a session of a hundred requests at a time."""
    for start in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - start)
        database.command(_INSERT.format(table=database.table, rows=rows, days=days, start=start, count=count))
