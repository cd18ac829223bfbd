"""A certificate authority of our own, and a certificate of it for localhost, made with openssl."""

import subprocess

_EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"


def _openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Authority:
    """`ca` is to be trusted; `certificate` and `key` are a server's; `both` are they in one file."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.certificate, self.key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        self.both = folder / "both.pem"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        _openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                 "-subj", "/CN=telinject test authority")
        _openssl(folder, "req", *curve, "-keyout", "key.pem", "-out", "cert.csr", "-subj", "/CN=localhost")
        (folder / "extensions").write_text(_EXTENSIONS)
        _openssl(folder, "x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", "cert.pem")
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())

    def environment(self):
        """For programs that ask the environment whom to trust."""
        return {name: str(self.ca) for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO",
                                                "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")}
