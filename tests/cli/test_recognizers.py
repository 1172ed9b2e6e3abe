"""``bauta recognizers``: what there is, and fetching without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bauta.weights.records import records

Run = Callable[..., Result]
Parse = Callable[[Result], Any]


def test_list_names_all_and_what_is_here(bauta: Run, parsed: Parse) -> None:
    rows = {row["name"]: row for row in parsed(bauta("recognizers", "list", "--json"))}
    assert set(rows) == set(records())
    assert rows["dlib-resnet"]["installed"] is True
    assert rows["mobilefacenet-ms1m"]["installed"] is False
    text = bauta("recognizers", "list")
    assert text.exit_code == 0
    lines = {line.split()[0]: line for line in text.stdout.splitlines() if line.strip()}
    assert " yes " in lines["dlib-resnet"]
    assert " fetch " in lines["mobilefacenet-ms1m"]
    assert lines["dlib-landmarks-68"].rstrip().endswith("no")


def test_show_takes_weights_and_recognizers(bauta: Run, parsed: Parse) -> None:
    by_user = parsed(bauta("recognizers", "show", "dlib-native", "--json"))
    by_file = parsed(bauta("recognizers", "show", "dlib-resnet", "--json"))
    assert by_user["sha256"] == by_file["sha256"] == records()["dlib-resnet"].sha256
    assert [facts["name"] for facts in by_file["recognizers"]] == ["dlib", "dlib-native"]
    text = bauta("recognizers", "show", "mobilefacenet-ms1m").stdout
    assert records()["mobilefacenet-ms1m"].sha256 in text
    assert "far-1%" in text


@pytest.mark.parametrize("command", ["show", "fetch"])
def test_unknown_name(bauta: Run, command: str) -> None:
    result = bauta("recognizers", command, "mobilefacenet")
    assert result.exit_code == 2
    assert "did you mean mobilefacenet-ms1m" in result.stderr


def test_fetch_refuses_a_wrong_file(bauta: Run, tmp_path: Path) -> None:
    stick = Path("stick [x]")
    stick.mkdir()
    (stick / "mobilefacenet.pt").write_bytes(b"not the weights")
    result = bauta("recognizers", "fetch", "mobilefacenet-ms1m", "--from", stick)
    assert result.exit_code == 1
    assert records()["mobilefacenet-ms1m"].sha256 in result.stderr
    assert "Apache-2.0" in result.stderr
    assert result.stdout == ""
    assert not list(tmp_path.rglob("no data/**/*.pt*"))


def test_fetch_without_the_file_or_the_folder(bauta: Run) -> None:
    result = bauta("recognizers", "fetch", "mobilefacenet-ms1m", "--from", "[/nowhere]")
    assert result.exit_code == 1
    assert "[/nowhere]/mobilefacenet.pt" in result.stderr


def test_fetch_asks_about_licences_that_forbid_commerce(bauta: Run) -> None:
    refused = bauta("recognizers", "fetch", "dlib-landmarks-68")
    assert refused.exit_code == 2
    assert "may not be used commercially" in refused.stderr
    assert (
        bauta("recognizers", "fetch", "dlib-landmarks-68", "--accept-noncommercial").exit_code == 0
    )


@pytest.mark.shared
def test_fetch_prints_names_as_they_are(
    bauta: Run, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "[/home]"))
    result = bauta("recognizers", "fetch", "mobilefacenet-ms1m", "--from", shared / "weights")
    assert result.exit_code == 0
    assert f"{tmp_path}/[/home]/bauta/weights/mobilefacenet.pt" in result.stdout
