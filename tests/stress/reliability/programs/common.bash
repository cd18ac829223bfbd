# What the scripts of the programs share: they run behind these lines, in a folder of their own.
ulimit -c 0
campaign_end() { ls -l --time-style=+ /proc/$$/fd /proc/self/fd >/tmp/meta/descriptors 2>&1; }
trap campaign_end EXIT

# Waits for a server on that port.
up() {
  for _ in $(seq 200); do
    (exec 3<>/dev/tcp/127.0.0.1/"$1") 2>/dev/null && return
    sleep 0.03
  done
  echo "no server on $1"
}

# A small C program that ends with 6, and a C++ program that throws and ends with 3.
c_source() {
  cat >a.c <<'E'
#include <stdio.h>
#include <string.h>
static int depth(int n) { return n < 2 ? n : depth(n - 1) + depth(n - 2); }
int main(int argc, char** argv) { char t[32]; snprintf(t, sizeof t, "%d", depth(18 + argc - 1)); puts(t); (void)argv; return strlen(t) == 4 ? 6 : 1; }
E
}

cxx_source() {
  cat >a.cc <<'E'
#include <algorithm>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
template <class T> struct S { T v; T twice() const { if (v < 0) throw std::range_error("below"); return v + v; } };
int main() { std::map<std::string, int> m; std::vector<int> v; for (int i = 0; i < 9000; i++) { m[std::to_string(i % 77)] += i; v.push_back(i * 7919 % 1000); }
  std::sort(v.begin(), v.end()); std::cout << m["5"] << ' ' << v[4500] << ' ' << S<int>{4}.twice() << '\n'; try { S<int>{-1}.twice(); } catch (std::exception& e) { std::cout << e.what() << '\n'; } return 3; }
E
}

# nginx on port 8080 with a small and a big file, a redirection and a proxy to itself.
nginx_start() {
  mkdir -p n/www
  seq 20000 >n/www/big
  echo small >n/www/index.html
  cat >n/c <<'E'
worker_processes 2; pid n.pid; error_log e.log; events { worker_connections 128; }
http { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; server { listen 127.0.0.1:8080; root www; location /r { return 302 /big; } location /p/ { proxy_pass http://127.0.0.1:8080/; } gzip on; gzip_types *; } }
E
  chmod 755 n n/www
  nginx -p n -c c -g 'user root;'
  up 8080
}

nginx_stop() {
  nginx -p n -c c -g 'user root;' -s quit
  for _ in $(seq 100); do
    [ -e n/n.pid ] || break
    sleep 0.03
  done
  sed 's/^[^]]*] //' n/e.log | grep -v -e signal -e exited | head -3
  rm -rf n
}
