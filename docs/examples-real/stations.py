"""Says of every station how far it hears, how surely, and how often it picks.

    python3 stations.py sensors.geojson telemetry.ndjson range_m detect_p hours share > stations.geojson

`false_per_hour` becomes the station's own picks an hour times `share`. For P and S picks of one station in one file a
share of 0.5 stands for each of the two phases.
"""

import collections
import json
import sys

sensors, telemetry, range_m, detect_p, hours, share = sys.argv[1:7]
with open(telemetry) as lines:
    picks = collections.Counter(json.loads(line)["node"] for line in lines)
collection = json.load(open(sensors))
for feature in collection["features"]:
    properties = feature["properties"]
    per_hour = picks[properties["node"]] / float(hours)
    properties.update(range_m=float(range_m), detect_p=float(detect_p), false_per_hour=round(float(share) * per_hour, 2))
json.dump(collection, sys.stdout)
