"""A shard process with amazon_kclpy's own loop, and a processor that does the same as the tiny engine."""

import json
import os
from pathlib import Path
from typing import Any

from amazon_kclpy import kcl  # type: ignore[import-untyped]  # the package has no types
from amazon_kclpy.v3 import processor  # type: ignore[import-untyped]


class Processor(processor.RecordProcessorBase):  # type: ignore[misc]  # as above
    """Checkpoints each batch at its last record."""

    def initialize(self, initialize_input: Any) -> None:
        """Take the shard."""

    def process_records(self, process_records_input: Any) -> None:
        """Do what the data says."""
        records = process_records_input.records
        with Path(os.environ["TINY_OUT"]).open("a") as out:
            for record in records:
                word = record.binary_data.decode()
                out.write(json.dumps({"sequence_number": record.sequence_number, "data": word}) + "\n")
                if word == "raise":
                    raise RuntimeError("a handler's bug that got through")
        if records:
            process_records_input.checkpointer.checkpoint(records[-1].sequence_number)

    def lease_lost(self, lease_lost_input: Any) -> None:
        """Do nothing."""

    def shard_ended(self, shard_ended_input: Any) -> None:
        """Close the shard."""
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input: Any) -> None:
        """Do nothing: all is checkpointed."""


if __name__ == "__main__":
    kcl.KCLProcess(Processor()).run()
