"""All rows, by name, in the order of the table."""

from teltest.web import library_catalog, rust_catalog  # noqa: F401 (they add their rows)
from teltest.web.client_catalog import CLIENTS
from teltest.web.proxy_catalog import PROXY_CLIENTS, PROXY_SERVERS
from teltest.web.server_catalog import SERVERS

ALL = CLIENTS | PROXY_CLIENTS | SERVERS | PROXY_SERVERS
