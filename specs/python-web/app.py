"""A small web application: a page, and its data as JSON."""

import os
import platform

from flask import Flask, jsonify, render_template_string

PAGE = """<!doctype html>
<title>{{ title }}</title>
<h1>{{ title }}</h1>
<p>Python {{ python }} on {{ system }}.
<p><a href="{{ url_for('about') }}">as JSON</a>
"""

app = Flask(__name__)


def facts():
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return {"title": "It works", "python": platform.python_version(), "system": system}


@app.get("/")
def index():
    return render_template_string(PAGE, **facts())


@app.get("/about.json")
def about():
    return jsonify(facts())


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
