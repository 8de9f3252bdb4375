"""Two Ray nodes of one core each on this machine, until standard input ends (a script of the tests of the Ray engine).

Prints their address. A busy machine is given three tries: Ray itself waits fifteen seconds for its own helpers.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


def start() -> Cluster:
    for tries_left in (2, 1, 0):
        cluster = Cluster()
        try:
            cluster.add_node(**NODE)
            cluster.add_node(**NODE)
            break
        except Exception:
            cluster.shutdown()
            if not tries_left:
                raise
    return cluster


def main() -> None:
    cluster = start()
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
