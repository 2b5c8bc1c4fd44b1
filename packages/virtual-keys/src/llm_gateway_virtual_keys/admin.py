"""What the plugin adds to the administration API: keys, and the principals that hold them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk import Store
from llm_gateway_sdk.admin import AdminCall, AdminError, AdminParameter, AdminReply, AdminRoute
from llm_gateway_sdk.numerals import whole_number

from .keyring import Keyring, UnknownKey
from .keys import KeyRecord

__all__ = ["key_routes"]

_TEXT = {"type": ["string", "null"]}
_TEXTS = {"type": ["array", "null"], "items": {"type": "string"}}
_MOMENT = {"type": ["number", "null"], "description": "Seconds since the epoch."}
_OWNER: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 200},
    "user": _TEXT,
    "team": _TEXT,
    "org": _TEXT,
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "models": _TEXTS,
    "projects": _TEXTS,
    "expires": _MOMENT,
}
_KEY: dict[str, Any] = {
    "type": "object",
    "title": "Key",
    "properties": {
        "id": {"type": "string"},
        **_OWNER,
        "state": {"enum": ["active", "revoked"], "type": "string"},
        "created": {"type": "number"},
        "createdBy": {"type": "string"},
        "changed": {"type": "number"},
        "formerUntil": _MOMENT,
    },
    "required": ["id", "name", "state"],
}
_MADE: dict[str, Any] = {
    **_KEY,
    "title": "MadeKey",
    "properties": {**_KEY["properties"], "key": {"type": "string", "description": "The key, shown this once."}},
    "required": ["id", "name", "state", "key"],
}
_NEW: dict[str, Any] = {
    "type": "object", "title": "NewKey", "properties": _OWNER, "required": ["name"], "additionalProperties": False,
}  # fmt: skip
_CHANGES: dict[str, Any] = {
    "type": "object", "title": "KeyChanges", "properties": _OWNER, "additionalProperties": False, "minProperties": 1,
}  # fmt: skip
_PRINCIPAL: dict[str, Any] = {
    "type": "object", "title": "Principal", "properties": {"id": {"type": "string"}, **{
        name: schema for name, schema in _OWNER.items() if name != "expires"
    }}, "required": ["id", "name"],
}  # fmt: skip
_ROTATION: dict[str, Any] = {
    "type": "object",
    "title": "Rotation",
    "properties": {
        "grace": {"type": "number", "minimum": 0, "default": 0, "description": "Seconds for the former secret."}
    },
    "additionalProperties": False,
}


def _page_of(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": f"{item['title']}Page",
        "properties": {"items": {"type": "array", "items": item}, "next": _TEXT},
        "required": ["items", "next"],
    }


_PAGING = (
    AdminParameter("after", "The `next` of the page before."),
    AdminParameter("limit", "Keys of a page.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
)
_SEARCH = AdminParameter("q", "What the keys have in id, name, holder, state or labels; all keys where it is empty.")


def key_routes(store: Store, pepper: bytes) -> list[AdminRoute]:
    """The routes for the keys in `store`."""
    api = _Keys(Keyring(store, pepper))
    one = "/keys/{id}"
    return [
        AdminRoute(
            method="GET", path="/keys", name="listKeys", summary="Keys by id.", role="viewer", handler=api.list,
            gives=_page_of(_KEY), query=(*_PAGING, _SEARCH),
        ),
        AdminRoute(
            method="POST", path="/keys", name="createKey", summary="Creates a key, and shows it once.", role="admin",
            handler=api.create, takes=_NEW, gives=_MADE, status=201, versioned=True,
        ),
        AdminRoute(
            method="GET", path=one, name="getKey", summary="One key, without its secret.", role="viewer",
            handler=api.show, gives=_KEY, versioned=True,
        ),
        AdminRoute(
            method="PATCH", path=one, name="updateKey", summary="Changes holder, rights or expiry.", role="admin",
            handler=api.update, takes=_CHANGES, gives=_KEY, versioned=True,
        ),
        AdminRoute(
            method="POST", path=one + "/rotate", name="rotateKey", summary="Gives a key another secret.", role="admin",
            handler=api.rotate, takes=_ROTATION, gives=_MADE, versioned=True,
        ),
        AdminRoute(
            method="POST", path=one + "/revoke", name="revokeKey", summary="Ends a key permanently.", role="operator",
            handler=api.revoke, gives=_KEY, versioned=True,
        ),
        AdminRoute(
            method="GET", path="/principals", name="listPrincipals", summary="Holders of usable keys.", role="viewer",
            handler=api.principals, gives=_page_of(_PRINCIPAL),
        ),
    ]  # fmt: skip


class _Keys:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def list(self, call: AdminCall) -> AdminReply:
        size = whole_number(call.query.get("limit", "100"))
        if size is None or not 1 <= size <= 1000:
            raise AdminError(400, "`limit` is a number from 1 to 1000.")
        after, wanted = call.query.get("after", ""), call.query.get("q", "").strip()
        if wanted:
            records = await self._keyring.search(wanted, after=after, limit=size)
        else:
            records = [record for record, _ in await self._keyring.page(after=after, limit=size)]
        following = records[-1].id if len(records) == size else None
        return AdminReply({"items": [_shown(record) for record in records], "next": following})

    async def create(self, call: AdminCall) -> AdminReply:
        owner = _owner(call.body)
        minted = await self._keyring.create(owner.pop("name"), by=call.by, source=call.address, **owner)
        return AdminReply({**_shown(minted.record), "key": minted.key}, 201, version=1)

    async def show(self, call: AdminCall) -> AdminReply:
        record, version = await self._get(call)
        return AdminReply(_shown(record), version=version)

    async def update(self, call: AdminCall) -> AdminReply:
        await self._get(call)
        changes = _owner(call.body)
        await self._keyring.update(call.path["id"], changes, expected=call.version, by=call.by, source=call.address)
        return await self.show(call)

    async def rotate(self, call: AdminCall) -> AdminReply:
        await self._get(call)
        grace = float((call.body or {}).get("grace", 0))
        try:
            minted = await self._keyring.rotate(
                call.path["id"], grace=grace, expected=call.version, by=call.by, source=call.address
            )
        except ValueError as error:
            raise AdminError(409, str(error)) from None
        _, version = await self._get(call)
        return AdminReply({**_shown(minted.record), "key": minted.key}, version=version)

    async def revoke(self, call: AdminCall) -> AdminReply:
        await self._get(call)
        await self._keyring.revoke(call.path["id"], expected=call.version, by=call.by, source=call.address)
        return await self.show(call)

    async def principals(self, call: AdminCall) -> AdminReply:
        now = time.time()
        usable = [record for record in await self._keyring.all() if record.usable(now)]
        items = [
            {name: shown[name] for name in ("id", "name", "user", "team", "org", "labels", "models", "projects")}
            for shown in map(_shown, usable)
        ]
        return AdminReply({"items": items, "next": None})

    async def _get(self, call: AdminCall) -> tuple[KeyRecord, int]:
        try:
            return await self._keyring.get(call.path["id"])
        except UnknownKey:
            raise AdminError(404, f"There is no key {call.path['id']}.") from None


def _owner(body: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(body)
    for name in ("models", "projects"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    return values


def _shown(record: KeyRecord) -> dict[str, Any]:
    shown = record.public()
    shown["createdBy"] = shown.pop("created_by")
    shown["formerUntil"] = shown.pop("former_until")
    return shown
