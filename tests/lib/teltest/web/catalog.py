"""All rows, by name, in the order of the table."""

from teltest.web.client_catalog import CLIENTS
from teltest.web.server_catalog import SERVERS

ALL = CLIENTS | SERVERS
