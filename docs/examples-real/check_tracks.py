"""Who was in which area, and when: told from the plots alone, then compared with the alerts.

    python3 check_tracks.py telemetry.ndjson areas.geojson alerts.ndjson sea.incursion vessel

A visit begins and ends where the straight line between two plots crosses the polygon, and ends after 900 s without a
plot. No uncertainty, no rule about how many plots: plain geometry.
"""

import collections
import json
import sys
from datetime import datetime

LOST_S = 900.0


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def inside(ring, at):
    (x, y), odd = at, False
    for (x1, y1), (x2, y2) in zip(ring, ring[1:]):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


def crossing_s(ring, before, after):
    low, high, side = 0.0, 1.0, inside(ring, before[1])
    between = lambda share: tuple(a + share * (b - a) for a, b in zip(before[1], after[1]))
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(ring, between(middle)) == side else (low, middle)
    return before[0] + high * (after[0] - before[0])


def visits_of(plots, ring, end_s):
    """Lists of [from, to or None, plots inside]."""
    visits, now, before = [], None, None
    for plot in plots:
        if now and plot[0] - before[0] >= LOST_S:
            visits.append([now[0], before[0], now[1]])
            now = None
        if inside(ring, plot[1]):
            now = now or [crossing_s(ring, before, plot) if before else plot[0], 0]
            now[1] += 1
        elif now:
            visits.append([now[0], crossing_s(ring, before, plot), now[1]])
            now = None
        before = plot
    if now:
        visits.append([now[0], None if end_s - before[0] < LOST_S else before[0], now[1]])
    return visits


telemetry, areas, alerts, of_class, prohibition = sys.argv[1:6]
tracks, track_of = collections.defaultdict(list), {}
for plot in map(json.loads, open(telemetry)):
    tracks[plot["track"]].append((seconds(plot["time"]), (plot["object_lon"], plot["object_lat"])))
    track_of[plot["id"]] = plot["track"]
end_s = max(plot[0] for plots in tracks.values() for plot in plots)
visits = collections.defaultdict(list)
for feature in json.load(open(areas))["features"]:
    if prohibition in feature["properties"]["prohibits"]:
        for track, plots in tracks.items():
            found = visits_of(sorted(plots), feature["geometry"]["coordinates"][0], end_s)
            if found:
                visits[feature["properties"]["area"], track] = found
newest = {}
for properties in (json.loads(line)["properties"] for line in open(alerts)):
    if properties["class"] == of_class:
        newest[properties["alert"]] = properties
said = collections.defaultdict(list)
for alert in newest.values():
    if alert["status"] != "retracted":
        said[alert["areas"][0], track_of[alert["evidence"][0]["id"]]].append(alert)

print(f"{sum(map(len, tracks.values()))} plots of {len(tracks)} tracks")
print(f"{sum(map(len, visits.values()))} visits of {len(visits)} pairs of track and area")
print(f"{sum(map(len, said.values()))} alerts about {len(said)} pairs, {len(set(said) & set(visits))} of them visited")
enter_s, leave_s, alone = [], [], []
for pair, alerts_of_pair in said.items():
    left = list(visits.get(pair, []))
    for alert in sorted(alerts_of_pair, key=lambda alert: alert["from"]):
        visit = min(left, key=lambda visit: abs(visit[0] - seconds(alert["from"])), default=None)
        if visit is None or abs(visit[0] - seconds(alert["from"])) > 60:
            print("no visit for", pair, alert["from"])
            continue
        left.remove(visit)
        enter_s.append(abs(visit[0] - seconds(alert["from"])))
        if visit[1] and "to" in alert:
            leave_s.append(abs(visit[1] - seconds(alert["to"])))
    alone += [(pair, visit) for visit in left]
alone += [(pair, visit) for pair in visits if pair not in said for visit in visits[pair]]
for name, errors in (("enter", sorted(enter_s)), ("leave", sorted(leave_s))):
    if errors:
        print(f"{name}: {len(errors)}, |error| median {errors[len(errors) // 2]:.4f} s, 90% {errors[int(0.9 * len(errors))]:.4f} s, most {errors[-1]:.3f} s")
for pair, visit in alone:
    print("no alert of its own:", pair, f"{visit[2]} plots, {(visit[1] or end_s) - visit[0]:.0f} s")
