"""PyPI project -> Debian package, for popular projects that bookworm and trixie both have."""

import re
from typing import Final

_SAME: Final = """
    aiohttp alembic apscheduler asgiref babel bcrypt blinker boto3 botocore celery certifi cffi
    click colorama coverage cryptography dask docker docutils fastapi feedparser filelock flask
    freezegun geopandas gevent h5py html5lib httpx hypothesis idna itsdangerous jsonschema loguru
    lxml markdown markupsafe marshmallow matplotlib mock networkx nltk numba numpy openpyxl
    packaging pandas paramiko passlib pexpect platformdirs plotly prompt-toolkit protobuf psutil
    psycopg psycopg2 pycurl pydantic pygments pymongo pymysql pyproj pytest pytest-cov redis
    requests responses rich scipy scrapy seaborn selenium setuptools shapely simplejson six
    sqlalchemy starlette statsmodels structlog sympy tables tabulate tenacity termcolor textual toml
    tomli tomlkit torch tornado tqdm twisted typer ujson urllib3 urwid uvicorn watchdog websockets
    werkzeug wheel whitenoise wtforms xarray xlrd xlsxwriter zstandard
"""
"""Those packaged as `python3-` and the name."""

_OTHER: Final = {
    "attrs": "python3-attr",
    "beautifulsoup4": "python3-bs4",
    "black": "black",
    "django": "python3-django",
    "djangorestframework": "python3-djangorestframework",
    "flake8": "flake8",
    "flask-cors": "python3-flask-cors",
    "flask-login": "python3-flask-login",
    "flask-sqlalchemy": "python3-flask-sqlalchemy",
    "flask-wtf": "python3-flaskext.wtf",
    "grpcio": "python3-grpcio",
    "gunicorn": "gunicorn",
    "ipykernel": "python3-ipykernel",
    "ipython": "ipython3",
    "isort": "isort",
    "jinja2": "python3-jinja2",
    "msgpack": "python3-msgpack",
    "mypy": "mypy",
    "mysqlclient": "python3-mysqldb",
    "netcdf4": "python3-netcdf4",
    "notebook": "jupyter-notebook",
    "opencv-python": "python3-opencv",
    "opencv-python-headless": "python3-opencv",
    "pillow": "python3-pil",
    "psycopg2-binary": "python3-psycopg2",
    "pyjwt": "python3-jwt",
    "pylint": "pylint",
    "pynacl": "python3-nacl",
    "pyserial": "python3-serial",
    "python-dateutil": "python3-dateutil",
    "python-dotenv": "python3-dotenv",
    "pytz": "python3-tz",
    "pyusb": "python3-usb",
    "pyyaml": "python3-yaml",
    "pyzmq": "python3-zmq",
    "scikit-image": "python3-skimage",
    "scikit-learn": "python3-sklearn",
    "sphinx": "python3-sphinx",
    "texttable": "python3-texttable",
    "tox": "tox",
}

DEBIAN_NAMES: Final = {name: f"python3-{name}" for name in _SAME.split()} | _OTHER


def debian_package(project: str) -> str:
    """Return the Debian package of a PyPI project, or an empty text where none is known."""
    return DEBIAN_NAMES.get(re.sub(r"[-_.]+", "-", project).lower(), "")
