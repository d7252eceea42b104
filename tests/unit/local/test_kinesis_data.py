"""The stream's data under --persist: kept after an orderly stop, given up after any other."""

import threading
from pathlib import Path

from dropslot.local import kinesis_data
from dropslot.local.relay.state import RelayState, read, save


def test_an_orderly_stop_keeps_everything(tmp_path: Path) -> None:
    """Given data that was written after the last record, the next start finds it and the relay's positions."""
    data, relay = tmp_path / "kinesis", tmp_path / "relay.json"
    save(relay, RelayState(stream_arn="arn", positions={"shard": "7"}))
    assert kinesis_data.begin(data, relay) is False
    writer = threading.Timer(0.05, (data / "kinesis-data.json").write_text, ['{"streams": {}}'])
    writer.start()
    assert kinesis_data.settle(data, 10)
    writer.join()

    assert kinesis_data.begin(data, relay) is False
    assert (data / "kinesis-data.json").exists()
    assert read(relay).positions == {"shard": "7"}


def test_any_other_end_gives_the_stream_up(tmp_path: Path) -> None:
    """Given no orderly stop, the next start is without data, and the relay begins again but keeps its counts."""
    data, relay = tmp_path / "kinesis", tmp_path / "relay.json"
    kinesis_data.begin(data, relay)
    (data / "kinesis-data.json").write_text("")
    save(relay, RelayState(stream_arn="arn", positions={"shard": "7"}, counted={"shard": "7"}))

    assert kinesis_data.begin(data, relay) is True
    assert not (data / "kinesis-data.json").exists()
    assert read(relay).positions == {}
    assert read(relay).counted == {"shard": "7"}


def test_a_file_cut_in_the_middle_is_not_complete(tmp_path: Path) -> None:
    """Given a file that is still being written, waiting for it ends without taking the mark away."""
    data = tmp_path / "kinesis"
    kinesis_data.begin(data, tmp_path / "relay.json")
    (data / "kinesis-data.json").write_text('{"streams": {')

    assert not kinesis_data.settle(data, 0.1)
    assert kinesis_data.begin(data, tmp_path / "relay.json") is True
