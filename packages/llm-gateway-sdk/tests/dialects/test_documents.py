"""Documents go to a receiver in a type that it reads, as text, or not at all."""

from __future__ import annotations

import io
import re
import zipfile
from base64 import b64encode

import pytest

from llm_gateway_sdk import DialectError, MediaPart, Message, Part, TextPart, ToolResultPart
from llm_gateway_sdk.dialects.documents import NO_DOCUMENTS, OFFICE, PDF, document_type, fit_documents
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES
from llm_gateway_sdk.losses import Losses

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ODT = "application/vnd.oasis.opendocument.text"


def zipped(*names: str, first: tuple[str, str] | None = None) -> str:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as container:
        if first is not None:
            container.writestr(*first)
        for name in names:
            container.writestr(name, "<x/>" * 50)
    return b64encode(out.getvalue()).decode()


def plain(text: str) -> str:
    return b64encode(text.encode()).decode()


BYTES = {
    WORD: zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
    SHEET: zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    SLIDES: zipped("[Content_Types].xml", "ppt/presentation.xml"),
    ODT: zipped("content.xml", first=("mimetype", ODT)),
    "application/zip": zipped("readme", "photo.raw"),
    "application/pdf": plain("%PDF-1.7\n"),
    "application/rtf": plain("{\\rtf1 hello}"),
}


@pytest.mark.parametrize("media_type", BYTES)
def test_the_bytes_say_what_it_is_whatever_the_label(media_type: str) -> None:
    for label in (None, "", "application/pdf", "application/octet-stream", "Application/Octet-Stream; x=y"):
        for name in (None, "a file", "report.pdf"):
            part = MediaPart("document", media_type=label, data=BYTES[media_type], name=name)
            assert document_type(part) == media_type, (label, name)


def test_label_and_name_say_it_where_the_bytes_do_not() -> None:
    data = plain("a,b\n1,2\n")

    assert document_type(MediaPart("document", media_type="text/csv", data=data)) == "text/csv"
    assert document_type(MediaPart("document", data=data, name="T.CSV")) == "text/csv"
    assert document_type(MediaPart("document", data=data)) is None
    assert document_type(MediaPart("document", media_type=WORD, data=BYTES["application/zip"])) == WORD
    assert document_type(MediaPart("document", data="no base64 at all!")) is None


RECEIVERS = {
    "chat": (CHAT, PDF),
    "responses": (RESPONSES, PDF | OFFICE | {"text/*"}),
    "messages": (MESSAGES, PDF),
    "gemini": (GENERATE_CONTENT, PDF | {"text/*"}),
    "converse": (CONVERSE, PDF | {WORD, SHEET, "text/*"}),
}


@pytest.mark.parametrize("receiver", RECEIVERS)
@pytest.mark.parametrize("where", ["message", "result"])
def test_each_receiver_gets_what_it_reads(receiver: str, where: str) -> None:
    described, read = RECEIVERS[receiver]
    assert described.documents is not None
    texts = {"text/csv": plain("a,b"), "application/json": plain('{"a": 1}'), "image/svg+xml": plain("<svg/>")}
    for media_type, data in {**BYTES, **texts}.items():
        for label in (media_type, None) if media_type in BYTES else (media_type,):
            document: Part = MediaPart("document", media_type=label, data=data)
            content: list[Part] = [document if where == "message" else ToolResultPart("c", [TextPart("x"), document])]
            messages, losses = [Message("user", content)], Losses()
            if media_type in BYTES and media_type not in read:
                with pytest.raises(DialectError, match=re.escape(media_type)) as refused:
                    fit_documents(messages, described.documents, losses)
                assert refused.value.path == "messages[0].content[0]" + ("" if where == "message" else ".content[1]")
                continue
            [message] = fit_documents(messages, described.documents, losses)
            part = message.content[0]
            sent = part.content[1] if isinstance(part, ToolResultPart) else part
            assert isinstance(sent, MediaPart)
            if sent.text is None:
                assert sent.media_type == media_type
                assert (message is messages[0]) is (label == media_type)
            else:
                assert media_type in texts
                assert (sent.data, sent.media_type) == (None, "text/plain")
                assert "as text" in str([str(loss) for loss in losses])


def test_a_server_without_documents_gets_texts_alone() -> None:
    for data, label in ((plain("%PDF-1.7"), "application/pdf"), (plain("anything"), None)):
        with pytest.raises(DialectError, match="no documents but texts"):
            fit_documents([Message("user", [MediaPart("document", label, data)])], NO_DOCUMENTS, Losses())

    given = MediaPart("document", "text/plain", text="given")
    assert fit_documents([Message("user", [given])], NO_DOCUMENTS, Losses())[0].content == [given]


def test_text_that_is_not_utf8_is_refused() -> None:
    latin = MediaPart("document", "text/csv", b64encode("Zürich".encode("latin-1")).decode())

    with pytest.raises(DialectError, match="PDF and text documents, not 'text/csv'"):
        fit_documents([Message("user", [latin])], PDF, Losses())
