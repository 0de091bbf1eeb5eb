"""A time-stamp authority on a loopback port: whatever is posted is answered by `openssl ts -reply`.

usage: authority.py FOLDER. FOLDER holds openssl.cnf, tsa.pem and tsa.key; the port is written to FOLDER/port.
"""

import http.server
import pathlib
import subprocess
import sys

BYTES_MAX = 64 * 1024
folder = pathlib.Path(sys.argv[1])


class Authority(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", "0"))
        if self.headers.get("content-type") != "application/timestamp-query" or length > BYTES_MAX:
            self.send_error(400)
            return
        (folder / "query.tsq").write_bytes(self.rfile.read(length))
        subprocess.run(
            ["openssl", "ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query.tsq", "-signer", "tsa.pem",
             "-inkey", "tsa.key", "-out", "reply.tsr"],
            cwd=folder, check=True, capture_output=True, timeout=10,
        )
        reply = (folder / "reply.tsr").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "application/timestamp-reply")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Authority)
(folder / "port.new").write_text(str(server.server_address[1]))
(folder / "port.new").rename(folder / "port")
server.serve_forever()
