"""A forward proxy on loopback that answers for Atlassian's hosts with the sandbox, under a CA made for the run."""

import datetime
import http.client
import http.server
import ssl
import threading
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ["api.atlassian.com", "auth.atlassian.com", "sandbox.atlassian.net"]
HOP = {"host", "connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"}


def _certificate(name, hosts, issuer, issuer_key, key, ca):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
    made = made.not_valid_after(now + datetime.timedelta(hours=2))
    made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if hosts:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False)
    return made.sign(issuer_key, hashes.SHA256())


def _pem(path, *parts):
    path.write_bytes(b"".join(parts))
    return str(path)


class Proxy:
    """Listens on a free port. `url` goes into HTTPS_PROXY and `ca` into REQUESTS_CA_BUNDLE."""

    def __init__(self, folder, sandbox_url):
        pem = serialization.Encoding.PEM
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Acceptance run", [], None, root_key, root_key, True)
        leaf = _certificate(HOSTS[0], HOSTS, root.subject, root_key, key, False)
        self.ca = _pem(folder / "ca.pem", root.public_bytes(pem))
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(_pem(folder / "leaf.pem", secret, leaf.public_bytes(pem)))
        self.target, self.heard = urlsplit(sandbox_url).netloc, []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def _handler(proxy):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self):
                if self.path.rpartition(":")[0] not in HOSTS:
                    self.send_error(403, "not a host of this run")
                    return
                self.send_response(200)
                self.end_headers()
                self.connection = proxy.tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
                self.close_connection = False

            def forward(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                upstream = http.client.HTTPConnection(proxy.target, timeout=30)
                upstream.request(self.command, self.path, body or None, {k: v for k, v in self.headers.items() if k.lower() not in HOP})
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                proxy.heard.append((self.command, self.path, answer.status))
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP | {"date", "server"}:
                        self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = forward

            def log_message(self, *_):
                pass

        return Handler
