#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends all queries of a Grafana dashboard to Prometheus, with the variables filled in.

    dashboard.py URL FILE    prints for each expression: the number of series, the panel, the expression

Status 1 if one of them cannot be parsed or has no data, or names a variable or a metric that is
not known.
"""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

# As "All", and an interval of some scrapes.
VARIABLES = {"__rate_interval": "20s"}


def fetch(url, path, **parameters):
    """Returns the data of an answer of Prometheus."""
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)["error"]) from error


def fill(expression):
    """The expression without variables."""

    def value(name):
        if name[1] not in VARIABLES:
            raise ValueError(f"there is no variable {name[0]}")
        return VARIABLES[name[1]]

    return re.sub(r"\$\{?(\w+)\}?", value, expression)


def values_of(url, query):
    """What a variable can be: label_values(METRIC, LABEL)."""
    metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    return fetch(url, f"label/{label}/values", **{"match[]": fill(metric)})


def main(url, file):
    """Asks for everything."""
    with open(file, encoding="utf-8") as source:
        dashboard = json.load(source)
    asked = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            asked.append((variable["label"], query, lambda q: values_of(url, q)))
            VARIABLES[variable["name"]] = variable["allValue"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            get = lambda e: fetch(url, "query", query=fill(e))["result"]
            asked.append((panel["title"], target["expr"], get))
    known = fetch(url, "label/__name__/values")
    good = True
    for title, expression, get in asked:
        try:
            found = len(get(expression))
            # Some are never without data, as with "or vector(0)".
            for metric in re.findall(r"nft_offload_\w+", expression):
                if metric not in known:
                    raise ValueError(f"there is no metric {metric}")
            print(found, title, expression, sep="\t")
            good = good and found > 0
        except ValueError as error:
            print(error, title, expression, sep="\t")
            good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
