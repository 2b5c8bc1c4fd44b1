"""Authentication before the body has come, where the authenticating plugins need only the head."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway_sdk import GatewayError, Hook, RequestContext, RequestRejected, Unauthorized
from llm_gateway_sdk.calling import run_authentication

__all__ = ["authenticate_from_head"]


async def authenticate_from_head(hooks: Sequence[Hook], ctx: RequestContext) -> GatewayError | None:
    """Why the caller is not let in; None where it is. `ctx` has no body yet, and is used for nothing else."""
    try:
        verdict = await run_authentication(hooks, ctx)
    except GatewayError as error:
        return error
    if verdict is not None and verdict.action == "refuse":
        return verdict.error or RequestRejected(f"Plugin '{verdict.plugin}' refused.", plugin=verdict.plugin)
    if verdict is None and ctx.principal is None and ctx.caller is None:
        return Unauthorized("A valid credential is needed.", code="invalid_api_key")
    return None
