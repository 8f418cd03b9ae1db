"""The one rule by which all programs are scored: pairs of report and event that agree, one to one, the best pair first.

Simulated events are compared by evidence: |A∩B| / max(|A|, |B|) ≥ 0.6. Recorded ones, whose evidence nobody knows,
by time and place. Reports and events are dicts with `time` (seconds), `place` (lon, lat) and `ids` (a set).
"""

import bisect
from collections import defaultdict

from picks import distance_m

SAME_EVIDENCE = 0.6


def by_evidence(reports, events):
    of = defaultdict(list)
    for e, event in enumerate(events):
        for pick in event["ids"]:
            of[pick].append(e)
    for r, report in enumerate(reports):
        shared = defaultdict(int)
        for pick in report["ids"]:
            for e in of[pick]:
                shared[e] += 1
        for e, common in shared.items():
            agreement = common / max(len(report["ids"]), len(events[e]["ids"]))
            if agreement >= SAME_EVIDENCE - 1e-12:
                yield -agreement, r, e


def by_place(near_s, near_m):
    def pairs(reports, events):
        order = sorted(range(len(events)), key=lambda e: events[e]["time"])
        times = [events[e]["time"] for e in order]
        for r, report in enumerate(reports):
            first = bisect.bisect_left(times, report["time"] - near_s)
            for e in order[first : bisect.bisect_right(times, report["time"] + near_s)]:
                apart_m = distance_m(report["place"], events[e]["place"])
                if apart_m <= near_m:
                    yield ((report["time"] - events[e]["time"]) / near_s) ** 2 + (apart_m / near_m) ** 2, r, e

    return pairs


def matched(pairs):
    """{event: report} when each report and each event is in one pair at most."""
    reports, events = set(), {}
    for _, r, e in sorted(pairs):
        if r not in reports and e not in events:
            reports.add(r)
            events[e] = r
    return events


def inside(reports, events):
    """A catalogue says nothing of what lies outside its time: reports there do not count."""
    from_s, to_s = min(e["time"] for e in events) - 60.0, max(e["time"] for e in events) + 60.0
    return [report for report in reports if from_s <= report["time"] <= to_s]


def score(reports, events, rule):
    """Counts and shares of what was reported in the events' time."""
    reports = inside(reports, events)
    found = len(matched(rule(reports, events)))
    precision, recall = found / max(len(reports), 1), found / len(events)
    return dict(
        events=len(events), reported=len(reports), found=found,
        precision=round(precision, 4), recall=round(recall, 4), f1=round(2 * found / (len(reports) + len(events)), 4),
    )
