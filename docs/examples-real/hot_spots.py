"""Did hot spots change where the war began, when it began? Not by the program: it looks at no hot spot alone.

    python3 hot_spots.py telemetry.ndjson 2022-02-24

Dry grass burns by season and weather, thirteen times as much in one February as in the one before, so a count says nothing.
What is compared is one part of the country with another under the same season: the north (29 to 35° E, north of 49.8° N,
where the published phases have the first weeks) with the west (west of 27° E). For each stretch of days: the logarithm of
the ratio of their counts, less that of the four weeks before it. No other day than the one asked about is picked.
"""

import collections
import json
import math
import sys
from datetime import date, timedelta

telemetry, asked = sys.argv[1], date.fromisoformat(sys.argv[2])
counts = {"north": collections.Counter(), "west": collections.Counter(), "all": collections.Counter()}
for spot in map(json.loads, open(telemetry)):
    day, lon, lat = date.fromisoformat(spot["time"][:10]), spot["object_lon"], spot["object_lat"]
    counts["all"][day] += 1
    if lat > 49.8 and 29 <= lon < 35:
        counts["north"][day] += 1
    elif lon < 27:
        counts["west"][day] += 1
first, last = min(counts["all"]), max(counts["all"])


def total(part, start, days):
    return sum(counts[part][start + timedelta(n)] for n in range(days))


def ratio(start, days):
    # Five on either side: a ratio of nothing to nothing is one.
    return math.log((total("north", start, days) + 5) / (total("west", start, days) + 5))


def change(start, days):
    return ratio(start, days) - ratio(start - timedelta(28), 28)


for days in (1, 3, 7):
    starts = [first + timedelta(n) for n in range(28, (last - first).days + 2 - days)]
    changes = {start: change(start, days) for start in starts}
    larger = sorted((start for start in starts if changes[start] > changes[asked]), key=lambda it: -changes[it])
    print(
        f"{days} days from {asked}: north {total('north', asked, days)}, west {total('west', asked, days)}, "
        f"{math.exp(changes[asked]):.1f} times the ratio before; larger in {len(larger)} of {len(starts)}: "
        + ", ".join(map(str, larger[:5]))
    )
year_before = asked.replace(year=asked.year - 1)
for name, start in (("year before", year_before), ("year asked about", asked)):
    month = start.replace(day=1)
    print(f"{name}: {total('all', month, (start - month).days)} from {month} to the day before {start}")
