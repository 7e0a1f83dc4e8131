"""Print what the stations measured: how often, the mean, the spread and the trend in degrees a day."""

import sys

import numpy as np
import pandas as pd


def trend(group):
    days = (group["day"] - group["day"].min()).dt.days
    return np.polyfit(days, group["temperature"], 1)[0]


def report(path):
    data = pd.read_csv(path, parse_dates=["day"]).dropna()
    by_station = data.groupby("station")
    table = by_station["temperature"].agg(["count", "mean", "std"])
    table["trend"] = pd.Series({name: trend(group) for name, group in by_station})
    return table.round(2)


if __name__ == "__main__":
    print(report(sys.argv[1] if len(sys.argv) > 1 else "measurements.csv").to_string())
