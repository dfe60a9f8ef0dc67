#!/usr/bin/env python3
"""A small Whimbrel client, written from docs/PROTOCOL.md alone. Standard library only.

  chat.py --user ada --cid messaging:general [--create] [--members bob,eve] send "text"
  chat.py --user bob --cid messaging:general listen [--count N]
  chat.py --user bob --cid messaging:general history

It keeps nothing on disk: its outbox lives as long as the process, and `listen` starts with the newest messages.
Exit codes: 0 done, 1 the server said no for good, 2 wrong usage, 3 gave up trying."""
import argparse, base64, hashlib, json, os, random, select, socket, ssl, struct, sys, time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit

FINAL = {"invalid", "too_large", "channel_not_found", "message_not_found", "not_member", "forbidden", "op_conflict", "id_conflict",
         "protocol_unsupported", "frame_invalid"}

class Stop(Exception):
    """There is no point in going on."""

class Broken(Exception):
    """Not now: try again, but not before `wait` seconds."""
    def __init__(self, text, wait=0.0):
        super().__init__(text)
        self.wait = wait

def uuid7():
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    text = f"{number & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

def show(message):
    """Prints a message if it is in the timeline, and says whether it was."""
    if message.get("deleted_at") or (message.get("parent") and not message.get("show_in_channel")):
        return False
    text = "".join(c if c.isprintable() else " " for c in message["body"].get("text", ""))
    print(f"[{message['seq']}] {message['author']}: {text}", flush=True)
    return True

def retrying(patience, action):
    """Does it until it works, after random waits that grow to 30 s. `action` gets a function that says that it goes well."""
    state = {"tries": 0, "since": time.monotonic()}
    while True:
        try:
            return action(lambda: state.update(tries=0, since=time.monotonic()))
        except (Broken, OSError, ValueError, HTTPException) as error:
            wait = getattr(error, "wait", 0.0) * (1 + random.random() / 5)
            wait = max(wait, random.random() * min(30, 0.2 * 2 ** min(state["tries"], 9)))
            if time.monotonic() + wait - state["since"] > patience:
                sys.exit(print(f"gave up: {error}", file=sys.stderr) or 3)
            print(f"{error}; again in {wait:.1f} s", file=sys.stderr)
            state["tries"] += 1
            time.sleep(wait)

class Server:
    def __init__(self, args):
        self.url, self.user, self.given, self.token = urlsplit(args.server), args.user, args.token, args.token
        self.safe = self.url.scheme == "https"
        if not self.safe and self.url.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise Stop("a token must not travel in the clear: use https:// for another machine")
        self.place = (self.url.hostname, self.url.port or (443 if self.safe else 80))

    def refused(self, code, message, wait):
        if code in FINAL or (code.startswith("token_") and self.given):
            raise Stop(f"{code}: {message}")
        self.token = None if code.startswith("token_") else self.token  # a development server's: take a new one
        raise Broken(f"{code}: {message}", wait)

    def bearer(self):
        self.token = self.token or self.call("POST", "/v1/dev/token", {"user": self.user}, False)["token"]
        return self.token

    def call(self, method, path, body=None, bearer=True):
        headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + self.bearer()} if bearer else {})}
        link = (HTTPSConnection if self.safe else HTTPConnection)(*self.place, timeout=20)
        link.request(method, path, json.dumps(body) if body else None, headers)
        answer = link.getresponse()
        content = answer.read()
        link.close()
        content = json.loads(content) if content.startswith(b"{") else {}
        if answer.status == 200:
            return content
        if 400 <= answer.status < 500 and "code" not in content:
            raise Stop(f"HTTP status {answer.status}")
        wait = float(answer.getheader("Retry-After", 0))
        self.refused(content.get("code", f"HTTP status {answer.status}"), content.get("message", ""), wait)

def send(server, args):
    message, members = uuid7(), [user for user in args.members.split(",") if user]
    ops = [{"send_message": {"cid": args.cid, "id": message, "body": {"text": args.text}}}]
    if args.create:
        ops.insert(0, {"create_channel": {"cid": args.cid, "name": args.cid.split(":")[-1]}})
    if members:
        ops.insert(-1, {"add_members": {"cid": args.cid, "users": members}})
    outbox = {e["id"]: e for e in ({"id": uuid7(), "op": op, "composed_at": int(time.time() * 1000)} for op in ops)}

    def attempt(_):
        why, wait, before = "no result", 0.0, {}
        for op in outbox.values():  # `after`: the one before it, as long as that has no answer
            op.pop("after", None)
            op.update(before)
            before = {"after": op["id"]}
        for result in server.call("POST", "/v1/ops", {"ops": list(outbox.values())})["results"]:
            (kind, outcome), = result["outcome"].items()
            if kind == "retry":
                why, wait = outcome["code"], max(wait, outcome.get("retry_after_ms", 0) / 1000)
                continue
            op = outbox.pop(result["id"])["op"]
            if kind == "rejected" and not ("create_channel" in op and outcome["code"] == "id_conflict"):  # it is there already
                raise Stop(f"rejected, {outcome['code']}: {outcome.get('message', '')}")
            rows = [row for step in outcome.get("steps", []) for row in step.get("rows", [])]
            [show(row["message"]) for row in rows if row.get("message", {}).get("id") == message]
        if outbox:
            raise Broken(f"no answer yet, {why}", wait)
    retrying(args.patience, attempt)

def older(server, args, before, lowest):
    """The messages from `lowest` to below `before`, by `seq`."""
    messages = {}
    while before is None or before > lowest:
        query = urlencode({"cid": args.cid, **({"before": before} if before else {})})
        page = retrying(args.patience, lambda _: server.call("GET", "/v1/history?" + query))
        if page["lo"] > page["hi"]:
            break
        messages.update((row["message"]["seq"], row["message"]) for row in page.get("rows", []) if "message" in row)
        before = page["lo"]
    return messages

class Socket:
    """The client's side of RFC 6455."""
    def __init__(self, server):
        key, head, self.heard = base64.b64encode(os.urandom(16)).decode(), b"", time.monotonic()
        link = socket.create_connection(server.place, timeout=20)
        self.link = ssl.create_default_context().wrap_socket(link, server_hostname=server.place[0]) if server.safe else link
        self.link.sendall((f"GET /v1/socket HTTP/1.1\r\nHost: {server.url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        while not head.endswith(b"\r\n\r\n"):
            head += self.take(1)
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if not head.startswith(b"HTTP/1.1 101") or accept not in head:
            raise Broken(f"no WebSocket there: {head[:40]!r}")

    def write(self, kind, data):
        mask, size = os.urandom(4), len(data)
        head = struct.pack("!BB", 128 | kind, 128 | (size if size < 126 else 127)) + (struct.pack("!Q", size) if size > 125 else b"")
        if 125 < size < 65536:  # RFC 6455 wants the shortest form
            head = struct.pack("!BBH", 128 | kind, 128 | 126, size)
        self.link.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def send(self, kind, **content):
        self.write(1, json.dumps({kind: content}).encode())

    def take(self, size):
        data = b""
        while len(data) < size:
            some = self.link.recv(size - len(data))
            if not some:
                raise Broken("the connection is lost")
            data += some
        return data

    def receive(self, until):
        """The kind and the content of the next frame, or None twice when it is `until`."""
        text = b""
        while True:
            wait = max(0, until - time.monotonic())  # TLS may hold bytes that `select` does not see
            if not text and not getattr(self.link, "pending", int)() and not select.select([self.link], [], [], wait)[0]:
                return None, None
            first, size = self.take(2)
            size = size if size < 126 else int.from_bytes(self.take(2 if size == 126 else 8), "big")
            if len(text) + size > 1 << 20:
                raise Broken("more than a frame may hold")
            data, self.heard = self.take(size), time.monotonic()
            if first & 15 == 9:  # ping: pong
                self.write(10, data)
            elif first & 15 in (0, 1):
                text += data
                if first & 128:
                    return next(iter(json.loads(text).items()))
            elif first & 15 != 10:
                raise Broken("the server closed the connection")

class Listener:
    def __init__(self, server, args):
        self.server, self.args, self.left, self.device, self.epoch = server, args, args.count, uuid7(), None
        self.mine, self.channel, self.member = "U:" + args.user, "C:" + args.cid, False
        self.waiting, self.printed, self.next = {}, set(), None  # `next` is the `seq` to print next

    def run(self, worked):
        hello = {"protocol": {"min": 1, "max": 1}, "token": self.server.bearer(), "device": self.device, "agent": "chat.py/1.0"}
        self.asked, beat, self.socket = set(), 0.0, Socket(self.server)
        self.socket.send("hello", **hello)
        kind, ready = self.take(time.monotonic() + 10)
        if kind != "ready":
            raise Broken("no ready")
        worked()
        if ready["epoch"] != self.epoch:  # positions of another epoch mean nothing
            self.epoch, self.since, self.cursors, self.known, self.next = ready["epoch"], {}, {}, {}, None
        pulse = ready["heartbeat_ms"] / 1000
        while self.left != 0:
            if time.monotonic() >= beat or kind == "heads" and content.get("more"):
                self.socket.send("heads", id=1, **self.since)
                beat = time.monotonic() + 0.9 * pulse
            if time.monotonic() > self.socket.heard + 2.5 * pulse:
                raise Broken("the server is silent")
            kind, content = self.take(beat)
            if kind:
                getattr(self, "on_" + kind)(content)
                self.catch_up()
        self.socket.write(8, struct.pack("!H", 1000))

    def take(self, until):
        kind, content = self.socket.receive(until)
        if kind in ("bye", "failed"):
            self.server.refused(content["code"], content.get("message", ""), content.get("retry_after_ms", 0) / 1000)
        return kind, content

    def catch_up(self):
        """Prints what can be printed, and asks for what is missing."""
        while self.left != 0 and self.next in self.waiting:
            message = self.waiting.pop(self.next)
            self.left -= message["id"] not in self.printed and show(message)
            self.next += 1
            self.printed.add(message["id"])
        for stream in {self.mine, self.channel if self.member else self.mine} - self.asked:
            cursor = self.cursors.get(stream)
            if not cursor or "window" in cursor or cursor["ver"] < self.known.get(stream, 0):
                self.asked.add(stream)
                self.socket.send("sync", id=2, stream=stream, **({"cursor": cursor} if cursor else {}))

    def put(self, rows):
        for kind, row in (item for row in rows for item in row.items()):
            if kind == "message" and row["cid"] == self.args.cid and row["seq"] >= (self.next or 0):
                if row["seq"] not in self.waiting or row["ver"] > self.waiting[row["seq"]]["ver"]:
                    self.waiting[row["seq"]] = row
            if kind == "membership" and row["cid"] == self.args.cid:
                if self.member and row["state"] == "gone":
                    raise Stop("you are not in this channel any more")
                self.member = row["state"] == "active"

    def on_event(self, step):
        stream, cursor = step["stream"], self.cursors.get(step["stream"])
        if cursor and "window" not in cursor and step["from"] == cursor["ver"]:
            self.put(step["rows"])
            self.cursors[stream] = {"epoch": self.epoch, "ver": step["to"], "seq": step["seq"]}
        self.known[stream] = max(self.known.get(stream, 0), step["to"])

    def on_heads(self, heads):
        self.since = {"since": heads["token"]}
        for head in heads["heads"]:
            self.known[head["stream"]] = max(self.known.get(head["stream"], 0), head["head"]["ver"])

    def on_page(self, page):
        stream, to = page["stream"], page["to"]
        self.asked.discard(stream)
        if page.get("reset") and stream == self.channel:
            seqs = [row["message"]["seq"] for row in page["rows"] if "message" in row]
            low = to["window"]["lo"] if "window" in to else min(seqs, default=to["seq"] + 1)
            self.next = self.next or low
            self.put([{"message": m} for m in older(self.server, self.args, low, self.next).values()])  # the gap, if there is one
        elif not page.get("reset") and page["from"] != self.cursors.get(stream, {"ver": 0})["ver"]:
            return
        self.put(page["rows"])
        self.cursors[stream] = to

def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("server", "http://127.0.0.1:8087"), ("user", None), ("cid", None), ("token", None), ("members", "")):
        flags.add_argument("--" + name, default=default, required=name in ("user", "cid"))
    flags.add_argument("--create", action="store_true", help="make the channel first")
    flags.add_argument("--patience", type=float, default=60, help="how many seconds to try without success")
    commands = flags.add_subparsers(dest="command", required=True)
    commands.add_parser("send").add_argument("text")
    commands.add_parser("listen").add_argument("--count", type=int, default=-1, help="stop after so many messages")
    commands.add_parser("history")
    args = flags.parse_args()
    try:
        server = Server(args)
        if args.command == "send":
            send(server, args)
        elif args.command == "listen":
            retrying(args.patience, Listener(server, args).run)
        else:
            for _, message in sorted(older(server, args, None, 1).items()):
                show(message)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0

if __name__ == "__main__":
    sys.exit(main())
