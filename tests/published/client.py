"""Reads NGSI-LD by a client that we did not write: PyPI ngsildclient. Prints what it found, as JSON."""

import json
import sys

from ngsildclient import Client

client = Client(hostname="127.0.0.1", port=int(sys.argv[1]))
spots = client.query(type="ParkingSpot", limit=5)
one = client.get(sys.argv[2])
# The client says things of its own before.
print()
json.dump(
    {
        "count": client.count(type="ParkingSpot"),
        "spots": sorted(spot["name"]["value"] for spot in spots),
        "one": one["status"]["value"],
    },
    sys.stdout,
)
