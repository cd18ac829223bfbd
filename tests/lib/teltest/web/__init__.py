"""Real HTTP programs against real servers on this machine, with us and without: scripts/http-table."""
