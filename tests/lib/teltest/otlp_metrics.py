"""What OTLP's metrics have to say of totals and events: the mapping of docs/export.md, written a second
time."""

from collections import Counter, defaultdict

from teltest.otlp import as_dict

CUMULATIVE = 2
SCALE = 3  # of exponential histograms, unless they would have too many buckets
MOST_BUCKETS = 160


def metrics_of(requests):
    """{metric: {attributes: point}} of what came last: attributes are a frozenset of pairs. Checks what all
    points have in common."""
    found = defaultdict(dict)
    for request in requests:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in points(metric):
                        assert point.start_time_unix_nano <= point.time_unix_nano
                        key = frozenset(as_dict(point.attributes).items())
                        known = found[metric.name].get(key)
                        if known is None or known.time_unix_nano <= point.time_unix_nano:
                            found[metric.name][key] = point
    return dict(found)


def points(metric):
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    assert data.aggregation_temporality == CUMULATIVE
    if kind == "sum":
        assert data.is_monotonic
    assert metric.description and metric.unit
    return data.data_points


def resources_of(requests):
    return [as_dict(resource.resource.attributes) for request in requests
            for resource in request.resource_metrics]


def counts(metrics, name, *attributes):
    """{values of these attributes: sum of the points that have them}."""
    found = Counter()
    for key, point in metrics.get(name, {}).items():
        values = dict(key)
        found[tuple(values.get(attribute, "") for attribute in attributes)] += point.as_int
    return dict(found)


FUNCTION = ("code.function.name", "telinject.module", "code.file.path")


def functions(totals):
    """{(name, module, file): numbers} of a totals document: rows that have these in common are one."""
    found = {}
    for row in totals["functions"]:
        key = (row["function_name"], row.get("module", ""), row.get("function_file", ""))
        known = found.setdefault(key, {"calls": 0, "self_ns": 0, "total_ns": 0, "min_ns": row["min_ns"],
                                       "max_ns": 0})
        for name in ("calls", "self_ns", "total_ns"):
            known[name] += row[name]
        known["min_ns"] = min(known["min_ns"], row["min_ns"])
        known["max_ns"] = max(known["max_ns"], row["max_ns"])
    return found


def function_differences(metrics, totals):
    """What metrics say of functions otherwise than the totals do: [text]."""
    expected, found = functions(totals), []
    calls = counts(metrics, "function.calls", *FUNCTION)
    if calls != {key: row["calls"] for key, row in expected.items()}:
        found.append(f"calls of {set(calls.items()) ^ {(k, r['calls']) for k, r in expected.items()}}")
    for name in ("function.duration", "function.self_time"):
        if len(metrics[name]) != len(expected):
            found.append(f"{name} has {len(metrics[name])} points, not {len(expected)}")
    for key, point in metrics["function.duration"].items():
        row = expected.get(function_key(key))
        if row is None:
            found.append(f"{dict(key)}: is in no totals")
            continue
        got = {"calls": point.count, "total_ns": ns(point.sum), "min_ns": ns(point.min),
               "max_ns": ns(point.max)}
        wanted = {name: row[name] for name in got}
        if got != wanted:
            found.append(f"{dict(key)}: {got}, not {wanted}")
        if sum(buckets_of(point)) != point.count:
            found.append(f"{dict(key)}: buckets have {sum(buckets_of(point))}, not {point.count}")
    for key, point in metrics["function.self_time"].items():
        row = expected.get(function_key(key))
        if row is None or ns(point.as_double) != row["self_ns"]:
            found.append(f"{dict(key)}: self time is {point.as_double}")
    return found


def buckets_of(point):
    if hasattr(point, "explicit_bounds"):
        return list(point.bucket_counts)
    return [point.zero_count, *point.positive.bucket_counts]


def function_key(attributes):
    values = dict(attributes)
    return tuple(values.get(name, "") for name in FUNCTION)


def ns(seconds):
    return round(seconds * 1e9)


def bucket(duration_ns, scale):
    """The bucket that the definition says: 2^(i / 2^scale) < seconds <= 2^((i + 1) / 2^scale), in whole
    numbers: for scale >= 0 both sides are raised to the power of 2^scale."""
    power = 1 << max(scale, 0)
    step = 1 << max(-scale, 0)
    number, one = duration_ns**power, (10**9)**power

    def up_to(bound):  # seconds <= 2^(bound / 2^scale)
        exponent = bound * step
        return number <= one << exponent if exponent >= 0 else number << -exponent <= one

    low, high = -64 * power, 64 * power
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if up_to(middle) else (middle, high)
    return low


def histogram_differences(metrics, events):
    """Exponential histograms of functions against the durations of all events: [text]."""
    durations, found = defaultdict(list), []
    for event in events:
        if event["event_type"] == "function_exit":
            attributes = event["attributes"]
            key = (event["function_name"], attributes.get("module", ""), attributes.get("function_file", ""))
            durations[key].append(event["duration_ns"])
    known = {}
    for key, point in metrics["function.duration"].items():
        values = durations.pop(function_key(key), [])
        wanted = Counter(known.setdefault((value, point.scale), bucket(value, point.scale))
                         for value in values if value > 0)
        got = Counter({point.positive.offset + i: count
                       for i, count in enumerate(point.positive.bucket_counts) if count})
        if got != wanted or point.zero_count != values.count(0):
            found.append(f"{dict(key)}: {got - wanted} more, {wanted - got} less")
        if point.scale != SCALE and max(wanted) - min(wanted) + 1 <= MOST_BUCKETS // 2:
            found.append(f"{dict(key)}: scale {point.scale} for {min(wanted)} to {max(wanted)}")
    return found + [f"{key}: no histogram" for key in durations]


def request_differences(metrics, totals):
    """HTTP's histograms against the rows of the totals: [text]."""
    expected, got = Counter(), Counter()
    for row in totals["http"]:
        outcome = row.get("status_code") or row["error_type"]
        host = row["host"] if row["span_kind"] == "client" else ""
        expected[row["span_kind"], row["method"], host, outcome] += row["requests"]
    for side in ("client", "server"):
        for key, point in metrics.get(f"http.{side}.request.duration", {}).items():
            values = dict(key)
            host = ""
            if side == "client":
                port = values["server.port"]
                usual = {"http": 80, "https": 443}[values["url.scheme"]]
                host = values["server.address"] + ("" if port == usual else f":{port}")
            outcome = values.get("http.response.status_code") or values["error.type"]
            got[side, values["http.request.method"], host, outcome] += point.count
            assert sum(buckets_of(point)) == point.count
    return [f"{key}: {got[key]}, not {expected[key]}" for key in {*expected, *got}
            if got[key] != expected[key]]
