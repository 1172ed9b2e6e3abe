"""Weight records: complete, honest about licences, and refusing any file but the right one."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
from pathlib import Path

import pytest

from bauta.errors import RegistryError, UsageError, WeightsError
from bauta.weights import records as weights
from bauta.weights.records import available, locate, record, records, verify
from bauta.weights.table import WeightRecord

CONTENT = b"weights of a small network"


def make_record(**changes: object) -> WeightRecord:
    fields: dict[str, object] = {
        "name": "small",
        "kind": "recognizer",
        "architecture": "none",
        "filename": "small.bin",
        "source": "download",
        "url": "https://example.org/small.bin",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "licence": "MIT",
        "commercial_use": True,
        "training_data": "none",
        "origin": "https://example.org",
    }
    return WeightRecord(**(fields | changes))  # type: ignore[arg-type]  # of mixed types


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WeightRecord:
    """A record of its own, with the user's data folder and BAUTA_WEIGHTS out of the way."""
    row = make_record()
    monkeypatch.setattr(weights, "_RECORDS", {"small": row})
    monkeypatch.setattr(weights, "data_folder", lambda: tmp_path / "data")
    monkeypatch.delenv("BAUTA_WEIGHTS", raising=False)
    return row


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.bin"
    path.write_bytes(content)
    return path


# --- the table -------------------------------------------------------------------------------


def test_table_holds_the_pins_of_the_design() -> None:
    expected = {
        "mobilefacenet-ms1m": "90a00ba1d8b0b688af3deb731ed53dca582e6106805d1bc3cfdef55f570493f4",
        "yunet-2023mar": "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        "sface-2021dec": "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        "mobilenetv1-0.25": "eeda7d23d9c2b40cf77fa8da8e895b5697465192648852216074679657f8ee8b",
        "mobilenetv2": "38b148284dd48cc898d5d4453104252fbdcbacc105fe3f0b80e78954d9d20d89",
        "mobilenetv3-small": "d4acafa1039a82957aa8a9a1dac278a401c353a749c39df43de0e29cc1c127c3",
        "mobilenetv3-large": "0e48f8e11f070211716d03e5c65a3db35a5e917cfb5bc30552358629775a142a",
        "sphere20": "c02878cf658eb1861f580b7e7144b0d27cc29c440bcaa6a99d466d2854f14c9d",
        "sphere36": "13b3890cd5d7dec2b63f7c36fd7ce07403e5a0bbb701d9647c0289e6cbe7bb20",
    }
    downloads = {n: r.sha256 for n, r in records().items() if r.source == "download"}
    assert downloads == expected


@pytest.mark.parametrize("row", records().values(), ids=lambda row: row.name)
def test_every_record_is_complete(row: WeightRecord) -> None:
    assert records()[row.name] is row
    for field in ("architecture", "licence", "training_data"):
        assert getattr(row, field).strip(), field
    own = row.source == "shipped" and row.kind in ("recognizer", "watermark")
    assert row.origin.startswith("trained by Bauta" if own else "https://")
    if row.source == "download":
        assert row.url is not None
        assert row.url.startswith("https://")
        assert row.url.endswith("/" + row.filename)


def test_filenames_and_hashes_are_unique() -> None:
    for field in ("filename", "sha256"):
        values = [getattr(row, field) for row in records().values()]
        assert len(set(values)) == len(values), field


def test_git_lfs_files_come_from_the_host_that_serves_their_content() -> None:
    zoo = [row.url for row in records().values() if row.url and "opencv_zoo" in row.url]
    assert len(zoo) == 2
    assert all(url.startswith("https://media.githubusercontent.com/media/") for url in zoo)
    assert all("/main/" not in url for url in zoo)


def test_only_the_68_points_are_barred_from_commercial_use() -> None:
    barred = [name for name, row in records().items() if not row.commercial_use]
    assert barred == ["dlib-landmarks-68"]
    assert "300-W" in record("dlib-landmarks-68").training_data


def test_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        records()["new"] = make_record()  # type: ignore[index]  # read-only is the point
    with pytest.raises(dataclasses.FrozenInstanceError):
        record("sphere20").sha256 = "0" * 64  # type: ignore[misc]  # frozen is the point


def test_unknown_name_offers_close_ones() -> None:
    with pytest.raises(RegistryError, match=r"'yunet'.*yunet-2023mar"):
        record("yunet")
    with pytest.raises(RegistryError, match="known: dlib-resnet"):
        record("§")


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "0" * 63},
        {"sha256": "A" * 64},
        {"url": "http://example.org/small.bin"},
        {"url": None},
        {"source": "package"},
        {"filename": "../small.bin"},
        {"filename": ""},
    ],
)
def test_malformed_record_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="small"):
        make_record(**changes)


# --- files of the package --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name, row in records().items() if row.source == "package"]
)
def test_package_files_are_found_and_right_without_importing_the_package(name: str) -> None:
    path = locate(name)
    assert path.stat().st_size == record(name).size_bytes
    assert "face_recognition_models" not in sys.modules


def test_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_PACKAGE", "no_such_package_of_models")
    assert not available("dlib-resnet")
    with pytest.raises(WeightsError, match=r"pip install .*no_such_package_of_models==0.3.0"):
        locate("dlib-resnet")


# --- files in folders ------------------------------------------------------------------------


def test_missing_file_names_the_command_and_the_folders(
    small: WeightRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path / "offline"))
    with pytest.raises(WeightsError) as caught:
        locate("small")
    assert "bauta recognizers fetch small" in str(caught.value)
    assert str(tmp_path / "offline") in str(caught.value)
    assert str(tmp_path / "data") in str(caught.value)
    assert not available("small")


def test_folders_are_searched_in_order(
    small: WeightRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_data = put(tmp_path / "data")
    assert locate("small") == in_data
    second = put(tmp_path / "b")
    monkeypatch.setenv(
        "BAUTA_WEIGHTS", os.pathsep.join(["", str(tmp_path / "a"), str(tmp_path / "b")])
    )
    assert locate("small") == second
    first = put(tmp_path / "a")
    assert locate("small") == first


def test_empty_entries_do_not_mean_the_working_folder(
    small: WeightRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(put(tmp_path / "work").parent)
    monkeypatch.setenv("BAUTA_WEIGHTS", os.pathsep)
    assert not available("small")


def test_wrong_file_is_refused_and_hides_nothing(
    small: WeightRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(tmp_path / "data")
    wrong = put(tmp_path / "offline", b"something else")
    monkeypatch.setenv("BAUTA_WEIGHTS", str(wrong.parent))
    with pytest.raises(WeightsError) as caught:
        locate("small")
    message = str(caught.value)
    assert small.sha256 in message
    assert hashlib.sha256(b"something else").hexdigest() in message
    assert str(wrong) in message
    assert "bauta recognizers fetch small" in message
    assert not available("small")


def test_shipped_files_lie_in_the_package(
    small: WeightRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = make_record(source="shipped", url=None)
    monkeypatch.setattr(weights, "_RECORDS", {"small": row})
    monkeypatch.setattr(weights, "_SHIPPED", tmp_path / "shipped")
    put(tmp_path / "data")
    with pytest.raises(WeightsError, match="pip install"):
        locate("small")
    shipped = put(tmp_path / "shipped")
    assert locate("small") == shipped


def test_data_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the rule of XDG_DATA_HOME is that of Linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert weights.data_folder() == tmp_path / "bauta" / "weights"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.data_folder() == tmp_path / ".local/share/bauta/weights"


# --- verifying -------------------------------------------------------------------------------


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that a file is read to be hashed."""
    calls: list[str] = []
    real = weights.stream_sha256

    def counting(handle: object) -> str:
        calls.append(getattr(handle, "name", "?"))
        return real(handle)  # type: ignore[arg-type]  # a stand-in

    monkeypatch.setattr(weights, "stream_sha256", counting)
    return calls


def test_file_is_hashed_once_and_again_when_it_changes(tmp_path: Path, hashed: list[str]) -> None:
    path = put(tmp_path)
    verify(path, make_record())
    verify(path, make_record())
    assert len(hashed) == 1
    path.write_bytes(CONTENT.upper())  # the same length
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError):
        verify(path, make_record())
    assert len(hashed) == 2


def test_exchanged_file_of_equal_size_and_time_is_hashed_again(
    tmp_path: Path, hashed: list[str]
) -> None:
    path = put(tmp_path)
    verify(path, make_record())
    stat = path.stat()
    other = put(tmp_path / "other", CONTENT.upper())
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    with pytest.raises(WeightsError):
        verify(path, make_record())
    assert len(hashed) == 2


def test_remembered_hash_is_checked_against_each_record(tmp_path: Path) -> None:
    path = put(tmp_path)
    verify(path, make_record())
    with pytest.raises(WeightsError, match=f"actual {hashlib.sha256(CONTENT).hexdigest()}"):
        verify(path, make_record(sha256="0" * 64))


def test_unreadable_file_is_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot read"):
        verify(tmp_path / "absent.bin", make_record())
    with pytest.raises(WeightsError, match="cannot read"):
        verify(tmp_path, make_record())


def test_long_file_is_streamed_to_the_right_hash(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than two pieces
    path = put(tmp_path, content)
    verify(path, make_record(sha256=hashlib.sha256(content).hexdigest()))


@pytest.mark.shared
def test_folder_of_upstream_names_serves_as_bauta_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(os.environ.get("BAUTA_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    folder = root / "weights"
    if not (folder / "mobilefacenet.pt").is_file():
        pytest.skip(f"no weights in {folder}: set BAUTA_SHARED")
    monkeypatch.setenv("BAUTA_WEIGHTS", str(folder))
    for name in ("mobilefacenet-ms1m", "yunet-2023mar"):
        assert locate(name).parent == folder
        assert locate(name).stat().st_size == record(name).size_bytes
