"""The person who connects an account: a browser without scripts, and a site of Confluence to consent on."""

import html
import json
import os
import re
import socket
import subprocess
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx


class Form(HTMLParser):
    """The fields of a page's form, as a browser would send them untouched, and the choices of each list."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.choices, self.option = "", {}, {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.fields.setdefault(given["name"], []).append(given.get("value", ""))
        elif tag == "select":
            self.select = given["name"]
        elif tag == "option":
            self.option = given["value"]
            if self.select not in self.fields or "selected" in given:
                self.fields[self.select] = [self.option]

    def handle_data(self, text):
        if self.option is not None:
            self.choices.setdefault(self.select, {})[text.strip()] = self.option
            self.option = None


class Person:
    """A browser with cookies, that goes where pages and redirects send it, but not to the application's own pages."""

    def __init__(self, *hosts):
        self.hosts = [urlsplit(h).netloc for h in hosts]
        self.browser = httpx.Client(follow_redirects=False, timeout=10)

    def go(self, method, url, fields=None):
        """The last page and its address; the page is None where the way leads to the application."""
        for _ in range(10):
            if urlsplit(url).netloc not in self.hosts:
                return url, None
            answer = self.browser.request(method, url, data=fields)
            to = answer.headers.get("location")
            if to is None and (m := re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)):
                to = html.unescape(m[1])
            if to is None:
                return url, answer
            method, url, fields = "GET", urljoin(url, to), None
        raise AssertionError(f"too many redirects, the last to {url}")

    def submit(self, url, page, **given):
        form = Form(page.text)
        for name, value in given.items():
            form.fields[name] = [form.choices.get(name, {}).get(value, value)]
        return self.go("POST", urljoin(url, form.action), form.fields)

    def connect(self, link, account, decision="accept", **given):
        """Walks from a connect link over the consent of an account of the site to the end."""
        url, page = self.go("GET", link)
        assert page.status_code == 200 and "Continue to Confluence" in page.text, page.text
        url, page = self.submit(url, page, **given)
        assert page is not None and "asks for access" in page.text, page and page.text
        return self.submit(url, page, account=account, decision=decision)

    def enter(self, link, **given):
        """Fills in a connect link's form for credentials."""
        return self.submit(*self.go("GET", link), **given)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Site:
    """A running `sluice sandbox` that lets an app return to the router."""

    def __init__(self, home, port, redirect):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}
        self.process = subprocess.Popen(
            [os.environ["SLUICE_BINARY"], "sandbox", "--addr", f"127.0.0.1:{port}", "--oauth-redirect", redirect, "--json"],
            env=environment | {"SLUICE_HOME": str(home)}, stdout=subprocess.PIPE, text=True,
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        assert lines, "the sandbox did not start"
        for name, value in json.loads("".join(lines)).items():
            setattr(self, name, value)

    def stop(self):
        self.process.terminate()
        self.process.stdout.read()
        assert self.process.wait(30) == 0, "the sandbox did not stop cleanly"
