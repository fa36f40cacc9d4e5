"""What a client called and what came of it, kept as a table in docs/clients.md."""

import pathlib
import re
from urllib.parse import unquote, urlsplit

REPO = pathlib.Path(__file__).resolve().parents[3]
TABLE = REPO / "docs" / "clients.md"

# What differs from run to run in a path.
VARIABLE = [
    (re.compile(r"/(att)?\d+(?=/|$)"), "/{id}"),
    (re.compile(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=/|$)"), "/{id}"),
    (re.compile(r"/\d+:[0-9a-f-]{36}(?=/|$)"), "/{accountId}"),
]


def named(url):
    """The path of a URL, with names in the place of what differs from run to run."""
    path = unquote(urlsplit(url).path)
    for pattern, name in VARIABLE:
        path = pattern.sub(name, path)
    return path


class Ledger:
    """Rows of one client. `watch` gives it the requests session to listen to."""

    def __init__(self, update):
        self.update, self.rows, self.calls, self.called, self.said = update, [], [], set(), ""

    def watch(self, session):
        session.hooks["response"].append(self._heard)

    def _heard(self, response, **_):
        self.said = response.text[:300]
        self.calls.append((f"{response.request.method} {named(response.url)}", response.status_code))

    def ok(self, client, method, *args, **kwargs):
        """Call a method that must work: every answer below 400. Returns its result."""
        result = self._call(client, method, args, kwargs)
        bad = [c for c in self.calls if c[1] >= 400]
        assert not bad, f"{method}: {bad}"
        self._row(method, "passes")
        return result

    def refused(self, client, method, status, why, *args, **kwargs):
        """Call a method that the cloud answers with an error status, for the reason given."""
        try:
            self._call(client, method, args, kwargs)
        except Exception as error:  # each client and version has error types of its own
            raised = error
        else:
            raised = None
        assert self.calls, f"{method} called nothing: {raised!r}"
        assert self.calls[-1][1] == status, f"{method}: {self.calls}, {raised!r}"
        self._row(method, f"{status}: {why}")

    def broken(self, client, method, error, why, *args, **kwargs):
        """Call a method that fails in the client itself, whatever the server is."""
        try:
            self._call(client, method, args, kwargs)
        except error:
            self._row(method, f"fails in the client: {why}")
            return
        raise AssertionError(f"{method} was to raise {error.__name__}: {self.calls}")

    def _call(self, client, method, args, kwargs):
        self.calls = []
        self.called.add(method)
        try:
            result = getattr(client, method)(*args, **kwargs)
            return list(result) if hasattr(result, "__next__") else result
        except Exception as error:
            error.add_note(f"{method}: {self.calls}, {self.said}")
            raise

    def _row(self, method, result):
        paths = list(dict.fromkeys(c[0] for c in self.calls))
        row = (method, ", ".join(f"`{p}`" for p in paths) or "—", result)
        if row not in self.rows:
            self.rows.append(row)

    def check(self, heading, notes):
        """Compare the rows with the section of the table, or write them there."""
        passed = sum(r[2] == "passes" for r in self.rows)
        lines = [f"## {heading}", "", notes, "", f"{passed} of {len(self.rows)} rows pass; the rest say why not.", ""]
        lines += ["| Method | Calls | Result |", "|---|---|---|"]
        lines += [f"| {m} | {p} | {r} |" for m, p, r in self.rows]
        section = "\n".join(lines) + "\n"
        text = TABLE.read_text() if TABLE.exists() else HEAD
        parts = re.split(r"(?m)^(?=## )", text)
        found = [i for i, p in enumerate(parts) if p.startswith(f"## {heading}\n")]
        if self.update:
            if found:
                parts[found[0]] = section
            else:
                parts.append(section)
            ordered = [parts[0].rstrip("\n"), *(p.rstrip("\n") for p in sorted(parts[1:]))]
            TABLE.write_text("\n\n".join(ordered) + "\n")
            return
        assert found, f"docs/clients.md has no section {heading}: run with --update"
        assert parts[found[0]].rstrip("\n") == section.rstrip("\n"), "docs/clients.md differs: run with --update"


HEAD = """# Clients that others wrote, against the sandbox

Each of these clients runs as its authors released it, from its package registry,
against `sluice sandbox`. The tests that run them write this table and verify it
(`test/acceptance/run clients`; with `UPDATE=1` before it they write it anew). A row
that does not pass says what was answered and why: the API of Confluence Cloud has
no such call, has removed it or refuses it, or the client itself is wrong. Pages of
the web interface are not part of the API, and the sandbox does not have them.
"""
