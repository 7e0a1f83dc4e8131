"""A page that counts its visits in the database, and keeps the number in the cache for a second."""

import pathlib
from contextlib import closing

import psycopg2
import redis
from flask import Flask

PASSWORD = pathlib.Path("/run/secrets/db-password").read_text().strip()

app = Flask(__name__)
cache = redis.Redis(host="cache")


def visits():
    """Note one more visit and return how many there were."""
    with (
        closing(psycopg2.connect(host="db", user="postgres", dbname="shop", password=PASSWORD)) as link,
        link,
    ):
        cursor = link.cursor()
        cursor.execute("create table if not exists visits (at timestamptz default now())")
        cursor.execute("insert into visits default values")
        cursor.execute("select count(*) from visits")
        return cursor.fetchone()[0]


@app.get("/")
def index():
    number = visits()
    cache.setex("visits", 1, number)
    return f"<!doctype html>\n<title>Shop</title>\n<h1>Visit {number}</h1>\n"


@app.get("/health")
def health():
    cache.ping()
    return "well\n"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=8000)
