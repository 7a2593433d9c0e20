import http.server, threading, time


class Server:
    def __init__(self, delay=0.0):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(delay)
                self.send_response(200)
                self.end_headers()
        self.httpd = http.server.ThreadingHTTPServer(("localhost", 0), Page)
        self.url = "http://localhost:%d/" % self.httpd.server_port

    def __enter__(self):
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.httpd.shutdown()
