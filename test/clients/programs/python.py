"""Python's own clients: asks on the standard input, one a line, and what came of each in a line.

python.py http.client|urllib
"""

import hashlib
import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def read_pieces(file):
    """Without a length, http.client and urllib send what is iterated in chunks."""
    while piece := file.read(65536):
        yield piece


def body_of(ask):
    if "bodyFile" not in ask:
        return None
    file = open(ask["bodyFile"], "rb")
    return read_pieces(file) if ask.get("streamed") else file.read()


def told(ask, response):
    if ask.get("leave"):
        response.read(1)
        content = b""
    else:
        content = response.read()
    return {
        "status": response.status,
        "headers": response.headers.items(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": content.decode() if response.status >= 400 else "",
        "error": "",
    }


connections = {}


def connect(url):
    """The proxy is asked for the whole URL, or for a tunnel: http.client leaves both to its caller."""
    proxy = os.environ.get("http_proxy")
    if proxy is None:
        return http.client.HTTPConnection(url.netloc)
    proxy = urlsplit(proxy).netloc
    if url.scheme == "http":
        return http.client.HTTPConnection(proxy)
    connection = http.client.HTTPSConnection(proxy)
    connection.set_tunnel(url.hostname, url.port or 443)
    return connection


def by_http_client(ask):
    url = urlsplit(ask["url"])
    origin = f"{url.scheme}://{url.netloc}"
    connection = connections.setdefault(origin, connect(url))
    target = ask["url"] if url.scheme == "http" and "http_proxy" in os.environ else ask["url"][len(origin):]
    headers = dict(ask["headers"])
    body = body_of(ask)
    chunked = bool(ask.get("streamed"))
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    try:
        connection.request(ask["method"], target, body, headers, encode_chunked=chunked)
        answer = told(ask, connection.getresponse())
    except BaseException:
        connection.close()
        raise
    if ask.get("leave"):
        connection.close()
    return answer


def by_urllib(ask):
    request = urllib.request.Request(
        ask["url"], data=body_of(ask), headers=dict(ask["headers"]), method=ask["method"]
    )
    try:
        with urllib.request.urlopen(request) as response:
            return told(ask, response)
    except urllib.error.HTTPError as error:
        # An answer all the same.
        with error:
            return told(ask, error)


carry_out = {"http.client": by_http_client, "urllib": by_urllib}[sys.argv[1]]
for line in sys.stdin:
    try:
        answer = carry_out(json.loads(line))
    except Exception as error:
        answer = {"status": 0, "headers": [], "sha256": "", "text": "", "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
