"""When a cluster has recovered from a fault."""

from cluster.rig import Rig
from cluster.scene import FEEDS


async def until_healed(rig: Rig) -> None:
    """Wait until every partition of every feed has a leader, and all of its replicas are in sync."""
    for feed in FEEDS:
        await rig.admin.until_in_sync(feed.topic)
