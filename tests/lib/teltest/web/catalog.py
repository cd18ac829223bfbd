"""All rows, by name, in the order of the table."""

from teltest.web.client_catalog import CLIENTS

ALL = dict(CLIENTS)
