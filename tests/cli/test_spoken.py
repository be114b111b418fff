"""Verbs that run on a schedule say lines of JSON where they are told to, and plain text everywhere else."""

import json

from evershelf.cli.spoken import Spoken
from tests.cli.test_main import evershelf

JSON_LINES = {"EVERSHELF_CLI_JSON_LINES": "true"}


def test_a_verb_that_fails_says_so_in_json(tmp_path):
    # Promise: also the last line, of an expected failure, is an object with a level and a time; the exit code stays.
    plain = evershelf("models", "promote", "gone", "--data-dir", str(tmp_path / "none"))
    spoken = evershelf("models", "promote", "gone", "--data-dir", str(tmp_path / "none"), **JSON_LINES)
    assert spoken.returncode == plain.returncode != 0
    line = json.loads(spoken.stdout)
    assert (line["event"], line["level"], spoken.stderr) == ("verb_said", "warning", "")
    assert line["text"] == plain.stderr.strip()
    assert line["timestamp"].endswith("Z")


def test_what_a_verb_prints_as_json_stays_json(tmp_path):
    # Promise: an answer over many lines is one object of the log.
    spoken = evershelf("models", "list", "--json", "--data-dir", str(tmp_path / "none"), **JSON_LINES)
    line = json.loads(spoken.stdout)
    assert (line["event"], line["told"]) == ("verb_told", [])


def test_a_line_that_is_written_in_parts_is_one_event():
    # Promise: an event is a line, however its writer cuts it; empty lines are none.
    said: list[dict[str, object]] = []
    stream = Spoken(lambda **event: said.append(event))
    for part in ("held: ", "the gate", "\n", "\n", '{\n  "outcome": "held"\n}\n'):
        stream.write(part)
    assert said == [
        {"event": "verb_said", "text": "held: the gate"},
        {"event": "verb_told", "told": {"outcome": "held"}},
    ]
    assert not stream.isatty()
