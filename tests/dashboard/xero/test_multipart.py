"""The body of an upload."""

from __future__ import annotations

import io
import tracemalloc

from dashboard.xero.multipart import upload_body


class TestUploadBody:
    def test_the_wire_form_is_the_documented_one(self):
        upload = upload_body("a b.pdf", "application/pdf", b"bytes", 5, "key")
        boundary = upload.content_type.removeprefix("multipart/form-data; boundary=")
        assert upload.body.decode() == (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="a b.pdf"; filename="a b.pdf"\r\n'
            "Content-Type: application/pdf\r\n"
            "\r\n"
            "bytes\r\n"
            f"--{boundary}--\r\n"
        )

    def test_the_same_key_makes_the_same_bytes_in_every_release(self):
        upload = upload_body("a.pdf", "application/pdf", b"bytes", 5, "push-81-upload-1")
        assert upload.content_type == (
            "multipart/form-data; boundary=chase-6e5ec571fd29b82151250047e30fc762b62c188d"
        )

    def test_a_file_is_held_in_memory_once(self):
        size = 8_000_000
        content = io.BytesIO(b"x" * size)
        tracemalloc.start()
        try:
            upload = upload_body("a.pdf", "application/pdf", content, size, "key")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(upload.body) > size
        assert peak < 1.5 * size

    def test_a_body_is_not_shown(self):
        upload = upload_body("a.pdf", "application/pdf", b"the-content", 11, "key")
        assert "the-content" not in repr(upload)
