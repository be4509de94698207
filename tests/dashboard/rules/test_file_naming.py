from __future__ import annotations

import re
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.rules.file_naming import file_name, folder_key, folder_name, with_suffix

RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)$")
anything = st.text(max_size=300)
extensions = st.sampled_from(["pdf", "jpeg", ".PDF", "docx", "7z", "numbers"])


class TestFileName:
    @pytest.mark.parametrize(
        ("client", "kind", "year", "extension", "name"),
        [
            ("Hartley & Co Ltd", "P60", "2025-26", "pdf", "Hartley and Co Ltd_P60_2025-26.pdf"),
            ("Hartley", "VAT  return", "2025/26", "PDF", "Hartley_VAT return_2025-26.pdf"),
            ("Hartley", "P60", "", "png", "Hartley_P60.png"),
            ("J.R. O'Brien", "P45", "2026", "pdf", "JR OBrien_P45_2026.pdf"),
            ("Müller Straße", "Æther", "", "pdf", "Muller Strasse_AEther.pdf"),
            ("株式会社", "P60", "2026", "pdf", "Client_P60_2026.pdf"),
            ("\u202efdp.exe", "P60", "", "pdf", "fdp exe_P60.pdf"),
            ("../../etc/passwd", "a:b*c?", "", "txt", "etc passwd_a b c.txt"),
            ("😀", "\x00", "  ", "pdf", "Client_Document.pdf"),
            ("a_b", "c__d", "", "pdf", "a b_c d.pdf"),
        ],
    )
    def test_parts_become_plain_and_stay_apart(
        self, client: str, kind: str, year: str, extension: str, name: str
    ) -> None:
        assert file_name(client, kind, year, extension) == name

    def test_a_long_client_is_shortened_first(self) -> None:
        name = file_name("Very long name " * 20, "Bank statement October", "2025-26", "pdf")
        assert len(name) <= 100
        assert name.endswith("_Bank statement October_2025-26.pdf")

    @given(anything, anything, st.text(max_size=40), extensions)
    def test_every_name_is_safe(self, client: str, kind: str, year: str, extension: str) -> None:
        name = file_name(client, kind, year, extension)
        stem, dot, ending = name.rpartition(".")
        assert re.fullmatch(r"[A-Za-z0-9 ()\-_]+\.[a-z0-9]+", name)
        assert len(name) <= 100
        assert dot == "."
        assert ending == extension.lower().lstrip(".")
        assert stem == stem.strip(" ._-")
        assert "  " not in name
        assert "__" not in name
        assert not RESERVED.match(stem)
        assert 1 <= stem.count("_") <= 2

    @given(anything, anything, anything, extensions)
    def test_a_name_survives_its_own_header(
        self, client: str, kind: str, year: str, extension: str
    ) -> None:
        name = file_name(client, kind, year, extension)
        message = Message()
        message.add_header("Content-Disposition", "form-data", name="file", filename=name)
        assert message.get_filename() == name

    @given(anything, anything, anything, extensions)
    def test_the_same_facts_always_give_the_same_name(
        self, client: str, kind: str, year: str, extension: str
    ) -> None:
        names = {file_name(client, kind, year, extension) for _ in range(2)}
        assert len(names) == 1


class TestSuffix:
    def test_the_second_file_of_a_name_is_numbered_before_the_extension(self) -> None:
        assert with_suffix("Hartley_P60.pdf", 2) == "Hartley_P60 (2).pdf"
        assert with_suffix("Hartley_P60.pdf", 1) == "Hartley_P60.pdf"

    @given(anything, anything, st.integers(2, 99_999))
    def test_a_suffix_keeps_to_the_longest_length(self, client: str, kind: str, n: int) -> None:
        name = with_suffix(file_name(client, kind, "2026", "pdf"), n)
        assert len(name) <= 100
        assert name.endswith(f" ({n}).pdf")


class TestFolders:
    def test_a_year_folder_is_a_neighbour_of_the_base(self) -> None:
        assert folder_name() == "chase.md"
        assert folder_name("2025/26") == "chase.md 2025-26"
        assert folder_name("2025-26", base="chase md") == "chase md 2025-26"

    @given(st.text(max_size=60))
    def test_a_folder_name_is_short_and_plain(self, year: str) -> None:
        assert re.fullmatch(r"chase\.md( [A-Za-z0-9 ()\-]+)?", folder_name(year))
        assert len(folder_name(year)) <= 50

    def test_folders_are_found_by_name_whatever_the_case(self) -> None:
        assert folder_key("  Chase.MD ") == folder_key("chase.md")
        assert folder_key("chase.md 2025-26") != folder_key("chase.md")
