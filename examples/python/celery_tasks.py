# SPDX-License-Identifier: MIT
"""Tasks of Celery, and Celery's own log, log to the journal.

    celery --app celery_tasks worker                                   pack.delay(ORDER) packs it
"""
import logging
import os

from celery import Celery
from celery.signals import setup_logging

import shop
from journal_handler import JournalHandler

app = Celery("shop", broker=os.environ.get("BROKER", "redis://"))
app.conf.task_ignore_result = True
pack = app.task(shop.pack)


@setup_logging.connect  # else Celery sets logging up anew, its own way
def set_up(**_):
    logging.basicConfig(level=logging.INFO, handlers=[JournalHandler("shop-celery")], format="%(message)s")
