"""The app of the page's Python example, on the standard library: `/<way>/<user>` is answered by a call to the API."""

import asyncio
import json
import os
import random
import sys
import threading
import time
from socketserver import ThreadingMixIn
from urllib.error import HTTPError
from urllib.request import build_opener
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from onbehalf_example import AsgiHandle, UrllibHandle, WsgiHandle

API = os.environ["API_URL"]
opener = build_opener(UrllibHandle())


def call(user):
    try:
        with opener.open(f"{API}/{user}") as response:
            return {"status": response.status, "code": ""}
    except HTTPError as error:
        return {"status": error.code, "code": error.headers.get("x-onbehalf-error", "")}


def call_with_requests(user):
    import requests

    from onbehalf_example_requests import RequestsHandle

    session = requests.Session()
    session.mount("http://", RequestsHandle())
    response = session.get(f"{API}/{user}")
    return {"status": response.status_code, "code": response.headers.get("x-onbehalf-error", "")}


def wsgi(environ, start_response):
    _, way, user = environ["PATH_INFO"].split("/")
    time.sleep(random.random() * 0.02)
    told = call_with_requests(user) if way == "requests" else call(user)
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps(told).encode()]


async def asgi(scope, receive, send):
    _, _, user = scope["path"].split("/")
    await asyncio.sleep(random.random() * 0.02)
    told = await asyncio.to_thread(call, user)
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
by_wsgi = WsgiHandle(wsgi)
by_asgi = AsgiHandle(asgi)


def serve(environ, start_response):
    """An ASGI server in small: all requests are tasks of one loop."""
    if not environ["PATH_INFO"].startswith("/asgi/"):
        return by_wsgi(environ, start_response)
    sent = []

    async def send(message):
        sent.append(message["body"])

    names = [name for name in environ if name.startswith("HTTP_")]
    headers = [(name[5:].lower().replace("_", "-").encode(), environ[name].encode()) for name in names]
    scope = {"type": "http", "path": environ["PATH_INFO"], "headers": headers}
    asyncio.run_coroutine_threadsafe(by_asgi(scope, None, send), loop).result()
    start_response("200 OK", [("content-type", "application/json")])
    return sent


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, serve, server_class=Server, handler_class=QuietHandler)
print(server.server_port, flush=True)
sys.exit(server.serve_forever())
