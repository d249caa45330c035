"""The words are those of docs/errors.md."""

from pathlib import Path

from mutirao.errors import RETRIED

DOCUMENT = Path(__file__).parents[3] / "docs/errors.md"


def test_what_is_retried_is_what_the_document_says() -> None:
    section = next(part for part in DOCUMENT.read_text().split("\n## ") if part.startswith("Error codes"))
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    assert {row[0] for row in rows if row[2] == "yes"} == RETRIED
