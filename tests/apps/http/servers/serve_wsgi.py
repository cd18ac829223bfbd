"""A WSGI application (gunicorn, uWSGI): says what it was asked for."""


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = f"served {path}\n".encode()
    start_response("404 Not Found" if path == "/none" else "200 OK",
                   [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
