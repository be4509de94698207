from __future__ import annotations

import io
import zipfile

import pytest

from dashboard.rules.file_sizes import size_in_words
from dashboard.rules.upload_policy import (
    ACCEPTED_EXTENSIONS,
    LARGEST_UPLOAD,
    AcceptedFile,
    RefusalKind,
    UploadRefusal,
    check,
    extension_of,
)

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600
MAIL = b"From: rob@smith.example\r\nTo: tom@x.example\r\nSubject: Hi\r\n\r\nText\r\n"
BMP = b"BM" + b"\x36\x00\x00\x00" + b"\x00" * 8 + b"\x28\x00\x00\x00" + b"\x01\x00\x00\x00" * 10


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def office(part: str) -> bytes:
    return archive(**{"[Content_Types].xml": b"<Types/>", part: b"<x/>"})


def ole(stream: str) -> bytes:
    return OLE + stream.encode("utf-16-le") + b"\x00" * 64


GOOD = {
    "7z": b"7z\xbc\xaf\x27\x1c\x00\x04",
    "bmp": BMP,
    "csv": b"date,amount\n2026-01-01,12.00\n",
    "doc": ole("WordDocument"),
    "docx": office("word/document.xml"),
    "eml": MAIL,
    "gif": b"GIF89a\x01\x00\x01\x00",
    "jpeg": JPEG,
    "jpg": JPEG,
    "key": archive(Index__Document_iwa=b"").replace(b"Document_iwa", b"Document.iwa"),
    "keynote": archive(index_apxl=b"").replace(b"index_apxl", b"index.apxl"),
    "msg": ole("__properties_version1.0"),
    "numbers": archive(Index__Document_iwa=b"").replace(b"Document_iwa", b"Document.iwa"),
    "odf": archive(mimetype=b"application/vnd.oasis.opendocument.formula"),
    "ods": archive(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"),
    "odt": archive(mimetype=b"application/vnd.oasis.opendocument.text"),
    "pages": archive(Index__Document_iwa=b"").replace(b"Document_iwa", b"Document.iwa"),
    "pdf": PDF,
    "png": PNG,
    "ppt": ole("PowerPoint Document"),
    "pptx": office("ppt/presentation.xml"),
    "rar": b"Rar!\x1a\x07\x01\x00",
    "rtf": b"{\\rtf1\\ansi hello}",
    "tif": b"II*\x00\x08\x00\x00\x00",
    "tiff": b"MM\x00*\x00\x00\x00\x08",
    "txt": "Grüße aus Köln".encode(),
    "xls": ole("Workbook"),
    "xlsx": office("xl/workbook.xml"),
    "zip": archive(note=b"hello"),
    "zipx": archive(note=b"hello"),
}


def judged(name: str, content: bytes) -> AcceptedFile | UploadRefusal:
    return check(name, io.BytesIO(content))


def refused(name: str, content: bytes) -> UploadRefusal:
    found = judged(name, content)
    assert isinstance(found, UploadRefusal)
    return found


class TestAcceptedTypes:
    def test_there_is_a_sample_of_every_type(self) -> None:
        assert set(GOOD) == ACCEPTED_EXTENSIONS

    @pytest.mark.parametrize("extension", sorted(GOOD))
    def test_a_true_file_is_taken(self, extension: str) -> None:
        found = judged(f"Statement.{extension.upper()}", GOOD[extension])
        assert isinstance(found, AcceptedFile)
        assert found.extension == extension
        assert found.size == len(GOOD[extension])
        assert "/" in found.mime_type

    @pytest.mark.parametrize("extension", sorted(GOOD))
    def test_a_picture_is_not_taken_under_another_name(self, extension: str) -> None:
        content = GOOD["gif"] if extension == "png" else PNG
        if extension == "png" or GOOD[extension] != PNG:
            assert refused(f"x.{extension}", content).kind is RefusalKind.CONTENT_MISMATCH

    def test_a_document_with_an_embedded_workbook_may_be_either(self) -> None:
        both = ole("WordDocument") + "Workbook".encode("utf-16-le")
        assert isinstance(judged("a.doc", both), AcceptedFile)
        assert isinstance(judged("a.ppt", both), UploadRefusal)

    def test_a_wide_text_file_from_excel_is_text(self) -> None:
        assert isinstance(judged("a.csv", "a;b\r\n1;2".encode("utf-16")), AcceptedFile)

    def test_the_file_is_left_at_its_start(self) -> None:
        content = io.BytesIO(PDF)
        check("a.pdf", content)
        assert content.tell() == 0


class TestRefusals:
    def test_ten_million_bytes_are_the_limit(self) -> None:
        exactly = PDF.ljust(LARGEST_UPLOAD, b" ")
        assert isinstance(judged("a.pdf", exactly), AcceptedFile)
        assert refused("a.pdf", exactly + b" ").kind is RefusalKind.TOO_LARGE

    def test_a_large_file_says_how_large_and_what_to_do(self) -> None:
        found = refused("a.pdf", b" " * 31_000_000)
        assert found.sentence == "This file is 31 MB. Xero takes up to 10 MB."
        assert found.fix == "Replace it with a smaller file."

    def test_a_file_just_over_the_limit_never_reads_as_within_it(self) -> None:
        assert refused("a.pdf", b" " * 10_000_001).sentence.startswith("This file is 11 MB.")

    def test_an_empty_file_is_refused(self) -> None:
        assert refused("a.pdf", b"").kind is RefusalKind.EMPTY

    @pytest.mark.parametrize(
        ("name", "sentence", "fix"),
        [
            ("a.heic", "Xero does not take .heic files.", "Convert it to PDF or JPEG."),
            ("a.html", "Xero does not take .html files.", "Convert it to PDF."),
            ("a.exe", "Xero does not take .exe files.", "Convert it to PDF."),
            ("invoice.pdf.exe", "Xero does not take .exe files.", "Convert it to PDF."),
        ],
    )
    def test_a_type_xero_does_not_take_is_named(self, name: str, sentence: str, fix: str) -> None:
        found = refused(name, b"MZ\x90\x00")
        assert found == UploadRefusal(RefusalKind.TYPE_NOT_ACCEPTED, sentence, fix)

    def test_a_name_without_an_ending_is_refused(self) -> None:
        assert refused("statement", PDF).kind is RefusalKind.TYPE_NOT_ACCEPTED

    def test_a_mismatch_says_what_the_file_really_is(self) -> None:
        found = refused("statement.pdf", PNG)
        assert found.sentence.startswith("This file is called .pdf but is a PNG picture")

    def test_a_stranger_is_named_too(self) -> None:
        heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
        assert "HEIF" in refused("photo.jpg", heic).sentence

    def test_a_locked_office_file_is_told_to_lose_its_password(self) -> None:
        found = refused("accounts.xlsx", ole("EncryptedPackage"))
        assert "password" in found.sentence
        assert found.fix == "Save it without a password and upload it again."

    # Named, because an archive holds the time it was made at, and ids must not differ by worker.
    @pytest.mark.parametrize(
        "broken",
        [b"PK\x03\x04" + b"\x00" * 50, archive(a=b"x")[:40]],
        ids=["header alone", "cut short"],
    )
    def test_a_damaged_archive_is_no_document(self, broken: bytes) -> None:
        assert "damaged ZIP" in refused("a.docx", broken).sentence

    def test_bytes_that_are_no_text_are_no_text(self) -> None:
        assert refused("a.txt", b"abc\x00def").kind is RefusalKind.CONTENT_MISMATCH
        assert refused("a.csv", b"\xff\xfea").kind is RefusalKind.CONTENT_MISMATCH

    def test_a_declared_type_too_long_to_be_true_is_not_read(self) -> None:
        bomb = archive(mimetype=b"application/vnd.oasis.opendocument.text".ljust(5000))
        assert refused("a.odt", bomb).kind is RefusalKind.CONTENT_MISMATCH


class TestNames:
    @pytest.mark.parametrize(
        ("name", "extension"),
        [("a.PDF", "pdf"), ("C:\\x.y\\a", ""), ("a", ""), (".pdf", ""), ("a.b.Docx ", "docx")],
    )
    def test_an_extension_is_what_follows_the_last_dot(self, name: str, extension: str) -> None:
        assert extension_of(name) == extension


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "words"),
        [
            (1, "1 byte"),
            (812, "812 bytes"),
            (1_000, "1 kB"),
            (24_300, "25 kB"),
            (2_400_000, "2.4 MB"),
            (9_999_999, "10 MB"),
            (31_000_000, "31 MB"),
        ],
    )
    def test_sizes_read_as_people_say_them(self, size: int, words: str) -> None:
        assert size_in_words(size) == words
