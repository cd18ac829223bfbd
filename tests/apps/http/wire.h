// A connection of the test's server: bytes, in the clear or through OpenSSL.
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>

class Wire {
 public:
  Wire(int fd, SSL_CTX* context) : fd_(fd) {
    if (context == nullptr) return;
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd);
    if (SSL_accept(ssl_) != 1) failed_ = true;
  }
  ~Wire() {
    if (ssl_ != nullptr) {
      if (!failed_) SSL_shutdown(ssl_);
      SSL_free(ssl_);
    }
    close(fd_);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  long receive(char* into, size_t size) {
    if (failed_) return -1;
    if (ssl_ != nullptr) return SSL_read(ssl_, into, static_cast<int>(size));
    return recv(fd_, into, size, 0);
  }
  bool send_all(const char* data, size_t size) {
    while (size > 0) {
      long sent = ssl_ != nullptr ? SSL_write(ssl_, data, static_cast<int>(size))
                                  : send(fd_, data, size, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data += sent;
      size -= static_cast<size_t>(sent);
    }
    return true;
  }

 private:
  int fd_;
  SSL* ssl_ = nullptr;
  bool failed_ = false;
};
