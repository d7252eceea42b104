"""A worker: a supervisor that sweeps, its daemon, and the daemon's shard processes."""

import asyncio
from typing import TYPE_CHECKING

from dropslot.adapters.counters import MemoryCounters
from dropslot.engine.sweep import Sweep, SweepOptions
from tests.simulation.loop import Image, VirtualClock
from tests.simulation.reader import Lease, Reader

if TYPE_CHECKING:
    from tests.simulation.world import World

SWEEP_INTERVAL_SECONDS = 10.0
SWEEP_GRACE_MS = 40_000


async def sweep_for_ever(world: "World", image: Image) -> None:
    """Sweep, and start again when the sweep failed, as the supervisor does."""
    while True:
        sweep = Sweep(
            requests=world.port(),
            clock=VirtualClock(world.loop),
            counters=MemoryCounters(),
            options=SweepOptions(interval_seconds=SWEEP_INTERVAL_SECONDS, grace_ms=SWEEP_GRACE_MS),
        )
        try:
            await sweep.run()
        except Exception:  # noqa: BLE001 - it is what the guarantee rests on
            await asyncio.sleep(5)


class Worker:
    """One host of the fleet.

    Args:
        world: everything around it.
        name: for the history.
    """

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.supervisor = Image(f"{name} supervisor")
        self.daemon = Image(f"{name} daemon")
        self.supervisor.dead = self.daemon.dead = True
        self.stopping = False
        self.daemon_stopping = False
        self.frozen = False
        self.readers: list[Reader] = []

    @property
    def takes_leases(self) -> bool:
        """Tell whether its daemon can take leases."""
        return not (self.daemon.dead or self.stopping or self.frozen)

    def start(self) -> None:
        """Start the host, unless the fleet has left meanwhile."""
        if self.world.fleet.retired:
            return
        self.world.history.note("worker starts", detail=self.name)
        self.stopping = self.daemon_stopping = False
        self.supervisor = Image(f"{self.name} supervisor")
        self.world.spawn(sweep_for_ever(self.world, self.supervisor), self.supervisor)
        self._start_daemon()

    def take(self, lease: Lease) -> None:
        """Take a lease."""
        reader = Reader(self, lease)
        lease.owner = reader
        self.readers.append(reader)
        reader.start()

    def process_ended(self, reader: Reader, reason: str) -> None:
        """Notice the end of a shard process: unless it was time for it, the daemon gives up."""
        if reader.finished or reader.daemon.dead:
            return
        self.world.history.note("daemon gives up", detail=f"{self.name}: {reason}")
        self._order_stop()
        # It goes on delivering until the others have drained.
        delay = self.world.random.choice((1, 3, 10)) * self.world.random.random()
        self.world.loop.call_later(delay, self._daemon_dies, reader.daemon, context=self.supervisor.context)

    def stop(self) -> bool:
        """Stop in order, as on SIGTERM, and start again some time later; False if it can't be told to."""
        if not self.takes_leases:
            return False
        self.world.history.note("worker stops", detail=self.name)
        self.stopping = True
        self._order_stop()
        # The daemon may well deliver another batch before it turns to its own end.
        self.world.loop.call_later(self.world.random.uniform(0, 2), self._stop_daemon, context=self.daemon.context)
        self.world.loop.call_later(30, self.crash, "stopped", context=self.supervisor.context)
        return True

    def crash(self, why: str) -> bool:
        """Lose the host with all on it; another takes its name later. False if it is down already."""
        if self.supervisor.dead:
            return False
        self.world.history.note("host lost", detail=f"{self.name}: {why}")
        self.supervisor.dead = self.daemon.dead = True
        for reader in self.readers:
            if not reader.process.image.dead:
                reader.process.kill("with its host")
        self._orphan_leases()
        self.world.loop.call_later(self.world.random.uniform(1, 25), self.start, context=self.world.nobody)
        return True

    def freeze(self, seconds: float) -> bool:
        """Let the host stand still, as a paused virtual machine does; its leases expire. False if it is down."""
        if self.supervisor.dead or self.frozen:
            return False
        self.world.history.note("host freezes", detail=f"{self.name} for {seconds:.0f} s")
        self.frozen = True
        images = [self.supervisor, self.daemon, *(reader.process.image for reader in self.readers)]
        for image in images:
            self.world.loop.freeze(image)
        for reader in self.readers:
            self.world.fleet.expire(reader, if_frozen=True)
        self.world.loop.call_later(seconds, self._thaw, images, seconds, context=self.world.nobody)
        return True

    def _thaw(self, images: list[Image], seconds: float) -> None:
        self.frozen = False
        for image in images:
            self.world.loop.thaw(image, seconds)
        self.world.fleet.offer()

    def _order_stop(self) -> None:
        """Have the shard processes start nothing more."""
        for reader in self.readers:
            reader.process.stopping = True

    def _stop_daemon(self) -> None:
        self.daemon_stopping = True
        for reader in self.readers:
            reader.wake()

    def _start_daemon(self) -> None:
        self.daemon = Image(f"{self.name} daemon")
        for reader in self.readers:  # a worker's name is its own for good: it takes its leases back at once
            self.world.fleet.release(reader)
        self.readers.clear()
        self.world.fleet.offer()

    def _daemon_dies(self, daemon: Image) -> None:
        if daemon.dead:
            return
        daemon.dead = True
        for reader in self.readers:
            reader.process.pipe.close()
        self._orphan_leases()
        delay = self.world.random.uniform(1, 8)
        self.world.loop.call_later(delay, self._start_daemon, context=self.supervisor.context)

    def _orphan_leases(self) -> None:
        for reader in self.readers:
            if reader.wake in reader.lease.shard.readers:
                reader.lease.shard.readers.remove(reader.wake)
            self.world.fleet.expire(reader)
