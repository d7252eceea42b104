"""A shard as a shard process of the container has it. A request is named by its change record."""

import os

from bench_flow import serve  # type: ignore[import-not-found]  # beside it, where it runs
from bench_records import Records  # type: ignore[import-not-found]  # as above

from dropslot.runtimes.assembly import build_shard_engine
from dropslot.settings import Settings

shard = build_shard_engine(Settings.from_env(os.environ))
run = Records(shard).run

if __name__ == "__main__":
    serve(run)
    shard.close()
