# SPDX-License-Identifier: MIT
"""A web application, with gunicorn's own log and the access log, logs to the journal.

    gunicorn --config gunicorn_web.py gunicorn_web:application         GET /ORDER packs it
"""
from shop import pack

# gunicorn: what follows is its configuration as well as the application.
workers = 4
accesslog = "-"
logconfig_dict = {
    "version": 1, "disable_existing_loggers": False,
    "handlers": {"journal": {"class": "journal_handler.JournalHandler", "identifier": "shop-gunicorn"}},
    "root": {"level": "INFO", "handlers": ["journal"]},
    "loggers": {"gunicorn.error": {"handlers": ["journal"], "propagate": False},
                "gunicorn.access": {"handlers": ["journal"], "propagate": False}},
}


def application(environ, start_response):
    pack(int(environ["PATH_INFO"].strip("/")))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"packed\n"]
