"""A page that counts its visits in the database of the project's other environment."""

import os
from contextlib import closing
from pathlib import Path

import psycopg2
from flask import Flask

SOCKET = Path(__file__).parent.resolve() / "data"

app = Flask(__name__)


def visit():
    """Note one more visit and return how many there were."""
    with closing(psycopg2.connect(host=SOCKET, user="postgres", dbname="shop")) as connection, connection:
        cursor = connection.cursor()
        cursor.execute("create table if not exists visits (at timestamptz default now())")
        cursor.execute("insert into visits default values")
        cursor.execute("select count(*) from visits")
        return cursor.fetchone()[0]


@app.get("/")
def index():
    return f"<!doctype html>\n<title>Shop</title>\n<h1>Visit {visit()}</h1>\n"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
