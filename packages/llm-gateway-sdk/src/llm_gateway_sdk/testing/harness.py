"""Runs plugins as the gateway does, with nothing replaced but the model and the client.

The hooks run in the SDK's own HookChain; the walk around them (attempts, fallbacks, follow-ups, streams, errors) is the
gateway's, and a test of the gateway holds the two against each other.
"""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ..checks import check_plugin_class, prepare_config, streaming_gap
from ..context import Attempt, Operation, RequestContext
from ..errors import ConfigError, ConfigProblem, GatewayError
from ..hooks import HookChain, MountedPlugin
from ..parts import Part, ToolCallPart
from ..plugin import GatewayServices, Plugin
from ..request import LLMRequest, Message
from ..response import Accumulator, LLMResponse
from .script import ScriptedModel, Step, Turn
from .walk import Asked, Walk, build_request

__all__ = ["Mount", "PluginHarness", "Reply"]

T = TypeVar("T")


@dataclass(slots=True)
class Mount:
    """A plugin in its place, as an entry of `plugins:` has it."""

    plugin: type[Plugin] | Plugin
    """The class, or an instance that the test has made."""
    config: Any = None
    """As in YAML; None where the plugin takes no settings."""
    name: str | None = None
    """Default: the plugin's type."""
    priority: int = 1000
    """Lower runs first."""
    on_error: Literal["fail_closed", "fail_open"] = "fail_closed"
    """What a hook that raises does to its request: `fail_closed` refuses it, `fail_open` goes on without it."""
    timeout: float | None = None
    """Seconds that one hook call may take."""
    condition: Callable[[RequestContext], bool] | None = None
    """In place of `conditions`: whether the plugin is active for a request."""


@dataclass(slots=True)
class Reply:
    """What became of one request, as its client saw it."""

    status: int
    """The HTTP status: 200 too where an error came inside a stream that had begun."""
    error: GatewayError | None
    """Why the client got no reply, or a broken one."""
    response: LLMResponse
    """All that the client received; empty where it was an error."""
    chunks: list[LLMResponse]
    """Streams: what the client received that has content, piece by piece."""
    events: list[LLMResponse]
    """Streams: the chunks and what is around them, the opening and the end."""
    context: RequestContext
    """The request's context, as the last hook left it."""
    requests: list[LLMRequest]
    """What the models were asked for this reply, one for each call."""
    detached: dict[str, Exception | None] = field(default_factory=dict)
    """The plugins whose detached hooks have run, with what they raised."""

    @property
    def text(self) -> str:
        """The text of the reply's first choice."""
        return self.response.text

    @property
    def thinking(self) -> str:
        """The reasoning of the reply's first choice."""
        return self.response.thinking

    @property
    def tool_calls(self) -> list[ToolCallPart]:
        """The tool calls of the reply's first choice."""
        return self.response.tool_calls

    @property
    def parts(self) -> list[Part]:
        """All parts of the reply's first choice, in order."""
        return self.response.message.content

    @property
    def attempts(self) -> list[Attempt]:
        """The calls that were made: model, status, error."""
        return self.context.attempts

    @property
    def headers(self) -> dict[str, str]:
        """The headers that plugins gave to the reply."""
        return self.context.reply_headers


class PluginHarness:
    """One plugin, or several in a chain, with a scripted model after them.

        reply = PluginHarness(RegexHider, {"patterns": […]}).stream(["my ssn is 123-4", "5-6789"])
        assert reply.text == "my ssn is [SSN]"

    `plugin` is a class with `config`, or a list of `Mount`s. The class is checked as at load and the configuration
    against its schema and `validate_config`: ConfigError is raised as the gateway would refuse to start. `model`
    answers; `models` gives several, by the names that plugins may choose in `ctx.target_model`, the first of them the
    default. Not for use inside a running event loop.
    """

    def __init__(
        self,
        plugin: type[Plugin] | Plugin | Sequence[Mount],
        config: Any = None,
        *,
        model: ScriptedModel | None = None,
        models: Mapping[str, ScriptedModel] | None = None,
        name: str | None = None,
        on_error: Literal["fail_closed", "fail_open"] = "fail_closed",
        timeout: float | None = None,
        project: str = "default",
        max_retries: int = 3,
        max_turns: int = 10,
        http_client: Any = None,
    ) -> None:
        if model is not None and models is not None:
            raise TypeError("give either model or models")
        self.models: dict[str, ScriptedModel] = dict(models or {"model": model or ScriptedModel()})
        self.project = project
        self.max_retries = max_retries
        self.max_turns = max_turns
        mounts = (
            list(plugin) if isinstance(plugin, Sequence) else [Mount(plugin, config, name, 1000, on_error, timeout)]
        )
        self._services = _Services(project, tuple(self.models), http_client)
        self._loop = asyncio.new_event_loop()
        self._end = weakref.finalize(self, _end, self._loop)
        self._count = 0
        try:
            self.chain = HookChain([self._mounted(mount) for mount in mounts])
        except BaseException:
            self._end()
            raise

    @property
    def plugin(self) -> Any:
        """The plugin's instance; of several the first."""
        return self.chain.plugins[0].plugin

    @property
    def model(self) -> ScriptedModel:
        """The default model."""
        return next(iter(self.models.values()))

    # Requests.

    def ask(
        self,
        request: str | LLMRequest | Sequence[Message] = "Hello",
        *,
        reply: Turn | ScriptedModel | None = None,
        stream: bool = False,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
        caller: str | None = None,
        client_ip: str | None = None,
        client_dialect: str = "openai_chat",
        operation: Operation = "generate",
    ) -> Reply:
        """One request. `reply` is what the model answers to it, in place of what the harness was made with; `model`
        the name that the client asks for. Warns (UserWarning) where a plugin takes no part in a streamed reply and its
        class does not say that this is meant."""
        if stream:
            self._warn_of_gaps()
        asked = Asked(
            build_request(request, model=model or next(iter(self.models)), stream=stream),
            headers=dict(headers or {}),
            path=path,
            caller=caller,
            client_ip=client_ip,
            client_dialect=client_dialect,
            operation=operation,
        )
        return self._run(self._answer(asked, self._models_for(reply)))

    def stream(
        self,
        reply: Turn | ScriptedModel | None = None,
        request: str | LLMRequest | Sequence[Message] = "Hello",
        **options: Any,
    ) -> Reply:
        """One streamed request; `reply` is the list of chunks which the model answers. Options as for `ask`."""
        return self.ask(request, reply=reply, stream=True, **options)

    def fail(
        self,
        error: int | Exception = 503,
        request: str | LLMRequest | Sequence[Message] = "Hello",
        *,
        after: Sequence[Step] = (),
        stream: bool = False,
        **options: Any,
    ) -> Reply:
        """One request on which the model fails with an error or status, on a stream `after` some chunks."""
        return self.ask(request, reply=[*after, error], stream=stream or bool(after), **options)

    def stream_together(self, *replies: Sequence[Step]) -> list[Reply]:
        """As many streamed requests as replies, at the same time and interleaved chunk by chunk."""

        async def run() -> list[Reply]:
            name = next(iter(self.models))
            return await asyncio.gather(
                *(
                    self._answer(Asked(build_request("Hello", model=name, stream=True)), self._models_for(list(reply)))
                    for reply in replies
                )
            )

        return self._run(run())

    def close(self) -> None:
        """Closes the plugins, as the gateway does at its end. May be called again."""
        if self._end.alive:
            self._run(self.chain.close())
            self._run(self._loop.shutdown_default_executor())
            self._end()

    def __enter__(self) -> PluginHarness:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Inside.

    def _warn_of_gaps(self) -> None:
        for mounted in self.chain.plugins:
            if (gap := streaming_gap(type(mounted.plugin))) is not None:
                warnings.warn(f"plugin '{mounted.name}' {gap}", stacklevel=3)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if asyncio._get_running_loop() is not None:
            work.close()
            raise RuntimeError("PluginHarness runs its own event loop: call it from a plain `def` test")
        return self._loop.run_until_complete(work)

    def _models_for(self, reply: Turn | ScriptedModel | None) -> Mapping[str, ScriptedModel]:
        if reply is None:
            return self.models
        scripted = reply if isinstance(reply, ScriptedModel) else ScriptedModel(reply)
        return dict.fromkeys(self.models, scripted)

    async def _answer(self, asked: Asked, models: Mapping[str, ScriptedModel]) -> Reply:
        self._count += 1
        walk = Walk(
            self.chain,
            models,
            asked,
            request_id=f"test-{self._count}",
            project=self.project,
            max_retries=self.max_retries,
            max_turns=self.max_turns,
        )
        await walk.run()
        received = Accumulator()
        for chunk in walk.sent:
            received.add(chunk)
        return Reply(
            status=walk.status,
            error=walk.error,
            response=received.value(),
            chunks=[chunk for chunk in walk.sent if chunk.has_content] if asked.streaming else [],
            events=list(walk.sent) if asked.streaming else [],
            context=walk.ctx,
            requests=walk.requests,
            detached=walk.detached,
        )

    def _mounted(self, mount: Mount) -> MountedPlugin:
        cls = mount.plugin if isinstance(mount.plugin, type) else type(mount.plugin)
        if found := check_plugin_class(cls):
            raise ConfigError([ConfigProblem(message) for message in found])
        metadata = cls.metadata
        config = prepare_config(metadata.configuration_schema, {} if mount.config is None else mount.config)
        if metadata.configuration_model is not None:
            try:
                config = metadata.configuration_model.model_validate(config)
            except ValueError as error:
                raise ConfigError(str(error)) from None
        answer = self._run(cls().validate_config(config)) if isinstance(mount.plugin, type) else True
        if answer is False:
            answer = f"'{metadata.name}' does not accept these settings"
        wrong = [answer] if isinstance(answer, str) else answer
        if isinstance(wrong, Sequence) and wrong:
            raise ConfigError([ConfigProblem(message, "config") for message in wrong])
        plugin = cls() if isinstance(mount.plugin, type) else mount.plugin
        plugin.gateway = self._services
        self._run(plugin.configure(config))
        return MountedPlugin(
            name=mount.name or metadata.name,
            plugin=plugin,
            priority=mount.priority,
            condition=mount.condition,
            on_error=mount.on_error,
            timeout=mount.timeout,
        )


def _end(loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_running():
        loop.close()


class _Services(GatewayServices):
    def __init__(self, project: str, models: Sequence[str], http_client: Any) -> None:
        self._project = project
        self._models = models
        self._http_client = http_client
        self._shared: dict[str, Any] = {}

    def shared(self, key: str, factory: Callable[[], Any]) -> Any:
        if key not in self._shared:
            self._shared[key] = factory()
        return self._shared[key]

    def http_client(self) -> Any:
        if self._http_client is None:
            raise LookupError("give the harness an http_client: PluginHarness(…, http_client=…)")
        return self._http_client

    @property
    def models(self) -> Sequence[str]:
        return self._models

    @property
    def project(self) -> str:
        return self._project
